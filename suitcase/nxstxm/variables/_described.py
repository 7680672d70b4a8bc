"""What the table knows of its variables: titles, units, tags; and how they go and get new names."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ._connection import Connections
from ._context import VariableInfo
from ._errors import UnknownError, VariableError
from ._names import bound, checked_name, storable
from ._stored_cell import parsed
from ._tags import tag, tags_of, untag
from ._views import COMMENT, refresh

#: The tables that have the names of variables, beside that which describes them.
_NAMED = ("run_variables", "nxstxm_history")


@dataclass(frozen=True)
class StoredVariable:
    """What the table knows of a variable.

    Attributes
    ----------
    name, title : str
        Its names.
    type : str, optional
        What people may write into it; None where it is computed.
    description : str, optional
        What it is.
    units : str, optional
        Units of its results, as the context file has them; a cell may have others.
    tags : tuple of str
        Its tags.
    submitted : bool
        Whether no context file describes it.
    attributes : Mapping
        What else is known, as JSON has it.
    """

    name: str
    title: str
    type: str | None = None
    description: str | None = None
    units: str | None = None
    tags: tuple[str, ...] = ()
    submitted: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)


def described(db: sqlite3.Connection) -> dict[str, StoredVariable]:
    """Read what is known of all variables."""
    tags: dict[str, list[str]] = {}
    for name, each in db.execute(
        "SELECT variable_name, tags.name FROM variable_tags JOIN tags ON id=tag_id ORDER BY 2"
    ):
        tags.setdefault(name, []).append(each)
    found = {}
    for name, kind, title, description, text in db.execute(
        "SELECT name, type, title, description, attributes FROM variables ORDER BY rowid"
    ):
        attributes = parsed(text)
        found[name] = StoredVariable(
            name,
            title or name,
            kind,
            description,
            attributes.get("units"),
            tuple(tags.get(name, ())),
            bool(attributes.get("submitted")),
            attributes,
        )
    return found


class Described(Connections):
    """The variables of a table."""

    def variables(self) -> dict[str, StoredVariable]:
        """Give all variables: those computed, those submitted, and those of users."""
        return self.read(described)

    def set_computed(
        self, infos: Iterable[VariableInfo], *, remove: bool = False
    ) -> tuple[str, ...]:
        """Describe the variables that are computed.

        Tags that users gave stay; those that the context file gives are as it has them, also where
        users took one or gave it another name.

        Parameters
        ----------
        infos : iterable of VariableInfo
            The variables of a context file.
        remove : bool
            Remove the computed variables that are not among them, with their results. Submitted
            ones and those of users stay.

        Returns
        -------
        tuple of str
            Those that are new, changed or removed.

        Raises
        ------
        VariableError
            One has the name of a variable of users; nothing was changed.
        """
        wanted = {checked_name(info.name): info for info in infos}
        with self.writing() as db:
            there = described(db)
            taken = [
                n for n in wanted if n == COMMENT or (n in there and there[n].type is not None)
            ]
            if taken:
                raise VariableError(
                    f"{taken[0]!r:.60} is computed by the context file, and is a variable of users "
                    f"already; give one of them another name"
                )
            changed = [name for name, info in wanted.items() if _set(db, info, there.get(name))]
            gone = [
                name
                for name, variable in there.items()
                if remove
                and name not in wanted
                and variable.type is None
                and not variable.submitted
            ]
            for name in gone:
                _delete(db, name)
            refresh(db, changed=bool(gone) or any(name not in there for name in changed))
        return (*changed, *gone)

    def delete_variable(self, name: str) -> None:
        """Remove a variable: its cells, their history and its tags; files of runs stay.

        Raises
        ------
        UnknownError
            It is not there.
        """
        with self.writing(durable=True) as db:
            if name == COMMENT or not _delete(db, name):
                raise self._unknown(db, name)
            refresh(db, changed=True)

    def rename(self, name: str, new: str) -> None:
        """Give a variable another name, with all its cells and their history.

        What files of runs have of it keeps the old name.

        Raises
        ------
        UnknownError
            It is not there.
        VariableError
            The new name is taken, or can be none.
        """
        checked_name(new)
        with self.writing(durable=True) as db:
            there = described(db)
            if name not in there:
                raise self._unknown(db, name)
            if new == COMMENT or new in there:
                raise VariableError(
                    f"{name!r:.60} can not become {new!r:.60}, which is another variable; delete "
                    f"that, or give another name"
                )
            db.execute("PRAGMA defer_foreign_keys=ON")
            title = new if there[name].title == name else there[name].title
            db.execute("UPDATE variables SET name=?, title=? WHERE name=?", (new, title, name))
            db.execute(
                "UPDATE variable_tags SET variable_name=? WHERE variable_name=?", (new, name)
            )
            for table in _NAMED:
                db.execute(f"UPDATE {table} SET name=? WHERE name=?", (new, name))
            refresh(db, changed=True)

    def _unknown(self, db: sqlite3.Connection, name: str) -> UnknownError:
        names = ", ".join(described(db)) or "no variables"
        return UnknownError(f"{name!r:.60} is not in {self.path}, which has {names:.500}")


def _set(db: sqlite3.Connection, info: VariableInfo, before: StoredVariable | None) -> bool:
    """Describe a computed variable; say whether anything is other than before."""
    attributes: dict[str, Any] = {} if info.units is None else {"units": info.units}
    tags = list(dict.fromkeys(info.tags))
    if tags:
        attributes["tags"] = tags  # to know which of them are the context file's
    title, description = storable(info.title or info.name), storable(info.description)
    if (
        before is not None
        and (before.title, before.description) == (title, description)
        and dict(before.attributes) == attributes
        and set(tags) <= set(before.tags)
    ):
        return False
    db.execute(
        """INSERT INTO variables(name, title, description, attributes) VALUES(?, ?, ?, ?)
        ON CONFLICT(name) DO UPDATE SET title=excluded.title, description=excluded.description,
        attributes=excluded.attributes""",
        (info.name, title, description, json.dumps(attributes) if attributes else None),
    )
    for each in (before.attributes.get("tags") or ()) if before is not None else ():
        if each not in tags:
            untag(db, info.name, each)
    there = tags_of(db, info.name)
    for each in tags:
        if each not in there:
            tag(db, info.name, checked_name(each, "tag"))
    return True


def _delete(db: sqlite3.Connection, name: str) -> bool:
    found = 0
    for table in (*_NAMED, "variables"):  # whose tags go with it
        found += db.execute(f"DELETE FROM {table} WHERE name=?", (bound(name),)).rowcount
    return bool(found)
