"""The run table as a table of pandas."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._cells import truths
from ._described import described
from ._runs import last_runs
from ._stored_cell import BOOL_BEGINS, unpacked
from ._views import COMMENT, COMMENT_TITLE

if TYPE_CHECKING:
    import pandas as pd

_MORE = f"substr(attributes, 1, {len(BOOL_BEGINS)}) = '{BOOL_BEGINS}', summary_type"
#: Of what is neither number nor text only what stands for it is read; of a complex number all.
_SHOWN = f"""CASE typeof(value) WHEN 'blob' THEN
        CASE summary_type WHEN 'complex' THEN value WHEN 'trendline' THEN '<sparkline>'
        WHEN 'numpy' THEN '<array>' ELSE
        CASE substr(value, 1, 4) WHEN X'89504E47' THEN '<image>' WHEN X'934E554D' THEN '<array>'
        ELSE '<bytes>' END END
    ELSE value END, {_MORE}"""
_RAW = f"value, {_MORE}"


def values_of(
    db: sqlite3.Connection, proposal: int | None, last: int | None, raw: bool
) -> tuple[list[Any], dict[str, list[Any]], dict[str, str]]:
    """Read runs, for each variable a value of each run, and the titles."""
    runs = last_runs(db, last, proposal)
    runs.sort(key=lambda info: (info.proposal, info.run))
    index = {(info.proposal, info.run): at for at, info in enumerate(runs)}
    known = described(db)
    truth = truths(db)
    columns: dict[str, list[Any]] = {COMMENT: [None] * len(runs)}
    for name in known:
        columns[name] = [None] * len(runs)
    place, at, name = (None, None), None, ""
    for p, r, each, value, is_truth, kind in _found(
        db, proposal, None if last is None else runs, raw
    ):
        if (p, r) != place:
            place, at = (p, r), index.get((p, r))
        if at is None:
            continue
        if isinstance(value, bytes):
            value = unpacked(value, kind)
        elif (is_truth or each in truth) and value in (0, 1):
            value = bool(value)
        if each not in columns:
            columns[each] = [None] * len(runs)
        columns[each][at] = value
    return runs, columns, {name: variable.title for name, variable in known.items()}


def _found(
    db: sqlite3.Connection, proposal: int | None, runs: Iterable[Any] | None, raw: bool
) -> Iterable[Sequence[Any]]:
    """Give the values: of few runs each by its numbers, of all in one go."""
    query = f"SELECT proposal, run, name, {_RAW if raw else _SHOWN} FROM run_variables "
    order = "ORDER BY proposal, run, name, version"
    if runs is not None:
        for info in runs:
            place = (info.proposal, info.run)
            yield from db.execute(f"{query}WHERE proposal=? AND run=? {order}", place)
    elif proposal is not None:
        yield from db.execute(f"{query}WHERE proposal=? {order}", (int(proposal),))
    else:
        yield from db.execute(f"{query}{order}")


def frame(
    runs: Sequence[Any], columns: dict[str, list[Any]], titles: dict[str, str] | None
) -> pd.DataFrame:
    """Make a table of pandas of values."""
    import pandas as pd

    times = (each.start_time for each in runs)
    start = np.array([t if isinstance(t, (int, float)) else np.nan for t in times], float)
    with np.errstate(over="ignore"):
        # a time that pandas does not have is missing, and the others are there
        times_of_pandas = pd.to_datetime(start, unit="s", utc=True, errors="coerce")
    made: dict[str, Any] = {
        "proposal": column([each.proposal for each in runs]),
        "run": column([each.run for each in runs]),
        "start_time": times_of_pandas,
    }
    for name, values in columns.items():
        made[_heading(name, titles, made)] = column(values)
    return pd.DataFrame(made, copy=False)


def _heading(name: str, titles: dict[str, str] | None, made: dict[str, Any]) -> str:
    heading = name
    if titles is not None:
        heading = titles.get(name, COMMENT_TITLE if name == COMMENT else name)
    while heading in made:  # titles may be alike, and other programs give any name
        heading = f"{heading} ({name})"
    return heading


def column(values: list[Any]) -> Any:
    """Give values as the column that keeps all of them: integers stay exact, truth stays truth."""
    import pandas as pd

    kinds = set(map(type, values))
    there = kinds - {type(None)}
    if there == {float} or there == {float, int}:
        return np.array(values, float)  # None becomes NaN
    if there == {int}:
        return np.array(values, np.int64) if kinds == there else pd.array(values, "Int64")
    if there == {bool}:
        return np.array(values, bool) if kinds == there else pd.array(values, "boolean")
    if there == {complex} and kinds == there:
        return np.array(values, complex)
    made = np.empty(len(values), object)
    for at, value in enumerate(values):  # arrays among them are no further dimensions
        made[at] = value
    return made
