"""Databroker 1: catalogs on MongoDB, msgpack or JSON lines files, in both of its interfaces.

Its runs fill themselves. Databroker 2 is a client of Tiled and lives next door.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .._errors import NXstxmKeyError, NXstxmOSError, NXstxmValueError
from ._catalog import Catalog, Document, Documents, Run, comes_from, plain

PREFIX = "databroker:"


class DatabrokerRun:
    """A run of databroker 1.

    Parameters
    ----------
    run : BlueskyRun
        As its second interface gives it.
    """

    def __init__(self, run: Any) -> None:
        self._run = run

    @property
    def start(self) -> Document:
        """The start document."""
        return dict(plain(self._run.metadata["start"]))

    @property
    def stop(self) -> Document | None:
        """The stop document, if there was one when the run was asked for."""
        stop = self._run.metadata.get("stop")
        return None if not stop else dict(plain(stop))

    @property
    def handlers(self) -> Mapping[str, Any]:
        """The catalog's own handlers for files of detectors, by spec."""
        return dict(getattr(self._filler, "handler_registry", {}))

    @property
    def roots(self) -> Mapping[str, str]:
        """The catalog's own knowledge of where such files are now."""
        return dict(getattr(self._filler, "root_map", {}))

    @property
    def _filler(self) -> Any:
        return getattr(self._run, "fillers", {}).get("yes")

    def documents(self) -> Documents:
        """Give the documents as they were stored, to be filled by who exports.

        Raises
        ------
        NXstxmOSError
            The catalog can not read them.
        """
        try:
            yield from self._run.canonical(fill="no")
        except (OSError, KeyError, ValueError) as error:
            uid = self.start.get("uid")
            raise NXstxmOSError(
                f"databroker can not read run {uid} ({type(error).__name__}: {error})"
            ) from error


class DatabrokerCatalog:
    """A catalog of databroker 1.

    Parameters
    ----------
    catalog : databroker.v2 catalog
        A ``databroker.v1.Broker`` has one as its ``v2``.
    """

    def __init__(self, catalog: Any) -> None:
        self._catalog = catalog

    @property
    def name(self) -> str:
        """The name of the catalog."""
        return f"databroker catalog {self._catalog.name}"

    def run(self, uid: str) -> Run:
        """Give a run; see `Catalog.run`."""
        self._catalog.force_reload()
        try:
            run = DatabrokerRun(self._catalog[uid])
            if run.stop is None:
                # on MongoDB a catalog remembers it, whatever it reloads; what it searches does not
                whole = str(run.start["uid"])
                run = DatabrokerRun(self._catalog.search({"uid": whole})[whole])
        except KeyError as error:
            raise NXstxmKeyError(f"{self.name} has no run {uid}") from error
        return run

    def runs(
        self, *, since: float | None = None, until: float | None = None, scan_id: int | None = None
    ) -> Iterator[Run]:
        """Find runs; see `Catalog.runs`."""
        query: dict[str, Any] = {}
        if scan_id is not None:
            query["scan_id"] = scan_id
        bounds = {"$gte": since, "$lt": until}
        given = {sign: value for sign, value in bounds.items() if value is not None}
        if given:
            query["time"] = given
        self._catalog.force_reload()
        found = self._catalog.search(query)
        for uid in list(found):
            yield DatabrokerRun(found[uid])


def open_databroker(thing: Any) -> Catalog | Run | None:
    """Make a catalog of a databroker 1 catalog, and a run of a header or run.

    ``"databroker:NAME"`` is the catalog of that name, of either databroker.
    """
    if isinstance(thing, str) and thing.startswith(PREFIX):
        return _by_name(thing.removeprefix(PREFIX))
    if not comes_from(thing, "databroker", "intake") or comes_from(thing, "tiled"):
        return None
    second = getattr(getattr(thing, "db", thing), "v2", None)  # what a Broker, or a Header's, wraps
    if comes_from(second, "tiled"):
        return None  # databroker 2
    if second is not None:
        catalog = DatabrokerCatalog(second)
        return catalog.run(thing.start["uid"]) if hasattr(thing, "documents") else catalog
    if hasattr(thing, "canonical"):
        return DatabrokerRun(thing)
    if hasattr(thing, "search") and hasattr(thing, "force_reload"):
        return DatabrokerCatalog(thing)
    return None


def _by_name(name: str) -> Catalog | Run | None:
    try:
        import databroker
    except ImportError as error:
        raise NXstxmOSError(
            f"{PREFIX}{name} needs databroker, which is not installed: pip install "
            f"'suitcase-nxstxm[databroker]'"
        ) from error
    from ._catalog import opened

    try:
        catalog = databroker.catalog[name]
    except (KeyError, AttributeError) as error:
        raise NXstxmKeyError(
            f"databroker knows no catalog {name!r}; databroker.catalog lists them, and "
            f"databroker.catalog_search_path() says where their YAML files are"
        ) from error
    found = opened(catalog() if callable(catalog) and not hasattr(catalog, "search") else catalog)
    if found is None:
        raise NXstxmValueError(f"databroker catalog {name!r} is no catalog of runs")
    return found
