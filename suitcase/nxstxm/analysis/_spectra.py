"""Spectra of regions, and energies that were calibrated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from .._errors import NXstxmValueError
from ._arrays import SPACE, Picture, Region, array_of, call, mask_of, needs, number_type, told


def region_spectrum(picture: Picture, region: Region | None = None) -> xr.DataArray:
    """Give the mean over a region, at each energy.

    Parameters
    ----------
    picture : DataArray or Dataset
        A stack, a line spectrum, or an image.
    region : mapping, DataArray or ndarray, optional
        Ranges of coordinates, ``{"x": slice(0, 2), "y": slice(-1, 1)}``, or a mask; by default all.

    Returns
    -------
    DataArray
        Without the dimensions of the sample, in the units of the picture; NaN where nothing of
        the region was measured. Points that were not measured do not count.

    Raises
    ------
    NXstxmValueError
        Nothing is inside the region, or the picture has no dimension of the sample.
    """
    array = array_of(picture)
    space = [dim for dim in array.dims if dim in SPACE]
    if not space:
        raise NXstxmValueError(
            f"region_spectrum needs a dimension of the sample; the array has "
            f"{', '.join(map(str, array.dims)) or 'none'}"
        )
    values = number_type(array)
    if region is not None:
        values = values.where(mask_of(array, region))
    made = values.mean(space, skipna=True)
    return told(made, array, call("region_spectrum", region=region))


def shift_energy(picture: Picture, by: float | Sequence[float]) -> xr.DataArray:
    """Move the energies of a picture.

    Parameters
    ----------
    picture : DataArray or Dataset
        With the coordinate ``energy``.
    by : float or two floats
        What is added, eV; or a feature's energy as it was measured, and as it is known.

    Raises
    ------
    NXstxmValueError
        It has no energies, or the shift is no number.
    """
    array = array_of(picture)
    if "energy" not in array.coords:
        raise NXstxmValueError("shift_energy needs energies; the picture has none")
    shift = _shift(by)
    if not np.isfinite(shift):
        raise NXstxmValueError(f"energies can not be shifted by {shift}")
    energy = array["energy"]
    made = array.assign_coords(energy=(energy.dims, energy.values + shift, energy.attrs))
    return told(made, array, call("shift_energy", by=by))


def _shift(by: Any) -> float:
    """Give a shift of energies: the number, or what leads from the first of two to the second."""
    try:
        values = np.asarray(by, dtype=float)
    except (TypeError, ValueError):
        values = np.zeros(0)
    if values.shape == (2,):
        return float(values[1] - values[0])
    if values.shape == ():
        return float(values)
    raise NXstxmValueError(
        f"by={by!r} is neither a shift in eV nor two energies, as measured and as known"
    )


def at_energies(spectrum: xr.DataArray, energies: xr.DataArray, what: str) -> xr.DataArray:
    """Give a spectrum at other energies, by straight lines between its own.

    Raises
    ------
    NXstxmValueError
        An energy is outside of its own; nothing is known there.
    """
    needs(spectrum, "energy", function=what)
    known = spectrum.sortby("energy")
    own, wanted = known["energy"].values, energies.values
    if own.shape == wanted.shape and np.array_equal(spectrum["energy"].values, wanted):
        return spectrum
    step = float(np.diff(own).max()) if own.size > 1 else 0.0
    outside = wanted[(wanted < own[0] - 1e-3 * step) | (wanted > own[-1] + 1e-3 * step)]
    if outside.size:
        raise NXstxmValueError(
            f"{what}: {outside.size} energies ({outside.min():g} to {outside.max():g} eV) are "
            f"outside of those that are known ({own[0]:g} to {own[-1]:g} eV); measure these too, "
            f"or leave the others out with .sel(energy=slice({own[0]:g}, {own[-1]:g}))"
        )
    if np.unique(own).size != own.size:
        known = known.groupby("energy").mean()
    made = known.interp(energy=np.clip(wanted, own[0], own[-1]))
    named: xr.DataArray = made.assign_coords(energy=(energies.dims, wanted, energies.attrs))
    return named
