"""Images of a stack moved onto each other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from .._errors import NXstxmValueError
from ._arrays import Floats, Picture, Region, array_of, call, mask_of, number_type, only, told

#: Methods, and how scikit-image weights what it compares.
_WEIGHTS = {"correlation": None, "phase": "phase"}
#: Two images have something in common when their correlation is that much above what chance gives.
_ABOVE_CHANCE = 1.2
#: With so many rows of images that have nothing in common with each other a new one is compared.
_MOST_CHAINS = 3


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
        its image was moved; the coordinate ``found`` is false for an image that has nothing in
        common with the others, as one without beam.

    Raises
    ------
    NXstxmValueError
        It is no stack or has a further dimension, has uneven steps, an image of which nothing was
        measured, or a reference that is blank.

    Notes
    -----
    Where no shift can be found, an image is moved as the last one before it of which the shift is
    known, for a stage drifts slowly; with another reference than ``"previous"``, too. Those that
    follow are compared with the last image that was found, not with the blank one. Chance gives
    two images of N pixels a correlation of about ``sqrt(2 ln N / N)``; less than 1.2 of that is
    nothing in common.

    The method is that of M. Guizar-Sicairos, S. T. Thurman and J. R. Fienup, Opt. Lett. 33, 156
    (2008), as scikit-image has it.
    """
    array = array_of(picture)
    only(array, "energy", "y", "x", function="align_stack")
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
    pixels, is_found = _shifts(images, reference, shift, window)
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
    return made.transpose(*array.dims), shifts.assign_coords(
        energy=array["energy"], found=("energy", is_found)
    )


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
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Give by how many pixels each image has to be moved, and of which that was found."""
    clear = [_clear(image, window) for image in images]
    least = _least(images.shape[1:], window)

    def compared(base: Floats, image: Floats) -> Floats | None:
        return _common(base, image, shift, least)

    if reference == "previous":
        return _chained(clear, compared)
    number: int | None = None
    if reference == "mean":
        base = _clear(np.nanmean(images, axis=0), window)
    else:
        given = 0 if reference == "first" else reference
        if (
            isinstance(given, (str, bool))
            or not isinstance(given, (int, np.integer))
            or not -len(images) <= given < len(images)
        ):
            raise NXstxmValueError(
                f"reference={reference!r} is neither 'previous', 'first' nor 'mean', nor the "
                f"number of one of {len(images)} images"
            )
        number = int(given) % len(images)
        base = clear[number]
    if number is not None and len(images) > 1 and not base.any():
        raise NXstxmValueError(
            f"the image number {number} of {len(images)} is blank, so that nothing can be compared "
            f"with it; give another as the reference"
        )
    found = np.zeros((len(images), 2))
    is_found = np.zeros(len(images), bool)
    for place, image in enumerate(clear):
        if place == number:
            is_found[place] = True
            continue
        step = compared(base, image)
        is_found[place] = step is not None
        if step is not None:
            found[place] = step
        elif place:
            found[place] = found[place - 1]
    return found, is_found


def _chained(
    clear: list[Floats], compared: Callable[[Floats, Floats], Floats | None]
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Compare each image with the last before it that has something in common with it.

    Images that have are a chain; usually there is one, and the blank ones are left over.
    """
    found = np.zeros((len(clear), 2))
    chains: list[list[int]] = [[0]]
    for number in range(1, len(clear)):
        chains.sort(key=len, reverse=True)
        for chain in chains[:_MOST_CHAINS]:
            step = compared(clear[chain[-1]], clear[number])
            if step is not None:
                found[number] = found[chain[-1]] + step
                chain.append(number)
                break
        else:
            found[number] = found[chains[0][-1]]
            # the longest stay
            chains = [*chains[: _MOST_CHAINS - 1], [number]]
    is_found = np.zeros(len(clear), bool)
    longest = max(chains, key=len)
    is_found[longest] = len(longest) > 1 or len(clear) == 1
    return found, is_found


def _least(shape: tuple[int, ...], window: np.ndarray | None) -> float:
    """Give the correlation that two images of noise alone do not reach."""
    weights = _taper(shape) ** 2 * (1 if window is None else window)
    pixels = max(float(weights.sum() ** 2 / max((weights**2).sum(), 1e-300)), 2.0)
    chance = float(np.sqrt(2 * np.log(pixels) / pixels))
    return min(_ABOVE_CHANCE * chance, 0.9)


def _common(
    base: Floats, image: Floats, shift: Callable[[Floats, Floats], Floats], least: float
) -> Floats | None:
    """Give the shift of an image; None when it has nothing in common with the other."""
    size = float(np.sqrt((base**2).sum() * (image**2).sum()))
    if not size > 0:
        return None
    step = shift(base, image)
    moved = np.roll(image, np.rint(step).astype(int), axis=(0, 1))
    is_alike = abs(float((base * moved).sum())) / size >= least
    return step if is_alike else None


def _taper(shape: tuple[int, ...]) -> Floats:
    rows, columns = (np.hanning(n + 2)[1:-1] for n in shape)
    taper: Floats = np.sqrt(np.outer(rows, columns))
    return taper


def _clear(image: Floats, window: np.ndarray | None) -> Floats:
    """Give an image without gaps, and without what is not to be compared."""
    inside = np.isfinite(image) if window is None else np.isfinite(image) & window
    level = float(image[inside].mean()) if inside.any() else 0.0
    spread = float(image[inside].std()) if inside.any() else 0.0
    # one without beam is the same everywhere, but for rounding
    if spread <= 1e-12 * max(abs(level), 1e-300):
        return np.zeros(image.shape)
    clear: Floats = np.where(inside, image - level, 0.0) / spread
    # without a taper the borders of the image are the strongest thing in it
    tapered: Floats = clear * _taper(image.shape)
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
