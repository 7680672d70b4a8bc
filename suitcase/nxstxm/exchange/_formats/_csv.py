"""Spectra as text: a header of lines with ``*``, then energy and value with a comma between."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..._errors import NXstxmValueError
from ...nexus import Channel, Entry
from ._stack import Floats, energies_of


def write_csv(
    entry: Entry, channel: Channel, folder: Path, name: str
) -> tuple[list[Path], list[str]]:
    """Write the spectrum of a channel, of stacks and lines the mean, as NAME.csv.

    Raises
    ------
    NXstxmValueError
        It has no energies.
    """
    dims = channel.data.dims
    energy = channel.coordinate("energy")
    if dims[:1] != ("energy",) or energy is None:
        raise NXstxmValueError(
            f"a .csv holds a spectrum; {channel.name} of {entry.name} is a {entry.scan_type} of "
            f"{', '.join(dims) or 'one point'}. `nxstxm plot --save-csv` writes images as tables"
        )
    notes: list[str] = []
    values = _means(channel)
    known = np.isfinite(values)
    energies = energies_of(channel, values.size, notes, np.flatnonzero(known).tolist())
    if not known.all():
        notes.append(f"{int((~known).sum())} of {values.size} energies were not measured: left out")
    if len(dims) > 1:
        notes.append(f"the spectrum is the mean over {', '.join(dims[1:])}")
    units = str(channel.data.attrs.get("units", ""))
    head = [
        "* X-ray absorption spectrum",
        f"* Common name: {_ascii(name)}",
        f"* Y axis: {_ascii(channel.name)} {_ascii(units)}".rstrip(),
        f"* Write date: {_ascii(str(entry.attrs.get('start_time', '')))}".rstrip(),
        "* X axis: photon energy (eV)",
    ]
    lines = [f"{float(e)!r},{float(v)!r}" for e, v in zip(energies, values[known], strict=True)]
    path = folder / f"{name}.csv"
    path.write_text("\n".join([*head, *lines]) + "\n", encoding="ascii", newline="")
    return [path], notes


def _means(channel: Channel) -> Floats:
    stored = channel.data.stored
    if stored.ndim < 3:
        rows = np.asarray(stored.read(), dtype=np.float64).reshape(stored.shape[0], -1)
        return np.array([_mean(row) for row in rows])
    return np.array([_mean(np.asarray(plane, float)) for _, plane in stored.planes()])


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode().replace("\n", " ")
