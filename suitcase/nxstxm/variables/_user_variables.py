"""Variables of users: what people type into the table, and how it is understood."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ._cells import check_run, put_cells
from ._connection import Connections
from ._errors import UnknownError, VariableError
from ._names import checked_name, shown, storable, whole
from ._stored_cell import StoredCell, encoded
from ._views import COMMENT, refresh

_TRUE = ("true", "t", "yes", "y", "on", "1")
_FALSE = ("false", "f", "no", "n", "off", "0")
_DIGITS = re.compile(r"[+-]?[0-9]{1,30}")
_INT64 = 2**63


def _boolean(value: Any) -> bool | None:
    if isinstance(value, str):
        text = value.strip().lower()
        return True if text in _TRUE else False if text in _FALSE else None
    return bool(value) if isinstance(value, (bool, int)) and value in (0, 1) else None


def _integer(value: Any) -> int | None:
    if isinstance(value, str):
        value = int(value) if _DIGITS.fullmatch(value.strip()) else None
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    good = isinstance(value, int) and not isinstance(value, bool) and -_INT64 <= value < _INT64
    return value if good else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


_PARSERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "boolean": (_boolean, "yes or no, true or false, 1 or 0"),
    "integer": (_integer, "a whole number such as 12"),
    "number": (_number, "a number such as 1.5e3"),
    "string": (_string, "text"),
}
#: What a variable of users may be.
TYPES = tuple(_PARSERS)


def parse(type_name: str, value: Any, name: str = "") -> Any:
    """Understand a value of a variable of users.

    Parameters
    ----------
    type_name : str
        ``"boolean"``, ``"integer"``, ``"number"`` or ``"string"``.
    value : object
        What was typed, or a value of Python; nothing, or of other types than text an empty text,
        is no value.
    name : str
        The variable, for errors.

    Raises
    ------
    VariableError
        It is not of that type.

    Examples
    --------
    >>> from suitcase.nxstxm.variables._user_variables import parse
    >>> parse("boolean", "Yes"), parse("integer", " 12 "), parse("number", "")
    (True, 12, None)
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or (type_name != "string" and isinstance(value, str) and not value.strip()):
        return None
    parser, wanted = _PARSERS[type_name]
    found = parser(value)
    if found is None:
        raise VariableError(f"{name!r:.60} can not be {shown(value)}; give {wanted}")
    return found


class UserVariables(Connections):
    """The variables of users of a table."""

    def add_user_variable(
        self,
        name: str,
        type_name: str,
        title: str | None = None,
        description: str | None = None,
        *,
        exist_ok: bool = False,
    ) -> None:
        """Add a column into which people write.

        Parameters
        ----------
        name : str
            Its name.
        type_name : str
            ``"boolean"``, ``"integer"``, ``"number"`` or ``"string"``.
        title, description : str, optional
            Its heading, by default the name, and what it is.
        exist_ok : bool
            Where there is one of that name and type, change its title and description.

        Raises
        ------
        VariableError
            The name is taken, or there is no such type.
        """
        checked_name(name)
        if type_name not in TYPES:
            raise VariableError(
                f"{name!r:.60} can not be of type {type_name!r:.40}; give one of {', '.join(TYPES)}"
            )
        values = (storable(title or name), storable(description))
        with self.writing(durable=True) as db:
            known = db.execute("SELECT type FROM variables WHERE name=?", (name,)).fetchone()
            if name == COMMENT or (known is not None and (known[0] != type_name or not exist_ok)):
                what = "a computed variable" if known == (None,) else "another variable"
                raise VariableError(
                    f"the name {name!r:.60} is taken by {what}; give another one, or delete or "
                    f"rename that"
                )
            if known is None:
                db.execute(
                    "INSERT INTO variables(title, description, name, type) VALUES(?, ?, ?, ?)",
                    (*values, name, type_name),
                )
            else:
                db.execute(
                    "UPDATE variables SET title=?, description=? WHERE name=?", (*values, name)
                )
            refresh(db, changed=known is None)

    def set_user_value(self, proposal: int, run: int, name: str, value: Any) -> Any:
        """Set what people say of a run, as text or a value; None takes it back.

        Returns
        -------
        None, bool, int, float or str
            How it was understood.

        Raises
        ------
        UnknownError
            There is no such run, or no such variable of users.
        VariableError
            It is not of the variable's type.
        """
        numbers = whole(proposal, "proposal"), whole(run, "run")
        checked_name(name)
        with self.writing(durable=True) as db:
            known = db.execute("SELECT type FROM variables WHERE name=?", (name,)).fetchone()
            if known is None or known[0] not in TYPES:
                theirs = db.execute("SELECT name FROM variables WHERE type NOT NULL").fetchall()
                raise UnknownError(
                    f"{name!r:.60} is no variable of users; those of the table are "
                    f"{', '.join(each for (each,) in theirs)[:500] or 'none'}"
                )
            found = parse(known[0], value, name)
            check_run(db, self, *numbers)
            put_cells(db, *numbers, [encoded(StoredCell(name, found, provenance=""), time.time())])
            refresh(db)
        return found
