"""Filling a table: for each scan, what is missing or was made otherwise."""

from __future__ import annotations

import getpass
import queue
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .._errors import NXstxmError, NXstxmKeyError
from .._log import logger
from ..storage import Lineage
from ._context import VariableInfo
from ._counting import Context, CountingContext
from ._identity import LINEAGE, MADE, Identity, identities, to_do
from ._messages import (
    Message,
    new_processing_id,
    processing_finished,
    processing_state_set,
    run_values_updated,
)
from ._numbers import Asked
from ._results import Result
from ._run import store_of
from ._run_file import file_of
from ._scans import FoundScan
from ._stored_cell import StoredCell
from ._table import RunTable, stored_cell
from ._task import Answer, Done, Task
from ._worker import Worker

#: Who made the cells of a context file.
PROVENANCE = "context.py"


@dataclass(frozen=True)
class Processed:
    """What became of a scan.

    Attributes
    ----------
    uid : str
        The scan.
    proposal, run : int
        Its numbers.
    computed : Mapping of str to str
        The variables that were computed, and why.
    errors : Mapping of str to str
        Those of them that failed, and how; Skip is no error.
    seconds : float
        How long it took.
    failure : str
        Why nothing could be computed.
    """

    uid: str
    proposal: int = 0
    run: int = 0
    computed: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    failure: str = ""


@dataclass(frozen=True)
class _Order:
    """What is to be done with each of some scans."""

    context: Context
    wanted: Sequence[str] | None
    force: bool
    params: Mapping[str, Any]

    def made(self, data: Mapping[str, Lineage]) -> dict[str, Identity]:
        """Say how each variable is made: of scans that take no data of the store alike."""
        return identities(self.context.infos, self.params, data) if data else self._alike

    @cached_property
    def _alike(self) -> dict[str, Identity]:
        return identities(self.context.infos, self.params, {})


class Processor:
    """Fills a table.

    Parameters
    ----------
    table : RunTable
        The table.
    jobs : int
        Worker processes.
    timeout : float
        Seconds that the variables of a scan may take.
    memory : int, optional
        Bytes that a worker may have.
    sink : callable, optional
        Takes messages of what has changed.
    """

    def __init__(
        self,
        table: RunTable,
        *,
        jobs: int = 1,
        timeout: float = 600.0,
        memory: int | None = None,
        sink: Callable[[Message], Any] | None = None,
    ) -> None:
        self.table = table
        self._tell = sink or (lambda _: None)
        self._workers = [Worker(timeout, memory) for _ in range(max(jobs, 1))]
        self._free: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._free.put(worker)
        self._counting = CountingContext(table, self._described, self._tell)

    @contextmanager
    def _worker(self) -> Iterator[Worker]:
        worker = self._free.get()
        try:
            yield worker
        finally:
            self._free.put(worker)

    def context(self) -> Context:
        """Read the context file, if it has changed; the last good one, if it can not be used.

        Raises
        ------
        ContextError
            It can not be used, and there is no earlier one.
        """
        return self._counting.read()

    def _described(self, code: str, path: str) -> tuple[VariableInfo, ...]:
        with self._worker() as worker:
            return tuple(worker.describe(code, path))

    # -- scans -------------------------------------------------------------------------------------

    def process(
        self,
        scans: Sequence[FoundScan],
        *,
        variables: Iterable[str] | None = None,
        force: bool = False,
        params: Mapping[str, Any] | None = None,
    ) -> Iterator[Processed]:
        """Compute what is missing, or would be made otherwise now.

        Parameters
        ----------
        scans : sequence of FoundScan
            The scans.
        variables : iterable of str, optional
            Only these.
        force : bool
            Whether or not they are there.
        params : Mapping, optional
            Parameters, ``"param#..."``.

        Yields
        ------
        Processed
            Of each scan, as they are done.

        Raises
        ------
        ContextError
            There is no context file that can be used.
        NXstxmKeyError
            There is no such variable.
        """
        context = self.context()
        wanted = None if variables is None else list(variables)
        names = [info.name for info in context.infos]
        for name in wanted or ():
            if name not in names:
                raise NXstxmKeyError(
                    f"there is no variable {name!r} in {context.path}; there are {', '.join(names)}"
                )
        order = _Order(context, wanted, force, dict(params or {}))
        pairs = list(zip(scans, self._numbers(scans), strict=True))

        def one(pair: tuple[FoundScan, tuple[int, int]]) -> Processed:
            return self._one(order, *pair)

        if len(self._workers) == 1 or len(pairs) < 2:
            yield from map(one, pairs)
            return
        with ThreadPoolExecutor(len(self._workers), "nxstxm-table") as pool:
            waiting = [pool.submit(one, pair) for pair in pairs]
            try:
                for done in as_completed(waiting):
                    yield done.result()
            finally:  # who goes no further waits for those that have been begun
                for each in waiting:
                    each.cancel()

    def _numbers(self, scans: Sequence[FoundScan]) -> list[tuple[int, int]]:
        """Give scans their numbers, in the order of time: those that are free are given so."""
        own = self.table.proposal
        return self.table.database.numbers_of(
            Asked(
                scan.uid,
                own if scan.proposal is None else scan.proposal,
                scan.scan_id,
                scan.kind,
                scan.paths,
                scan.start_time,
            )
            for scan in scans
        )

    def _one(self, order: _Order, scan: FoundScan, numbers: tuple[int, int]) -> Processed:
        begun = time.monotonic()
        proposal, run = numbers
        stored = self.table.database.cells(proposal, run)
        data = self._data(order.context, scan)
        made = order.made(data)
        strangers = self._strangers(proposal, run, stored)
        todo = to_do(
            order.context.infos,
            made,
            {name: cell.attributes for name, cell in stored.items()},
            strangers=strangers,
            wanted=order.wanted,
            force=order.force,
        )
        if not todo:
            return Processed(scan.uid, proposal, run, seconds=time.monotonic() - begun)
        processing = new_processing_id()
        self._tell(
            processing_state_set(
                processing, proposal, run, "RUNNING",
                hostname=socket.gethostname(), username=_user(),
            )
        )  # fmt: skip
        try:
            done = self._computed(order, scan, numbers, todo, made, data)
            # of what was only computed for others the file has a new result as well
            cells = [self._cell(answer, made[answer.name]) for answer in done.answers]
            all_agree = strangers <= {cell.name for cell in cells}
            self.table.database.set_cells(
                proposal,
                run,
                cells,
                start_time=scan.start_time,
                stamp=done.stamp if all_agree else None,
            )
        except (NXstxmError, OSError) as error:
            logger.error("scan %s can not be processed: %s", scan.uid, error)
            return Processed(
                scan.uid, proposal, run, seconds=time.monotonic() - begun, failure=str(error)
            )
        finally:
            self._tell(processing_finished(processing))
        self._tell(run_values_updated(proposal, run, [cell.name for cell in cells]))
        return Processed(
            scan.uid,
            proposal,
            run,
            todo,
            {
                answer.name: f"{answer.error_type}: {answer.error}"
                for answer in done.answers
                if answer.name in todo and answer.error_type not in ("", "Skip")
            },
            time.monotonic() - begun,
        )

    def _strangers(
        self, proposal: int, run: int, stored: Mapping[str, StoredCell]
    ) -> frozenset[str]:
        """Name the cells of which the run's file has no result, or one that was made otherwise.

        Whoever wrote the file may have died before the table was told; or somebody removed it.
        """
        file = file_of(self.table.path, proposal, run)
        stamp = file.stamp()
        if stamp == self.table.database.stamp(proposal, run):
            return frozenset()
        made = file.lineages()
        found = frozenset(
            name
            for name, cell in stored.items()
            if cell.lineage is not None
            and made.get(name) not in (cell.lineage, *([None] if cell.error is not None else []))
        )
        if not found:
            self.table.database.set_stamp(proposal, run, stamp)
        return found

    def _computed(
        self,
        order: _Order,
        scan: FoundScan,
        numbers: tuple[int, int],
        todo: Iterable[str],
        made: Mapping[str, Identity],
        data: Mapping[str, Lineage],
    ) -> Done:
        task = Task(
            order.context.code,
            order.context.path,
            str(self.table.path),
            scan.ref(*numbers),
            tuple(todo),
            {name: identity.hash for name, identity in made.items()},
            order.params,
            str(self.table.store_path),
            {name: lineage.as_json() for name, lineage in data.items()},
        )
        with self._worker() as worker:
            return worker.compute(task)

    @staticmethod
    def _cell(answer: Answer, identity: Identity) -> StoredCell:
        more = {LINEAGE: identity.hash, MADE: identity.made, "seconds": answer.seconds}
        if answer.trace:
            more["traceback"] = answer.trace[-4000:]
        result = Result(None, answer.summary, answer.error, answer.error_type)
        return stored_cell(answer.name, result, PROVENANCE, more)

    def _data(self, context: Context, scan: FoundScan) -> dict[str, Lineage]:
        """Say how the data of the store are made that variables take."""
        types = {
            use.partition("#")[2]
            for info in context.infos
            for use in info.uses
            if use.startswith("data#")
        }
        if not types or scan.kind != "nxstxm":
            return {}
        store = store_of(scan.paths[0], str(self.table.store_path))
        found = {}
        for each in types:
            try:
                found[each] = store.key(scan.uid, each).lineage
            except NXstxmError as error:  # the variable will say so when it asks
                logger.debug("%s of %s has no key: %s", each, scan.uid, error)
        return found

    def close(self) -> None:
        """End the workers."""
        for worker in self._workers:
            worker.close()

    def __enter__(self) -> Processor:
        """Give it itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the workers."""
        self.close()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""
