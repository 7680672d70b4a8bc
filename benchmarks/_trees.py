"""The tree of an HDF5 file in memory, and plain h5py that writes it: the usual peer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from _pairs import publish


@dataclass(frozen=True, eq=False)
class Node:
    """A group, a dataset (`data` is not None) or another name of one (`same_as`)."""

    path: str
    attrs: dict[str, Any] = field(default_factory=dict)
    data: Any = None
    how: dict[str, Any] = field(default_factory=dict)
    same_as: str | None = None


def read_tree(path: Path) -> list[Node]:
    """Read all of a file: groups, attributes, datasets and hard links, parents first."""
    nodes: list[Node] = []
    with h5py.File(path) as h5:
        nodes.append(Node("/", dict(h5.attrs)))
        _read(h5, nodes, {})
    return nodes


def _read(group: h5py.Group, nodes: list[Node], seen: dict[int, str]) -> None:
    for name in group:
        item = group[name]
        path = f"{group.name.rstrip('/')}/{name}"
        address = h5py.h5o.get_info(item.id).addr
        if address in seen:
            nodes.append(Node(path, same_as=seen[address]))
            continue
        seen[address] = path
        if isinstance(item, h5py.Group):
            nodes.append(Node(path, dict(item.attrs)))
            _read(item, nodes, seen)
            continue
        how: dict[str, Any] = {"dtype": item.dtype}
        if item.chunks is not None:
            how |= {"chunks": item.chunks, "maxshape": item.maxshape}
        if item.compression is not None:
            how |= {"compression": item.compression, "compression_opts": item.compression_opts}
            how |= {"shuffle": item.shuffle}
        nodes.append(Node(path, dict(item.attrs), item[()], how))


def write_tree(
    nodes: list[Node],
    folder: Path,
    name: str = "peer.hdf5",
    more: Callable[[h5py.File], object] | None = None,
) -> Path:
    """Write it with h5py's usual calls, flush it and give it its name, as our exports do.

    `more` writes what is not among the nodes, once these are there.
    """
    final = folder / name
    temporary = final.with_suffix(".tmp")
    with h5py.File(temporary, "w") as h5:
        # Parents by their handles: to look each up from the root would cost half as much again.
        groups: dict[str, Any] = {"": h5}
        for node in nodes:
            home, _, last = node.path.rpartition("/")
            item: Any
            if node.same_as is not None:
                groups[home][last] = h5[node.same_as]
                continue
            if node.data is not None:
                item = groups[home].create_dataset(last, data=node.data, **node.how)
            elif last:
                item = groups[node.path] = groups[home].create_group(last)
            else:
                item = h5
            attrs: Any = item.attrs if node.attrs else None
            for key, value in node.attrs.items():
                attrs[key] = value
        if more is not None:
            more(h5)
    publish(temporary, final)
    return final


def with_data(nodes: list[Node], arrays: Mapping[str, np.ndarray[Any, Any]]) -> list[Node]:
    """Put other arrays of the same form in their places."""
    return [replace(n, data=arrays[n.path]) if n.path in arrays else n for n in nodes]


def check_same(ours: list[Node], theirs: list[Node]) -> None:
    """Make sure that the peer wrote all of it: a peer that leaves things out is no measure."""
    for a, b in zip(ours, theirs, strict=True):
        same = a.path == b.path and a.same_as == b.same_as and list(a.attrs) == list(b.attrs)
        if not same or _bytes(a.data) != _bytes(b.data):
            raise AssertionError(f"the peer wrote another {a.path}")


def _bytes(data: Any) -> Any:
    array = np.asarray(data)
    return array.tolist() if array.dtype.kind == "O" else array.tobytes()  # text is pointers


def counts(nodes: list[Node]) -> str:
    """Say how many groups, datasets and attributes there are, and how large they are."""
    groups = sum(n.data is None and n.same_as is None for n in nodes)
    datasets = sum(n.data is not None for n in nodes)
    attrs = sum(len(n.attrs) for n in nodes)
    size = sum(np.asarray(n.data).nbytes for n in nodes if n.data is not None)
    return f"{groups} groups, {datasets} datasets, {attrs} attributes, {size / 2**20:.1f} MiB"
