"""Pages of a TIFF, as ImageJ shows them, with the energies in a text file as Mantis asks for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..._errors import NXstxmError
from ...nexus import Channel, Contents, Entry
from ._stack import Floats, Stack


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
    steps = [_step(places) for places in (stack.across, stack.down)]
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


def _step(places: Floats) -> float:
    return float(np.abs(np.diff(places)).mean()) if places.size > 1 else 1.0
