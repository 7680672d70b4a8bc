"""Pages of a TIFF, as ImageJ shows them, with the energies in a text file as Mantis asks for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..._errors import NXstxmError
from ...nexus import Channel, Contents, Entry
from ._stack import Floats, Stack

#: A TIFF has no place for pixels of less than this, um, and for such as are much larger.
_SMALLEST = 1e-6


class MissingTiffError(NXstxmError, ImportError):
    """tifffile is not installed."""


def write_tiff(
    contents: Contents, entry: Entry, channel: Channel, folder: Path, name: str
) -> tuple[list[Path], list[str]]:
    """Write an image or a stack as NAME.tif, float32, and its energies as NAME.txt.

    The first row of a page is the one with the largest y, so that pictures are upright; what was
    not measured is NaN.
    """
    try:
        import tifffile
    except ImportError as error:
        raise MissingTiffError(
            f"TIFF files need tifffile ({error}): pip install 'suitcase-nxstxm[images]'"
        ) from error
    stack = Stack.of(contents, entry, channel, "a TIFF", partial=True)
    picture, text = folder / f"{name}.tif", folder / f"{name}.txt"
    shape = (stack.energies.size, stack.down.size, stack.across.size)
    steps = [
        _step(places, dim, stack.notes) for places, dim in ((stack.across, "x"), (stack.down, "y"))
    ]
    with tifffile.TiffWriter(picture, imagej=True) as file:
        file.write(
            (np.ascontiguousarray(image[::-1], dtype=np.float32) for image in stack.images()),
            shape=shape,
            dtype=np.float32,
            photometric="minisblack",
            resolution=(1 / steps[0], 1 / steps[1]),
            metadata={
                "axes": "ZYX",
                "unit": "um",
                "Labels": [f"{energy:g} eV" for energy in stack.energies],
            },
        )
    # no blank line anywhere: Mantis would take it for a number
    lines = [f"* energies (eV) of {name}.tif", *(f"{energy:.6f}" for energy in stack.energies)]
    text.write_text("\n".join(lines) + "\n", encoding="ascii", newline="")
    return [picture, text], stack.notes


def _step(places: Floats, dim: str, notes: list[str]) -> float:
    """Give the width of a pixel, um; where positions have none it is one."""
    if places.size < 2:
        return 1.0
    step = float(np.abs(np.diff(places)).mean())
    if _SMALLEST < step < 1 / _SMALLEST:
        return step
    notes.append(f"its positions along {dim} are {step:g} um apart: pixels of 1 um were written")
    return 1.0
