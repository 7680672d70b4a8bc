"""Small pictures of channels: grey as they were measured, with a colour where nothing was."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ._contents import Channel
from ._stored import AnyArray

if TYPE_CHECKING:
    from PIL.Image import Image

Floats = npt.NDArray[np.float64]
#: Where nothing was measured: no grey, so that it is never taken for data.
NOT_MEASURED = (0xE8, 0xB3, 0x6B)
_CURVE, _PAPER = (0x1F, 0x77, 0xB4), (255, 255, 255)
#: A strip thinner than this part of its length would not be seen.
_THINNEST = 0.2


def thumbnail(channel: Channel, size: int = 128) -> bytes:
    """Draw a channel small.

    Parameters
    ----------
    channel : Channel
        Of a stack one image is drawn, in the middle of what was measured; of a spectrum the curve.
    size : int
        Of the longer side, pixels.

    Returns
    -------
    bytes
        A PNG picture.

    Raises
    ------
    ImportError
        Pillow is not installed.
    NXstxmOSError
        The data can not be read.
    """
    dims = channel.data.dims
    places = {dim: found.values for dim in dims if (found := channel.coordinate(dim)) is not None}
    stored = channel.data.stored
    return draw(dims, middle(stored.shape, stored.read), places, size)


def draw(dims: Sequence[str], values: AnyArray, places: Mapping[str, AnyArray], size: int) -> bytes:
    """Draw a curve, or an image, small.

    Parameters
    ----------
    dims : sequence of str
        Names of dimensions; of those of `values` the last.
    values : ndarray, of rank 2 or less
        NaN where nothing was measured.
    places : mapping of str to ndarray
        Positions along dimensions: the larger are above and to the right. Of an array without the
        first row is at the top, as in all pictures.
    size : int
        Of the longer side, pixels.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim < 2:
        return curve(values, size)
    # only lengths on the sample, or of what was moved, have a scale in common
    known = {dim: np.asarray(places[dim], float) for dim in ("y", "x") if dim in places}
    down, across = (known.get(dim) for dim in dims[-2:])
    rows, columns = (places.get(dim) for dim in dims[-2:])
    if tuple(dims[-2:]) == ("energy", "line"):
        values = values.T  # spectra are read from left to right
        rows, columns = columns, rows
    return _image(_upright(values, rows, columns), size, down, across)


def middle(shape: Sequence[int], read: Callable[[tuple[int | slice, ...]], AnyArray]) -> AnyArray:
    """Read one image of a stack, in the middle of what was measured; all of anything else.

    Parameters
    ----------
    shape : sequence of int
        Of the array.
    read : callable
        Gives the part that a key selects.
    """
    leading = tuple(shape[:-2])
    numbers = (int(np.prod(leading)) // 2, 0) if len(shape) > 2 else (0,)
    for number in numbers:
        place = [int(index) for index in np.unravel_index(number, leading)] if leading else []
        inner: list[int | slice] = [slice(None)] * min(len(shape), 2)
        plane = np.asarray(read((*place, *inner)), dtype=np.float64)
        if np.isfinite(plane).any():
            break
    return plane


def _image(values: Floats, size: int, down: Floats | None, across: Floats | None) -> bytes:
    """Draw an image small, as a PNG picture.

    Parameters
    ----------
    values : ndarray of shape (rows, columns)
        NaN where nothing was measured.
    size : int
        Of the longer side, pixels.
    down, across : ndarray, optional
        Positions of rows and columns, in one unit. Without them pixels are square.
    """
    from PIL import Image

    height, width = (
        _extent(places, n) for places, n in zip((down, across), values.shape, strict=True)
    )
    longest = max(height, width)
    target = tuple(max(round(size * max(e / longest, _THINNEST)), 1) for e in (width, height))
    picture = Image.fromarray(_colours(_thinned(values, size)), "RGB")
    smaller = picture.width > target[0] or picture.height > target[1]
    how = Image.Resampling.BOX if smaller else Image.Resampling.NEAREST
    return _png(picture.resize((target[0], target[1]), how))


def _upright(values: Floats, rows: AnyArray | None, columns: AnyArray | None) -> Floats:
    """Put large positions above and to the right, as everybody draws them."""
    if rows is not None and rows.size > 1 and rows[-1] >= rows[0]:
        values = values[::-1]
    if columns is not None and columns.size > 1 and columns[-1] < columns[0]:
        values = values[:, ::-1]
    return values


def _extent(places: Floats | None, n: int) -> float:
    if places is None or n < 2 or not np.isfinite(places).all():
        return float(n)
    with np.errstate(over="ignore"):  # the difference of two numbers may be none
        extent = float(np.ptp(places)) * n / (n - 1)
    return extent if 0 < extent < np.inf else float(n)


def _thinned(values: Floats, size: int) -> Floats:
    """Leave out rows and columns of which a thumbnail shows nothing."""
    rows, columns = (max(n // (2 * size), 1) for n in values.shape)
    return values[::rows, ::columns]


def _colours(values: Floats) -> npt.NDArray[np.uint8]:
    known = np.isfinite(values)
    picture = np.empty((*values.shape, 3), np.uint8)
    picture[...] = NOT_MEASURED
    if known.any():
        # a few hot pixels must not make all others black
        low, high = np.quantile(values[known], (0.005, 0.995))
        scaled = np.clip((values[known] - low) / ((high - low) or 1.0), 0, 1)
        picture[known] = np.rint(scaled * 255).astype(np.uint8)[:, None]
    return picture


def curve(values: Floats, size: int) -> bytes:
    """Draw a curve small, as a PNG picture."""
    from PIL import Image, ImageDraw

    width, height = size, round(size * 0.6)
    picture = Image.new("RGB", (width, height), _PAPER)
    known = np.isfinite(values) if values.ndim else np.zeros(0, bool)
    if known.any():
        at = np.flatnonzero(known)
        heights = values[known]
        spread = float(np.ptp(heights)) or 1.0
        x = 3 + (width - 7) * at / max(values.size - 1, 1)
        y = height - 4 - (height - 8) * (heights - heights.min()) / spread
        points = list(zip(x.tolist(), y.tolist(), strict=True))
        ImageDraw.Draw(picture).line(points * (2 if len(points) == 1 else 1), _CURVE, 1)
    return _png(picture)


def _png(picture: Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
