"""What a file holds, as a tree of xarray datasets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from xarray.core.indexing import LazilyIndexedArray

from . import _accessor as _accessor  # registers itself with xarray
from ._contents import Channel, Contents, Coordinate, Entry, Variable
from ._lazy import Files, StoredArray, blocks, token_of
from ._stored import Held

#: Facts of an entry that its pictures carry, too: a picture is often all that is handed on.
_CARRIED = ("scan_type", "title", "sample_name", "start_time", "region", "entry_identifier_uuid")


def make_tree(contents: Contents) -> xr.DataTree:
    """Make the tree; its arrays are read when somebody looks at them."""
    files = Files(contents.moment)
    nodes: dict[str, xr.Dataset] = {"/": xr.Dataset(attrs=_attrs(_root_attrs(contents)))}
    for entry in contents.entries.values():
        for path, dataset in entry_nodes(contents, entry, files):
            nodes[f"/{path}"] = dataset
    tree: xr.DataTree = xr.DataTree.from_dict(nodes)
    tree.set_close(files.close)
    return tree


def entry_nodes(contents: Contents, entry: Entry, files: Files) -> Iterable[tuple[str, xr.Dataset]]:
    """Give the datasets of an entry, by their paths."""
    told = {"guessed": list(entry.guessed)} if entry.guessed else {}
    yield entry.name, xr.Dataset(attrs=_attrs({**entry.attrs, "default": entry.default, **told}))
    for channel in entry.channels.values():
        yield f"{entry.name}/{channel.name}", channel_dataset(contents, entry, channel, files)
    for channel in entry.processed.values():
        path = f"{entry.name}/processed/{channel.name}"
        yield path, channel_dataset(contents, entry, channel, files)
    if entry.lists:
        name = "instrument" if "instrument" not in entry.channels else "instrument_lists"
        yield f"{entry.name}/{name}", _listed(entry.lists, files)
    for stream, readings in entry.readings.items():
        where = stream if stream == "baseline" else f"streams/{stream}"
        yield f"{entry.name}/{where}", _listed(_apart(readings), files)


def channel_dataset(contents: Contents, entry: Entry, channel: Channel, files: Files) -> xr.Dataset:
    """Give one picture with its coordinates."""
    attrs: dict[str, Any] = {name: entry.attrs[name] for name in _CARRIED if name in entry.attrs}
    attrs |= {"file": contents.path.name, "entry": entry.name, "channel": channel.name}
    attrs |= channel.attrs
    if channel.guessed:
        attrs["guessed"] = list(channel.guessed)
    coordinates = {each.name: _coordinate(each) for each in channel.coordinates}
    variables = {each.name: _variable(each, files) for each in channel.variables}
    return xr.Dataset(
        {name: value for name, value in variables.items() if name not in coordinates},
        coordinates,
        _attrs(attrs),
    )


def _listed(lists: Iterable[Variable], files: Files) -> xr.Dataset:
    return xr.Dataset({each.name: _variable(each, files) for each in lists})


def _apart(readings: tuple[Variable, ...]) -> Iterable[Variable]:
    """Give readings of another length than most a dimension of their own."""
    lengths = [each.stored.shape[0] for each in readings if each.stored.ndim]
    usual = max(set(lengths), key=lengths.count, default=0)
    for each in readings:
        if each.stored.ndim and each.stored.shape[0] != usual:
            dims = (f"reading_{each.name}", *each.dims[1:])
            yield Variable(each.name, dims, each.stored, each.attrs)
        else:
            yield each


def _variable(variable: Variable, files: Files) -> xr.Variable:
    stored = variable.stored
    if isinstance(stored, Held):
        return xr.Variable(variable.dims, stored.read(), _attrs(variable.attrs))
    lazy = LazilyIndexedArray(StoredArray(stored, files))
    made = xr.Variable(variable.dims, lazy, _attrs(variable.attrs))
    made.encoding = {
        "source": stored.file,
        "token": token_of(stored),
        "preferred_chunks": dict(zip(variable.dims, blocks(stored), strict=True)),
    }
    return made


def _coordinate(coordinate: Coordinate) -> xr.Variable:
    attrs = {k: v for k, v in coordinate.attrs.items() if v != ""}
    return xr.Variable(coordinate.dims, coordinate.values, _attrs(attrs))


def _root_attrs(contents: Contents) -> dict[str, Any]:
    return {**contents.attrs, "file": contents.path.name, "default": contents.default}


def _attrs(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Give attributes in a form that every format which xarray writes can hold."""
    return {
        name: int(value) if isinstance(value, (bool, np.bool_)) else value
        for name, value in attrs.items()
        if value is not None
    }
