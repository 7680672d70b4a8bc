"""What becomes of documents that hold something which can not be stored.

A start document with such a thing is refused: nothing was measured yet. Of any other document all
the rest is kept, and in the place of the thing stands what it says of itself: one odd setting of a
device must not cost its readings.
"""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from .._errors import NXstxmTypeError, NXstxmValueError
from .._log import logger
from ._packing import PACKING_ERRORS, pack_value

#: Levels of a document that are looked through for what can not be stored.
_DEEPEST = 60
#: Places that were told of and are remembered, so that each is told of once.
_REMEMBERED = 1000
#: Places in one document that are told of.
_NAMED = 3
#: Kinds of arrays that have a number for what is masked.
_HAVE_NAN = {"b": np.float64, "i": np.float64, "u": np.float64, "f": None, "c": None}

_told: dict[tuple[str, str, str, str], None] = {}
_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = 300


@dataclasses.dataclass(frozen=True)
class _Found:
    """Something that can not be stored: where it stands, and what it is."""

    path: str
    value: Any


def pack_carefully(name: str, doc: Mapping[str, Any]) -> bytes:
    """Pack what the fast packer refused.

    Raises
    ------
    NXstxmTypeError
        A start document holds what can not be stored: with the path in it, and the type.
    NXstxmValueError
        It is nested too deeply, or a document is larger than msgpack's 4 GiB.
    """
    try:
        return pack_value((name, doc))
    except PACKING_ERRORS as error:
        if name == "start":
            raise _refusal(name, doc, error) from error
        changed = _told_of(name, doc)
    try:
        return pack_value((name, changed))
    except PACKING_ERRORS as error:
        raise _refusal(name, doc, error) from error


def check_start(doc: Mapping[str, Any]) -> None:
    """Refuse a start document that can not be stored; see `pack_carefully`."""
    pack_carefully("start", doc)


def storable(name: str, doc: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give a document of which all can be stored: almost always the same one.

    Parameters
    ----------
    name : str
        Kind of document.
    doc : Mapping
        The document.
    """
    return doc if _can_be_packed(doc) else _told_of(name, doc)


def storable_value(value: Any) -> Any:
    """Give a reading as it comes back from an archive, where it can not be stored itself."""
    return value if _can_be_packed(value) else _replaced(value, "", [])


def _can_be_packed(value: Any) -> bool:
    try:
        pack_value(value)
    except PACKING_ERRORS:
        return False
    return True


def _told_of(name: str, doc: Mapping[str, Any]) -> Any:
    """Replace what can not be stored; tell of it, once a place."""
    found: list[_Found] = []
    changed = _replaced(doc, "", found)
    uid, owner = _text(doc, "uid"), _text(doc, "descriptor") or _text(doc, "run_start")
    for each in found[:_NAMED]:
        kind = _kind(each.value)
        key = name, owner or uid, each.path, kind
        if key in _told:
            continue
        if len(_told) >= _REMEMBERED:
            _told.clear()
        _told[key] = None
        instead = (
            "it is stored with NaN where it is masked"
            if _is_masked(each.value)
            else "what it says of itself is stored as text"
        )
        logger.warning(
            "%s document %.8s: %s is a %s, which can not be stored; %s. Give numbers, text, "
            "arrays, lists or dicts", name, uid, _where(each), kind, instead,
        )  # fmt: skip
    return changed


def _text(doc: Any, key: str) -> str:
    """Give what a document has under a key, where that is text."""
    value = doc.get(key) if isinstance(doc, Mapping) else None
    return value if isinstance(value, str) else ""


def _refusal(
    name: str, doc: Mapping[str, Any], error: Exception
) -> NXstxmTypeError | NXstxmValueError:
    found: list[_Found] = []
    _replaced(doc, "", found)
    culprit = found[0] if found else _Found("", doc)
    what = f"{name} document {_text(doc, 'uid')}".strip()
    if not isinstance(error, TypeError):
        return NXstxmValueError(f"{what}: {_where(culprit)} can not be stored: {error}")
    return NXstxmTypeError(
        f"{what}: {_where(culprit)} is a {_kind(culprit.value)}, which can not be stored; give "
        f"{_way_out(culprit.value)}"
    )


def _where(found: _Found) -> str:
    path = found.path.removeprefix(".") or "the document"
    return path if len(path) <= 200 else f"{path[:60]}..."


def _kind(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _way_out(value: Any) -> str:
    if _is_masked(value):
        return "its filled(), and its mask beside it"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return "dataclasses.asdict() of it"
    return "numbers, text, arrays, lists or dicts"


def _is_masked(value: Any) -> bool:
    return isinstance(value, np.ma.MaskedArray) and value.dtype.kind in _HAVE_NAN


def _replaced(value: Any, path: str, found: list[_Found], depth: int = 0) -> Any:
    """Give a value of which all can be stored; note the places that were changed."""
    if _can_be_packed(value):
        return value
    before = len(found)
    if depth < _DEEPEST:
        try:
            changed = _rebuilt(value, path, found, depth)
        except Exception:  # noqa: BLE001 - mappings may be programs of others
            changed = None
        if changed is not None and _can_be_packed(changed):
            return changed
        del found[before:]  # no part of it is to blame, but the whole
    found.append(_Found(path, value))
    if _is_masked(value):
        return np.ma.filled(value.astype(_HAVE_NAN[value.dtype.kind] or value.dtype), np.nan)
    try:
        said = _BRIEF.repr(value)
    except BaseException as error:  # noqa: BLE001 - a program of others
        said = f"it can not say: {type(error).__name__}"
    return f"<{_kind(value)}, which can not be stored: {said}>"


def _rebuilt(value: Any, path: str, found: list[_Found], depth: int) -> Any:
    """Put what holds other values together again from what can be stored; None for the rest."""

    def each(step: str, child: Any) -> Any:
        return _replaced(child, path + step, found, depth + 1)

    if isinstance(value, Mapping):
        return {
            each(f".(the key {_shown(key)})", key): each(_step(key), child)
            for key, child in value.items()
        }
    if isinstance(value, (list, tuple)):
        made = [each(f"[{i}]", child) for i, child in enumerate(value)]
        return tuple(made) if isinstance(value, tuple) else made
    if isinstance(value, (set, frozenset)):
        parts = [each(f".(the element {_shown(child)})", child) for child in value]
        return frozenset(parts) if isinstance(value, frozenset) else set(parts)
    if type(value) is np.ndarray and value.dtype.hasobject:
        return _rebuilt_array(value, each)
    return None


def _rebuilt_array(value: np.ndarray[Any, Any], each: Any) -> np.ndarray[Any, Any]:
    changed: np.ndarray[Any, Any] = value.copy()
    if value.dtype.names is not None:
        for name in value.dtype.names:
            changed[name] = each(f"[{name!r}]", value[name])
        return changed
    for i, (at, child) in enumerate(np.ndenumerate(value)):
        changed[at] = each(f"[{i}]", child)
    return changed


def _step(key: Any) -> str:
    return f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{_shown(key)}]"


def _shown(key: Any) -> str:
    try:
        return _BRIEF.repr(key)
    except BaseException:  # noqa: BLE001 - a program of others
        return _kind(key)
