"""Reading a possibly damaged HDF5 file into plain Python, once and without surprises.

The checks, and whatever shows a file, look at this snapshot and not at h5py, so everything that a
broken file can make HDF5 raise is met, and turned into a `Problem`, in this one place.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import h5py
import numpy as np

from suitcase.nxstxm._errors import NXstxmOSError

#: What h5py raises on damaged files, seen with h5py 3.16: every layer has its own idea.
H5_ERRORS = (
    OSError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    RuntimeError,
    OverflowError,
    MemoryError,
    SystemError,
)

#: A chunk or slab larger than this is not read: a damaged length must not exhaust the memory.
_SLAB_BYTES = 256 * 2**20
#: Datasets up to this size keep their values in the snapshot; the rules need only small ones.
_VALUE_BYTES = 256 * 2**10
#: No NeXus file is deeper; links of a damaged file can be.
_DEEPEST = 32
#: Where a message of HDF5 has that of the system.
_OF_SYSTEM = re.compile(r"error message = '([^']+)'")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a file.

    Attributes
    ----------
    level : {"error", "warning"}
        An error keeps a reader from using the file or makes it read something untrue.
    path : str
        The group, dataset or attribute (``/entry0/counter0@axes``) it is about.
    message : str
        What is wrong, with the value found and the value expected.
    """

    level: Literal["error", "warning"]
    path: str
    message: str


@dataclass(frozen=True)
class Field:
    """A dataset: its form, its attributes and, when it is small, its value."""

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    attrs: Mapping[str, object]
    value: object | None

    @property
    def is_text(self) -> bool:
        """Whether it holds strings, of fixed or of variable length."""
        return h5py.check_string_dtype(self.dtype) is not None

    @property
    def is_fixed_bytes(self) -> bool:
        """Whether it holds strings of fixed length."""
        return self.dtype.kind == "S"

    @property
    def is_number(self) -> bool:
        """Whether it holds numbers; booleans are none."""
        return self.dtype.kind in "iuf"

    def text(self) -> str | None:
        """Give the only string inside, None when there is not exactly one."""
        values = np.asarray(self.value, dtype=object).ravel()
        if not self.is_text or values.size != 1:
            return None
        return as_text(values[0])


@dataclass(frozen=True)
class Group:
    """A group: its class, attributes and members."""

    path: str
    attrs: Mapping[str, object]
    groups: dict[str, Group] = field(default_factory=dict)
    fields: dict[str, Field] = field(default_factory=dict)

    @property
    def nx_class(self) -> str | None:
        """The NeXus class as text, in whatever form it was stored."""
        return as_text(self.attrs.get("NX_class"))

    def at(self, path: str) -> Group | Field | None:
        """Give what is at a path below; None where nothing is."""
        here: Group | None = self
        *way, last = path.strip("/").split("/")
        for name in way:
            here = None if here is None else here.groups.get(name)
        return None if here is None else here.groups.get(last) or here.fields.get(last)

    def of_class(self, nx_class: str) -> list[Group]:
        """Give the direct members of one NeXus class, in order of name."""
        return [group for group in self.groups.values() if group.nx_class == nx_class]

    def walk(self) -> Iterator[Group]:
        """Give this group and all below it."""
        yield self
        for group in self.groups.values():
            yield from group.walk()


def as_text(value: object) -> str | None:
    """Give a string of any form (str, bytes, array of one) as str, None for anything else."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.ravel()[0]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value) if isinstance(value, str) else None


def open_file(path: Path) -> h5py.File:
    """Open a file for reading.

    Raises
    ------
    NXstxmOSError
        When it is missing or can not be opened as HDF5.
    """
    if not path.is_file():
        raise NXstxmOSError(f"{path} is not a file; give the path of an NXstxm file")
    try:
        return h5py.File(path, "r")
    except H5_ERRORS as error:
        raise NXstxmOSError(
            f"{path} can not be opened as HDF5 ({why(error)}): it is damaged, was cut short, "
            "is being written, or is a file of another kind"
        ) from error


def snapshot(
    file: h5py.File, *, touch: bool = True, value_bytes: int = _VALUE_BYTES
) -> tuple[Group, list[Problem]]:
    """Read the tree of a file.

    Parameters
    ----------
    touch : bool
        Read every stored block once, to see that it can be read.
    value_bytes : int
        Datasets up to this size keep their values.

    Returns
    -------
    root : Group
        Whatever could be read.
    problems : list of Problem
        One for each object that could not.
    """
    reader = _Reader(touch, value_bytes)
    root = Group("/", reader.attrs(file, "/"))
    reader.fill(root, file, above=())
    return root, reader.problems


def why(error: BaseException) -> str:
    """Give an HDF5 error as one short line; of one of the system, as on a full disk, its words."""
    is_numbered = isinstance(error, OSError) and len(error.args) > 1
    text = str(error.args[is_numbered] if error.args else error)
    of_system = _OF_SYSTEM.search(text)
    lines = (of_system[1] if of_system else text).strip().splitlines()
    return lines[0] if lines else type(error).__name__


class _Reader:
    """Collects the problems of one walk."""

    def __init__(self, touch: bool, value_bytes: int) -> None:
        self.problems: list[Problem] = []
        self._touch, self._value_bytes = touch, value_bytes

    def damaged(self, path: str, what: str, error: BaseException) -> None:
        self.problems.append(Problem("error", path, f"{what} can not be read: {why(error)}"))

    def attrs(self, item: h5py.HLObject, path: str) -> dict[str, object]:
        found: dict[str, object] = {}
        try:
            names = list(item.attrs)
        except H5_ERRORS as error:
            self.damaged(path, "the list of attributes", error)
            return found
        for name in map(str, names):
            try:
                dtype = h5py.h5a.open(item.id, name.encode()).dtype
                if _is_reference(dtype):
                    continue
                refuse_type(dtype)
                found[name] = item.attrs[name]
            except H5_ERRORS as error:
                self.damaged(f"{path}@{name}", "the attribute", error)
        return found

    def fill(self, group: Group, stored: h5py.Group, above: tuple[tuple[int, int], ...]) -> None:
        """Read the members of a group; `above` identifies the groups on the way to it."""
        try:
            names = sorted(map(str, stored))
        except H5_ERRORS as error:
            self.damaged(group.path, "the list of members", error)
            return
        for name in names:
            path = f"{group.path.rstrip('/')}/{name}"
            try:
                member = stored[name]
                info = h5py.h5o.get_info(member.id)
                identity = (int(info.fileno), int(info.addr))
            except H5_ERRORS as error:
                self.damaged(path, "the member", error)
                continue
            if isinstance(member, h5py.Group):
                if identity in above or len(above) >= _DEEPEST:
                    self.problems.append(Problem("error", path, "the group contains itself"))
                    continue
                group.groups[name] = Group(path, self.attrs(member, path))
                self.fill(group.groups[name], member, (*above, identity))
            elif isinstance(member, h5py.Dataset):
                found = self.field(path, member)
                if found is not None:
                    group.fields[name] = found

    def field(self, path: str, dataset: h5py.Dataset) -> Field | None:
        try:
            shape, dtype = dataset.shape, dataset.dtype
            small = dataset.nbytes <= self._value_bytes
            refuse_type(dtype)
        except H5_ERRORS as error:
            self.damaged(path, "the form of the dataset", error)
            return None
        value: object | None = None
        try:
            if shape is not None and small:
                value = dataset[()]
            elif shape is not None and self._touch:
                touch_blocks(dataset)
        except H5_ERRORS as error:
            self.damaged(path, "the data", error)
        return Field(path, shape or (), dtype, self.attrs(dataset, path), value)


def _is_reference(dtype: np.dtype[np.generic]) -> bool:
    """Whether a type links to other objects, as dimension scales do: no rule is about those."""
    element = h5py.check_vlen_dtype(dtype) or dtype
    return isinstance(element, np.dtype) and h5py.check_ref_dtype(element) is not None


def refuse_type(dtype: np.dtype[np.generic]) -> None:
    """Keep to plain numbers and strings: damage makes other types of these.

    HDF5 2.0 crashes the process when it converts a string whose type was turned into a sequence.
    """
    if dtype.kind == "O" and h5py.check_string_dtype(dtype) is None:
        raise TypeError(f"{dtype} {dict(dtype.metadata or {})} is neither number nor string")


def touch_blocks(dataset: h5py.Dataset) -> None:
    """Read every stored block of a dataset and forget it again.

    Only blocks that are stored are visited, so a damaged shape of 2**60 rows costs nothing.

    Raises
    ------
    OSError
        When a block can not be read, or is larger than any writer makes them.
    """
    if dataset.is_virtual:
        # The blocks belong to the source files, whose own check reads them.
        return
    if dataset.chunks is not None:
        _check_slab(dataset, dataset.chunks)
        # together: HDF5 looks through all chunks whenever it is asked for one
        starts = array("Q")
        dataset.id.chunk_iter(lambda chunk: starts.extend(chunk.chunk_offset))
        for i in range(0, len(starts), dataset.ndim):
            block = zip(starts[i : i + dataset.ndim], dataset.chunks, dataset.shape, strict=True)
            dataset[tuple(slice(at, min(at + size, end)) for at, size, end in block)]
        return
    if dataset.id.get_storage_size() < dataset.nbytes:
        # Contiguous data that was never allocated reads as fill values, whatever its length.
        return
    rows = max(1, _SLAB_BYTES // max(1, dataset.nbytes // max(1, dataset.shape[0])))
    for first in range(0, dataset.shape[0], rows):
        dataset[first : first + rows]


def _check_slab(dataset: h5py.Dataset, block: tuple[int, ...]) -> None:
    size = int(np.prod(block, dtype=object)) * dataset.dtype.itemsize
    if size > _SLAB_BYTES:
        raise OSError(f"a chunk of {block} ({size} bytes) is too large to be true")
