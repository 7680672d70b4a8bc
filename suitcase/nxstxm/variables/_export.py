"""A table as a file of its own: CSV, Excel, one page of HTML."""

from __future__ import annotations

import base64
import csv
import datetime
import html
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from .._errors import NXstxmFileExistsError, NXstxmOSError, OptionError
from .._publish import publish
from ._names import storable
from ._stored_cell import StoredCell
from ._table import RunTable
from ._views import COMMENT, COMMENT_TITLE

if TYPE_CHECKING:
    import pandas as pd

_KINDS = (".csv", ".xlsx", ".html")
#: What a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001
#: What no sheet of Excel may have, and how long a text of it may be.
_NOT_EXCEL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_EXCEL_LONGEST = 32_767


def export_table(
    table: RunTable,
    output: str | os.PathLike[str],
    *,
    proposal: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a table to a file.

    Parameters
    ----------
    table : RunTable
        The table.
    output : path-like
        The file: ``.csv``, ``.xlsx`` or ``.html``. A page has the pictures inside and needs nothing
        else.
    proposal : int, optional
        Of one proposal.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    OptionError
        The name has another ending, or what Excel needs is not installed.
    NXstxmFileExistsError
        The file is there.
    NXstxmOSError
        It can not be written.
    """
    path = Path(output)
    kind = path.suffix.lower()
    if kind not in _KINDS:
        raise OptionError(f"{path} ends with {kind!r}; a table is written to {', '.join(_KINDS)}")
    if path.exists() and not overwrite:
        raise NXstxmFileExistsError(f"{path} is there already; overwrite=True replaces it")
    temporary = path.with_name(f".{path.stem}-{uuid4().hex[:8]}{kind}")
    try:
        if kind == ".html":
            told = "".join(page(table, proposal))
            # a text of which UTF-8 has not all is shown with the number of what it has not
            temporary.write_text(told, encoding="utf-8", errors="backslashreplace")
        else:
            _frame(table, proposal, temporary, kind)
        publish(temporary, path, overwrite=overwrite)
    except FileExistsError as error:
        raise NXstxmFileExistsError(
            f"{path} is there already; overwrite=True replaces it"
        ) from error
    except OSError as error:
        raise NXstxmOSError(f"{path} can not be written ({error})") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _frame(table: RunTable, proposal: int | None, path: Path, kind: str) -> None:
    frame = table.to_pandas(proposal, titles=True)
    names = shown_proposals(table)
    if names:
        frame["proposal"] = [names.get(each, each) for each in frame["proposal"]]
    for name in frame.columns:
        if frame[name].dtype.kind == "O":  # text too, whatever pandas calls it
            frame[name] = frame[name].map(_harmless)
    frame.columns = [_harmless(name) for name in frame.columns]
    if kind == ".csv":
        _to_csv(frame, path)
        return
    _to_excel(frame, path)


def _to_csv(frame: pd.DataFrame, path: Path) -> None:
    import pandas as pd

    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file)
        writer.writerow(map(_without_nul, frame.columns))
        for row in frame.itertuples(index=False, name=None):
            writer.writerow(["" if pd.isna(value) else _without_nul(value) for value in row])


def _without_nul(value: Any) -> Any:
    """Give a text as it is in a file, of which Python 3.10 writes none with NUL."""
    return value.replace("\0", "\\x00") if isinstance(value, str) else value


def shown_proposals(table: RunTable) -> dict[int, str]:
    """Give the names of proposals as people read them, by their numbers."""
    return {
        number: storable(name) or "" for number, name in table.database.proposal_names().items()
    }


def _harmless(value: Any) -> Any:
    """Give a text that no spreadsheet takes for a formula."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return str(value) if isinstance(value, complex) else value


def _of_excel(value: Any) -> Any:
    """Give a text that a sheet of Excel may have."""
    if not isinstance(value, str):
        return value
    return _NOT_EXCEL.sub("\N{REPLACEMENT CHARACTER}", value)[:_EXCEL_LONGEST]


def _to_excel(frame: pd.DataFrame, path: Path) -> None:
    frame = frame.copy()
    for name in frame.columns:  # Excel knows no zones
        if hasattr(frame[name].dtype, "tz"):
            frame[name] = frame[name].dt.tz_localize(None)
        elif frame[name].dtype.kind == "O":
            frame[name] = frame[name].map(_of_excel)
    frame.columns = [_of_excel(name) for name in frame.columns]
    try:
        frame.to_excel(path, index=False)
    except ImportError as error:
        raise OptionError(
            f"{path.suffix} needs openpyxl ({error}): pip install openpyxl"
        ) from error


# -- HTML ------------------------------------------------------------------------------------------

_HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 14px sans-serif; margin: 1.5em }}
table {{ border-collapse: collapse }}
th, td {{ border: 1px solid #ccc; padding: 3px 8px; text-align: left; vertical-align: middle }}
th {{ background: #eef3f8; position: sticky; top: 0 }}
td.number {{ text-align: right; font-variant-numeric: tabular-nums }}
td.error {{ color: #a00; max-width: 16em; overflow: hidden; text-overflow: ellipsis }}
td.skip {{ color: #888 }}
img {{ max-width: 150px; max-height: 150px; display: block }}
</style></head><body><h1>{title}</h1>
"""


def page(table: RunTable, proposal: int | None = None) -> Iterator[str]:
    """Give a page of HTML, part by part: no script, and nothing that is fetched from elsewhere."""
    title = html.escape(f"Runs of {table.path.absolute().name}")
    yield _HEAD.format(title=title)
    variables = table.database.variables()
    used: dict[str, None] = {}
    rows = []
    for info in table.runs(proposal):
        cells = table.database.cells(info.proposal, info.run)
        used.update(dict.fromkeys(cells))
        rows.append((info, cells))
    names = [*(n for n in variables if n in used), *(n for n in used if n not in variables)]
    names = [name for name in names if name != COMMENT]
    if any(COMMENT in cells and cells[COMMENT].value for _, cells in rows):
        names.append(COMMENT)
    proposals = shown_proposals(table)
    yield "<table><thead><tr><th>Proposal</th><th>Run</th><th>Time</th>"
    for name in names:
        known = variables.get(name)
        about = html.escape((known.description if known else None) or "", quote=True)
        usual = COMMENT_TITLE if name == COMMENT else name
        heading = html.escape((known.title if known else None) or usual)
        yield f'<th title="{about}">{heading}</th>'
    yield "</tr></thead><tbody>\n"
    for info, cells in rows:
        name = html.escape(proposals.get(info.proposal, str(info.proposal)))
        uid = html.escape(info.first_uid or "", quote=True)
        yield f'<tr><td>{name}</td><td class="number" title="{uid}">{info.run}</td>'
        yield f"<td>{_time(info.start_time)}</td>"
        for each in names:
            yield _td(cells.get(each))
        yield "</tr>\n"
    yield "</tbody></table></body></html>\n"


def _time(seconds: float | None) -> str:
    if seconds is None or not math.isfinite(seconds):
        return ""
    try:
        moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    except (OverflowError, OSError, ValueError):  # a year that no calendar of Python has
        return f"{seconds:g} s"
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def _td(cell: StoredCell | None) -> str:
    if cell is None:
        return "<td></td>"
    style = ""
    if cell.background is not None:
        red, green, blue = (int(each) for each in cell.background[:3])
        style += f"background: rgb({red}, {green}, {blue});"
    if cell.bold:
        style += "font-weight: bold;"
    marks = f' style="{style}"' if style else ""
    if cell.error is not None:
        kind = "skip" if cell.error_cls == "Skip" else "error"
        told = html.escape(f"{cell.error_cls}: {cell.error}", quote=True)
        shown = html.escape(cell.error.splitlines()[0][:80] if cell.error else "")
        return f'<td class="{kind}" title="{told}"{marks}>{shown}</td>'
    value = cell.value
    if isinstance(value, bytes):
        picture = base64.b64encode(value).decode()
        return f'<td{marks}><img alt="" src="data:image/png;base64,{picture}"></td>'
    if cell.curve is not None:
        return f"<td{marks}>{_curve(cell.curve)}</td>"
    kind = ' class="number"' if _is_number(cell) else ""
    return f"<td{kind}{marks}>{html.escape(with_units(cell))}</td>"


def _is_number(cell: StoredCell) -> bool:
    """Tell whether a cell shows a number, and no truth value or time."""
    number = isinstance(cell.value, (int, float, complex)) and not isinstance(cell.value, bool)
    return number and cell.summary_type != "timestamp"


def with_units(cell: StoredCell) -> str:
    """Write a value short, a number with its units."""
    units = f" {cell.units}" if cell.units and _is_number(cell) else ""
    return f"{shown_value(cell)}{units}"


def shown_value(cell: StoredCell) -> str:
    """Write a value short: numbers with six digits, times as times."""
    value = cell.value
    if value is None:
        return ""
    if cell.summary_type == "timestamp" and isinstance(value, (int, float)):
        return _time(float(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, complex):
        return f"{value.real:.6g}{value.imag:+.6g}j"
    if isinstance(value, np.ndarray):
        return f"array {value.shape}"
    return storable(str(value)) or ""


def _curve(points: np.ndarray[Any, Any]) -> str:
    """Draw a sparkline."""
    x, y = points.astype(float)
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if x.size < 2:
        return ""
    across = 120 * (x - x.min()) / (float(np.ptp(x)) or 1.0)
    up = 30 - 28 * (y - y.min()) / (float(np.ptp(y)) or 1.0)
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, up, strict=True))
    return (
        f'<svg width="122" height="32" viewBox="-1 -1 122 33"><polyline points="{line}" '
        f'fill="none" stroke="#1f77b4"/></svg>'
    )
