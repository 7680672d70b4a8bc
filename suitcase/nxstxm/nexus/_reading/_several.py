"""Several files as one: images become stacks, polarizations and angles become dimensions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

#: Dimensions that pictures are put together along, innermost first.
_ALONG = ("energy", "polarization", "theta")
#: Positions of two pictures are the same when they differ by less than this part of a step.
_TOLERANCE = 0.01


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
        they are.
    """
    families: list[list[_Scan]] = []
    for scan in _scans(trees):
        for family in families:
            if _alike(family[0], scan):
                family.append(scan)
                break
        else:
            families.append([scan])
    nodes: dict[str, xr.Dataset] = {}
    names: set[str] = set()
    for family in families:
        for members, pictures in _together(family):
            name = _free(members[0].name, names)
            names.add(name)
            nodes |= _nodes(name, members, pictures)
    files = list(dict.fromkeys(str(tree.attrs["file"]) for tree in trees))
    nodes["/"] = xr.Dataset(attrs={"files": files, "default": next(iter(names_of(nodes)), "")})
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


def _alike(one: _Scan, other: _Scan) -> bool:
    """Whether two scans have the same channels, at the same places."""
    if one.pictures.keys() != other.pictures.keys():
        return False
    a, b = one.first, other.first
    dims = [tuple(d for d in each["data"].dims if d not in _ALONG) for each in (a, b)]
    if dims[0] != dims[1]:
        return False
    return all(_same_places(a[dim].values, b[dim].values) for dim in dims[0])


def _same_places(a: Any, b: Any) -> bool:
    if a.shape != b.shape:
        return False
    step = float(np.abs(np.diff(a)).min()) if a.size > 1 else 0.0
    return bool(np.allclose(a, b, rtol=0, atol=max(step * _TOLERANCE, 1e-9), equal_nan=True))


def _together(family: list[_Scan]) -> Iterable[tuple[list[_Scan], dict[str, xr.Dataset]]]:
    """Give which scans of a family are one, and their pictures."""
    by_light: dict[tuple[str, str], list[_Scan]] = {}
    for scan in family:
        light = (str(scan.value("theta")), str(scan.value("polarization")))
        by_light.setdefault(light, []).append(scan)
    stacks = [(members, _along_energy(members)) for members in by_light.values()]
    for dim in ("polarization", "theta"):
        stacks = list(_along(dim, stacks))
    return stacks


def _along_energy(members: list[_Scan]) -> dict[str, xr.Dataset]:
    if len(members) == 1:
        return members[0].pictures
    return {
        channel: _joined(
            [_with_dim(scan.pictures[channel], "energy") for scan in members], "energy"
        )
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
            channel: _joined([_with_dim(stack[1][channel], dim) for stack in same], dim)
            for channel in first[1]
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
        if name in a.coords and not _equal(a[name].values, b[name].values):
            return False
    return bool(a[dim].values != b[dim].values)


def _equal(a: Any, b: Any) -> bool:
    if a.shape != b.shape:
        return False
    return bool(np.allclose(a, b)) if a.dtype.kind in "iuf" else bool((a == b).all())


def _with_dim(picture: xr.Dataset, dim: str) -> xr.Dataset:
    if dim in picture.dims:
        return picture
    made: xr.Dataset = picture.expand_dims(dim)
    return made


def _joined(pictures: list[xr.Dataset], dim: str) -> xr.Dataset:
    """Put pictures one after the other, in the order of their values."""
    # what one of them lacks, as a monitor that failed, nobody can put together
    common = set.intersection(*({*each.variables} for each in pictures))
    made: xr.Dataset = xr.concat(
        [each.drop_vars([n for n in each.variables if n not in common]) for each in pictures],
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
    attrs["made_of"] = [f"{scan.file}:{scan.name}" for scan in members]
    return {
        f"/{name}": xr.Dataset(attrs=attrs),
        **{f"/{name}/{channel}": picture for channel, picture in pictures.items()},
    }


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(np.array_equal(a, b))


def _free(name: str, taken: set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free
