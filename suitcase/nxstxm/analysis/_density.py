"""Optical density: how much the sample absorbs."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import xarray as xr

from .._errors import NXstxmValueError
from ._arrays import (
    SPACE,
    Floats,
    Picture,
    Region,
    array_of,
    call,
    is_number,
    mask_of,
    number_type,
    told,
)
from ._placed import placed_list
from ._spectra import at_energies, region_spectrum

#: A monochromator comes back to an energy as near as this, in eV.
_SAME_ENERGY = 0.1

_T = TypeVar("_T", xr.DataArray, Floats)


def optical_density(
    picture: Picture,
    i0: Picture | str | float | None = None,
    *,
    region: Region | None = None,
    dark: Picture | float = 0.0,
) -> xr.DataArray:
    """Give the optical density, ``-ln((I - dark) / (I0 - dark))``.

    Parameters
    ----------
    picture : DataArray, Dataset or DataTree
        The transmitted intensity: a stack, an image, a line or point spectrum.
    i0 : DataArray, Dataset, float or str, optional
        The intensity without a sample: a spectrum; a picture of another file, or of another
        detector of the same scan; a number; or the name or the role (``"i0"``) of a list of the
        instrument, for which `picture` has to be the channel's node of a tree. A spectrum or
        picture of other energies is interpolated; of a single energy it is good for that one only,
        unless it says none.
    region : mapping, DataArray or ndarray, optional
        Where in the picture there is no sample; instead of `i0`. See `region_spectrum`.
    dark : DataArray or float
        What the detector gives without light, in the units of the picture. A picture of darks
        counts with its mean.

    Returns
    -------
    DataArray
        The optical density, in the picture's shape; NaN where an intensity was not positive.

    Raises
    ------
    NXstxmValueError
        Neither or both of `i0` and `region` were given, or `i0` does not fit: other energies
        than it has, another shape.
    NXstxmKeyError
        There is no list of that name.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from suitcase.nxstxm.analysis import optical_density
    >>> stack = xr.DataArray(
    ...     [[[100.0, 50.0]], [[80.0, 20.0]]],
    ...     dims=("energy", "y", "x"),
    ...     coords={"energy": [280.0, 290.0], "y": [0.0], "x": [0.0, 1.0]},
    ... )
    >>> optical_density(stack, region={"x": 0.0}).values[:, 0, 1].round(3).tolist()
    [0.693, 1.386]
    """
    if (i0 is None) == (region is None):
        raise NXstxmValueError(
            "optical_density needs either i0, the intensity without sample, or the region of "
            "the picture where there is none"
        )
    array = array_of(picture)
    if region is not None:
        empty = region_spectrum(array, region)
    elif isinstance(i0, str):
        empty = placed_list(picture, i0)
    elif is_number(i0):
        empty = xr.DataArray(float(i0))  # type: ignore[arg-type]
    else:
        empty = i0_of(array, array_of(i0))  # type: ignore[arg-type]
    none = float(dark) if is_number(dark) else float(array_of(dark).mean())  # type: ignore[arg-type]
    light, full = number_type(array) - none, number_type(empty) - none
    made = absorbance(light, full)
    return told(
        made.transpose(*array.dims),
        array,
        call("optical_density", i0=i0 if isinstance(i0, str) or is_number(i0) else empty,
             region=region, dark=none),
        units="1",
        long_name="optical density",
    )  # fmt: skip


def absorbance(light: _T, full: Any) -> _T:
    """Give ``-ln(light / full)``, NaN where one of them is not positive.

    Parameters
    ----------
    light, full : DataArray or ndarray
        Intensities with and without the sample, both without darks.
    """
    where: Any = xr.where  # takes arrays of both kinds
    ratio = where(light > 0, light, np.nan) / where(full > 0, full, np.nan)
    made: _T = -np.log(ratio)
    return made


def i0_of(array: xr.DataArray, i0: xr.DataArray) -> xr.DataArray:
    """Give an intensity without sample, of another picture or spectrum, as a picture needs it.

    Parameters
    ----------
    array : DataArray
        The picture.
    i0 : DataArray
        A spectrum or a picture: of the same points each has its own, of others the mean counts.

    Raises
    ------
    NXstxmValueError
        It lacks energies of the picture, is of another energy, or has a dimension more.
    """
    i0 = _of_the_same(array, i0)
    space = [dim for dim in i0.dims if dim in SPACE]
    same_places = bool(space) and all(
        dim in array.dims
        and array.sizes[dim] == i0.sizes[dim]
        and np.allclose(array[dim].values, i0[dim].values)
        for dim in space
    )
    if same_places:
        # another detector of the same points: each has its own
        empty = i0.assign_coords({dim: array[dim].variable for dim in space})
    else:
        empty = i0.mean(space, skipna=True) if space else i0
    if "energy" in array.dims:
        if "energy" not in empty.dims:
            _check_energy(array, empty)
            return _without_others(empty)
        return _without_others(at_energies(empty, array["energy"], "the I0"))
    if "energy" in empty.dims:
        if "energy" not in array.coords:
            raise NXstxmValueError(
                "the I0 has many energies, and nobody knows which the picture has; choose one with "
                ".sel(energy=...)"
            )
        return _without_others(at_energies(empty, array["energy"], "the I0"))
    _check_energy(array, empty)
    return _without_others(empty)


def _of_the_same(array: xr.DataArray, i0: xr.DataArray) -> xr.DataArray:
    """Give of an I0 what is of the same polarizations and angles as the picture."""
    for dim in (each for each in i0.dims if each not in (*SPACE, "energy")):
        if dim not in array.dims:
            raise NXstxmValueError(
                f"the I0 has the dimension {dim}, and the picture has not; choose one with "
                f".isel({dim}=0), or take .mean({str(dim)!r})"
            )
        ours, theirs = array[dim].values, i0[dim].values
        if not set(ours.tolist()) <= set(theirs.tolist()):
            raise NXstxmValueError(
                f"the I0 lacks values of {dim}: the picture has {ours.tolist()}, the I0 "
                f"{theirs.tolist()}"
            )
        i0 = i0.sel({dim: ours})
    return i0


def _check_energy(array: xr.DataArray, i0: xr.DataArray) -> None:
    """Refuse the I0 of one energy for a picture of others: the flux is another there."""
    if "energy" not in i0.coords or "energy" not in array.coords:
        return
    if any(each["energy"].attrs.get("units") == "point" for each in (i0, array)):
        return  # they are counted, for the file has none
    own, wanted = float(i0["energy"]), np.atleast_1d(array["energy"].values)
    away = float(np.abs(wanted - own).max())
    if away > _SAME_ENERGY:
        raise NXstxmValueError(
            f"the I0 is of {own:g} eV alone, and the picture of {wanted.min():g} to "
            f"{wanted.max():g} eV; give an I0 of these energies, or say that it is good for all: "
            f'i0.drop_vars("energy")'
        )


def _without_others(empty: xr.DataArray) -> xr.DataArray:
    """Drop what belongs to the I0 alone: its dwell, its angle."""
    made: xr.DataArray = empty.drop_vars([n for n in empty.coords if n not in empty.dims])
    return made


def brightest(picture: Picture, part: float = 0.05) -> xr.DataArray:
    """Give a mask of the brightest points: where there is no sample, if there are such.

    Parameters
    ----------
    picture : DataArray or Dataset
        Transmitted intensity.
    part : float
        How many of the points, 0 to 1.

    Raises
    ------
    NXstxmValueError
        The part makes no sense, or nothing was measured.
    """
    if not 0 < part <= 1:
        raise NXstxmValueError(f"part={part} is not between 0 and 1")
    array = array_of(picture)
    other = [dim for dim in array.dims if dim not in SPACE]
    mean = number_type(array).mean(other, skipna=True)
    values = mean.values
    if not np.isfinite(values).any():
        raise NXstxmValueError("nothing of the picture was measured")
    least = np.nanquantile(values, 1 - part)
    with np.errstate(invalid="ignore"):
        return mask_of(array, xr.DataArray(values >= least, dims=mean.dims))
