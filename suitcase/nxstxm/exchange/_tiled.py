"""Tiled, and databroker 2, which is a client of it.

A server that has the exporter of documents gives documents. Any other gives metadata, tables and
arrays, of which the documents are made here. Readings that only the server reaches come from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .._errors import NXstxmError, NXstxmKeyError, NXstxmOSError
from ._catalog import Catalog, Document, Documents, Run, comes_from, plain
from ._tiled_streams import TiledStreams, without_first

PREFIX = "tiled:"


class TiledRun:
    """A run on a Tiled server.

    Parameters
    ----------
    node : BlueskyRun
        The client of the run.
    """

    def __init__(self, node: Any) -> None:
        self._node = node

    @property
    def start(self) -> Document:
        """The start document."""
        return dict(plain(self._node.metadata["start"]))

    @property
    def stop(self) -> Document | None:
        """The stop document, if there was one when the run was asked for."""
        stop = self._node.metadata.get("stop")
        return None if not stop else dict(plain(stop))

    def documents(self) -> Documents:
        """Give the documents; each call asks the server anew.

        Raises
        ------
        NXstxmOSError
            The server can not be reached, or can not read the run.
        """
        with _asking(self._node):
            streams = TiledStreams(self._node)
            for name, doc in self._whole(streams):
                yield from streams.completed(name, plain(doc))
            yield from streams.rest()  # of a run that still goes on

    def _whole(self, streams: TiledStreams) -> Iterator[tuple[str, Document]]:
        """Give what the exporter gives; make what it does not."""
        given = self._exported()
        if given is None:
            yield "start", self.start
        for name, doc in given or ():
            if name == "stop" and not doc:
                return  # so the exporter ends a run that still goes on
            yield name, doc
            if name == "stop":
                return
        # there is no exporter, or it failed on the way, and then its documents just end
        yield from self._made(streams)

    def _exported(self) -> Iterator[tuple[str, Document]] | None:
        """Give what the server's exporter gives; None where it has none."""
        if not hasattr(self._node, "documents"):
            return None
        try:
            documents = iter(self._node.documents(fill=False))
            first = next(documents)
        except (StopIteration, NotImplementedError):
            return None
        except Exception as error:
            response = getattr(error, "response", None)
            if getattr(response, "status_code", None) in (404, 406, 501):
                return None
            raise

        def all_of_them() -> Iterator[tuple[str, Document]]:
            yield first
            yield from documents

        return all_of_them()

    def _made(self, streams: TiledStreams) -> Iterator[tuple[str, Document]]:
        """Make documents of what the run consists of, and was not given yet."""
        start = self.start
        for stream in streams:
            uid, n_given = streams.given(stream)
            descriptor = streams.descriptor(stream, start)
            if uid is None:
                yield "descriptor", descriptor
            else:
                descriptor["uid"] = uid
            for name, page in streams.pages(stream, descriptor):
                n = len(page["seq_num"])
                if n_given < n:
                    yield name, without_first(page, n_given)
                n_given = max(n_given - n, 0)
        stop = self.stop
        if stop is not None:
            yield "stop", stop


class TiledCatalog:
    """A container of runs on a Tiled server.

    Parameters
    ----------
    node : CatalogOfBlueskyRuns or Container
        The client of the container.
    """

    def __init__(self, node: Any) -> None:
        self._node = node

    @property
    def name(self) -> str:
        """Where it is, without what the address keeps secret."""
        address = str(getattr(self._node, "uri", "")).partition("?")[0]
        return f"Tiled catalog {address}".strip()

    def run(self, uid: str) -> Run:
        """Give a run; see `Catalog.run`."""
        with _asking(self._node):
            try:
                return TiledRun(self._node[uid])
            except (KeyError, ValueError) as error:  # databroker 2 has its own for short uids
                raise NXstxmKeyError(f"{self.name} has no run {uid}") from error

    def runs(
        self, *, since: float | None = None, until: float | None = None, scan_id: int | None = None
    ) -> Iterator[Run]:
        """Find runs; see `Catalog.runs`."""
        with _asking(self._node):
            from tiled.queries import Key

            found = self._node
            if since is not None:
                found = found.search(Key("start.time") >= since)
            if until is not None:
                found = found.search(Key("start.time") < until)
            if scan_id is not None:
                found = found.search(Key("start.scan_id") == scan_id)
            for node in found.values():
                if "start" in node.metadata:
                    yield TiledRun(node)


def open_tiled(thing: Any) -> Catalog | Run | None:
    """Make a catalog or a run of a client of Tiled, or of databroker 2.

    ``"tiled:ADDRESS"`` is what the server has there, ``"tiled:PROFILE"`` what a profile of Tiled's
    names.
    """
    if isinstance(thing, str) and thing.startswith(PREFIX):
        thing = _connected(thing.removeprefix(PREFIX))
    elif comes_from(thing, "databroker") and not comes_from(thing, "tiled"):
        thing = getattr(thing, "v2", None)  # of databroker 2's first interface
    if thing is None or not comes_from(thing, "tiled"):
        return None
    if "start" in getattr(thing, "metadata", {}):
        return TiledRun(thing)
    return TiledCatalog(thing) if hasattr(thing, "search") else None


def _connected(where: str) -> Any:
    try:
        from tiled.client import from_profile, from_uri
    except ImportError as error:
        raise NXstxmOSError(
            f"{PREFIX}{where} needs Tiled's client, which is not installed: pip install "
            f"'suitcase-nxstxm[tiled]'"
        ) from error
    with _asking(where.partition("?")[0]):
        return from_uri(where) if "://" in where else from_profile(where)


@contextmanager
def _asking(node: Any) -> Iterator[None]:
    """Make one clear error of what can go wrong between a client and its server."""
    try:
        yield
    except NXstxmError:
        raise
    except Exception as error:
        if not comes_from(error, "httpx", "httpcore", "tiled") and not isinstance(error, OSError):
            raise
        where = str(getattr(node, "uri", node)).partition("?")[0]
        raise NXstxmOSError(
            f"Tiled at {where} did not answer as it should ({type(error).__name__}: "
            f"{str(error)[:300]}); see that the server runs and that you may read there"
        ) from error
