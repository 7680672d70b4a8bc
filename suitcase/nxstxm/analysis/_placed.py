"""Lists of the instrument as pictures: each value where its point was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import xarray as xr

from .._errors import NXstxmKeyError, NXstxmTypeError, NXstxmValueError
from ..scans import factor
from ._arrays import Picture, array_of, call, told

#: Dimensions of a picture, and the lists that say where a point was.
_LISTS = {"y": "sample_y", "x": "sample_x"}
#: Along a line the place of a point is told by these together.
_ALONG_LINE = (("sample_x", "sample_y"), ("osa_x", "osa_y"))
#: Lists that are no detector.
_PLACES = ("energy", "sample_x", "sample_y", "sample_z", "polarization", "theta", "made_of")

_Numbers = npt.NDArray[np.intp]


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
        The mean of the values at each point; NaN where there is none. Energies that were measured
        several times keep their own values, where the list is in the order of the picture.

    Raises
    ------
    NXstxmTypeError
        It is no node of a tree.
    NXstxmKeyError
        There is no list of that name or role.
    NXstxmValueError
        Nobody knows where its values were measured.

    Notes
    -----
    Values are placed by the lists of where they were measured. Where there is none for a dimension,
    a list with one value for each point of the picture is taken to be in the order of the picture.
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
    places = _Places(array, lists, values.shape)
    sums = np.zeros(array.size)
    hits = np.zeros(array.size, np.intp)
    for number, chosen in places.numbers(name):
        sums += np.bincount(number, values[chosen], array.size)
        hits += np.bincount(number, minlength=array.size)
    with np.errstate(invalid="ignore"):
        means = np.where(hits, sums / np.maximum(hits, 1), np.nan).reshape(array.shape)
    coords = {dim: array[dim] for dim in array.dims if dim in array.coords}
    made = xr.DataArray(means, coords, array.dims, name=str(found.name))
    return told(made, found, call("placed_list", name=name))


class _Places:
    """Where the values of a list are in a picture.

    Parameters
    ----------
    array : DataArray
        The picture.
    lists : DataTree
        Lists of where its points were.
    shape : tuple of int
        Of the list that is to be placed: others of its shape belong to its points.
    """

    def __init__(self, array: xr.DataArray, lists: xr.DataTree, shape: tuple[int, ...]) -> None:
        self._array, self._lists, self._shape = array, lists, shape

    def numbers(self, name: str) -> Iterable[tuple[_Numbers, npt.NDArray[np.bool_] | slice]]:
        """Give where values are in the flat picture, and which of the list these are.

        Parameters
        ----------
        name : str
            Of the list, for errors.

        Yields
        ------
        number : ndarray of int
            Where each of them is.
        chosen : ndarray of bool or slice
            Of which values; a value may come again, where an energy was measured several times and
            nobody knows in which of them.
        """
        dims = [str(dim) for dim in self._array.dims]
        size = self._shape[0] if self._shape else 1
        known = {dim: found for dim in dims if (found := self._along(dim)) is not None}
        if len(known) < len(dims):
            counted = self._in_order(name, dims, known, size)
            yield self._flat(dims, counted, size), slice(None)
            return
        planes = self._planes(dims, known, size)
        if planes is not None:
            known["energy"] = planes
        yield self._flat(dims, known, size), slice(None)
        if planes is not None or "energy" not in dims:
            return
        energies = self._array["energy"].values
        for again, energy in enumerate(energies):
            # a repeated energy gets what its first has
            first = int((energies == energy).argmax())
            if first != again:
                chosen = known["energy"] == first
                moved = {dim: each[chosen] for dim, each in known.items()}
                moved["energy"] = np.full(int(chosen.sum()), again)
                yield self._flat(dims, moved, int(chosen.sum())), chosen

    def _flat(self, dims: list[str], known: dict[str, _Numbers], size: int) -> _Numbers:
        number = np.zeros(size, np.intp)
        for dim in dims:
            number = number * self._array.sizes[dim] + known[dim]
        return number

    def _along(self, dim: str) -> _Numbers | None:
        """Tell by the lists where each value is along a dimension; None where none says that."""
        if dim == "line":
            return self._along_line()
        if dim not in self._array.coords:
            return None
        points = self._array[dim].values
        source = str(self._array[dim].attrs.get("long_name", ""))
        for called in (source, _LISTS.get(dim, dim)):
            where = self._where(called)
            if where is None:
                continue
            if points.dtype.kind in "iuf" and where.dtype.kind in "iuf":
                return _nearest(points, where.astype(float) * self._times(called, dim))
            same = points[:, None] == where[None, :]
            if same.any(axis=0).all():
                first: _Numbers = same.argmax(axis=0)
                return first
        return None

    def _times(self, called: str, dim: str) -> float:
        """Give how many of the unit of a dimension one of the unit of a list is."""
        units = [
            str(each.attrs.get("units", "")) for each in (self._lists[called], self._array[dim])
        ]
        return factor(*units)

    def _along_line(self) -> _Numbers | None:
        for names in _ALONG_LINE:
            wheres = [self._where(name) for name in names]
            points = [self._array.coords.get(name) for name in names]
            if all(each is not None and each.dims == ("line",) for each in points) and all(
                each is not None for each in wheres
            ):
                ends = np.array([each.values for each in points if each is not None], float)
                places = np.array([each for each in wheres if each is not None], float)
                places *= np.array([[self._times(name, name)] for name in names])
                # where along the straight line from its begin to its end
                begin, way = ends[:, :1], ends[:, -1:] - ends[:, :1]
                if not way.any():
                    return None
                along, passed = ((way * (each - begin)).sum(axis=0) for each in (ends, places))
                return _nearest(along, passed)
        return None

    def _where(self, name: str) -> npt.NDArray[np.generic] | None:
        """Give the list of places along an axis: those that were asked for, else as measured."""
        for called in (f"{name}_target_value", name):
            found = self._lists.data_vars.get(called)
            if found is not None and found.shape == self._shape and len(self._shape) == 1:
                values: npt.NDArray[np.generic] = found.values
                return values
        return None

    def _in_order(
        self, name: str, dims: list[str], known: dict[str, _Numbers], size: int
    ) -> dict[str, _Numbers]:
        """Take a list with one value for each point to be in the order of the picture.

        Raises
        ------
        NXstxmValueError
            It has more or fewer values, or lists of places say that it is in another order.
        """
        missing = ", ".join(dim for dim in dims if dim not in known)
        problem = f"the list {name!r} can not be placed along {missing}: there is no list of where "
        problem += f"its {size} values were measured"
        if size != self._array.size:
            raise NXstxmValueError(f"{problem}, and the picture has {self._array.size} points")
        ordered = np.unravel_index(np.arange(size), self._array.shape)
        counted = dict(zip(dims, ordered, strict=True))
        for dim, number in known.items():
            points = self._array[dim].values
            if not np.array_equal(points[number], points[counted[dim]]):
                raise NXstxmValueError(f"{problem}, and along {dim} it has another order")
        return counted

    def _planes(self, dims: list[str], known: dict[str, _Numbers], size: int) -> _Numbers | None:
        """Tell energies that were measured several times apart, by the order in which they were.

        Returns
        -------
        ndarray of int or None
            The number of the energy of each value; None where no energy comes again, or the list is
            not plane by plane.
        """
        if "energy" not in dims:
            return None
        energies = self._array["energy"].values
        if np.unique(energies).size == energies.size:
            return None
        plane = self._array.size
        outer = [dim for dim in dims if dim in ("theta", "polarization", "energy")]
        for dim in outer:
            plane //= self._array.sizes[dim]
        found = np.zeros(size, np.intp)
        seen: defaultdict[tuple[int, ...], int] = defaultdict(int)
        for begin in range(0, size, plane):
            part = slice(begin, begin + plane)
            keys = {tuple(key) for key in np.stack([known[dim][part] for dim in outer], axis=1)}
            if len(keys) > 1:
                return None
            [key] = keys
            energy = energies[key[outer.index("energy")]]
            again = np.flatnonzero(energies == energy)
            if seen[key] >= again.size:
                return None
            found[part] = again[seen[key]]
            seen[key] += 1
        return found


def _list(lists: xr.DataTree, name: str) -> xr.DataArray | None:
    named = lists.data_vars.get(name)
    if named is not None:
        return named
    with_role = [each for each in _all(lists) if each.attrs.get("role") == name]
    return with_role[0] if len(with_role) == 1 else None


def _all(lists: xr.DataTree) -> Iterable[xr.DataArray]:
    return list(lists.data_vars.values())


def _nearest(points: npt.NDArray[np.generic], places: npt.NDArray[np.generic]) -> _Numbers:
    """Give which of some points each place is nearest to: the first of equal ones."""
    ascending, first = np.unique(points.astype(float), return_index=True)
    between = (ascending[1:] + ascending[:-1]) / 2
    nearest: _Numbers = first[np.searchsorted(between, places.astype(float))]
    return nearest
