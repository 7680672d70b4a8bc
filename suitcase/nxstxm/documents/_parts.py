"""Packing a document around its large arrays, which are then written from where they are.

The parts, one after the other, are the bytes that packing the whole document would give. Packing
copies an array four times until it is on the disk, which costs more than all the rest.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgpack
import numpy as np

from ._columns import LARGE_BYTES
from ._packing import PACKING_ERRORS, ArrayRef, PlacedRef, array_extension
from ._raw_arrays import array_head, elements_of
from ._storable import pack_carefully

#: Larger than msgpack can say; `pack_carefully` has the message.
_TOO_LARGE = 2**32 - 1024
_TOKEN = secrets.token_hex(8)  # so that no document holds a placeholder of ours by chance

_MAY_HOLD_ARRAYS = (np.ndarray, list)

Part = bytes | memoryview
#: Gives a large array a place elsewhere: data key, which one of a page, the array.
Place = Callable[[str, int, "np.ndarray[Any, Any]"], PlacedRef | None]


def pack_in_parts(
    pack: Callable[[object], bytes],
    name: str,
    doc: Mapping[str, Any],
    place: Place | None = None,
) -> tuple[list[Part], dict[str, Sequence[PlacedRef | None]]] | None:
    """Pack an event, or a page of events, around its large arrays.

    Parameters
    ----------
    pack : callable
        What `fast_packer` gave.
    name : str
        Kind of document.
    doc : Mapping
        The document.
    place : callable, optional
        May give an array a place elsewhere: then its reference is packed.

    Returns
    -------
    parts, placed
        The parts, bytes and views of the arrays themselves; and by data key the references of
        those which have another place. None when it has no large arrays.

    Raises
    ------
    NXstxmTypeError, NXstxmValueError
        Something else in it can not be packed.
    """
    data = doc.get("data") if name in ("event", "event_page") else None
    if type(data) is not dict and not isinstance(data, Mapping):
        return None
    for value in data.values():
        if type(value) in _MAY_HOLD_ARRAYS:
            break
    else:
        return None
    arrays: list[np.ndarray[Any, Any]] = []
    placed: dict[str, Sequence[PlacedRef | None]] = {}
    changed = {}
    for key, value in data.items():
        is_column = name == "event_page" and type(value) is np.ndarray
        its_place = None if is_column else place  # its rows would be several references
        changed[key] = _outlined(key, value, arrays, placed, its_place)
    if not arrays and not placed:
        return None
    outlined = {**doc, "data": changed}
    try:
        packed = pack((name, outlined))
    except PACKING_ERRORS:
        packed = pack_carefully(name, outlined)
    parts: list[Part] = []
    at = 0
    for number, array in enumerate(arrays):
        mark: bytes = msgpack.packb(array_extension(_placeholder(number)))
        found = packed.index(mark, at)
        head, elements = array_head(array), elements_of(array)
        length = len(head) + len(elements)
        parts += (packed[at:found], b"\xc9" + length.to_bytes(4, "big") + b"\x01" + head, elements)
        at = found + len(mark)
    parts.append(packed[at:])
    return parts, placed


def _placeholder(number: int) -> ArrayRef:
    return ArrayRef(_TOKEN, "", "", number, 0)


def _outlined(
    key: str,
    value: Any,
    arrays: list[np.ndarray[Any, Any]],
    placed: dict[str, Sequence[PlacedRef | None]],
    place: Place | None,
) -> Any:
    """Put references for large arrays that have a place, and placeholders for the others."""

    def outlined(i: int, each: Any) -> Any:
        if type(each) is not np.ndarray or each.ndim == 0:
            return each
        if not LARGE_BYTES <= each.nbytes < _TOO_LARGE or each.dtype.kind not in "biufc":
            return each
        found = None if place is None else place(key, i, each)
        if found is not None:
            return found
        arrays.append(each)
        return _placeholder(len(arrays) - 1)

    if type(value) is np.ndarray:
        changed = [outlined(0, value)]
    elif type(value) is list and value and type(value[0]) is np.ndarray:
        changed = [outlined(i, each) for i, each in enumerate(value)]
    else:
        return value
    refs = [each if type(each) is PlacedRef else None for each in changed]
    if any(refs):
        placed[key] = refs
    return changed if type(value) is list else changed[0]
