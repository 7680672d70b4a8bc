"""One page of all scans below a folder: a table with small pictures, for any browser."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from suitcase.nxstxm._errors import NXstxmFileExistsError, NXstxmOSError, NXstxmValueError
from suitcase.nxstxm._publish import publish
from suitcase.nxstxm.cli._extras import require
from suitcase.nxstxm.cli._page import PAGE
from suitcase.nxstxm.cli._rows import Row, find_files, rows_of

#: The name of the page, in the folder.
NAME = "scans.html"
#: What a page of ours begins with; another file of its name is not replaced.
_MARK = "<!-- nxstxm browse 1 -->"
_BEGIN, _END = '<script type="application/json" id="scans">', "</script>"


@dataclass(frozen=True)
class Browsed:
    """What became of a folder.

    Attributes
    ----------
    page : Path
        The page.
    files, read, failed : int
        How many files are in the table, were read this time, and could not be.
    """

    page: Path
    files: int
    read: int
    failed: int


def browse_folder(
    directory: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    jobs: int = 1,
) -> Browsed:
    """Write one page of all scans below a folder.

    Parameters
    ----------
    directory : path-like
        The folder; those in it are looked through as well.
    output : path-like, optional
        The page; by default ``scans.html`` in the folder.
    jobs : int
        Processes that read files.

    Returns
    -------
    Browsed
        What was done. Files that have not changed since the page was written are not read again.

    Raises
    ------
    MissingExtraError
        Pillow is not installed.
    NXstxmValueError
        There is no such folder.
    NXstxmFileExistsError
        Another file has the name of the page.
    NXstxmOSError
        The page can not be written.
    """
    require("PIL", "plot", "browse")
    top = Path(directory)
    if not top.is_dir():
        raise NXstxmValueError(f"{top} is not a folder; give the folder in which the files are")
    page = Path(output) if output is not None else top / NAME
    known = _known(page)
    rows: list[Row] = []
    n_read = 0
    for row, is_new in rows_of(find_files(top), page.parent, known, jobs):
        rows.append(row)
        n_read += is_new
    rows.sort(key=lambda row: str(row["file"]))
    _write(page, _html(top, rows))
    failed = sum(1 for row in rows if "error" in row)
    return Browsed(page, len(rows), n_read, failed)


def _known(page: Path) -> Mapping[str, Row]:
    """Read the rows of an earlier page."""
    try:
        text = page.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise NXstxmOSError(f"{page} can not be read ({error}); give another -o") from error
    if not text.startswith(_MARK):
        raise NXstxmFileExistsError(
            f"{page} is there already, and no page of nxstxm browse; give another name with -o"
        )
    start = text.find(_BEGIN) + len(_BEGIN)
    try:
        rows = json.loads(text[start : text.index(_END, start)], parse_constant=_refuse)
        return {str(row["file"]): row for row in rows}
    except (ValueError, KeyError, TypeError):
        return {}  # half a page, or one that no browser takes: all files are read again


def _refuse(constant: str) -> None:
    """Refuse what only Python takes for JSON."""
    raise ValueError(constant)


def _html(top: Path, rows: Sequence[Row]) -> str:
    # "<" would let a name of a sample end the script
    data = json.dumps(rows, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    data = data.replace("<", "\\u003c")
    title = escape(top.resolve().name or str(top.resolve()))
    head, _, rest = PAGE.replace("TITLE", title).partition("ROWS")
    return f"{_MARK}\n{head}{_BEGIN}{data}{_END}{rest}"


def _write(page: Path, text: str) -> None:
    unfinished = page.with_name(f".{page.name}.{os.getpid()}.tmp")
    try:
        # the folder may have a name that is no UTF-8
        unfinished.write_text(text, encoding="utf-8", errors="backslashreplace")
        publish(unfinished, page, overwrite=True)
    except OSError as error:
        raise NXstxmOSError(f"{page} can not be written: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
