"""The run table: a folder with a database, the results of each run, and a context file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._errors import NXstxmOSError, OptionError
from ._cell import Cell
from ._database import Database
from ._errors import MissingValueError
from ._names import whole
from ._parts import ScanPart
from ._results import Result
from ._run_file import file_of
from ._run_layout import WRITTEN
from ._run_writing import Written, check_names
from ._runs import RunInfo
from ._stored_cell import StoredCell
from ._summary import Summary, summarised
from ._table_row import TableRun

if TYPE_CHECKING:
    import pandas as pd

    from ..storage import Store

DATABASE, CONTEXT = "runs.sqlite", "context.py"
#: What a new table begins with.
_NEW_CONTEXT = '''"""The variables of this table: a function is a column, a scan is a row.

Change this file and run `nxstxm table process DIR` again: only what changed is computed.
"""

from suitcase.nxstxm.variables import Cell, Skip, Variable  # noqa: F401
from suitcase.nxstxm.variables.stxm import (  # noqa: F401
{names}
)

# @Variable(title="Contrast", units="1")
# def contrast(run):
#     picture = run.picture()  # labelled: energy, y, x
#     return float(picture.std() / picture.mean())
'''


class RunTable:
    """A table of runs in a folder.

    ::

        DIR/context.py                       the variables
        DIR/runs.sqlite                      the table, in DAMNIT's format
        DIR/extracted_data/p<P>_r<R>.h5      results
        DIR/store/                           data of the store, for "data#..."

    Parameters
    ----------
    path : path-like
        The folder.
    readonly : bool
        Change nothing.

    Raises
    ------
    NXstxmOSError
        There is no table; `create` makes one.

    Examples
    --------
    >>> from suitcase.nxstxm.variables import RunTable
    >>> table = RunTable.create("table", proposal=900001)
    >>> table.submit("a1b2", {"dose": 3.5}, provenance="dose meter", units={"dose": "MGy"})
    >>> row = table["a1b2"]
    >>> float(row["dose"].read()), row["dose"].units
    (3.5, 'MGy')
    """

    def __init__(self, path: str | os.PathLike[str], *, readonly: bool = False) -> None:
        self.path = Path(path)
        if not (self.path / DATABASE).is_file():
            raise NXstxmOSError(
                f"there is no run table in {self.path}; make one: nxstxm table init {self.path}"
            )
        self.readonly = readonly
        self.database = Database(self.path / DATABASE, readonly=readonly)

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        proposal: int | str = 1,
        context: str | None = None,
    ) -> RunTable:
        """Make a table; one that is there is opened, and its context file stays.

        Parameters
        ----------
        path : path-like
            The folder.
        proposal : int or str
            The proposal that scans belong to which do not say theirs.
        context : str, optional
            The text of the context file; by default one with the ready variables.
        """
        folder = Path(path)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NXstxmOSError(f"{folder} can not be made ({error})") from error
        is_new = not (folder / DATABASE).is_file()
        database = Database(folder / DATABASE, create=True)
        if is_new:
            database.metameta["proposal"] = database.proposal_number(proposal)
        database.close()
        file = folder / CONTEXT
        if not file.exists():
            file.write_text(new_context() if context is None else context, encoding="utf-8")
        return cls(folder)

    # -- reading -----------------------------------------------------------------------------------

    @property
    def proposal(self) -> int:
        """The proposal of scans that do not say theirs."""
        return int(self.database.metameta.get("proposal", 1))

    @property
    def context_path(self) -> Path:
        """The context file."""
        return self.path / CONTEXT

    @property
    def store_path(self) -> Path:
        """The folder of derived data that variables take."""
        return self.path / "store"

    def store(self, **options: Any) -> Store:
        """Give everything that is known of the table's scans as one store.

        The scans themselves, results of variables that have a key, and data derived for variables.
        What is made is saved into the folder of derived data.

        Parameters
        ----------
        **options
            As of `suitcase.nxstxm.storage.Store`.
        """
        from ..storage import DataDirectory, NXstxmDirectory, Store
        from ._run_files import RunFiles

        infos = [info for info in self.runs() if info.kind == "nxstxm"]
        folders = dict.fromkeys(Path(path).parent for info in infos for path in info.paths)
        return Store(
            [
                *(NXstxmDirectory(folder, recursive=False) for folder in folders),
                RunFiles(self, readonly=True),
                DataDirectory(self.store_path, readonly=self.readonly),
            ],
            **options,
        )

    def runs(self, proposal: int | None = None) -> list[RunInfo]:
        """Give all runs, or those of a proposal."""
        return self.database.runs(proposal)

    def titles(self) -> dict[str, str]:
        """Give the title of each variable."""
        return {name: each.title or name for name, each in self.database.variables().items()}

    def __getitem__(self, run: int | str | tuple[int, int]) -> TableRun:
        """Give a row.

        Parameters
        ----------
        run : int, (int, int) or str
            The number of a run in the table's proposal; proposal and run; or a ``first_uid``.

        Raises
        ------
        MissingValueError
            It is not there.
        """
        return TableRun(self, self.info(run))

    def info(self, run: int | str | tuple[int, int]) -> RunInfo:
        """Find a run; see `__getitem__`."""
        if isinstance(run, str):
            found = self.database.run_of(run)
            if found is None:
                raise MissingValueError(f"the table has no scan {run!r}")
            return found
        proposal, number = run if isinstance(run, tuple) else (self.proposal, run)
        return self.database.run(proposal, number)

    def parts(self, run: int | str | tuple[int, int]) -> tuple[ScanPart, ...]:
        """Give the runs that a scan is made of, and where each is: in its file, as EuXFEL runs.

        Variables read what `info` says: the file, where there is one.

        Parameters
        ----------
        run : int, (int, int) or str
            As of `__getitem__`.
        """
        uid = self.info(run).first_uid
        return () if uid is None else self.database.parts(uid)

    def __contains__(self, run: object) -> bool:
        """Tell whether there is such a row."""
        try:
            self.info(run)  # type: ignore[arg-type]
        except (KeyError, TypeError, ValueError):
            return False
        return True

    def to_pandas(self, proposal: int | None = None, **options: Any) -> pd.DataFrame:
        """Give the table as one of pandas; see `Database.to_pandas`."""
        return self.database.to_pandas(proposal, **options)

    def to_xarray(self, name: str, proposal: int | None = None) -> Any:
        """Give one variable of all runs as an array along ``run``.

        The coordinate ``proposal`` says of which proposal each is: runs of two may have one number.
        Coordinates of results that differ, but not along their dimensions, lie along ``run``.

        Raises
        ------
        MissingValueError
            No run has it.
        NXstxmValueError
            Results have different shapes, or lie over different coordinates.
        """
        from ._along_runs import along_runs

        found = {}
        for info in self.runs(proposal):
            row = TableRun(self, info)
            if name in row and row[name].error is None and row[name].summary() is not None:
                found[(info.proposal, info.run)] = (row[name].read(), row[name].units)
        if not found:
            raise MissingValueError(f"no run has a value of {name!r}")
        return along_runs(name, found)

    # -- writing -----------------------------------------------------------------------------------

    def submit(
        self,
        run: int | str | tuple[int, int],
        values: Mapping[str, Any],
        *,
        provenance: str,
        units: Mapping[str, str] | None = None,
        errors: Mapping[str, BaseException] | None = None,
    ) -> None:
        """Add results that were made elsewhere.

        Parameters
        ----------
        run : int, (int, int) or str
            Which; a ``first_uid`` that is not there gets a number.
        values : Mapping
            Results, or `Cell`, by the names of their variables.
        provenance : str
            Who made them.
        units : Mapping of str to str, optional
            Units of some; of a `Cell` that says none itself.
        errors : Mapping, optional
            What went wrong, of those that have no result.

        Raises
        ------
        OptionError
            The provenance is missing; or units are of no result, or not those of its `Cell`.
        CellError
            A result can not be stored.
        VariableError
            A name can not be that of a result.
        """
        if not isinstance(provenance, str) or not provenance:
            raise OptionError(
                f"provenance={provenance!r} does not say who made these results; give a text"
            )
        made = _cells_of(values, units or {})
        results = {name: Result(cell, summarised(cell)) for name, cell in made.items()}
        for name, error in (errors or {}).items():
            kind = type(error).__name__
            results[name] = Result(None, None, str(error) or kind, kind)
        cells = [stored_cell(name, each, provenance) for name, each in results.items()]
        # what the table, or the file, refuses gets no number
        check_names(results)
        self.database.check_cells(cells)
        if isinstance(run, str) and self.database.run_of(run) is None:
            proposal, number = self.database.number_of(run, self.proposal)
        elif isinstance(run, tuple):
            proposal, number = run
        else:
            proposal, number = (self.proposal, run) if isinstance(run, int) else self._numbers(run)
        # of them the name of the file is made
        proposal, number = whole(proposal, "proposal"), whole(number, "run")
        file = file_of(self.path, proposal, number)

        def tell(written: Written) -> None:
            agreed = written.before == self.database.stamp(proposal, number)
            told = [replace(c, attributes={**c.attributes, WRITTEN: written.token}) for c in cells]
            self.database.set_cells(proposal, number, told, stamp=written.stamp if agreed else None)

        # the table is told before another may write: of two who submit at once both have the last
        file.write(results, strict=True, then=tell)

    def _numbers(self, run: str) -> tuple[int, int]:
        info = self.info(run)
        return info.proposal, info.run

    def delete(self, run: int | str | tuple[int, int]) -> None:
        """Remove a row, and the file with its results; the scan itself stays where it is."""
        info = self.info(run)
        self.database.delete_run(info.proposal, info.run)
        file_of(self.path, info.proposal, info.run).path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def __enter__(self) -> RunTable:
        """Give the table itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def __repr__(self) -> str:
        """Say where it is."""
        return f"RunTable({str(self.path)!r})"


def _cells_of(values: Mapping[str, Any], units: Mapping[str, str]) -> dict[str, Cell]:
    """Give results as cells, with their units."""
    for name in units:
        if name not in values:
            raise OptionError(
                f"units={dict(units)!r:.80} has units of {name!r:.60}, which has no result; "
                f"there are {', '.join(values) or 'none'}"
            )
    made = {}
    for name, value in values.items():
        cell, wanted = value if isinstance(value, Cell) else Cell(value), units.get(name)
        if wanted is not None and cell.units not in (None, wanted):
            raise OptionError(
                f"{name!r:.60} has units {cell.units!r:.40} in its Cell and {wanted!r:.40} in "
                f"units=; give one of them"
            )
        made[name] = cell if wanted is None else cell.in_units(wanted)
    return made


def stored_cell(
    name: str,
    result: Result,
    provenance: str,
    more: Mapping[str, Any] | None = None,
) -> StoredCell:
    """Give the row of the database for a result."""
    summary = result.summary or Summary(None)
    attributes: dict[str, Any] = {**summary.attributes, **(more or {})}
    if result.error_type:
        attributes |= {"error": result.error, "error_cls": result.error_type}
    return StoredCell(
        name,
        summary.value,
        None,
        summary.max_diff,
        provenance,
        summary.type,
        summary.method or None,
        attributes,
    )


def new_context() -> str:
    """Give the text of a context file with the ready variables."""
    from . import stxm

    names = "\n".join(f"    {each.name}," for each in stxm.ALL)
    return _NEW_CONTEXT.replace("{names}", names)
