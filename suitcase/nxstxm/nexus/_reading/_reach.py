"""Members of groups, reached link by link, so that no link leads where nobody wanted to look.

HDF5 follows every link by itself: into other folders, round in circles, through files of devices.
Here each link is looked at before it is followed, and files that others lead to are opened by name,
when they lie where the reader may look.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

import h5py

from ..._errors import NXstxmOSError
from ..._h5tree import H5_ERRORS, refuse_type, why

Member: TypeAlias = h5py.Group | h5py.Dataset

#: Links that are followed on the way to one member.
_MOST_LINKS = 16
#: No program that writes scans has so many members in a group.
_MOST_MEMBERS = 20_000
#: A file whose virtual dataset has more files than this is not looked through.
_MOST_SOURCES = 20_000


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


def check_sources(dataset: h5py.Dataset, roots: tuple[Path, ...]) -> None:
    """Look where the values of a dataset lie: in which other files, and in theirs.

    Raises
    ------
    RefusedError
        Some lie where the reader may not look.
    """
    _check_sources(dataset, roots, set())


def _check_sources(
    dataset: h5py.Dataset, roots: tuple[Path, ...], seen: set[tuple[Path, str]]
) -> None:
    how = dataset.id.get_create_plist()
    if how.get_layout() != h5py.h5d.VIRTUAL and not how.get_external_count():
        return  # in its own file, as nearly all are
    home = Path(_name_of(dataset))
    for name, _, _ in dataset.external or ():
        _allowed_source(home, str(name), roots)
    if not dataset.is_virtual:
        return
    sources = dict.fromkeys((s.file_name, s.dset_name) for s in dataset.virtual_sources())
    for file_name, name in sources:
        path = home if file_name == "." else _allowed_source(home, file_name, roots)
        if (path, name) in seen or not path.is_file():
            continue  # HDF5 fills what is missing
        seen.add((path, name))
        if len(seen) > _MOST_SOURCES:
            raise RefusedError(f"{dataset.name} is made of more than {_MOST_SOURCES} files")
        with Reach(open_shared(path), path, roots) as reach:
            found = reach.at(reach.root, *name.strip("/").split("/"))
            if isinstance(found, h5py.Dataset):
                _check_sources(found, roots, seen)
            elif reach.refused:
                raise RefusedError(reach.refused[0])


def _allowed_source(home: Path, name: str, roots: tuple[Path, ...]) -> Path:
    path = allowed(home.parent / name, roots)
    if not path.exists() and Path(name).exists():
        # HDF5 looks in the working directory too
        raise RefusedError(f"file {name} is missing in {home.parent}; it is in the working folder")
    return path


def _name_of(item: h5py.HLObject) -> str:
    return str(item.file.filename)
