"""A row of the run table, and its cells."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ._errors import MissingValueError
from ._run_file import RunFile, file_of
from ._run_layout import WRITTEN
from ._runs import RunInfo
from ._stored_cell import StoredCell
from ._summary import SUMMARY_ONLY
from ._views import COMMENT

if TYPE_CHECKING:
    from ..storage import DataKey
    from ._table import RunTable


class TableCell:
    """A cell of a table, and the result behind it.

    Attributes
    ----------
    name, title : str
        The variable.
    stored : StoredCell
        What the table has.
    """

    def __init__(self, table: RunTable, info: RunInfo, name: str, stored: StoredCell) -> None:
        self._table = table
        self._info = info
        self.name = name
        known = table.database.variables().get(name)
        self.title = name if known is None else known.title or name
        self._typed = name == COMMENT or (known is not None and known.type is not None)
        self.stored = stored

    def summary(self) -> Any:
        """Give what the table shows: a number, a text, a picture (PNG), a sparkline."""
        return self.stored.value

    def read(self) -> Any:
        """Read the result.

        Raises
        ------
        MissingValueError
            There is none; the message tells what went wrong.
        """
        self._check()
        if self._typed:  # a file may have what was computed under that name before
            if self.stored.value is None:
                raise MissingValueError(f"nobody typed {self.name!r} of run {self._info.run}")
            return self.stored.value
        try:
            return self._file.read(self.name, *self._made)
        except MissingValueError:
            if not self._is_whole():
                raise
            return self.stored.value

    def _is_whole(self) -> bool:
        """Tell whether the table has all of the result: numbers and text, and no summary."""
        stored = self.stored
        if stored.attributes.get(SUMMARY_ONLY) or stored.summary_method:
            return False
        if isinstance(stored.value, (int, float, complex, str)):
            return stored.summary_type in (None, "complex")
        return stored.summary_type == "numpy" and stored.lineage is None

    @property
    def _made(self) -> tuple[str | None, str | None]:
        """How the result was made, and the token of the writing that put it into the file."""
        token = self.stored.attributes.get(WRITTEN)
        return self.stored.lineage, None if token is None else str(token)

    def preview(self) -> Any:
        """Give what to show when somebody looks closer: an array or a figure, else the result."""
        self._check()
        with contextlib.suppress(MissingValueError):
            found = None if self._typed else self._file.preview(self.name, *self._made)
            if found is not None:
                return found
        return self.read()

    @property
    def units(self) -> str | None:
        """The units of the result."""
        return self.stored.units

    @property
    def lineage(self) -> str | None:
        """The hash of how it was made; see also ``stored.attributes["made"]``."""
        return self.stored.lineage

    @property
    def key(self) -> DataKey | None:
        """The key under which `RunTable.store` has the result; None where it has none.

        Those have one that declare a data type, and those of more than 64 kB.
        """
        with contextlib.suppress(MissingValueError):
            return self._file.kept(self.name).metadata.key
        return None

    @property
    def error(self) -> str | None:
        """What went wrong, if it did: ``"ZeroDivisionError: division by zero"``."""
        if self.stored.error is None:
            return None
        kind = self.stored.error_cls
        return f"{kind}: {self.stored.error}" if kind else self.stored.error

    def history(self) -> list[StoredCell]:
        """Give what the cell was before, the latest last."""
        return self._table.database.history(self._info.proposal, self._info.run, self.name)

    @property
    def _file(self) -> RunFile:
        return file_of(self._table.path, self._info.proposal, self._info.run)

    def _check(self) -> None:
        if self.error is not None:
            raise MissingValueError(
                f"{self.name!r} of run {self._info.run} has no value: {self.error}"
            )

    def __repr__(self) -> str:
        """Say what it is."""
        value = self.error or repr(self.stored.value)
        return f"<{self.name} of p{self._info.proposal} r{self._info.run}: {value[:60]}>"


class TableRun(Mapping[str, TableCell]):
    """A row of a table: its cells by the names, or titles, of variables.

    Attributes
    ----------
    info : RunInfo
        The run's numbers, its uid, where its files are.
    """

    def __init__(self, table: RunTable, info: RunInfo) -> None:
        self._table = table
        self.info = info
        self._cells = table.database.cells(info.proposal, info.run)

    def __getitem__(self, name: str) -> TableCell:
        """Give a cell.

        Raises
        ------
        MissingValueError
            The run has none of that name or title.
        """
        known = name
        if name not in self._cells:
            by_title = {title: each for each, title in self._table.titles().items()}
            known = by_title.get(name, name)
        if known not in self._cells:
            raise MissingValueError(
                f"run {self.info.run} of proposal {self.info.proposal} has no {name!r}; it has "
                f"{', '.join(self._cells) or 'nothing'}"
            )
        return TableCell(self._table, self.info, known, self._cells[known])

    def __iter__(self) -> Iterator[str]:
        """Give the names of the cells."""
        return iter(self._cells)

    def __len__(self) -> int:
        """Count the cells."""
        return len(self._cells)

    @property
    def comment(self) -> str | None:
        """What users say of the run."""
        return self._table.database.comment(self.info.proposal, self.info.run)

    def __repr__(self) -> str:
        """Say which it is."""
        return f"<run {self.info.run} of proposal {self.info.proposal}: {len(self)} cells>"
