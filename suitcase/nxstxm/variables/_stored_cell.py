"""A cell as the table has it, and the columns of the database that it is kept in."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._errors import CellError
from ._names import checked_name, is_unicode, moment, shown, storable

#: The columns of a cell, in the order of `encoded` and `decoded`.
COLUMNS = "name, value, timestamp, max_diff, provenance, summary_type, summary_method, attributes"
PNG = b"\x89PNG\r\n\x1a\n"
NPY = b"\x93NUMPY"
#: Says in the attributes what a value is where the column can not; it is not among those of a cell.
TYPE, TEXT = "nxstxm_type", "nxstxm_text"
#: How the attributes of a truth value begin: it is kept as 0 or 1.
BOOL_BEGINS = f'{{"{TYPE}": "bool"'
_COMPLEX = "<dd"
_INT64 = 2**63
#: Digits of an integer; more of them are a mistake.
_MOST_BITS = 4000


@dataclass(frozen=True)
class StoredCell:
    """A cell of the table.

    Attributes
    ----------
    name : str
        The variable.
    value : None, bool, int, float, str, bytes, complex or ndarray
        What the table shows: bytes are a PNG picture; an array of shape (2, n) whose
        `summary_type` is ``"trendline"`` is x and y of a sparkline. None is no value.
    timestamp : float, optional
        When it was set, in seconds since 1970; by default when it is written.
    max_diff : float, optional
        Greatest less least value of the data. Of what has no value it is not kept.
    provenance : str, optional
        Who made it: ``"context.py"``.
    summary_type : str, optional
        What the value is, where it does not show: ``"timestamp"``, ``"trendline"``, ``"numpy"``,
        ``"complex"``.
    summary_method : str, optional
        The function that made the value of the data.
    attributes : Mapping
        As JSON has it: units, bold, background, error, error_cls, lineage, and others.

    Examples
    --------
    >>> from suitcase.nxstxm.variables._stored_cell import StoredCell
    >>> StoredCell("dose", 3.5, attributes={"units": "MGy"}).units
    'MGy'
    """

    name: str
    value: Any = None
    timestamp: float | None = None
    max_diff: float | None = None
    provenance: str | None = None
    summary_type: str | None = None
    summary_method: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def units(self) -> str | None:
        """The units of the value."""
        return self._text("units")

    @property
    def error(self) -> str | None:
        """What went wrong, if it did."""
        return self._text("error")

    @property
    def error_cls(self) -> str | None:
        """The class of what went wrong: ``"Skip"``."""
        return self._text("error_cls")

    @property
    def lineage(self) -> str | None:
        """The hash of how it was made."""
        return self._text("lineage")

    @property
    def bold(self) -> bool | None:
        """Whether it is shown bold; None where nobody said."""
        found = self.attributes.get("bold")
        return None if found is None else bool(found)

    @property
    def background(self) -> tuple[int, ...] | None:
        """Red, green and blue of the cell; None where it is no colour."""
        found = self.attributes.get("background")
        if not isinstance(found, (list, tuple)) or len(found) != 3:
            return None
        good = all(type(each) is int and 0 <= each <= 255 for each in found)
        return tuple(found) if good else None

    @property
    def curve(self) -> np.ndarray[Any, Any] | None:
        """A sparkline, of shape (2, n): x and y; None where the value is none."""
        value = self.value
        if self.summary_type != "trendline" or not isinstance(value, np.ndarray):
            return None
        return value if value.ndim == len(value) == 2 and value.dtype.kind in "biuf" else None

    def _text(self, key: str) -> str | None:
        found = self.attributes.get(key)
        return None if found is None else str(found)


# -- to the database ------------------------------------------------------------------------------


def encoded(cell: StoredCell, now: float) -> tuple[Any, ...]:
    """Give the columns of a cell.

    Raises
    ------
    CellError
        Its value, or something else of it, can not be stored.
    VariableError
        It has no name that a variable can have.
    """
    name = checked_name(cell.name)
    value, kind, marks = _value(cell)
    time = moment(cell.timestamp, f"timestamp of {name!r:.60}")
    attributes = _json(marks, cell.attributes, name)
    return (
        name,
        value,
        now if time is None else time,
        None if cell.value is None else _max_diff(cell),
        storable(cell.provenance),
        None if cell.value is None else storable(kind),
        None if cell.value is None else storable(cell.summary_method),
        attributes,
    )


def _value(cell: StoredCell) -> tuple[Any, str | None, dict[str, Any]]:
    """Give what is kept of a value, its type, and what has to be said of it."""
    value, kind = cell.value, cell.summary_type
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and not value.ndim):
        value = value.item()
    if isinstance(value, bool):
        return int(value), kind, {TYPE: "bool"}
    if isinstance(value, int):
        return _integer(cell.name, value, kind)
    if isinstance(value, float):  # NaN is nothing for SQLite
        return (None, kind, {TYPE: "nan"}) if value != value else (value, kind, {})
    if isinstance(value, str):
        marks = {} if is_unicode(value) else {TYPE: "text", TEXT: value}
        return storable(value), kind, marks
    if isinstance(value, complex):
        return struct.pack(_COMPLEX, value.real, value.imag), "complex", {}
    if isinstance(value, np.ndarray):
        return _array(cell.name, value), kind or "numpy", {}
    if isinstance(value, bytes) and value.startswith(PNG):
        return value, kind, {}
    if value is None:
        return None, None, {}
    raise CellError(
        f"the value of {cell.name!r:.60} is {type(value).__name__} {shown(value)}, which the table "
        f"does not show; give a number, text, an array of numbers, or a picture as PNG"
    )


def _integer(name: str, value: int, kind: str | None) -> tuple[Any, str | None, dict[str, Any]]:
    value = int(value)
    if -_INT64 <= value < _INT64:
        return value, kind, {}
    if value.bit_length() > _MOST_BITS:
        raise CellError(
            f"the value of {name!r:.60} is an integer of {value.bit_length()} bits; the table "
            f"shows those of {_MOST_BITS}, give a float"
        )
    return str(value), kind, {TYPE: "int"}


def _array(name: str, array: np.ndarray[Any, Any]) -> bytes:
    if array.dtype.hasobject:
        raise CellError(
            f"the value of {name!r:.60} is an array of objects, which can not be stored; give "
            f"numbers"
        )
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()


def _max_diff(cell: StoredCell) -> float | None:
    if cell.max_diff is None:
        return None
    try:
        return float(cell.max_diff)
    except (TypeError, ValueError, OverflowError) as error:
        raise CellError(
            f"max_diff={shown(cell.max_diff)} of {cell.name!r:.60} is no number ({error}); give "
            f"one, or none"
        ) from error


def _json(marks: dict[str, Any], given: Mapping[str, Any], name: str) -> str | None:
    if not given and not marks:
        return None
    try:
        attributes = {key: value for key, value in given.items() if key not in (TYPE, TEXT)}
        return _ENCODER.encode({**marks, **attributes})
    except (TypeError, ValueError, RecursionError, AttributeError) as error:
        raise CellError(
            f"the attributes of {name!r:.60} can not be written as JSON ({error}): {given!r:.80}; "
            f"give a mapping of text, finite numbers, lists and mappings"
        ) from error


def _plain(value: Any) -> Any:
    """Give what JSON has of a value of numpy."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is nothing that JSON has")


#: Made once: to make it takes as long as to use it.
_ENCODER = json.JSONEncoder(allow_nan=False, default=_plain)

# -- from the database ----------------------------------------------------------------------------


def decoded(row: Sequence[Any], truth: bool = False) -> StoredCell:
    """Make a cell of its columns.

    Parameters
    ----------
    row : sequence
        The columns.
    truth : bool
        Whether the variable has truth values: of a variable of users nothing else says it.
    """
    name, value, timestamp, max_diff, provenance, kind, method, text = row
    attributes = parsed(text)
    mark, exact = attributes.pop(TYPE, None), attributes.pop(TEXT, None)
    if isinstance(value, bytes):
        value = unpacked(value, kind)
    elif mark == "nan":
        value = float("nan")
    elif mark == "int" and isinstance(value, str):
        value = _as_integer(value)
    elif mark == "text" and isinstance(exact, str):
        value = exact
    elif (truth or mark == "bool") and value in (0, 1):
        value = bool(value)
    return StoredCell(name, value, timestamp, max_diff, provenance, kind, method, attributes)


def _as_integer(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text


def parsed(text: Any) -> dict[str, Any]:
    """Give attributes of their JSON; none where it is none."""
    if text is None:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def unpacked(value: bytes, kind: str | None) -> Any:
    """Give what bytes of the database are; the bytes themselves for pictures and the unknown."""
    if kind == "complex" and len(value) == struct.calcsize(_COMPLEX):
        return complex(*struct.unpack(_COMPLEX, value))
    if value.startswith(NPY):
        try:
            return np.load(io.BytesIO(value), allow_pickle=False)
        except (ValueError, EOFError, OSError, SyntaxError, MemoryError, OverflowError):
            return value
    return value
