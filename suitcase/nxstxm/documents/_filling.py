"""Readings that lie in files of a detector, brought into their events.

An event then holds a datum's id instead of an array; resource and datum documents say which file it
is in, and a *handler* for the kind of file reads it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any

import numpy as np

from .._errors import NXstxmError
from ._equal import shown
from ._storable import storable

Document = Mapping[str, Any]
logger = logging.getLogger(__name__)

#: Group of entry points in which packages announce their handlers, by spec. That of databroker.
HANDLERS = "databroker.handlers"
#: What says where readings are. The last two are not known to handlers: others read these.
_EXTERNAL = ("resource", "datum", "datum_page", "bulk_datum")


class UnfilledError(NXstxmError, OSError):
    """Readings that lie in a file can not be read."""


def installed_handler(spec: str) -> Any:
    """Give the handler that an installed package announces for a spec; None where there is none."""
    for point in entry_points(group=HANDLERS):
        if point.name == spec:
            return point.load()
    return None


class Filling:
    """Fills the events of one run.

    Parameters
    ----------
    handler_registry : Mapping of str to callable, optional
        Handler by spec; what it lacks is looked for among those that installed packages announce.
    root_map : Mapping of str to str, optional
        Root of the resources to where it is now.
    fill_or_fail : bool
        Raise when a reading can not be read; otherwise its event keeps the datum's id, and
        `messages` says so.
    leave : collection of str
        Specs whose readings stay where they are: somebody else knows them.

    Attributes
    ----------
    messages : list of str
        What could not be read, and why.
    """

    def __init__(
        self,
        handler_registry: Mapping[str, Any] | None = None,
        root_map: Mapping[str, str] | None = None,
        *,
        fill_or_fail: bool = False,
        leave: Collection[str] = (),
    ) -> None:
        self.messages: list[str] = []
        self._handlers = dict(handler_registry or {})
        self._root_map = dict(root_map or {})
        self._or_fail = fill_or_fail
        self._leave = frozenset(leave)
        self._left: set[str] = set()  # resources, and datums until their event comes
        self._filler: Any = None
        self._external: dict[str, tuple[str, ...]] = {}  # descriptor to keys
        self._resource_of: dict[str, str] = {}  # datum to resource
        self._resources: dict[str, Document] = {}
        self._specs: set[str] = set()
        self._given_up: set[str] = set()  # resources

    def __call__(self, name: str, doc: Document) -> Iterator[tuple[str, Document]]:
        """Take a document; give it, or what it becomes.

        Raises
        ------
        UnfilledError
            A reading can not be read, and it was said that it must.
        """
        if name in ("descriptor", "stop"):
            # what the file says of them is the same then, whether they come live or from an archive
            doc = storable(name, doc)
        if name == "descriptor":
            self._note_descriptor(doc)
        elif name in _EXTERNAL:
            if not self._is_left(name, doc):
                self._note_external(name, doc)
        elif name in ("event", "event_page") and self._external:
            keys = self._external.get(str(doc.get("descriptor")), ())
            if keys:
                yield from self._filled(name, doc, keys)
                return
        yield name, doc

    @property
    def is_idle(self) -> bool:
        """Whether events pass as they are: none of their readings is known to be in a file."""
        return not self._external

    def knowing(self, handlers: Mapping[str, Any], roots: Mapping[str, str]) -> Filling:
        """Add what the source of the run knows, behind what the user said; give itself."""
        self._handlers = {**handlers, **self._handlers}
        self._root_map = {**roots, **self._root_map}
        return self

    def close(self) -> None:
        """Close the files."""
        if self._filler is not None:
            self._filler.clear_handler_cache()
            self._filler.close()
            self._filler = None

    # -- what is known ----------------------------------------------------------------------------

    def _note_descriptor(self, doc: Document) -> None:
        data_keys = doc.get("data_keys")
        if not isinstance(data_keys, Mapping):
            return  # refused elsewhere, with a message
        keys = [
            key
            for key, declared in data_keys.items()
            if isinstance(declared, Mapping) and isinstance(declared.get("external"), str)
            if not declared["external"].startswith("STREAM:")
        ]
        if keys:
            self._external[str(doc.get("uid"))] = tuple(keys)
            self._tell_filler("descriptor", doc)

    def _is_left(self, name: str, doc: Document) -> bool:
        """Tell whether a document is of a resource that somebody else knows."""
        if name == "resource":
            if doc.get("spec") in self._leave:
                self._left.add(str(doc.get("uid")))
                return True
            return False
        if str(doc.get("resource")) not in self._left:
            return False
        ids = doc.get("datum_id", doc.get("datum_ids", ()))
        self._left.update([ids] if isinstance(ids, str) else map(str, ids))
        return True

    def _note_external(self, name: str, doc: Document) -> None:
        if name == "resource":
            self._resources[str(doc.get("uid"))] = doc
            self._find_handler(str(doc.get("spec")))
        elif name == "datum":
            self._resource_of[str(doc.get("datum_id"))] = str(doc.get("resource"))
        elif name == "datum_page":
            self._resource_of |= dict.fromkeys(doc.get("datum_id", ()), str(doc.get("resource")))
        elif name == "bulk_datum":  # an older form of datum_page
            keywords, resource = doc.get("datum_kwarg_list", ()), doc.get("resource")
            for datum, kwargs in zip(doc.get("datum_ids", ()), keywords, strict=False):
                one = {"datum_id": datum, "resource": resource, "datum_kwargs": kwargs}
                self._note_external("datum", one)
            return
        self._tell_filler(name, doc)

    def _tell_filler(self, name: str, doc: Document) -> None:
        try:
            if self._filler is None:
                self._filler = self._new_filler()
            self._filler(name, dict(doc))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            self._give_up(f"the {name} document {shown(doc.get('uid'))} makes no sense ({error})")

    def _new_filler(self) -> Any:
        # here, since event_model reads a dozen schemas when it is imported
        from event_model import Filler

        # without retries: what is not there is asked for once a resource, not once a point
        return Filler({}, root_map=self._root_map, inplace=True, retry_intervals=[])

    def _find_handler(self, spec: str) -> None:
        """Let the filler know a handler, when the first file of its kind comes."""
        if spec in self._specs:
            return
        self._specs.add(spec)
        try:
            handler = self._handlers.get(spec) or installed_handler(spec)
        except Exception as error:  # noqa: BLE001 - importing a program of others
            self._give_up(f"the handler for {shown(spec)} can not be imported ({error})")
            return
        if handler is not None:
            if self._filler is None:
                self._filler = self._new_filler()
            self._filler.register_handler(spec, handler)

    # -- events -----------------------------------------------------------------------------------

    def _filled(
        self, name: str, doc: Document, keys: tuple[str, ...]
    ) -> Iterator[tuple[str, Document]]:
        if name == "event":
            yield name, self._filled_event(doc, keys)
            return
        from event_model import unpack_event_page

        filled = doc.get("filled") or {}
        page: Any = {**doc, "filled": filled}
        for event in unpack_event_page(page):
            yield "event", self._filled_event(event, keys)

    def _filled_event(self, doc: Document, keys: tuple[str, ...]) -> Document:
        data = doc.get("data")
        if not isinstance(data, Mapping):
            return doc
        wanted = [key for key in keys if isinstance(data.get(key), str)]
        found: dict[str, Any] = {}
        for key in wanted:
            array = self._read(doc, key)
            if array is not None:
                found[key] = array
        if not found:
            return doc
        said = doc.get("filled")
        filled = {**(said if isinstance(said, Mapping) else {}), **{k: data[k] for k in found}}
        return {**doc, "data": {**data, **found}, "filled": filled}

    def _read(self, doc: Document, key: str) -> np.ndarray[Any, Any] | None:
        datum = doc["data"][key]
        if datum in self._left:
            self._left.discard(datum)
            return None
        resource = self._resource_of.get(datum, "")
        if resource in self._given_up:
            return None
        event = {**doc, "data": {key: datum}, "filled": {key: False}}
        try:
            value = self._filler.fill_event(event)["data"][key]
            array = np.asarray(value)  # now: lazy arrays hold their file open
        except (Exception, SystemExit) as error:  # noqa: BLE001 - handlers are programs of others
            self._give_up(self._why(key, datum, resource, error), resource, error)
            return None
        if array.dtype.kind not in "biufc":
            self._give_up(f"{key}: its handler gave a {type(value).__name__}, no array", resource)
            return None
        return array

    def _why(self, key: str, datum: str, resource: str, error: BaseException) -> str:
        """Say what could not be read, and the way out."""
        document = self._resources.get(resource)
        if document is None:
            return f"{key}: no resource document came for datum {shown(datum)}"
        spec = document.get("spec")
        if type(error).__name__ == "UndefinedAssetSpecification":
            return (
                f"{key}: no handler is known for files of the kind {shown(spec)}; give "
                f"handler_registry={{{spec!r}: Handler}}, or install the package that has it "
                f"(area-detector-handlers knows many)"
            )
        cause = error.__cause__ or error
        where = f"{document.get('root', '')} {document.get('resource_path', '')}".strip()
        return (
            f"{key}: {shown(where)} ({shown(spec)}) can not be read "
            f"({type(cause).__name__}: {shown(str(cause))}); if the files lie elsewhere now, say "
            f"root_map={{{document.get('root', '')!r}: 'where'}}"
        )

    def _give_up(
        self, message: str, resource: str | None = None, cause: BaseException | None = None
    ) -> None:
        if self._or_fail:
            raise UnfilledError(message) from cause
        if resource is not None:
            self._given_up.add(resource)
        self.messages.append(message)
        logger.warning("%s; its readings are left out", message)
