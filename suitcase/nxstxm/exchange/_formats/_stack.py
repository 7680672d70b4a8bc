"""What older formats hold: images at energies, with ascending axes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..._errors import NXstxmValueError
from ...nexus import COUNTED, Channel, Contents, Entry

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
        What was left out or guessed.
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
        down, up = _ascending(channel, "y")
        across, left = _ascending(channel, "x")
        n = channel.data.stored.shape[0] if dims[0] == "energy" else 1
        made = cls(
            contents, entry, channel, _energies(channel, n), down, across, _dwells(channel, n),
            _flips=(up, left),
        )  # fmt: skip
        made._numbers = list(range(n))
        if not partial:
            made._leave_out_partial()
        return made

    def images(self) -> Iterator[Floats]:
        """Read the images, one by one: rows and columns ascend."""
        wanted = set(self._numbers)
        for number, image in enumerate(self._all()):
            if number in wanted:
                rows = image[::-1] if self._flips[0] else image
                yield rows[:, ::-1] if self._flips[1] else rows

    def _all(self) -> Iterator[Floats]:
        stored = self.channel.data.stored
        if stored.ndim == 2:
            yield np.asarray(stored.read(), dtype=np.float64)
            return
        for _, plane in stored.planes():
            yield np.asarray(plane, dtype=np.float64)

    def _leave_out_partial(self) -> None:
        whole: list[int] = []
        for number, image in enumerate(self._all()):
            if np.isfinite(image).all():
                whole.append(number)
                self.largest = max(self.largest, float(np.abs(image).max()))
        total = self.energies.size
        if not whole:
            raise NXstxmValueError(
                f"no image of {self.channel.name} of {self.entry.name} is whole, and older formats "
                f"have no place for what was not measured; `--to tiff` has"
            )
        if len(whole) < total:
            self.notes.append(f"{total - len(whole)} of {total} images are not whole: left out")
        self._numbers = whole
        self.energies, self.dwells = self.energies[whole], self.dwells[whole]


def _ascending(channel: Channel, dim: str) -> tuple[Floats, bool]:
    """Give positions in ascending order, and whether they were turned."""
    coordinate = channel.coordinate(dim)
    size = channel.data.stored.shape[channel.data.dims.index(dim)]
    if coordinate is None or coordinate.attrs.get("units") == COUNTED:
        return np.arange(size, dtype=float), False
    values = coordinate.values.astype(float)
    turned = values.size > 1 and values[-1] < values[0]
    return (values[::-1] if turned else values), bool(turned)


def _energies(channel: Channel, n: int) -> Floats:
    found = channel.coordinate("energy")
    if found is None or found.values.size != n or not np.isfinite(found.values.astype(float)).all():
        return np.arange(n, dtype=float)
    return np.atleast_1d(found.values).astype(float)


def _dwells(channel: Channel, n: int) -> Floats:
    found = channel.coordinate("count_time")
    values: Any = np.atleast_1d(found.values).astype(float) if found is not None else np.ones(1)
    return np.broadcast_to(values if values.size in (1, n) else values[:1], (n,)) * 1000.0
