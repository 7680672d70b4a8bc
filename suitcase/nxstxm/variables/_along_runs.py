"""One variable of many runs as an array."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from .._errors import NXstxmValueError


def along_runs(name: str, found: Mapping[tuple[int, int], tuple[Any, str | None]]) -> xr.DataArray:
    """Put results side by side.

    Parameters
    ----------
    name : str
        The variable.
    found : Mapping
        Results and their units, by proposal and run.

    Returns
    -------
    DataArray
        Along ``run``, with the coordinates ``run`` and ``proposal``.

    Raises
    ------
    NXstxmValueError
        They do not fit together.
    """
    arrays = [xr.DataArray(result) for result, _ in found.values()]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise NXstxmValueError(
            f"results of {name!r} have different shapes, {sorted(shapes)}; read them one by one"
        )
    _check_places(name, dict(zip(found, arrays, strict=True)))
    numbers = xr.DataArray([run for _, run in found], dims="run", name="run")
    # a coordinate that not all have says nothing of the others
    shared = set.intersection(*(set(map(str, array.coords)) for array in arrays))
    arrays = [array.drop_vars(set(array.coords) - shared) for array in arrays]
    try:
        made = xr.concat(arrays, dim=numbers, coords="different", compat="equals", join="exact")
    except (ValueError, TypeError) as error:
        raise NXstxmValueError(
            f"results of {name!r} can not be put side by side ({error}); read them one by one"
        ) from error
    made = made.assign_coords(proposal=("run", [proposal for proposal, _ in found]))
    units = [each for _, each in found.values() if each is not None]
    named: xr.DataArray = made.rename(name)
    named.attrs = {"units": units[-1]} if units else {}
    return named


def _check_places(name: str, arrays: Mapping[tuple[int, int], xr.DataArray]) -> None:
    """See that results lie over the same places: the first one's would be taken for all."""
    (first, one), *others = arrays.items()
    for key, other in others:
        if one.dims != other.dims:
            raise NXstxmValueError(
                f"results of {name!r} have different dimensions: {one.dims} of run {first[1]} of "
                f"proposal {first[0]}, {other.dims} of run {key[1]} of proposal {key[0]}; read "
                f"them one by one"
            )
        for dim in map(str, one.dims):
            places = [array.coords.get(dim) for array in (one, other)]
            known = [None if each is None else np.asarray(each) for each in places]
            same = (known[0] is None) == (known[1] is None) and (
                known[0] is None or known[1] is None or np.array_equal(known[0], known[1])
            )
            if not same:
                raise NXstxmValueError(
                    f"results of {name!r} lie over different {dim!r}: those of run {first[1]} of "
                    f"proposal {first[0]} are not those of run {key[1]} of proposal {key[0]}; read "
                    f"them one by one"
                )
