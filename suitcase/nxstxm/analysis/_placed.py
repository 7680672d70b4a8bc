"""Lists of the instrument as pictures: each value where its point was."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr

from .._errors import NXstxmKeyError, NXstxmTypeError, NXstxmValueError
from ._arrays import Floats, Picture, array_of, call, told

#: Dimensions of a picture, and the lists that say where a point was.
_LISTS = {"energy": "energy", "y": "sample_y", "x": "sample_x"}
#: Lists that are no detector.
_PLACES = ("energy", "sample_x", "sample_y", "sample_z")


def placed_list(node: Picture, name: str) -> xr.DataArray:
    """Give a list of the instrument in the shape of a picture.

    Parameters
    ----------
    node : DataTree
        The channel, as a node of the tree that `open_nxstxm` gives: the lists are beside it.
    name : str
        Of the list, or its role: ``"i0"``.

    Returns
    -------
    DataArray
        The mean of the values at each point; NaN where there is none.

    Raises
    ------
    NXstxmTypeError
        It is no node of a tree.
    NXstxmKeyError
        There is no list of that name or role.
    NXstxmValueError
        Nobody knows where its values were measured.
    """
    if not isinstance(node, xr.DataTree) or node.parent is None:
        raise NXstxmTypeError(
            f"the list {name!r} is in the file of the picture: give the node of the channel, "
            f'tree["entry0/counter0"], instead of its data'
        )
    array = array_of(node)
    lists = node.parent.children.get("instrument")
    found = _list(lists, name) if lists is not None else None
    if lists is None or found is None:
        known = [str(n) for n in (lists.data_vars if lists is not None else ()) if n not in _PLACES]
        raise NXstxmKeyError(f"there is no list {name!r}; there are: {', '.join(known) or 'none'}")
    values = found.values.astype(float)
    if values.ndim > 1:
        values = values.reshape(values.shape[0], -1).sum(axis=1)
    number = np.zeros(values.size, np.intp)
    shape: list[int] = []
    again: list[np.ndarray] = []  # a repeated energy gets what its first has
    for dim in array.dims:
        where = lists.data_vars.get(_LISTS.get(str(dim), ""))
        if where is None or where.shape != values.shape:
            raise NXstxmValueError(
                f"the list {name!r} can not be placed along {dim}: there is no list of where its "
                f"{values.size} values were measured"
            )
        points, inverse = np.unique(array[dim].values, return_inverse=True)
        shape.append(points.size)
        again.append(inverse)
        number = number * points.size + _nearest(points, where.values.astype(float))
    size = int(np.prod(shape))
    sums = np.bincount(number, values, size)
    hits = np.bincount(number, minlength=size)
    with np.errstate(invalid="ignore"):
        grid = np.where(hits, sums / np.maximum(hits, 1), np.nan).reshape(shape)
    means = grid[np.ix_(*again)]
    made = xr.DataArray(means, {d: array[d] for d in array.dims}, array.dims, name=str(found.name))
    return told(made, found, call("placed_list", name=name))


def _list(lists: xr.DataTree, name: str) -> xr.DataArray | None:
    named = lists.data_vars.get(name)
    if named is not None:
        return named
    with_role = [each for each in _all(lists) if each.attrs.get("role") == name]
    return with_role[0] if len(with_role) == 1 else None


def _all(lists: xr.DataTree) -> Iterable[xr.DataArray]:
    return list(lists.data_vars.values())


def _nearest(ascending: Floats, places: Floats) -> np.ndarray:
    return np.searchsorted((ascending[1:] + ascending[:-1]) / 2, places)
