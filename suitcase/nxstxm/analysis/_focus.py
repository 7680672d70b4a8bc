"""Where the zone plate has to be for a sharp image."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.optimize import OptimizeWarning, curve_fit

from .._errors import NXstxmValueError
from ._arrays import Floats, Picture, array_of, call, needs, number_type, told


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
        It is no focus scan, has fewer than five positions, or is nowhere sharper than elsewhere:
        then the sharpest position lies outside of the scan.
    """
    array = array_of(picture)
    needs(array, "zoneplate_z", "line", function="focus_position")
    rows = number_type(array).transpose("zoneplate_z", "line")
    z = rows["zoneplate_z"].values.astype(float)
    if z.size < 5:
        raise NXstxmValueError(f"focus_position needs five positions at least; there are {z.size}")
    sharpness = _sharpness(rows.values)
    known = np.isfinite(sharpness)
    if known.sum() < 5:
        raise NXstxmValueError("focus_position: fewer than five lines were measured")
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
    values = values * np.array([scale, 1.0, 1.0, scale])
    return values, np.sqrt(np.diag(covariance))
