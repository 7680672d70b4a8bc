"""Names, numbers and texts as a database takes them."""

from __future__ import annotations

import math
import operator
from typing import Any

from ._errors import VariableError

#: Columns of the table that are no variables.
RESERVED = ("proposal", "run", "start_time", "added_at")
#: Attributes, as JSON, of a variable that no context file describes.
SUBMITTED = '{"submitted": true}'
_INT64 = 2**63


def checked_name(name: Any, what: str = "variable") -> str:
    """Give a name that can be one.

    Raises
    ------
    VariableError
        It is empty, no text, none that UTF-8 has, or that of a column.
    """
    if not isinstance(name, str) or not name:
        raise VariableError(f"{what} {shown(name)} has no name; give a text that is not empty")
    if "\0" in name or not is_unicode(name):
        raise VariableError(
            f"{what} {name!r:.60} can not have this name: it has a NUL, or half a character; leave "
            f"that out"
        )
    if what == "variable" and name in RESERVED:
        raise VariableError(
            f"a variable can not have the name {name!r}, which a column of the table has; give it "
            f"another one"
        )
    return name


def shown(value: Any) -> str:
    """Give what a message shows of a value; Python itself does not print the longest integers."""
    try:
        return f"{value!r:.60}"
    except ValueError:
        return f"an {type(value).__name__} that is too long to be shown"


def is_unicode(text: str) -> bool:
    """Tell whether UTF-8 has all of a text: of names of files it may have not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def storable(text: str | None) -> str | None:
    """Give a text that is Unicode; what is not is written as its number."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()


def bound(text: str) -> str | bytes:
    """Give a text as it is stored where it has to come back the same: bytes where it has to be."""
    return text if is_unicode(text) else text.encode("utf-8", "surrogatepass")


def unbound(value: Any) -> Any:
    """Give back what `bound` was given."""
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


def whole(number: Any, what: str) -> int:
    """Give a whole number that a database can keep.

    Raises
    ------
    VariableError
        It is none.
    """
    try:
        found = None if isinstance(number, bool) else operator.index(number)
    except TypeError:
        found = None
    if found is None or not -_INT64 <= found < _INT64:
        raise VariableError(f"{what}={shown(number)} is no number of a {what}; give an integer")
    return found


def moment(time: Any, what: str) -> float | None:
    """Give a time in seconds since 1970, or none.

    Raises
    ------
    VariableError
        It is none.
    """
    if time is None:
        return None
    try:
        found = float(time)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise VariableError(f"{what}={shown(time)} is no time; give seconds since 1970")
    return found
