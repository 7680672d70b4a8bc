"""What older formats hold: images at energies, with ascending axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..._errors import NXstxmValueError
from ...nexus import COUNTED, Channel, Contents, Coordinate, Entry

Floats = npt.NDArray[np.float64]


@dataclass
class Stack:
    """One channel of an entry.

    Attributes
    ----------
    contents, entry, channel
        Where it is from.
    energies : ndarray, shape (n,)
        eV; of an image one.
    down, across : ndarray
        Positions of rows and columns, micrometres, ascending.
    dwells : ndarray, shape (n,)
        Milliseconds.
    notes : list of str
        What was left out, or written though nobody knows it.
    largest : float
        The largest value of whole images, without its sign.
    """

    contents: Contents
    entry: Entry
    channel: Channel
    energies: Floats
    down: Floats
    across: Floats
    dwells: Floats
    notes: list[str] = field(default_factory=list)
    largest: float = 0.0
    _numbers: list[int] = field(default_factory=list)
    _flips: tuple[bool, bool] = (False, False)

    @classmethod
    def of(
        cls,
        contents: Contents,
        entry: Entry,
        channel: Channel,
        what: str,
        *,
        partial: bool = False,
    ) -> Stack:
        """Give an image or a stack.

        Parameters
        ----------
        what : str
            The format, for the message.
        partial : bool
            Keep images that are not whole; else they are left out.

        Raises
        ------
        NXstxmValueError
            It is neither, or no image is whole.
        """
        dims = channel.data.dims
        if dims not in (("y", "x"), ("energy", "y", "x")):
            raise NXstxmValueError(
                f"{what} holds images and stacks of energies; {channel.name} of {entry.name} is a "
                f"{entry.scan_type} of {', '.join(map(str, dims)) or 'one point'}"
            )
        notes: list[str] = []
        down, up = _ascending(places_of(channel, "y", notes))
        across, left = _ascending(places_of(channel, "x", notes))
        n = channel.data.stored.shape[0] if dims[0] == "energy" else 1
        numbers, largest = list(range(n)), 0.0
        if not partial:
            numbers, largest = _whole(entry, channel, n, notes)
        energies = energies_of(channel, n, notes, numbers)
        # what takes parts has no place for dwells
        dwells = dwells_of(channel, n, [] if partial else notes, numbers)
        return cls(
            contents, entry, channel, energies, down, across, dwells, notes, largest,
            _numbers=numbers, _flips=(up, left),
        )  # fmt: skip

    def images(self) -> Iterator[Floats]:
        """Read the images, one by one: rows and columns ascend."""
        wanted = set(self._numbers)
        for number, image in enumerate(_images(self.channel)):
            if number in wanted:
                rows = image[::-1] if self._flips[0] else image
                yield rows[:, ::-1] if self._flips[1] else rows


def _images(channel: Channel) -> Iterator[Floats]:
    stored = channel.data.stored
    if stored.ndim == 2:
        yield np.asarray(stored.read(), dtype=np.float64)
        return
    for _, plane in stored.planes():
        yield np.asarray(plane, dtype=np.float64)


def _whole(entry: Entry, channel: Channel, n: int, notes: list[str]) -> tuple[list[int], float]:
    """Give the numbers of the images that are whole, and their largest value without its sign."""
    whole: list[int] = []
    largest = 0.0
    for number, image in enumerate(_images(channel)):
        if np.isfinite(image).all():
            whole.append(number)
            largest = max(largest, float(np.abs(image).max()))
    if not whole:
        raise NXstxmValueError(
            f"no image of {channel.name} of {entry.name} is whole, and older formats have no place "
            f"for what was not measured; `--to tiff` has"
        )
    if len(whole) < n:
        notes.append(f"{n - len(whole)} of {n} images are not whole: left out")
    return whole, largest


def _ascending(places: Floats) -> tuple[Floats, bool]:
    """Give positions in ascending order, and whether they were turned."""
    turned = places.size > 1 and places[-1] < places[0]
    return (places[::-1] if turned else places), bool(turned)


def places_of(channel: Channel, dim: str, notes: list[str]) -> Floats:
    """Give positions along a dimension, um; those that nobody knows are counted."""
    coordinate = channel.coordinate(dim)
    size = channel.data.stored.shape[channel.data.dims.index(dim)]
    values = _known(coordinate, size, range(size))
    if coordinate is None or values is None:
        notes.append(f"its positions along {dim} are not known: points are counted, 1 um each")
        return np.arange(size, dtype=float)
    units = str(coordinate.attrs.get("units", ""))
    if units not in ("", "um"):
        notes.append(f"its positions along {dim} are in {units}, and the format calls them um")
    return values


def energies_of(channel: Channel, n: int, notes: list[str], numbers: Sequence[int]) -> Floats:
    """Give the energies of some of n images, eV; those that nobody knows are counted."""
    coordinate = channel.coordinate("energy")
    values = _known(coordinate, n, numbers)
    if coordinate is None or values is None:
        told = "its energy is not known: 0 eV was written"
        if n > 1:
            told = "its energies are not known: they are counted, from 0 eV in steps of 1 eV"
        notes.append(told)
        return np.asarray(numbers, dtype=float)
    units = str(coordinate.attrs.get("units", ""))
    if units not in ("", "eV"):
        notes.append(f"its energies are in {units}, and the format calls them eV")
    return values


def dwells_of(channel: Channel, n: int, notes: list[str], numbers: Sequence[int]) -> Floats:
    """Give the dwells of some of n images, ms; of those that nobody knows one second."""
    found = channel.coordinate("count_time")
    values = np.atleast_1d(found.values).astype(float) if found is not None else np.full(1, np.nan)
    dwells = np.broadcast_to(values if values.size in (1, n) else values[:1], (n,))
    dwells = dwells[list(numbers)] * 1000.0
    known = np.isfinite(dwells)
    if not known.all():
        n_unknown = int((~known).sum())
        of = f" of {n_unknown} image{'s' * (n_unknown > 1)}" if known.any() else ""
        notes.append(f"its dwell{of} is not known: 1000 ms was written")
    return np.where(known, dwells, 1000.0)


def _known(coordinate: Coordinate | None, n: int, numbers: Sequence[int]) -> Floats | None:
    """Give some of n values of a coordinate; None when not all of these are known."""
    if coordinate is None or coordinate.attrs.get("units") == COUNTED:
        return None
    if coordinate.values.dtype.kind not in "iuf" or coordinate.values.size != n:
        return None
    values = np.atleast_1d(coordinate.values).astype(float)[list(numbers)]
    return values if np.isfinite(values).all() else None
