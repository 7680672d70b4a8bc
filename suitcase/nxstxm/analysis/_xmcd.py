"""Circular dichroism: what two polarizations see differently."""

from __future__ import annotations

import numpy as np
import xarray as xr

from .._errors import NXstxmValueError
from ._arrays import SPACE, Picture, array_of, call, needs, number_type, told
from ._spectra import at_energies


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
        The energies differ and `interpolate` was not said, or the points or units do.
    """
    a, b = number_type(array_of(left)), number_type(array_of(right))
    units = [str(each.attrs.get("units", "")) for each in (a, b)]
    if units[0] != units[1]:
        raise NXstxmValueError(f"xmcd: one is in {units[0]!r}, the other in {units[1]!r}")
    _check_places(a, b)
    if "energy" in a.dims or "energy" in b.dims:
        b = _same_energies(a, b, interpolate=interpolate)
    # coordinates that differ on purpose, such as the polarization, are neither's
    a, b = (each.drop_vars([n for n in each.coords if n not in each.dims]) for each in (a, b))
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


def _check_places(a: xr.DataArray, b: xr.DataArray) -> None:
    spaces = [[dim for dim in each.dims if dim in SPACE] for each in (a, b)]
    same = spaces[0] == spaces[1] and all(
        a.sizes[dim] == b.sizes[dim] and np.allclose(a[dim].values, b[dim].values)
        for dim in spaces[0]
    )
    if not same:
        raise NXstxmValueError(
            f"xmcd: the pictures are not of the same points ({dict(a.sizes)} and "
            f"{dict(b.sizes)}); align them, or choose the same region of both"
        )


def _same_energies(a: xr.DataArray, b: xr.DataArray, *, interpolate: bool) -> xr.DataArray:
    needs(a, "energy", function="xmcd")
    needs(b, "energy", function="xmcd")
    ours, theirs = a["energy"].values, b["energy"].values
    if ours.shape == theirs.shape and np.allclose(ours, theirs, rtol=0, atol=1e-6):
        same: xr.DataArray = b.assign_coords(energy=a["energy"])
        return same
    if not interpolate:
        raise NXstxmValueError(
            f"xmcd: the energies differ ({ours.size} from {ours.min():g} to {ours.max():g} eV, and "
            f"{theirs.size} from {theirs.min():g} to {theirs.max():g} eV); say interpolate=True to "
            f"have the second at those of the first"
        )
    return at_energies(b, a["energy"], "xmcd")
