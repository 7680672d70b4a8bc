"""Where the zone plate has to be for a sharp image."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.optimize import OptimizeWarning, curve_fit

from .._errors import NXstxmValueError
from ._arrays import Floats, Picture, array_of, call, number_type, only, told

#: Positions that a fit of four values needs.
_LEAST = 5


def focus_position(picture: Picture) -> xr.Dataset:
    """Find the position of the zone plate at which a line is sharpest.

    Parameters
    ----------
    picture : DataArray or Dataset
        A focus scan: ``zoneplate_z`` and ``line``.

    Returns
    -------
    Dataset
        ``sharpness`` (zoneplate_z), the variance of the differences along the line over the mean
        squared; ``fit`` (zoneplate_z), a Gaussian on a constant; ``position``, the centre of it,
        and ``uncertainty``, its standard deviation from the fit, in the units of ``zoneplate_z``;
        ``width``, the standard deviation of the Gaussian.

    Raises
    ------
    NXstxmValueError
        It is no focus scan or has a further dimension, has fewer than five positions, or is nowhere
        sharper than elsewhere, but for chance: then the sharpest position lies outside of the
        scan, or there is nothing to be seen along the line.

    Notes
    -----
    Noise makes a line look sharp, too. So the Gaussian has to be four times higher than its own
    error, than the scatter about the fit, and than the sharpness scatters by the noise alone, which
    is what differs from one position to the next; and no narrower than a third of a step.
    """
    array = array_of(picture)
    only(array, "zoneplate_z", "line", function="focus_position")
    rows = number_type(array).transpose("zoneplate_z", "line")
    z = rows["zoneplate_z"].values.astype(float)
    if z.size < _LEAST:
        raise NXstxmValueError(f"focus_position needs five positions at least; there are {z.size}")
    sharpness = _sharpness(rows.values)
    known = np.isfinite(sharpness) & np.isfinite(z)
    if known.sum() < _LEAST:
        raise NXstxmValueError(
            "focus_position: fewer than five lines were measured, of which the position is known"
        )
    values, errors = _fitted(z[known], sharpness[known])
    centre, width = float(values[1]), abs(float(values[2]))
    low, high = float(z[known].min()), float(z[known].max())
    ends = (z[known].argmin(), z[known].argmax())
    at_end = int(sharpness[known].argmax()) in ends or not low < centre < high
    is_sure = errors[1] < (high - low) / 4  # false for NaN
    if at_end or width > high - low or not values[0] > 0 or not is_sure:
        raise NXstxmValueError(
            f"the line is not sharper anywhere between {low:g} and {high:g} than at the ends; "
            f"scan a wider range of the zone plate"
        )
    least = _least_height(rows.values[known], z[known], sharpness[known], values, errors)
    if values[0] < least or width < float(np.median(np.diff(np.sort(z[known])))) / 3:
        raise NXstxmValueError(
            f"the sharpness between {low:g} and {high:g} does not rise above chance (by "
            f"{values[0]:.2g}, where noise alone reaches {least:.2g}, or at one position only); "
            f"scan a line with more contrast, count longer, or take smaller steps"
        )
    what = call("focus_position")
    units = {"units": str(array["zoneplate_z"].attrs.get("units", ""))}
    along = ("zoneplate_z",)
    curve = told(xr.DataArray(sharpness, dims=along), array, what, units="1", long_name="sharpness")
    fit = told(xr.DataArray(_bell(z, *values), dims=along), array, what, units="1", long_name="fit")
    return xr.Dataset(
        {
            "sharpness": curve,
            "fit": fit,
            "position": ((), centre, units),
            "uncertainty": ((), float(errors[1]), units),
            "width": ((), width, units),
        },
        {"zoneplate_z": rows["zoneplate_z"]},
    )


def _least_height(
    rows: Floats, z: Floats, sharpness: Floats, values: Floats, errors: Floats
) -> float:
    """Give how high a peak has to be, so that chance does not make it.

    Parameters
    ----------
    rows, z, sharpness : ndarray
        What was measured, where, and how sharp it is.
    values, errors : ndarray
        Of the fitted Gaussian.
    """
    order = np.argsort(z)
    with np.errstate(invalid="ignore"):
        relative = rows[order] / np.nanmean(rows[order], axis=1, keepdims=True)
    steps = np.diff(relative, axis=1)
    # neighbours show the same but for noise; the median does not mind those at the focus
    noise = float(np.median(_variance(np.diff(steps, axis=0)))) / 2
    number = max(int(np.isfinite(steps).sum(axis=1).min()), 1)
    # differences of neighbours share a point: their variance scatters by 3 / n, not 2 / n; and
    # what is there adds to the noise of it
    highest = float(sharpness.max())
    chance = np.sqrt(3 * noise**2 / number + 4 * noise * highest / number)
    free = max(z.size - values.size, 1)
    scatter = np.sqrt(((sharpness - _bell(z, *values)) ** 2).sum() / free)
    return float(max(4 * chance, 4 * scatter, 4 * errors[0]))


def _sharpness(rows: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        differences = np.diff(rows, axis=1)
        measured = np.isfinite(rows).sum(axis=1) > 2
        variance = np.where(measured, _variance(differences), np.nan)
        mean = np.where(measured, np.nansum(rows, axis=1) / np.isfinite(rows).sum(axis=1), np.nan)
        found: Floats = variance / mean**2
    return found


def _variance(values: Floats) -> Floats:
    known = np.isfinite(values)
    number = np.maximum(known.sum(axis=1), 1)
    filled = np.where(known, values, 0.0)
    mean = filled.sum(axis=1) / number
    squares = np.where(known, (values - mean[:, None]) ** 2, 0.0)
    found: Floats = squares.sum(axis=1) / number
    return found


def _bell(z: Floats, height: float, centre: float, width: float, level: float) -> Floats:
    made: Floats = level + height * np.exp(-((z - centre) ** 2) / (2 * width**2))
    return made


def _fitted(z: Floats, sharpness: Floats) -> tuple[Floats, Floats]:
    import warnings

    span = float(np.ptp(z)) or 1.0
    scale = float(sharpness.max()) or 1.0
    start = [float(np.ptp(sharpness)) / scale, float(z[sharpness.argmax()]), span / 5,
             float(sharpness.min()) / scale]  # fmt: skip
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", OptimizeWarning)
            values, covariance = curve_fit(_bell, z, sharpness / scale, start, maxfev=10_000)
    except (RuntimeError, OptimizeWarning) as error:
        raise NXstxmValueError(
            f"no peak of the sharpness was found between {z.min():g} and {z.max():g}: {error}"
        ) from error
    units = np.array([scale, 1.0, 1.0, scale])
    return values * units, np.sqrt(np.diag(covariance)) * units
