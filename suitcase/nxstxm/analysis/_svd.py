"""The few spectra of which all points of a stack are made, and where they are."""

from __future__ import annotations

import numpy as np
import xarray as xr

from .._errors import NXstxmValueError
from ._arrays import SPACE, Picture, array_of, call, is_number, needs, number_type, told


def svd(picture: Picture, n: int | None = None) -> xr.Dataset:
    """Give the singular value decomposition of a stack.

    Parameters
    ----------
    picture : DataArray or Dataset
        A stack or a line spectrum; an optical density, for spectra to add up.
    n : int, optional
        How many components; by default all.

    Returns
    -------
    Dataset
        ``spectra`` (component, energy), each of length 1; ``maps`` (component, y, x), which
        times the spectra give the picture, and have its units; ``singular_values`` (component),
        from the largest to the smallest, and ``explained``, which part of the variation each has.
        The sign is chosen so that the sum of a map is not negative. Maps are NaN where a point
        was not measured at all energies.

    Raises
    ------
    NXstxmValueError
        It is no stack, `n` is not possible, or no point was measured at all energies.
    """
    array = array_of(picture)
    needs(array, "energy", function="svd")
    space = [str(dim) for dim in array.dims if dim in SPACE]
    if not space or len(space) + 1 != array.ndim:
        raise NXstxmValueError(
            f"svd needs energies and the dimensions of the sample; the array has "
            f"{', '.join(map(str, array.dims))}; choose one of the others with .isel()"
        )
    values = number_type(array).transpose("energy", *space)
    flat = values.values.reshape(values.shape[0], -1)
    whole = np.isfinite(flat).all(axis=0)
    most = min(flat.shape[0], int(whole.sum()))
    count = most if n is None else _whole(n)
    if not 1 <= count <= most:
        raise NXstxmValueError(
            f"n={n} components can not be had of {flat.shape[0]} energies and {int(whole.sum())} "
            f"points that were measured at all of them"
        )
    left, sizes, right = np.linalg.svd(flat[:, whole], full_matrices=False)
    signs = np.where(right.sum(axis=1) < 0, -1.0, 1.0)[:count]
    maps = np.full((count, flat.shape[1]), np.nan)
    maps[:, whole] = right[:count] * (sizes[:count] * signs)[:, None]
    what = call("svd", n=n)
    spectra = xr.DataArray((left[:, :count] * signs).T, dims=("component", "energy"))
    pictures = xr.DataArray(maps.reshape(count, *values.shape[1:]), dims=("component", *space))
    coords = {name: values[name] for name in ("energy", *space) if name in values.coords}
    return xr.Dataset(
        {
            "spectra": told(spectra, array, what, units="1", long_name="spectrum of a component"),
            "maps": told(pictures, array, what, long_name="map of a component"),
            "singular_values": ("component", sizes[:count]),
            "explained": ("component", sizes[:count] ** 2 / max((sizes**2).sum(), 1e-300)),
        },
        {**coords, "component": np.arange(count)},
    )


def _whole(n: float) -> int:
    """Give a number of components; 0, which is impossible, where it is no whole number."""
    if not is_number(n) or not np.isfinite(n) or int(n) != n:
        return 0
    return int(n)
