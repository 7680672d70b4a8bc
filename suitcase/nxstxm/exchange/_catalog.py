"""What has runs: catalogs of any kind, seen alike, and the list of those that are known.

An *opener* looks at whatever a user gave and makes a `Catalog` or a `Run` of it, or says that it is
none of its kind. Objects are recognised by the names of the modules that their classes come from:
nobody has to install a catalog that he does not use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

Document = Mapping[str, Any]
Documents = Iterable[tuple[str, Document]]


@runtime_checkable
class Run(Protocol):
    """A run that is somewhere."""

    @property
    def start(self) -> Document:
        """Its start document."""

    def documents(self) -> Documents:
        """Give its documents, from the start on, read anew at each call."""


@runtime_checkable
class Catalog(Protocol):
    """A collection of runs."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def run(self, uid: str) -> Run:
        """Give a run.

        Its ``stop`` is None as long as the catalog has no stop document; asking for the run again
        asks the catalog again.

        Raises
        ------
        NXstxmKeyError
            It is not there, or not yet.
        """

    def runs(
        self, *, since: float | None = None, until: float | None = None, scan_id: int | None = None
    ) -> Iterator[Run]:
        """Find runs.

        Parameters
        ----------
        since, until : float, optional
            Bounds of the start time, seconds since the epoch.
        scan_id : int, optional
            Only those of this number, which may repeat.
        """


Opener = Callable[[Any], "Catalog | Run | None"]
_OPENERS: dict[str, Opener] = {}


def register_source(name: str, opener: Opener) -> None:
    """Make a kind of source known to `export_scan` and all that exports.

    Parameters
    ----------
    name : str
        Name of the kind; one that is there is replaced.
    opener : callable
        Takes what a user gave and gives a `Catalog`, a `Run`, or None when it is nothing of its
        kind. Those that were registered last are asked first.
    """
    _OPENERS.pop(name, None)
    _OPENERS[name] = opener


def opened(thing: Any) -> Catalog | Run | None:
    """Make a catalog or a run of what a user gave; None when it is neither."""
    for opener in reversed(list(_OPENERS.values())):
        found = opener(thing)
        if found is not None:
            return found
    return None


def comes_from(thing: Any, *packages: str) -> bool:
    """Tell whether the class of an object, or one it is made from, comes from a package."""
    modules = {cls.__module__.partition(".")[0] for cls in type(thing).__mro__}
    return not modules.isdisjoint(packages)


def plain(value: Any) -> Any:
    """Give a document of a catalog as dicts and lists; numbers, text and arrays stay."""
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in dict(value.items()).items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if comes_from(value, "tiled") and isinstance(value, Iterable):
        return [plain(each) for each in value]  # its own kind of list
    return value
