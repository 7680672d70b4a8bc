"""What is in a backend, compared with what a database knows of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ._backend import StorageBackend
from ._errors import DataCorrupted, DataNotAvailable
from ._frontend import Location
from ._metadata import StoredMetadata
from ._sqlite_rows import Row, Rows, State

#: Rows that are noted at a time.
_BATCH = 500


@dataclass(frozen=True)
class Scanned:
    """What was found in a backend.

    Attributes
    ----------
    found, added, forgotten : int
        Whole data that are there; those of them that were not known; those that were and are gone.
    broken : tuple of str
        Where something is that is damaged or not whole.
    """

    found: int
    added: int
    forgotten: int
    broken: tuple[str, ...] = ()


def seen(at: Location) -> tuple[State, StoredMetadata | None]:
    """Look at data; what describes them is None where it is gone or damaged."""
    try:
        metadata = at.backend.get_metadata(at.backend_key)
    except DataNotAvailable:
        return "gone", None
    except DataCorrupted:
        return "broken", None
    return ("whole" if metadata.is_whole else "broken"), metadata


def scanned(
    rows: Rows,
    name: str,
    backend: StorageBackend,
    places: Iterable[str],
    backends: Mapping[str, StorageBackend],
) -> Scanned:
    """Take up what is in a backend, and forget what has gone.

    Parameters
    ----------
    rows : Rows
        The database.
    name : str
        What it calls the backend.
    backend : StorageBackend
        The backend.
    places : iterable of str
        The backend keys of all that is there.
    backends : Mapping of str to StorageBackend
        All backends.
    """
    broken: list[str] = []
    new: list[Row] = []
    whole: set[str] = set()
    added = 0
    for place in places:
        at = Location(backend, place)
        state, metadata = seen(at)
        if state == "gone":  # it has just been begun
            continue
        if state == "broken" or metadata is None:
            broken.append(str(at))
            continue
        whole.add(place)
        known = rows.get(metadata.key)
        if known is not None and known.backend != name and _is_whole(known, backends):
            continue
        row = Row.of(metadata.key, name, place)
        if known != row:
            new.append(row)
            added += known is None or known.place != row.place
        if len(new) >= _BATCH:
            rows.put(new)
            new = []
    rows.put(new)
    return Scanned(len(whole), added, _forget(rows, name, backend, whole), tuple(broken))


def _is_whole(row: Row, backends: Mapping[str, StorageBackend]) -> bool:
    """Tell whether data are where the database has them."""
    backend = backends.get(row.backend)
    return backend is not None and seen(Location(backend, row.backend_key))[0] == "whole"


def _forget(rows: Rows, name: str, backend: StorageBackend, whole: set[str]) -> int:
    """Forget data that are gone, and note those that are damaged."""
    gone: list[Row] = []
    for row in rows.like(backend=name):
        if row.backend_key not in whole:
            state, _ = seen(Location(backend, row.backend_key))
            if state == "gone":
                gone.append(row)
            else:  # what was registered may be where nothing is listed
                rows.see(row, state)
    rows.forget(gone)
    return len(gone)
