"""Images of a stack moved onto each other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import numpy as np
import xarray as xr
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from .._errors import NXstxmValueError
from ._arrays import Floats, Picture, Region, array_of, call, mask_of, needs, number_type, told

#: Methods, and how scikit-image weights what it compares.
_WEIGHTS = {"correlation": None, "phase": "phase"}


def align_stack(
    picture: Picture,
    *,
    reference: Literal["previous", "first", "mean"] | int = "previous",
    method: Literal["correlation", "phase"] = "correlation",
    precision: float = 0.1,
    region: Region | None = None,
    crop: bool = False,
) -> tuple[xr.DataArray, xr.Dataset]:
    """Move the images of a stack onto each other, by their correlation.

    Parameters
    ----------
    picture : DataArray or Dataset
        A stack: ``energy``, ``y``, ``x``, with even steps.
    reference : {"previous", "first", "mean"} or int
        What each image is compared with: the one before it, so that contrast may change along the
        stack; the first; the mean; or the image of this number.
    method : {"correlation", "phase"}
        Phase correlation gives all wavelengths of an image the same weight. That helps where images
        are sharp to the last pixel; images that an optic blurred have nothing but noise in the
        shortest, and are found ten times better by plain correlation.
    precision : float
        To which part of a pixel.
    region : mapping, DataArray or ndarray, optional
        Only what is inside is compared.
    crop : bool
        Leave out the border of which not all images have something.

    Returns
    -------
    aligned : DataArray
        Moved by linear interpolation; NaN where an image has nothing.
    shifts : Dataset
        ``shift_y`` and ``shift_x`` of each energy, in the units of the coordinates: by how much
        its image was moved.

    Raises
    ------
    NXstxmValueError
        It is no stack, has uneven steps, or an image of which nothing was measured.

    Notes
    -----
    The method is that of M. Guizar-Sicairos, S. T. Thurman and J. R. Fienup, Opt. Lett. 33, 156
    (2008), as scikit-image has it.
    """
    array = array_of(picture)
    needs(array, "energy", "y", "x", function="align_stack")
    if method not in _WEIGHTS:
        raise NXstxmValueError(f"method={method!r} is neither 'correlation' nor 'phase'")
    if not 0 < precision <= 1:
        raise NXstxmValueError(f"precision={precision} is not between 0 and 1 pixel")
    stack = number_type(array).transpose("energy", "y", "x")
    images = stack.values
    for number, image in enumerate(images):
        if not np.isfinite(image).any():
            raise NXstxmValueError(
                f"nothing of the image at {float(stack['energy'][number]):g} eV was measured; "
                f"leave it out before the stack is aligned"
            )
    steps = {dim: _step(array, dim) for dim in ("y", "x")}
    window = None if region is None else mask_of(array, region).transpose("y", "x").values
    shift = partial(_shift, round(1 / precision), _WEIGHTS[method])
    pixels = _shifts(images, reference, shift, window)
    moved = np.stack([_moved(image, by) for image, by in zip(images, pixels, strict=True)])
    what = call(
        "align_stack",
        reference=reference,
        method=method,
        precision=precision,
        region=region,
        crop=crop,
    )
    made = told(stack.copy(data=moved), array, what)
    if crop:
        whole = np.asarray(np.isfinite(moved).all(axis=0))
        made = made.isel(y=np.flatnonzero(whole.any(axis=1)), x=np.flatnonzero(whole.any(axis=0)))
    shifts = xr.Dataset(
        {
            f"shift_{dim}": (
                "energy",
                pixels[:, axis] * steps[dim],
                {"units": str(array[dim].attrs.get("units", ""))},
            )
            for axis, dim in enumerate(("y", "x"))
        }
    )
    return made.transpose(*array.dims), shifts.assign_coords(energy=array["energy"])


def _step(array: xr.DataArray, dim: str) -> float:
    values = array[dim].values
    steps = np.diff(values)
    if values.size > 2 and not np.allclose(steps, steps.mean(), rtol=0.02, atol=1e-9):
        raise NXstxmValueError(
            f"the steps along {dim} are uneven ({np.abs(steps).min():g} to "
            f"{np.abs(steps).max():g}); interpolate the stack to even ones first"
        )
    return float(steps.mean()) if steps.size else 1.0


def _shifts(
    images: Floats,
    reference: str | int,
    shift: Callable[[Floats, Floats], Floats],
    window: np.ndarray | None,
) -> Floats:
    """Give by how many pixels each image has to be moved, rows and columns."""
    clear = [_clear(image, window) for image in images]
    found = np.zeros((len(images), 2))
    if reference == "previous":
        for number in range(1, len(images)):
            step = shift(clear[number - 1], clear[number])
            found[number] = found[number - 1] + step
        return found
    if reference == "mean":
        base = _clear(np.nanmean(images, axis=0), window)
    else:
        chosen = 0 if reference == "first" else reference
        if not isinstance(chosen, int) or not -len(images) <= chosen < len(images):
            raise NXstxmValueError(
                f"reference={reference!r} is neither 'previous', 'first' nor 'mean', nor the "
                f"number of one of {len(images)} images"
            )
        base = clear[chosen]
    for number, image in enumerate(clear):
        found[number] = shift(base, image)
    return found


def _clear(image: Floats, window: np.ndarray | None) -> Floats:
    """Give an image without gaps, and without what is not to be compared."""
    inside = np.isfinite(image) if window is None else np.isfinite(image) & window
    level = float(image[inside].mean()) if inside.any() else 0.0
    spread = float(image[inside].std()) if inside.any() else 0.0
    clear: Floats = np.where(inside, image - level, 0.0) / (spread or 1.0)
    # without a taper the borders of the image are the strongest thing in it
    rows, columns = (np.hanning(n + 2)[1:-1] for n in image.shape)
    tapered: Floats = clear * np.sqrt(np.outer(rows, columns))
    return tapered


def _shift(factor: int, normalization: str | None, base: Floats, image: Floats) -> Floats:
    shift, _, _ = phase_cross_correlation(  # type: ignore[no-untyped-call]
        base, image, upsample_factor=factor, normalization=normalization
    )
    return np.asarray(shift, dtype=float)


def _moved(image: Floats, by: Floats) -> Floats:
    if not by.any():
        return image
    moved: Floats = ndimage.shift(image, by, order=1, mode="constant", cval=np.nan)
    return moved
