"""Packing a document around its large arrays, which are then written from where they are.

The parts, one after the other, are the bytes that packing the whole document would give. Packing
copies an array four times until it is on the disk, which costs more than all the rest.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

import msgpack
import numpy as np

from ._columns import LARGE_BYTES
from ._packing import PACKING_ERRORS, ArrayRef, array_extension, pack_carefully
from ._raw_arrays import array_head, elements_of

#: Larger than msgpack can say; `pack_carefully` has the message.
_TOO_LARGE = 2**32 - 1024
_TOKEN = secrets.token_hex(8)  # so that no document holds a placeholder of ours by chance

_MAY_HOLD_ARRAYS = (np.ndarray, list)

Part = bytes | memoryview


def pack_in_parts(
    pack: Callable[[object], bytes], name: str, doc: Mapping[str, Any]
) -> list[Part] | None:
    """Pack an event, or a page of events, around its large arrays.

    Parameters
    ----------
    pack : callable
        What `fast_packer` gave.
    name : str
        Kind of document.
    doc : Mapping
        The document.

    Returns
    -------
    list of bytes or memoryview, or None
        The parts; None when it has no large arrays. The views are of the arrays themselves.

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
    changed = {key: _outlined(value, arrays) for key, value in data.items()}
    if not arrays:
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
    return parts


def _placeholder(number: int) -> ArrayRef:
    return ArrayRef(_TOKEN, "", "", number, 0)


def _outlined(value: Any, arrays: list[np.ndarray[Any, Any]]) -> Any:
    """Put placeholders for large arrays, which are added to a list."""
    if type(value) is np.ndarray and value.ndim > 0:
        if LARGE_BYTES <= value.nbytes < _TOO_LARGE and value.dtype.kind in "biufc":
            arrays.append(value)
            return _placeholder(len(arrays) - 1)
    elif type(value) is list and value and type(value[0]) is np.ndarray:
        return [_outlined(each, arrays) for each in value]
    return value
