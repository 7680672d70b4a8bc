"""When two document streams are equal: the yardstick of every round trip in this package.

A scan comes back from an archive, a catalog or a JSON file in another dress: pages instead of
events, lists instead of tuples and arrays, Python numbers instead of numpy's. None of that is
loss. An int that became a float, a missing key, a NaN that became None: that is loss, and it has
to be found and named.
"""

from __future__ import annotations

import itertools
import reprlib
from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from suitcase.nxstxm._errors import NXstxmValueError
from suitcase.nxstxm.documents._unpack import unpack_documents

# What stays distinct, by type and by numpy's kind of dtype. Everything not named here is a kind
# of its own.
_KINDS: dict[type, str] = {
    type(None): "None",
    bool: "bool",
    int: "int",
    float: "float",
    np.longdouble: "float",
    complex: "complex",
    np.clongdouble: "complex",
    str: "str",
    bytes: "bytes",
    bytearray: "bytes",
    memoryview: "bytes",
    np.datetime64: "datetime64",
    np.timedelta64: "timedelta64",
}
_DTYPE_KINDS = {
    "b": "bool",
    "i": "int",
    "u": "int",
    "f": "float",
    "c": "complex",
    "U": "str",
    "T": "str",
    "S": "bytes",
    "M": "datetime64",
    "m": "timedelta64",
}
# Two values of one of these types that are equal by `==` are equal; lists of them compare at the
# speed of C.
_PLAIN = frozenset({type(None), bool, int, float, str, bytes})
_SEQUENCES = (list, tuple, np.ndarray)


@dataclass
class _Difference:
    """What was found, and the way to it: the innermost step first."""

    reason: str
    steps: list[str] = field(default_factory=list)

    def below(self, step: str) -> _Difference:
        self.steps.append(step)
        return self

    def __str__(self) -> str:
        path = "".join(reversed(self.steps)).removeprefix(".")
        return f"{path}: {self.reason}" if path else self.reason


def values_equal(a: object, b: object) -> bool:
    """
    Whether two values of documents mean the same.

    A numpy scalar equals the Python one of the same value; a list equals a tuple equals an array
    of the same kind of dtype, shape and values; NaN equals NaN; a 0-d array equals its scalar; the
    order of keys does not matter. int, float, complex, bool and None stay distinct, in lists too.
    Values without elements are equal when they are as nested lists: nothing in an empty list
    tells its dtype.

    Parameters
    ----------
    a, b : object
        Anything that stands in a document, whole documents included.

    Raises
    ------
    NXstxmValueError
        When the values are nested too deeply to be compared.
    """
    return _compared(a, b) is None


def documents_equal(
    a: Iterable[tuple[str, Mapping[str, Any]]], b: Iterable[tuple[str, Mapping[str, Any]]]
) -> bool:
    """
    Whether two streams of documents agree, with pages unpacked, value by value and in order.

    See `difference`, which says where they do not.
    """
    return difference(a, b) is None


def difference(
    a: Iterable[tuple[str, Mapping[str, Any]]], b: Iterable[tuple[str, Mapping[str, Any]]]
) -> str | None:
    """
    Name the first place at which two streams of documents disagree.

    Parameters
    ----------
    a, b : iterable of (name, document)
        Streams in the order of their documents. They are read once, only as far as needed.

    Returns
    -------
    str or None
        The path and both values, such as ``events[3].data.det: 1 (int) is not 1.0 (float)``; a
        document is counted among those of its name. None when the streams are equal. An event
        without ``filled`` equals one with nothing in it: pages can not tell them apart.

    Raises
    ------
    NXstxmValueError
        When a page can not be unpacked, or values are nested too deeply to be compared.
    """
    seen: Counter[str] = Counter()
    pairs = itertools.zip_longest(unpack_documents(a), unpack_documents(b))
    for position, (left, right) in enumerate(pairs):
        if left is None or right is None:
            longer, (name, _) = ("first", left) if right is None else ("second", right)
            return f"documents[{position}]: only the {longer} stream goes on, with '{name}'"
        if left[0] != right[0]:
            return f"documents[{position}]: '{left[0]}' is not '{right[0]}'"
        name = left[0]
        found = _compared(_comparable(*left), _comparable(*right))
        if found is not None:
            return str(found.below(f"{name}s[{seen[name]}]"))
        seen[name] += 1
    return None


def value_difference(a: object, b: object) -> str | None:
    """Name the first place at which two values disagree by the rules of `values_equal`."""
    found = _compared(a, b)
    return None if found is None else str(found)


def _comparable(name: str, doc: Mapping[str, Any]) -> Mapping[str, Any]:
    if name == "event" and not doc.get("filled", True):
        return {key: value for key, value in doc.items() if key != "filled"}
    return doc


def _compared(a: object, b: object) -> _Difference | None:
    try:
        return _find(a, b)
    except RecursionError:
        raise NXstxmValueError("the values are nested too deeply to be compared") from None


def _find(a: Any, b: Any) -> _Difference | None:
    if a is b:
        return None
    if type(a) is type(b) and type(a) in _PLAIN and a == b:
        return None
    a, b = _bare(a), _bare(b)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return _find_in_mappings(a, b)
    if isinstance(a, _SEQUENCES) and isinstance(b, _SEQUENCES):
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
            return _find_in_arrays(a, b)
        return _find_in_sequences(a, b)
    if isinstance(a, AbstractSet) and isinstance(b, AbstractSet):
        return None if set(map(_key, a)) == set(map(_key, b)) else _differ(a, b)
    kind = _kind(a)
    return None if kind == _kind(b) and _same(kind, a, b) else _differ(a, b)


def _bare(value: Any) -> Any:
    """Take numpy's dress off a scalar; give a record as the list of its fields."""
    if isinstance(value, np.ndarray):
        return _bare(value[()]) if value.ndim == 0 else value
    if isinstance(value, np.void):
        return [value[name] for name in value.dtype.names] if value.dtype.names else value.tobytes()
    if isinstance(value, np.generic):
        # `item` would turn a datetime64 into an int, a datetime or a date, depending on its unit.
        return value if value.dtype.kind in "Mm" else value.item()
    if hasattr(value, "__array__"):
        return _bare(np.asarray(value))
    return value


def _kind(value: object) -> str:
    kind = _KINDS.get(type(value))
    if kind is not None:
        return kind
    # Subclasses: an IntEnum is an int, a str with a method more is a str.
    for parent in (int, float, complex, str, bytes):
        if isinstance(value, parent):
            return _KINDS[parent]
    return type(value).__qualname__


def _same(kind: str, a: Any, b: Any) -> bool:
    if kind == "float":
        return bool(a == b or (a != a and b != b))
    if kind == "complex":
        return _same("float", a.real, b.real) and _same("float", a.imag, b.imag)
    if kind in ("datetime64", "timedelta64"):
        return bool(a == b or (np.isnat(a) and np.isnat(b)))
    if kind == "bytes":
        return bytes(a) == bytes(b)
    try:
        return bool(a == b)
    except (TypeError, ValueError):  # objects that do not want to be compared
        return False


def _key(value: Any) -> tuple[str, object]:
    """Give a key under which 1, 1.0 and True are three."""
    value = _bare(value)
    return _kind(value), value


def _find_in_mappings(a: Mapping[Any, Any], b: Mapping[Any, Any]) -> _Difference | None:
    if not {type(key) for mapping in (a, b) for key in mapping} <= {str}:
        a = {_key(key): value for key, value in a.items()}
        b = {_key(key): value for key, value in b.items()}
        named = {key: repr(key[1]) for key in (*a, *b)}
    else:
        named = {}
    for longer, shorter, which in ((a, b, "first"), (b, a, "second")):
        missing = next((key for key in longer if key not in shorter), None)
        if missing is not None:
            return _Difference(f"only the {which} has {named.get(missing, repr(missing))}")
    for key, value in a.items():
        found = _find(value, b[key])
        if found is not None:
            plain = isinstance(key, str) and key.isidentifier()
            return found.below(f".{key}" if plain else f"[{named.get(key, repr(key))}]")
    return None


def _find_in_sequences(a: Any, b: Any) -> _Difference | None:
    """Compare two sequences of which at most one is an array."""
    a, b = _as_list(a, b), _as_list(b, a)
    if len(a) != len(b):
        return _Difference(f"{len(a)} values are not {len(b)}: {shown(a)}, {shown(b)}")
    types = set(map(type, a))
    if len(types) == 1 and types <= _PLAIN and types == set(map(type, b)) and list(a) == list(b):
        return None
    for index, (left, right) in enumerate(zip(a, b, strict=True)):
        found = _find(left, right)
        if found is not None:
            return found.below(f"[{index}]")
    return None


def _as_list(value: Any, other: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    # Rows that are arrays are compared with rows of the array, not with lists of its elements.
    by_rows = len(other) > 0 and isinstance(other[0], np.ndarray) and other[0].ndim > 0
    exact = value.dtype.kind in "biufcUSTO" and value.dtype.char not in "gG"
    return value.tolist() if exact and not by_rows else list(value)


def _find_in_arrays(a: np.ndarray, b: np.ndarray) -> _Difference | None:
    if a.size == 0 or b.size == 0:
        a_list, b_list = a.tolist(), b.tolist()
        return None if a_list == b_list else _differ(a_list, b_list)
    if a.shape != b.shape:
        return _Difference(f"an array of shape {a.shape} is not one of shape {b.shape}")
    if a.dtype.names is not None and b.dtype.names is not None:
        return _find_in_records(a, b)
    kinds = [_DTYPE_KINDS.get(array.dtype.kind) for array in (a, b)]
    if None in kinds or (kinds[0] == "str" and a.dtype.kind != b.dtype.kind):
        return _find_in_sequences(list(a), list(b))
    if kinds[0] != kinds[1]:
        return _Difference(f"an array of {a.dtype} is not one of {b.dtype}")
    same = _same_elements(a, b)
    if same.all():
        return None
    where = tuple(int(i) for i in np.argwhere(~same)[0])
    return _differ(a[where], b[where]).below(f"[{', '.join(map(str, where))}]")


def _find_in_records(a: np.ndarray, b: np.ndarray) -> _Difference | None:
    if a.dtype.names != b.dtype.names:
        return _Difference(f"the fields {a.dtype.names} are not {b.dtype.names}")
    for name in a.dtype.names or ():
        found = _find(a[name], b[name])
        if found is not None:
            return found.below(f"[{name!r}]")
    return None


def _same_elements(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    kind = _DTYPE_KINDS[a.dtype.kind]
    if kind == "complex":
        return np.asarray(_same_elements(a.real, b.real) & _same_elements(a.imag, b.imag))
    if kind == "int" and a.dtype.kind != b.dtype.kind:
        # Older numpy compares int64 with uint64 as float64, and 2**53 + 1 with 2**53 as equal.
        signed, unsigned = (a, b) if a.dtype.kind == "i" else (b, a)
        return np.asarray((signed >= 0) & (signed.astype(np.uint64) == unsigned.astype(np.uint64)))
    same = np.asarray(a == b)
    empty = {"float": np.isnan, "datetime64": np.isnat, "timedelta64": np.isnat}.get(kind)
    if empty is not None and not same.all():
        same |= empty(a) & empty(b)
    return same


def _differ(a: object, b: object) -> _Difference:
    a, b = _bare(a), _bare(b)
    return _Difference(f"{shown(a)} ({_kind(a)}) is not {shown(b)} ({_kind(b)})")


def shown(value: object) -> str:
    """Show a value in a message, cut when long or deep."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = 80
    return short.repr(value)
