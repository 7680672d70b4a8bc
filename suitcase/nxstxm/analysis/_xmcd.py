"""Circular dichroism: what two polarizations see differently."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from .._errors import NXstxmValueError
from ._arrays import SPACE, Picture, array_of, call, needs, number_type, told
from ._spectra import at_energies

#: Energies that differ by less, in eV, are the same.
_SAME = 1e-6


def xmcd(left: Picture, right: Picture, *, interpolate: bool = False) -> xr.Dataset:
    """Give the difference of two polarizations.

    Parameters
    ----------
    left, right : DataArray or Dataset
        Absorption (an optical density) with the one and with the other polarization: stacks,
        images, spectra, of the same points.
    interpolate : bool
        Give `right` at the energies of `left`, where they differ.

    Returns
    -------
    Dataset
        ``difference``, left - right; ``mean``, their mean; ``asymmetry``, the difference over the
        sum. In the units of `left`; the asymmetry has none.

    Raises
    ------
    NXstxmValueError
        The energies differ and `interpolate` was not said, or the points or units do. Images of
        different energies are never taken.
    """
    a, b = number_type(array_of(left)), number_type(array_of(right))
    units = [str(each.attrs.get("units", "")) for each in (a, b)]
    if units[0] != units[1]:
        raise NXstxmValueError(f"xmcd: one is in {units[0]!r}, the other in {units[1]!r}")
    if "energy" in a.dims or "energy" in b.dims:
        needs(a, "energy", function="xmcd")
        needs(b, "energy", function="xmcd")
    _check_dims(a, b)
    b = b.transpose(*a.dims)
    _check_places(a, b)
    if "energy" in a.dims:
        b = _same_energies(a, b, interpolate=interpolate)
    else:
        _check_energy(a, b)
    # coordinates that differ on purpose, such as the polarization, are neither's
    a, b = (
        each.drop_vars([n for n in each.coords if n not in (*each.dims, "energy")])
        for each in (a, b)
    )
    if "energy" not in a.dims and "energy" in b.coords:
        b = b.drop_vars("energy")
    for dim in a.dims:
        b = b.assign_coords({dim: a[dim]})
    total = a + b
    what = call("xmcd", interpolate=interpolate)
    return xr.Dataset(
        {
            "difference": told(a - b, a, what, long_name="dichroism"),
            "mean": told(total / 2, a, what, long_name="mean of both polarizations"),
            "asymmetry": told(
                (a - b) / total.where(total != 0), a, what, units="1", long_name="asymmetry"
            ),
        }
    )


def _check_dims(a: xr.DataArray, b: xr.DataArray) -> None:
    """Refuse pictures of which one has a further dimension, or other values along one."""
    for one, other in ((a, b), (b, a)):
        more = [str(dim) for dim in one.dims if dim not in other.dims and dim not in SPACE]
        if more:
            raise NXstxmValueError(
                f"xmcd: one picture has the dimension {more[0]}, the other has not; choose one "
                f"with .isel({more[0]}=0)"
            )
    if set(a.dims) != set(b.dims):
        raise NXstxmValueError(
            f"xmcd: the pictures are not of the same points ({dict(a.sizes)} and {dict(b.sizes)})"
        )
    for dim in (each for each in a.dims if each not in (*SPACE, "energy")):
        if not _equal(a[dim].values, b[dim].values):
            raise NXstxmValueError(
                f"xmcd: the values of {dim} differ ({a[dim].values.tolist()} and "
                f"{b[dim].values.tolist()}); choose the same of both with .sel()"
            )


def _equal(a: Any, b: Any) -> bool:
    if a.shape != b.shape:
        return False
    numbers = a.dtype.kind in "iuf" and b.dtype.kind in "iuf"
    return bool(np.allclose(a, b, equal_nan=True)) if numbers else bool((a == b).all())


def _check_energy(a: xr.DataArray, b: xr.DataArray) -> None:
    """Refuse images of different energies: their difference is not that of the polarizations."""
    if "energy" not in a.coords or "energy" not in b.coords:
        return
    ours, theirs = float(a["energy"]), float(b["energy"])
    if not np.isclose(ours, theirs, rtol=0, atol=_SAME, equal_nan=True):
        raise NXstxmValueError(
            f"xmcd: one image is of {ours:g} eV, the other of {theirs:g} eV; choose images of the "
            f"same energy, or correct one with shift_energy"
        )


def _check_places(a: xr.DataArray, b: xr.DataArray) -> None:
    space = [dim for dim in a.dims if dim in SPACE]
    same = all(_equal(a[dim].values, b[dim].values) for dim in space)
    if not same:
        raise NXstxmValueError(
            f"xmcd: the pictures are not of the same points ({dict(a.sizes)} and "
            f"{dict(b.sizes)}); align them, or choose the same region of both"
        )


def _same_energies(a: xr.DataArray, b: xr.DataArray, *, interpolate: bool) -> xr.DataArray:
    ours, theirs = a["energy"].values, b["energy"].values
    if ours.shape == theirs.shape and np.allclose(ours, theirs, rtol=0, atol=_SAME):
        same: xr.DataArray = b.assign_coords(energy=a["energy"])
        return same
    if not interpolate:
        raise NXstxmValueError(
            f"xmcd: the energies differ ({ours.size} from {ours.min():g} to {ours.max():g} eV, and "
            f"{theirs.size} from {theirs.min():g} to {theirs.max():g} eV); say interpolate=True to "
            f"have the second at those of the first"
        )
    return at_energies(b, a["energy"], "xmcd")
