"""One text for one value: what a hash of options can be made of.

The text is JSON with sorted keys. What JSON has no word for is written as an object of one key that
begins with ``$``; an option that is itself such a mapping, or has keys that are no text, is written
as pairs. So no two values share a text unless they are on the table below.

=========================================  ====================================================
values                                     text
=========================================  ====================================================
tuple, list, range, array of numpy         a list of its elements
numbers and text of numpy, ``np.bool_``    those of Python
1, 1.0 and True                            ``1``, ``1.0`` and ``true``: they are different
-0.0                                       ``0.0``, which it equals
NaN, infinities                            ``{"$float": "nan"}``
set, frozenset                             ``{"$set": [...]}``, sorted
bytes, complex                             ``{"$bytes": hex}``, ``{"$complex": [re, im]}``
`Path`                                     ``{"$path": "a/b"}``, with slashes on every system
a member of an `Enum`                      ``{"$enum": "Class.NAME"}``; its value does not count
datetime with a zone, without              ``{"$datetime": ...}``, in UTC; as it is
date, timedelta, ``np.datetime64``, ...    ``$date``, ``$timedelta`` (microseconds), ``$datetime64``
slice                                      ``{"$slice": [start, stop, step]}``
xarray's DataArray                         ``{"$array": {dims, values, coords}}``; no attributes
=========================================  ====================================================
"""

from __future__ import annotations

import base64
import datetime
import enum
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from ._errors import KeyValueError

_PLAIN = (str, bool, int, type(None))


def canonical(value: Any, what: str = "the value") -> str:
    """Give the one text of a value.

    Parameters
    ----------
    value : object
        Numbers, text, None, bytes, mappings, sequences, sets, dates, paths, members of enums,
        slices, arrays.
    what : str
        What the message of an error calls it.

    Raises
    ------
    KeyValueError
        The value, or one inside it, has no defined form.
    """
    return as_text(plain(value, what))


def as_text(value: Any) -> str:
    """Write a plain value: JSON, sorted, without blanks, in ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(text: str) -> str:
    """Give the sha256 of a text in 52 letters and digits, which differ also without their case."""
    made = hashlib.sha256(text.encode("ascii")).digest()
    return base64.b32encode(made).decode("ascii").rstrip("=").lower()


def plain(value: Any, what: str = "the value") -> Any:
    """Give a value as JSON has it; see `canonical`."""
    if isinstance(value, enum.Enum):
        return {"$enum": f"{type(value).__name__}.{_member(value)}"}
    if isinstance(value, np.floating):
        value = float(value)  # the item of a long double is a long double
    elif isinstance(value, np.generic) and not isinstance(value, (np.datetime64, np.timedelta64)):
        value = complex(value) if isinstance(value, np.complexfloating) else value.item()
    if isinstance(value, _PLAIN):
        return str(value) if isinstance(value, str) else _integer(value)
    if type(value).__module__.partition(".")[0] == "xarray":
        return _xarray(value, what)  # also what is a mapping, as which it would lose coordinates
    for kind, form in _FORMS:
        if isinstance(value, kind):
            return form(value, what)
    raise KeyValueError(
        f"{what} is {value!r:.100}, a {type(value).__name__}, which has no defined form that a "
        f"hash could be made of; give numbers, text, lists, mappings, dates, paths or arrays of "
        f"these"
    )


def is_plain(value: Any) -> bool:
    """Tell whether `plain` may have given a value."""
    if isinstance(value, list):
        return all(map(is_plain, value))
    if isinstance(value, dict):
        return all(type(key) is str and is_plain(each) for key, each in value.items())
    if type(value) is float:
        return math.isfinite(value) and repr(value) != "-0.0"
    return value is None or type(value) in (str, bool, int)


def _member(value: enum.Enum) -> str:
    """Name a member; several flags together, for which Pythons have different names, one by one."""
    if not isinstance(value, enum.Flag) or value.name in type(value).__members__:
        return str(value.name)
    bits = int(value.value)
    single = [each for each in type(value).__members__.values() if each.value.bit_count() == 1]
    names = {str(each.name): each.value for each in single if each.value & bits}
    rest = bits & ~sum(names.values())
    return "|".join([*sorted(names), *([str(rest)] if rest else [])])


def _integer(value: Any) -> Any:
    return value if value is None or isinstance(value, bool) else int(value)


def _float(value: float, what: str) -> Any:  # noqa: ARG001 - all forms are called alike
    if math.isfinite(value):
        return float(value) or 0.0
    return {"$float": repr(float(value))}


def _mapping(value: Mapping[Any, Any], what: str) -> Any:
    if all(_is_name(key) for key in value):
        return {str(key): plain(each, f"{what}[{key!r}]") for key, each in value.items()}
    pairs = [
        [plain(key, f"a key of {what}"), plain(each, f"{what}[{key!r}]")]
        for key, each in value.items()
    ]
    return {"$map": sorted(pairs, key=as_text)}


def _is_name(key: Any) -> bool:
    return isinstance(key, str) and not isinstance(key, enum.Enum) and not key.startswith("$")


def _sequence(value: Any, what: str) -> Any:
    return [plain(each, f"{what}[{i}]") for i, each in enumerate(value)]


def _array(value: np.ndarray, what: str) -> Any:
    if value.dtype.kind in "biuU" or (value.dtype.kind == "f" and np.isfinite(value).all()):
        return _as_python(value).tolist()
    if value.ndim == 0:
        return plain(value[()], what)
    return _sequence(value, what)


def _as_python(value: np.ndarray) -> np.ndarray:
    return value.astype(np.float64) + 0.0 if value.dtype.kind == "f" else value  # no -0.0


def _set(value: Any, what: str) -> Any:
    return {"$set": sorted((plain(each, f"an element of {what}") for each in value), key=as_text)}


def _datetime(value: datetime.datetime, what: str) -> Any:  # noqa: ARG001
    if value.tzinfo is not None:
        value = value.astimezone(datetime.timezone.utc)
    return {"$datetime": value.isoformat()}


def _datetime64(value: np.datetime64 | np.timedelta64, what: str) -> Any:  # noqa: ARG001
    kind = "$datetime64" if isinstance(value, np.datetime64) else "$timedelta64"
    text = str(value) if kind == "$datetime64" else str(value.astype(np.int64))
    unit, count = np.datetime_data(value.dtype)
    return {kind: [text, unit if count == 1 else f"{count}{unit}"]}


def _timedelta(value: datetime.timedelta, what: str) -> Any:  # noqa: ARG001
    made, finer = value // datetime.timedelta(microseconds=1), getattr(value, "nanoseconds", 0)
    return {"$timedelta": [made, finer] if finer else made}  # pandas has nanoseconds


def _xarray(value: Any, what: str) -> Any:
    if type(value).__name__ != "DataArray":
        raise KeyValueError(
            f"{what} is a {type(value).__name__} of xarray, which has no defined form; give a "
            f"DataArray"
        )
    return {
        "$array": {
            "dims": [str(dim) for dim in value.dims],
            "values": _array(np.asarray(value.values), what),
            "coords": {
                str(name): [list(map(str, each.dims)), _array(np.asarray(each.values), what)]
                for name, each in value.coords.items()
            },
        }
    }


_Form = Callable[[Any, str], Any]
#: Looked through in this order: a datetime is a date too.
_FORMS: tuple[tuple[Any, _Form], ...] = (
    (float, _float),
    (Mapping, _mapping),
    ((list, tuple, range), _sequence),
    (np.ndarray, _array),
    ((set, frozenset), _set),
    ((bytes, bytearray), lambda value, _: {"$bytes": bytes(value).hex()}),
    (complex, lambda v, w: {"$complex": [plain(v.real, w), plain(v.imag, w)]}),
    (PurePath, lambda value, _: {"$path": value.as_posix()}),
    (datetime.datetime, _datetime),
    (datetime.date, lambda value, _: {"$date": value.isoformat()}),
    (datetime.timedelta, _timedelta),
    ((np.datetime64, np.timedelta64), _datetime64),
    (slice, lambda v, w: {"$slice": [plain(each, w) for each in (v.start, v.stop, v.step)]}),
)
