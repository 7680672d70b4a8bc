"""Tags of variables. One that no variable has is gone."""

from __future__ import annotations

import sqlite3

from ._connection import Connections
from ._errors import UnknownError
from ._names import bound, checked_name

# -- in a transaction of who asks -----------------------------------------------------------------


def tag(db: sqlite3.Connection, variable: str, name: str) -> None:
    """Give a variable a tag."""
    db.execute("INSERT OR IGNORE INTO tags(name) VALUES(?)", (name,))
    db.execute(
        "INSERT OR IGNORE INTO variable_tags SELECT ?, id FROM tags WHERE name=?", (variable, name)
    )


def untag(db: sqlite3.Connection, variable: str, name: str) -> bool:
    """Take a tag from a variable; say whether it had it."""
    done = db.execute(
        "DELETE FROM variable_tags WHERE variable_name=? AND tag_id IN "
        "(SELECT id FROM tags WHERE name=?)",
        (bound(variable), bound(name)),
    )
    return bool(done.rowcount)


def tags_of(db: sqlite3.Connection, variable: str) -> list[str]:
    """Give the tags of a variable."""
    query = "SELECT name FROM tags JOIN variable_tags ON id=tag_id WHERE variable_name=? ORDER BY 1"
    return [name for (name,) in db.execute(query, (bound(variable),))]


# -- the table ------------------------------------------------------------------------------------


class Tags(Connections):
    """The tags of a table."""

    def tags(self) -> dict[str, tuple[str, ...]]:
        """Give all tags, and the variables that have them."""

        def look(db: sqlite3.Connection) -> dict[str, tuple[str, ...]]:
            found: dict[str, list[str]] = {}
            for name, variable in db.execute(
                "SELECT tags.name, variable_name FROM tags LEFT JOIN variable_tags ON id=tag_id "
                "ORDER BY 1, 2"
            ):
                found.setdefault(name, []).extend([] if variable is None else [variable])
            return {name: tuple(variables) for name, variables in found.items()}

        return self.read(look)

    def add_tag(self, variable: str, name: str) -> None:
        """Give a variable a tag, where it does not have it yet.

        Raises
        ------
        UnknownError
            There is no such variable.
        """
        checked_name(name, "tag")
        with self.writing(durable=True) as db:
            known = db.execute(
                "SELECT 1 FROM variables WHERE name=?", (bound(variable),)
            ).fetchone()
            if known is None:
                raise UnknownError(
                    f"variable {variable!r:.60} is not in {self.path}, and can not be tagged; "
                    f"variables() gives those that are"
                )
            tag(db, variable, name)

    def remove_tag(self, variable: str, name: str) -> None:
        """Take a tag from a variable.

        Raises
        ------
        UnknownError
            It does not have it.
        """
        with self.writing(durable=True) as db:
            if not untag(db, variable, name):
                tags = ", ".join(tags_of(db, variable)) or "none"
                raise UnknownError(
                    f"variable {variable!r:.60} does not have the tag {name!r:.60}; its tags: "
                    f"{tags:.500}"
                )

    def rename_tag(self, name: str, new: str) -> None:
        """Give a tag another name; where that is a tag already the two become one.

        Raises
        ------
        UnknownError
            There is no such tag.
        """
        checked_name(new, "tag")
        with self.writing(durable=True) as db:
            known = dict(
                db.execute("SELECT name, id FROM tags WHERE name IN (?, ?)", (bound(name), new))
            )
            if name not in known:
                raise UnknownError(f"tag {name!r:.60} is not in {self.path}; tags() gives all")
            if new == name:
                return
            if new not in known:
                db.execute("UPDATE tags SET name=? WHERE id=?", (new, known[name]))
                return
            db.execute(
                "INSERT OR IGNORE INTO variable_tags "
                "SELECT variable_name, ? FROM variable_tags WHERE tag_id=?",
                (known[new], known[name]),
            )
            db.execute("DELETE FROM variable_tags WHERE tag_id=?", (known[name],))
            db.execute("DELETE FROM tags WHERE id=?", (known[name],))
