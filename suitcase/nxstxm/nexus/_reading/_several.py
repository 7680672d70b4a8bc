"""Several files as one: images become stacks, polarizations and angles become dimensions."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from ._lists import POINT
from ._words import COUNTED

#: Dimensions that pictures are put together along, innermost first.
_ALONG = ("energy", "polarization", "theta")
#: Positions of two pictures are the same when they differ by less than this part of a step.
_TOLERANCE = 0.01
#: Points without steps are the same when they are as near as this, in um.
_POINT_TOLERANCE = 1e-3
#: Numbers that differ by less are the same, written by other programs.
_NOISE = 1e-5
#: How the lists of points, and the readings of several files, tell whose they are.
_NUMBER = "made_of"
_READING = "reading"


@dataclass(eq=False)
class _Scan:
    """The pictures of one entry."""

    name: str
    file: str
    entry: xr.DataTree
    pictures: dict[str, xr.Dataset]

    @property
    def first(self) -> xr.Dataset:
        return next(iter(self.pictures.values()))

    @property
    def where(self) -> str:
        """The file and the entry."""
        return f"{self.file}:{self.name}"

    @property
    def has_energies(self) -> bool:
        """Whether the file says at which energies it was measured."""
        energy = self.first.coords.get("energy")
        return energy is not None and energy.attrs.get("units") != COUNTED

    def value(self, name: str) -> Any:
        """Give what all of the scan has in common; None where there is nothing."""
        found = self.first.coords.get(name)
        return found.values[()] if found is not None and found.ndim == 0 else None


def combine(trees: Sequence[xr.DataTree]) -> xr.DataTree:
    """Put the entries of several trees together.

    Parameters
    ----------
    trees : sequence of DataTree
        As `open_nxstxm` gives them, of dask arrays.

    Returns
    -------
    DataTree
        Entries whose pictures have the same channels at the same places are one: along ``energy``,
        and along ``polarization`` and ``theta`` where all have the same energies. Others stay as
        they are, and the attribute ``kept_apart`` says why.
    """
    families: list[list[_Scan]] = []
    apart: list[str] = []
    for scan in _scans(trees):
        whys = []
        for family in families:
            if not (why := _unlike(family[0], scan)):
                family.append(scan)
                break
            whys.append(f"{scan.where} is not joined with {family[0].where}: {why}")
        else:
            families.append([scan])
            apart += whys[:1]
    nodes: dict[str, xr.Dataset] = {}
    names: set[str] = set()
    for family in families:
        for members, pictures in _together(family, apart):
            name = _free(members[0].name, names)
            names.add(name)
            nodes |= _nodes(name, members, pictures)
    files = list(dict.fromkeys(str(tree.attrs["file"]) for tree in trees))
    attrs = {"files": files, "default": next(iter(names_of(nodes)), "")}
    nodes["/"] = xr.Dataset(attrs={**attrs, "kept_apart": apart} if apart else attrs)
    made: xr.DataTree = xr.DataTree.from_dict(nodes)
    return made


def names_of(nodes: Iterable[str]) -> list[str]:
    """Give the names of entries among paths."""
    return [path.strip("/") for path in nodes if path.count("/") == 1 and path != "/"]


def _scans(trees: Sequence[xr.DataTree]) -> Iterable[_Scan]:
    for tree in trees:
        for name, entry in tree.children.items():
            pictures = {
                channel: node.to_dataset(inherit=False)
                for channel, node in entry.children.items()
                if "channel" in node.attrs
            }
            if pictures:
                yield _Scan(name, str(tree.attrs["file"]), entry, pictures)


def _unlike(one: _Scan, other: _Scan) -> str:
    """Say why two scans can not be one; nothing when they can.

    Parameters
    ----------
    one, other : _Scan
        The scan that is there, and the one that would join it.
    """
    if one.pictures.keys() != other.pictures.keys():
        return f"it has the channels {', '.join(other.pictures)}, not {', '.join(one.pictures)}"
    a, b = one.first, other.first
    dims = [tuple(d for d in each["data"].dims if d not in _ALONG) for each in (a, b)]
    if dims[0] != dims[1]:
        return f"its dimensions are {_listed(dims[1])}, not {_listed(dims[0])}"
    for dim in dims[0]:
        if a[dim].attrs.get("units") != b[dim].attrs.get("units"):
            return f"{dim} is in other units"
        if not _same_places(a[dim].values, b[dim].values):
            return f"it has other places along {dim}"
    if "x" not in dims[0] and "y" not in dims[0] and not _same_points(a, b):
        return "it is of another place on the sample"
    for channel, picture in one.pictures.items():
        units = [each["data"].attrs.get("units") for each in (picture, other.pictures[channel])]
        # counts and a current are not one picture, whatever else they share
        if all(units) and units[0] != units[1]:
            return f"{channel} is in {units[1]}, not in {units[0]}"
    return ""


def _same_points(a: xr.Dataset, b: xr.Dataset) -> bool:
    """Whether two spectra, or scans along a line, are of the same points of the sample."""
    near = _POINT_TOLERANCE
    if "line" in a.dims and a.sizes["line"] > 1:
        near = float(np.abs(np.diff(a["line"].values)).min()) * _TOLERANCE
    for name in ("sample_x", "sample_y"):
        if name in a.coords and name in b.coords and a[name].dims == b[name].dims:
            if a[name].dtype.kind not in "iuf" or b[name].dtype.kind not in "iuf":
                continue
            places = (a[name].values, b[name].values)
            if places[0].shape != places[1].shape:
                return False
            if not np.allclose(*places, rtol=0, atol=max(near, 1e-9), equal_nan=True):
                return False
    return True


def _listed(names: Iterable[Hashable]) -> str:
    return ", ".join(map(str, names)) or "none"


def _same_places(a: Any, b: Any) -> bool:
    if a.shape != b.shape:
        return False
    step = float(np.abs(np.diff(a)).min()) if a.size > 1 else 0.0
    return bool(np.allclose(a, b, rtol=0, atol=max(step * _TOLERANCE, 1e-9), equal_nan=True))


def _together(
    family: list[_Scan], apart: list[str]
) -> Iterable[tuple[list[_Scan], dict[str, xr.Dataset]]]:
    """Give which scans of a family are one, and their pictures.

    Parameters
    ----------
    apart : list of str
        Which are not, and why; those of the family are added.
    """
    by_light: dict[tuple[str, str], list[_Scan]] = {}
    stacks: list[_Stack] = []
    dark: dict[tuple[str, str], _Scan] = {}
    for scan in family:
        light = (str(scan.value("theta")), str(scan.value("polarization")))
        if scan.has_energies:
            by_light.setdefault(light, []).append(scan)
            continue
        # nobody knows in which order, nor whether these are a stack at all
        stacks.append(([scan], scan.pictures))
        other = dark.setdefault(light, scan)
        if other is not scan:
            apart.append(
                f"{scan.where} is not joined with {other.where}: their energies are not known"
            )
    stacks += [(members, _along_energy(members)) for members in by_light.values()]
    for dim in ("polarization", "theta"):
        stacks = list(_along(dim, stacks))
    return stacks


def _along_energy(members: list[_Scan]) -> dict[str, xr.Dataset]:
    if len(members) == 1:
        return members[0].pictures
    return {
        channel: _joined([scan.pictures[channel] for scan in members], "energy")
        for channel in members[0].pictures
    }


_Stack = tuple[list[_Scan], dict[str, xr.Dataset]]


def _along(dim: str, stacks: list[_Stack]) -> Iterable[_Stack]:
    """Put stacks together that differ in one value only."""
    left = list(stacks)
    while left:
        first = left.pop(0)
        same = [first, *(other for other in left if _differ_only(dim, first, other))]
        if len(same) == 1:
            yield first
            continue
        left = [stack for stack in left if not any(stack is each for each in same)]
        pictures = {
            channel: _joined([stack[1][channel] for stack in same], dim) for channel in first[1]
        }
        yield [scan for members, _ in same for scan in members], pictures


def _differ_only(dim: str, one: _Stack, other: _Stack) -> bool:
    a, b = (next(iter(stack[1].values())) for stack in (one, other))
    if dim not in a.coords or dim not in b.coords or a[dim].ndim or b[dim].ndim:
        return False
    for name in _ALONG:
        if name == dim:
            continue
        if (name in a.coords) != (name in b.coords):
            return False
        if name in a.coords and not _equal(a[name].variable, b[name].variable):
            return False
    return bool(a[dim].values != b[dim].values)


def _equal(one: xr.Variable, other: xr.Variable) -> bool:
    if one.dims != other.dims or one.shape != other.shape:
        return False
    a, b = one.values, other.values
    if a.dtype.kind in "iuf" and b.dtype.kind in "iuf":
        return bool(np.allclose(a, b, rtol=_NOISE, atol=_NOISE, equal_nan=True))
    return bool((a == b).all())


def _with_dim(picture: xr.Dataset, dim: str) -> xr.Dataset:
    if dim in picture.dims:
        return picture
    made: xr.Dataset = picture.expand_dims(dim)
    return made


def _joined(pictures: list[xr.Dataset], dim: str) -> xr.Dataset:
    """Put pictures one after the other, in the order of their values."""
    # what one of them lacks, as a monitor that failed, nobody can put together
    common = set.intersection(*({*each.variables} for each in pictures))
    alike = [each.drop_vars([n for n in each.variables if n not in common]) for each in pictures]
    made: xr.Dataset = xr.concat(
        _spread([_with_dim(each, dim) for each in alike], dim),
        dim,
        data_vars="minimal",
        coords="minimal",
        compat="override",
        join="override",
        combine_attrs="drop_conflicts",
    )
    values = made[dim].values
    if values.dtype.kind in "iuf" and bool((np.diff(values) < 0).any()):
        order = np.argsort(values, kind="stable")
        ordered: xr.Dataset = made.isel({dim: order})
        return ordered
    return made


def _spread(pictures: list[xr.Dataset], dim: str) -> list[xr.Dataset]:
    """Give coordinates that are not the same in all pictures the dimension that these get.

    A dwell, for one, may be another at each energy; joined as it is, all would have the first.
    """
    changed: list[dict[Hashable, xr.Variable]] = [{} for _ in pictures]
    for name in pictures[0].coords:
        own = [each[name].variable for each in pictures]
        has_dim = any(dim in each.dims for each in own)
        # places were compared before: they are the same but for a rounding
        is_place = any(name in each.dims for each in pictures)
        if is_place or (not has_dim and all(_equal(own[0], each) for each in own)):
            continue
        others = dict.fromkeys(d for each in own for d in each.dims if d != dim)
        for new, picture, each in zip(changed, pictures, own, strict=True):
            sizes = {d: picture.sizes[d] for d in (dim, *others)}
            new[name] = _broadcast(each, sizes)
    return [each.assign_coords(new) for each, new in zip(pictures, changed, strict=True)]


def _nodes(
    name: str, members: list[_Scan], pictures: dict[str, xr.Dataset]
) -> dict[str, xr.Dataset]:
    if len(members) == 1:
        # all of the entry, with its lists
        scan = members[0]
        return {
            f"/{name}{node.path.removeprefix(scan.entry.path)}": node.to_dataset(inherit=False)
            for node in scan.entry.subtree
        }
    attrs = dict(members[0].entry.attrs)
    for scan in members[1:]:
        attrs = {k: v for k, v in attrs.items() if _same(v, scan.entry.attrs.get(k))}
    dims = next(iter(pictures.values()))["data"].dims
    if "energy" in dims and members[0].entry.attrs["scan_type"] == "sample image":
        attrs["scan_type"] = "sample image stack"
        pictures = {
            channel: picture.assign_attrs(scan_type="sample image stack")
            for channel, picture in pictures.items()
        }
    attrs["made_of"] = [scan.where for scan in members]
    return {
        f"/{name}": xr.Dataset(attrs=attrs),
        **{f"/{name}/{channel}": picture for channel, picture in pictures.items()},
        **{f"/{name}/{path}": lists for path, lists in _lists(members, pictures)},
    }


def _lists(
    members: list[_Scan], pictures: Mapping[str, xr.Dataset]
) -> Iterable[tuple[str, xr.Dataset]]:
    """Give the lists and readings of several scans, one after the other, by their paths.

    What one scan lacks, or has in another unit, is left out. Where each value belongs is told by
    lists that are added: of energies, polarizations and angles where the files have none, and of
    the number of the scan.
    """
    # places in the lists of one scan, and of what they are: lists, or readings of a stream
    of_all = [
        {
            node.path.removeprefix(scan.entry.path).strip("/"): node.to_dataset(inherit=False)
            for node in scan.entry.subtree
            if "channel" not in node.attrs and node.data_vars
        }
        for scan in members
    ]
    for path in of_all[0]:
        if not all(path in each for each in of_all):
            continue
        first = POINT if path.startswith("instrument") else _READING
        owned = [_with_places(scan, each[path], pictures, first)
                 for scan, each in zip(members, of_all, strict=True)]  # fmt: skip
        owned = [
            each.assign({_NUMBER: (first, np.full(each.sizes[first], number))})
            if first in each.sizes
            else each
            for number, each in enumerate(owned)
        ]
        made = {
            name: joined
            for name in owned[0].data_vars
            if (joined := _one_list([each.get(name) for each in owned], first)) is not None
        }
        if made:
            yield path, xr.Dataset(made)


def _with_places(
    scan: _Scan, lists: xr.Dataset, pictures: Mapping[str, xr.Dataset], first: str
) -> xr.Dataset:
    """Give lists of points what the scan has one of only, and the pictures many."""
    if first != POINT or POINT not in lists.sizes:
        return lists
    dims = {dim for picture in pictures.values() for dim in picture["data"].dims}
    added = {}
    for name in _ALONG:
        value = scan.value(name)
        if name in dims and name not in lists and value is not None:
            attrs = {**scan.first[name].attrs, "source": "setpoint"}
            added[name] = xr.Variable(POINT, np.full(lists.sizes[POINT], value), attrs)
    made: xr.Dataset = lists.assign(added)
    return made


def _one_list(lists: list[xr.DataArray | None], first: str) -> xr.Variable | None:
    """Give the lists of several scans as one; None where they do not fit."""
    there = [each.variable for each in lists if each is not None]
    # a reading that was taken once only has no dimension
    there = [each if each.ndim else _broadcast(each, {first: 1}) for each in there]
    kinds = {(each.dims, each.shape[1:], each.attrs.get("units")) for each in there}
    if len(there) < len(lists) or len(kinds) > 1:
        return None
    made: xr.Variable = xr.Variable.concat(  # type: ignore[no-untyped-call]
        there, there[0].dims[0], combine_attrs="drop_conflicts"
    )
    return made


def _broadcast(variable: xr.Variable, sizes: Mapping[Hashable, int]) -> xr.Variable:
    made: xr.Variable = variable.set_dims(sizes)  # type: ignore[no-untyped-call]
    return made


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(np.array_equal(a, b))


def _free(name: str, taken: set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free
