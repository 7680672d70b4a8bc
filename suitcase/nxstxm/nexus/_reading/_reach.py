"""Members of groups, reached link by link, so that no link leads where nobody wanted to look.

HDF5 follows every link by itself: into other folders, round in circles, through files of devices.
Here each link is looked at before it is followed, and files that others lead to are opened by name,
when they lie where the reader may look.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

import h5py

from ..._errors import NXstxmOSError, NXstxmTypeError
from ..._h5tree import H5_ERRORS, refuse_type, why

Member: TypeAlias = h5py.Group | h5py.Dataset

#: Links that are followed on the way to one member.
_MOST_LINKS = 16
#: No program that writes scans has so many members in a group.
_MOST_MEMBERS = 20_000
#: A file whose virtual dataset has more files than this is not looked through.
_MOST_SOURCES = 20_000
#: Virtual datasets that are made of virtual datasets; HDF5 has room for some hundreds.
_MOST_NESTED = 16

#: Folders in which other files may be opened, as users give them.
Roots: TypeAlias = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def open_shared(path: str | Path, mode: str = "r") -> h5py.File:
    """Open a file for reading, also while another process writes it.

    A file that is written in SWMR mode, or was when its writer died, opens in no other; one that
    somebody else holds opens without locks.

    Raises
    ------
    OSError
        As h5py does for the first of these ways.
    """
    try:
        return h5py.File(path, mode)
    except OSError as error:
        for ways in ({"swmr": True}, {"swmr": True, "locking": False}, {"locking": False}):
            try:
                return h5py.File(path, mode, **ways)
            except OSError:
                continue
        raise error


class RefusedError(NXstxmOSError):
    """Something that lies where the reader may not look, or that nobody can have written."""


class Reach:
    """What can be reached from a file.

    Parameters
    ----------
    path : Path
        The file.
    roots : iterable of Path
        Folders besides its own in which files may be opened.

    Attributes
    ----------
    file : h5py.File
        The file, open for reading.
    refused : list of str
        What was not followed, and why; a sentence each.
    """

    def __init__(self, file: h5py.File, path: Path, roots: Iterable[Path] = ()) -> None:
        self.file = file
        self.roots = tuple(dict.fromkeys(p.resolve() for p in (path.parent, *roots)))
        self.refused: list[str] = []
        self._others: dict[Path, h5py.File] = {}

    def __enter__(self) -> Reach:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        for other in (*self._others.values(), self.file):
            other.close()

    @property
    def root(self) -> h5py.Group:
        """The root of the file.

        Raises
        ------
        NXstxmOSError
            It is damaged.
        """
        try:
            return self.file["/"]
        except H5_ERRORS as error:
            raise NXstxmOSError(
                f"{self.file.filename} is damaged: its root can not be read ({why(error)})"
            ) from error

    def members(self, group: h5py.Group) -> Iterator[tuple[str, Member]]:
        """Give the members of a group, in the order of their names.

        Those that can not be reached are left out, and told in `refused`.
        """
        try:
            if len(group) > _MOST_MEMBERS:
                raise RefusedError(f"it has {len(group)} members, and no scan has so many")
            names = list(group)
        except H5_ERRORS as error:
            self._refuse(group, "", error)
            return
        for name in names:
            found = self.member(group, name)
            if found is not None:
                yield name, found

    def member(self, group: h5py.Group, name: str) -> Member | None:
        """Give a member of a group; None when there is none, or it may not be reached."""
        try:
            return self._member(group, name, 0)
        except KeyError:
            return None
        except H5_ERRORS as error:
            self._refuse(group, name, error)
            return None

    def at(self, group: h5py.Group, *names: str) -> Member | None:
        """Give what is at a path below a group; None when there is nothing."""
        here: Member | None = group
        for name in names:
            if not isinstance(here, h5py.Group):
                return None
            here = self.member(here, name)
        return here

    def check_sources(self, dataset: h5py.Dataset) -> None:
        """Look where the values of a dataset lie, before they are read.

        Raises
        ------
        RefusedError
            They lie where the reader may not look.
        """
        check_sources(dataset, self.roots)

    def _member(self, group: h5py.Group, name: str, links: int) -> Member:
        if links > _MOST_LINKS:
            raise RefusedError("its links lead in a circle")
        encoded = name.encode()
        if not group.id.links.exists(encoded):
            raise KeyError(name)
        kind = group.id.links.get_info(encoded).type
        if kind == h5py.h5l.TYPE_SOFT:
            return self._along(group, group.id.links.get_val(encoded).decode(), links + 1)
        if kind == h5py.h5l.TYPE_EXTERNAL:
            file, path = (part.decode() for part in group.id.links.get_val(encoded))
            return self._along(self._other(group, file)["/"], path, links + 1)
        if kind != h5py.h5l.TYPE_HARD:
            raise RefusedError("it is a link of a kind that only its own program can follow")
        found = h5py.h5o.open(group.id, encoded)
        if isinstance(found, h5py.h5g.GroupID):
            return h5py.Group(found)
        if isinstance(found, h5py.h5d.DatasetID):
            refuse_type(found.dtype)
            return h5py.Dataset(found)
        raise KeyError(name)  # a named type

    def _along(self, group: h5py.Group, path: str, links: int) -> Member:
        """Follow a path of names, each of which may be a link again."""
        here: Member = group.file["/"] if path.startswith("/") else group
        for part in path.split("/"):
            if part in ("", "."):
                continue
            if not isinstance(here, h5py.Group):
                raise KeyError(path)
            here = self._member(here, part, links)
        return here

    def _other(self, group: h5py.Group, name: str) -> h5py.File:
        """Open another file, named relative to the one of a group."""
        path = allowed(Path(_name_of(group)).parent / name, self.roots)
        if path not in self._others:
            if not path.is_file():
                raise RefusedError(f"file {path} is missing")
            self._others[path] = open_shared(path)
        return self._others[path]

    def _refuse(self, group: h5py.Group, name: str, error: BaseException) -> None:
        where = f"{str(group.name).rstrip('/')}/{name}" if name else group.name
        told = str(error) if isinstance(error, RefusedError) else why(error)
        sentence = f"{where} is left out: {told}"
        if sentence not in self.refused:
            self.refused.append(sentence)


def allowed(path: Path, roots: tuple[Path, ...]) -> Path:
    """Give the real path of a file that may be opened.

    Raises
    ------
    RefusedError
        It lies outside of all these folders.
    """
    real = path.resolve()
    if not any(real.is_relative_to(root) for root in roots):
        raise RefusedError(
            f"file {real} is outside of {roots[0]}; say external_roots=[...] to have it read"
        )
    return real


def roots_of(external_roots: Roots) -> list[Path]:
    """Give the folders that users name; one may stand alone.

    Raises
    ------
    NXstxmTypeError
        They are no folders.
    """
    # the letters of "/data" would be folders, too: the first is the whole disk
    alone = isinstance(external_roots, (str, os.PathLike))
    try:
        roots = [external_roots] if alone else list(external_roots)  # type: ignore[arg-type]
        return [Path(root).absolute() for root in roots]  # type: ignore[arg-type]
    except TypeError as error:
        raise NXstxmTypeError(
            f"external_roots={external_roots!r} names no folders ({error}); give a path, or a list "
            f"of paths"
        ) from error


def check_sources(dataset: h5py.Dataset, roots: tuple[Path, ...]) -> None:
    """Look where the values of a dataset lie: in which other files, and in theirs.

    Raises
    ------
    RefusedError
        Some lie where the reader may not look, or a virtual dataset is made of itself.
    """
    _Sources(roots).look(dataset)


def written_bytes(dataset: h5py.Dataset, roots: tuple[Path, ...]) -> int:
    """Give how much of a dataset was written, in its own file and in others, before packing.

    Raises
    ------
    RefusedError
        As `check_sources`.
    """
    return _Sources(roots, count=True).look(dataset)[0]


@dataclass
class _Sources:
    """A walk through all that a dataset is made of.

    Attributes
    ----------
    roots : tuple of Path
        Where files may be opened.
    count : bool
        Find out how many bytes there are; it takes longer.
    seen : dict
        By file and name what was looked at already: how many virtual datasets deep it is.
    chain : list
        The file and the place in it of each virtual dataset from the first one to this.
    """

    roots: tuple[Path, ...]
    count: bool = False
    seen: dict[tuple[Path, str], int] = field(default_factory=dict)
    chain: list[tuple[Path, int]] = field(default_factory=list)

    def look(self, dataset: h5py.Dataset) -> tuple[int, int]:
        """Look where the values of a dataset lie.

        Returns
        -------
        size : int
            How many bytes there are that were not counted yet.
        depth : int
            How many virtual datasets are made of each other, this one included.
        """
        how = dataset.id.get_create_plist()
        is_virtual = how.get_layout() == h5py.h5d.VIRTUAL
        if not is_virtual and not how.get_external_count():
            return (_own_bytes(dataset) if self.count else 0), 0  # as nearly all are
        home = Path(_name_of(dataset))
        if not is_virtual:
            return sum(self._raw(home, *piece) for piece in dataset.external), 0
        link = (home.resolve(), int(h5py.h5o.get_info(dataset.id).addr))
        # HDF5 would follow it until its stack is full, which ends the whole process
        if link in self.chain:
            raise RefusedError(
                f"{dataset.name} of {home} can not be read: it is a virtual dataset that is made "
                f"of itself. Make it of datasets that hold values"
            )
        self._refuse_deep(dataset, 1)
        size = depth = 0
        self.chain.append(link)
        sources = dict.fromkeys((s.file_name, s.dset_name) for s in dataset.virtual_sources())
        for source in sources:
            more, below = self._source(dataset, home, *source)
            size, depth = size + more, max(depth, below)
        self.chain.pop()
        return size, depth + 1

    def _source(
        self, dataset: h5py.Dataset, home: Path, file_name: str, name: str
    ) -> tuple[int, int]:
        """Look at one source of a virtual dataset."""
        file_name, name = _literal(dataset, file_name), _literal(dataset, name)
        path = home if file_name == "." else _source_file(home, file_name, self.roots)
        path = path.resolve()
        if not path.is_file():
            return 0, 0  # HDF5 fills what is missing
        if (path, name) in self.seen:
            depth = self.seen[path, name]
            self._refuse_deep(dataset, depth)
            return 0, depth
        if len(self.seen) >= _MOST_SOURCES:
            raise RefusedError(f"{dataset.name} is made of more than {_MOST_SOURCES} files")
        size = depth = 0
        with Reach(open_shared(path), path, self.roots) as reach:
            found = reach.at(reach.root, *name.strip("/").split("/"))
            if isinstance(found, h5py.Dataset):
                size, depth = self.look(found)
            elif reach.refused:
                raise RefusedError(reach.refused[0])
        self.seen[path, name] = depth
        return size, depth

    def _refuse_deep(self, dataset: h5py.Dataset, depth: int) -> None:
        if len(self.chain) + depth > _MOST_NESTED:
            raise RefusedError(
                f"{dataset.name} of {_name_of(dataset)} can not be read: more than {_MOST_NESTED} "
                f"virtual datasets are made of each other. Make it of datasets that hold values"
            )

    def _raw(self, home: Path, name: str, start: int, size: int) -> int:
        """Look at a file without HDF5 in which values lie; gives how many bytes are there."""
        path = _raw_file(home, name, self.roots)
        return min(max(path.stat().st_size - start, 0), size) if path.is_file() else 0


def _literal(dataset: h5py.Dataset, name: str) -> str:
    """Give the name that HDF5 will look for.

    Raises
    ------
    RefusedError
        It is a pattern for many names: nobody can look at all of them beforehand.
    """
    parts = name.split("%%")
    if any("%" in part for part in parts):
        raise RefusedError(
            f"the values of {dataset.name} of {_name_of(dataset)} can not be read: they lie in "
            f"{name}, a pattern for many names. Make the virtual dataset of sources with full names"
        )
    return "%".join(parts)


def _own_bytes(dataset: h5py.Dataset) -> int:
    """Give how many bytes of a dataset are in its own file."""
    if dataset.chunks is None:
        return int(dataset.id.get_storage_size())
    return int(dataset.id.get_num_chunks() * prod(dataset.chunks) * dataset.dtype.itemsize)


def _source_file(home: Path, name: str, roots: tuple[Path, ...]) -> Path:
    """Give the file that HDF5 opens for a source of a virtual dataset."""
    path = allowed(home.parent / name, roots)
    if path.exists():
        return path
    if Path(name).is_absolute():
        # HDF5 then looks for its last part, beside the file
        name = Path(name).name
        path = allowed(home.parent / name, roots)
    if not path.exists() and Path(name).exists():
        # HDF5 looks in the working directory too
        raise _in_working_folder(home, name)
    return path


def _raw_file(home: Path, name: str, roots: tuple[Path, ...]) -> Path:
    """Give a file without HDF5 in which values lie; its name is relative to the working folder."""
    path = allowed(home.parent / name, roots)
    if Path(name).exists() and Path(name).resolve() != path:
        raise _in_working_folder(home, name)
    return path


def _in_working_folder(home: Path, name: str) -> RefusedError:
    return RefusedError(
        f"file {name} would be read from the working folder, not from {home.parent}; work in "
        f"another folder"
    )


def _name_of(item: h5py.HLObject) -> str:
    return str(item.file.filename)
