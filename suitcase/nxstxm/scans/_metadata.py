"""Reading values out of metadata that people and programs wrote: clear errors, no surprises."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

from .._errors import NXstxmValueError


class MetadataError(NXstxmValueError):
    """Metadata of a start document that can not be understood."""


def decode(value: Any, where: str) -> Any:
    """Decode JSON text, and JSON text within JSON text, until something else is left.

    Parameters
    ----------
    value : object
        Anything; only str and bytes are decoded.
    where : str
        What it is, for the message.

    Returns
    -------
    object
        What the JSON says.

    Raises
    ------
    MetadataError
        The text is no JSON.
    """
    for _ in range(8):
        if isinstance(value, bytes):
            value = value.decode("utf-8", "surrogateescape")
        if not isinstance(value, str):
            return value
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise MetadataError(
                f"{where} is not valid JSON ({error}); it begins {value[:40]!r}. "
                f"Give it as a JSON string or as a dict"
            ) from error
    raise MetadataError(f"{where} is JSON within JSON more than 8 times; give it decoded")


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    """Decode `value` and insist on a mapping."""
    value = decode(value, where)
    if not isinstance(value, Mapping):
        raise MetadataError(f"{where} is a {type(value).__name__}, not a mapping: {short(value)}")
    return value


def number(value: Any, where: str) -> float:
    """Insist on one finite number, also when it is written as text."""
    found = _finite(value, text=True)
    if found is None:
        raise MetadataError(f"{where} is {short(value)}, not a number")
    return found


def optional_number(value: Any) -> float | None:
    """Give a finite number or None, for what a file can do without."""
    return _finite(value, text=False)


def _finite(value: Any, *, text: bool) -> float | None:
    """Give a finite number as float; numpy's scalars, as live documents have them, are numbers."""
    if isinstance(value, bool) or not isinstance(value, (Real, str) if text else Real):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):  # no number; an integer beyond all floats
        return None
    return found if math.isfinite(found) else None


def numbers(value: Any, where: str) -> tuple[float, ...]:
    """Insist on a list of numbers; a single number is a list of one."""
    value = decode(value, where) if isinstance(value, (str, bytes)) else value
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Real):
        return (number(value, where),)
    if not isinstance(value, Sequence):
        raise MetadataError(f"{where} is {short(value)}, not a list of numbers")
    return tuple(number(v, f"{where}[{i}]") for i, v in enumerate(value))


def count(value: Any, where: str) -> int:
    """Insist on a whole number of at least 0."""
    result = number(value, where)
    if result < 0 or result != int(result):
        raise MetadataError(f"{where} is {result!r}, not a whole number of at least 0")
    return int(result)


def texts(value: Any) -> tuple[str, ...]:
    """Give a text or a list of texts as a tuple; anything else is left out."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Sequence):
        return tuple(v for v in value if isinstance(v, str))
    return ()


def text_or_none(value: Any) -> str | None:
    """Give a text, a number as text, or None."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return None


def short(value: Any, length: int = 60) -> str:
    """Show a value in a message, cut when long."""
    try:
        text = repr(value)
    except RecursionError:
        text = reprlib.repr(value)
    return text if len(text) <= length else text[: length - 3] + "..."


def stated(found: Mapping[str, Any], key: str, default: Any = None) -> Any:
    """Give what a mapping says of a key; nothing, and what is empty, is the default.

    Arrays have no truth: ``found.get(key) or default`` fails for one.
    """
    value = found.get(key)
    if value is None or (isinstance(value, (str, list, tuple, Mapping)) and not value):
        return default
    return value


def as_json(value: Any, *, sort_keys: bool = False) -> str:
    """Give something from a document as JSON; what JSON can not say, shortened and as Python."""
    try:
        return json.dumps(value, default=str, sort_keys=sort_keys)
    except (TypeError, ValueError, RecursionError):  # odd keys; nested too deeply, or in itself
        return reprlib.repr(value)
