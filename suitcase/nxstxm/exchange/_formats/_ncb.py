"""The binary stack of aXis2000, which Mantis reads as well: numbers in .ncb, the rest in .dat.

Numbers are little-endian int16, columns fastest, then rows, then energies; they are the values
times a scale, which is in the first line of the .dat, behind the numbers of columns and rows. Then
come first and last position of columns and of rows (um), how many energies, each of them (eV), and
for each image its name, its energy and its dwell.
"""

from __future__ import annotations

from math import floor, log10
from pathlib import Path

import numpy as np

from ..._errors import NXstxmValueError
from ._stack import Stack

_LARGEST = 32767


def write_ncb(stack: Stack, folder: Path, name: str) -> list[Path]:
    """Write a stack as NAME.ncb and NAME.dat.

    Raises
    ------
    NXstxmValueError
        It has one row or one column, which readers of the format do not take.
    """
    rows, columns = stack.down.size, stack.across.size
    if rows < 2 or columns < 2:
        raise NXstxmValueError(
            f"an .ncb of {columns} x {rows} points can not be read again; it needs two of each"
        )
    scale = _scale(stack.largest)
    binary, text = folder / f"{name}.ncb", folder / f"{name}.dat"
    with binary.open("wb") as file:
        for image in stack.images():
            file.write(np.rint(image * scale).astype("<i2").tobytes())
    lines = [f"\t{columns}\t{rows}\t{scale:.10g}"]
    lines += [f"\t{ends[0]:.6f}\t{ends[-1]:.6f}" for ends in (stack.across, stack.down)]
    lines += [f"\t{stack.energies.size}", *(f"\t{energy:.6f}" for energy in stack.energies)]
    for number, (energy, dwell) in enumerate(zip(stack.energies, stack.dwells, strict=True), 1):
        lines.append(f"image{number}\t{energy:.6f}\t{dwell:.6f}")
    text.write_text("\n".join(lines) + "\n", encoding="ascii", newline="")
    steps = [np.diff(places) for places in (stack.across, stack.down)]
    if any(not np.allclose(s, s.mean(), rtol=1e-2, atol=1e-9) for s in steps):
        stack.notes.append("its steps are uneven; the format has only the first and last position")
    if scale != 1:
        stack.notes.append(f"values are kept to {0.5 / scale:.3g}")
    return [binary, text]


def _scale(largest: float) -> float:
    """Give the largest power of ten for which everything fits."""
    if not largest > 0:
        return 1.0
    power = floor(log10(_LARGEST / largest))
    return float(10.0**power)
