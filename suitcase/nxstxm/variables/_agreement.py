"""Whether the file of a run has the results of which the table tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .._errors import NXstxmOSError
from .._log import logger
from ._run_file import file_of
from ._run_layout import WRITTEN
from ._stored_cell import StoredCell

if TYPE_CHECKING:
    from ._table import RunTable


def strangers(
    table: RunTable, proposal: int, run: int, stored: Mapping[str, StoredCell]
) -> frozenset[str]:
    """Name the cells of which the run's file has no result, or another than the table tells of.

    Whoever wrote the file may have died before the table was told; or somebody removed the file, or
    it is damaged.

    Parameters
    ----------
    table : RunTable
        The table.
    proposal, run : int
        The run.
    stored : Mapping of str to StoredCell
        Its cells.
    """
    file = file_of(table.path, proposal, run)
    stamp = file.stamp()
    if stamp == table.database.stamp(proposal, run):
        return frozenset()
    try:
        made, written = file.lineages(), file.tokens()
    except NXstxmOSError as error:
        logger.warning("%s; what it had is computed again", error)
        made, written = {}, {}
    found = set()
    for name, cell in stored.items():
        if cell.lineage is None or (cell.error is not None and name not in made):
            continue
        same_writing = written.get(name) == cell.attributes.get(WRITTEN)
        if made.get(name) != cell.lineage or not same_writing:
            found.add(name)
    if not found:
        table.database.set_stamp(proposal, run, stamp)
    return frozenset(found)
