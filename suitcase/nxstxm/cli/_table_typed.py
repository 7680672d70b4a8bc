"""What is typed on the command line of a run table: runs, variables, values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from suitcase.nxstxm._errors import NXstxmKeyError
from suitcase.nxstxm.cli._telling import UsageError
from suitcase.nxstxm.variables import FoundScan, RunTable, VariableError, found_scans
from suitcase.nxstxm.variables._export import shown_proposals
from suitcase.nxstxm.variables._runs import RunInfo
from suitcase.nxstxm.variables._user_variables import TYPES, parse

#: What is a number when it is typed; no database has one of more digits.
_NUMBER = re.compile("[0-9]{1,18}")


def number_or_text(text: str) -> int | str:
    """Give a number that somebody typed, or the text where it is none."""
    return int(text) if _NUMBER.fullmatch(text) else text


def typed_run(table: RunTable, text: str) -> RunInfo:
    """Find the run that somebody typed.

    Parameters
    ----------
    table : RunTable
        The table.
    text : str
        The number of a run in the table's proposal, a ``first_uid``, or ``PROPOSAL:RUN``.

    Raises
    ------
    NXstxmKeyError
        The table has no such run.
    """
    asked: Any = number_or_text(text)
    if isinstance(asked, str) and asked not in table:
        name, _, number = text.rpartition(":")
        run = number_or_text(number)
        if name and isinstance(run, int):
            names = {known: each for each, known in shown_proposals(table).items()}
            proposal = names.get(name, number_or_text(name))
            asked = (proposal, run) if isinstance(proposal, int) else text
    if asked not in table:
        raise NXstxmKeyError(
            f"{text!r} is no run of {table.path}; give its number in proposal "
            f"{_proposal(table, table.proposal)}, PROPOSAL:RUN, or a scan's uid"
        )
    return table.info(asked)


def _proposal(table: RunTable, number: int) -> str:
    """Give a proposal as people read it."""
    return shown_proposals(table).get(number, str(number))


def typed_names(asked: Iterable[str], titles: Mapping[str, str], where: str = "") -> list[str]:
    """Find the variables that somebody typed.

    Parameters
    ----------
    asked : iterable of str
        Names, or else titles.
    titles : Mapping of str to str
        The titles of variables, by their names.
    where : str
        Where they are, for errors: ``" in context.py"``.

    Raises
    ------
    NXstxmKeyError
        There is no such variable, or several have the title.
    """
    found: dict[str, None] = {}
    for each in asked:
        names = [each] if each in titles else [n for n, title in titles.items() if title == each]
        if not names:
            raise NXstxmKeyError(
                f"there is no variable {each!r}{where}; there are {', '.join(titles) or 'none'}"
            )
        if len(names) > 1:
            raise NXstxmKeyError(
                f"{each!r} is the title of {' and '.join(names)}; give one of these names"
            )
        found[names[0]] = None
    return list(found)


def chosen(table: RunTable, what: Sequence[str]) -> list[FoundScan]:
    """Find the scans that somebody named.

    Parameters
    ----------
    table : RunTable
        The table.
    what : sequence of str
        Files, folders, runs as of `typed_run`; nothing for all that are in the table.

    Raises
    ------
    NXstxmKeyError
        Something is none of these.
    """
    places: list[str] = []
    scans: list[FoundScan] = []
    if not what:
        return [scan for info in table.runs() if (scan := _of_table(info)) is not None]
    for each in what:
        if _exists(each):
            places.append(each)
            continue
        try:
            scan = _of_table(typed_run(table, each))
        except NXstxmKeyError as error:
            raise NXstxmKeyError(
                f"{each!r} is neither a file, a folder, nor a run or a scan of {table.path}"
            ) from error
        if scan is None:
            raise NXstxmKeyError(f"nobody knows where the scan of run {each} is stored")
        scans.append(scan)
    return [*scans, *found_scans(places)]


def _exists(path: str) -> bool:
    try:
        return bool(path) and Path(path).exists()  # nothing would be this folder
    except OSError:  # longer than any name is
        return False


def _of_table(info: Any) -> FoundScan | None:
    if info.first_uid is None or not info.paths or info.kind is None:
        return None
    return FoundScan(
        info.first_uid, info.kind, info.paths, info.scan_id, info.proposal, info.start_time
    )


def parameters(given: Sequence[str]) -> dict[str, Any]:
    """Read ``name=value``: numbers, true, false, or text.

    Raises
    ------
    UsageError
        One has no ``=``.
    """
    found: dict[str, Any] = {}
    for each in given:
        name, sign, value = each.partition("=")
        if not sign or not name:
            raise UsageError(f"--param {each!r} is no name=value")
        found[name] = _value(value)
    return found


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)


def set_typed(
    table: RunTable, run: str, variable: str, text: str, kind: str | None, title: str | None
) -> None:
    """Set a variable of users; make it where it is not there, and a type is given.

    Parameters
    ----------
    table : RunTable
        The table.
    run : str
        As of `typed_run`.
    variable : str
        Its name, or its title.
    text : str
        The value; nothing for none.
    kind, title : str, optional
        The type of a new variable, or that which it has; and its title.

    Raises
    ------
    VariableError
        The variable has another type, or is none of users; or the value is not of its type.
    NXstxmKeyError
        There is no such run, or no such variable.
    """
    database = table.database
    info = typed_run(table, run)
    titles = table.titles()
    name = variable
    if variable in (*titles, *titles.values()):
        (name,) = typed_names([variable], titles)
    known = database.variables().get(name)
    value = text or None
    if known is None and kind is None and title is not None:
        raise VariableError(
            f"there is no variable {name!r} that could get the title {title!r}; --type makes one"
        )
    if known is not None and known.type is None and (kind, title) != (None, None):
        given = f"type {kind!r}" if kind is not None else f"title {title!r}"
        raise VariableError(
            f"{name!r} can not get the {given}: it is no variable of users, but computed; give "
            f"another name"
        )
    if known is not None and kind is not None and known.type != kind:
        raise VariableError(
            f"{name!r} is of type {known.type!r} and can not become of type {kind!r}; leave "
            f"--type out, or give another name"
        )
    if known is None and kind in TYPES:
        parse(kind, value, name)  # or it would be made, and then not be set
    if known is None and kind is not None:
        database.add_user_variable(name, kind, title=title or name)
    database.set_user_value(info.proposal, info.run, name, value)
    if known is not None and known.type is not None and title is not None:
        database.add_user_variable(name, known.type, title, known.description, exist_ok=True)
