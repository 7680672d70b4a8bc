"""Filling a table: for each scan, what is missing or was made otherwise."""

from __future__ import annotations

import getpass
import queue
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from .._errors import NXstxmError, NXstxmKeyError, OptionError
from .._log import logger
from ..storage import Lineage
from ._agreement import strangers
from ._cells import SECONDS
from ._context import VariableInfo
from ._counting import Context, CountingContext
from ._errors import UnknownError
from ._identity import LINEAGE, MADE, Identity, to_do
from ._messages import (
    Message,
    Sinks,
    new_processing_id,
    processing_finished,
    processing_state_set,
    run_values_updated,
)
from ._numbers import Asked
from ._parts import read_from
from ._processed import Order, Plan, Processed
from ._results import Result
from ._run import store_of
from ._run_file import file_of
from ._run_layout import WRITTEN
from ._scan_stamp import SCAN, scan_stamp, why_other, with_content
from ._scans import FoundScan
from ._stored_cell import StoredCell
from ._table import RunTable, stored_cell
from ._task import Answer, Done, Task
from ._worker import Worker

#: Who made the cells of a context file.
PROVENANCE = "context.py"


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

    Raises
    ------
    OptionError
        The time or the memory is none that a worker can have.
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
        for name, value in (("timeout", timeout), ("memory", memory)):
            if value is not None and not value > 0:
                raise OptionError(f"{name}={value!r} leaves a worker nothing; give more than 0")
        self.table = table
        self._tell = Sinks(sink)  # whoever listens must not stop the table
        self._workers = [Worker(timeout, memory) for _ in range(max(jobs, 1))]
        self._free: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._free.put(worker)
        self._counting = CountingContext(table, self._described, self._tell_of_variable)

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

    def _tell_of_variable(self, message: Message) -> None:
        """Tell of a variable with its tags as the table has them: users give some, too."""
        known = self.table.database.variables().get(message.data["name"])
        tags = [] if known is None else list(known.tags)
        self._tell(Message(message.kind, {**message.data, "tags": tags}))

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
        order = Order(context, wanted, force, dict(params or {}))
        scans = [self._where_read(scan) for scan in scans]
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
                scan.parts,
            )
            for scan in scans
        )

    def _where_read(self, scan: FoundScan) -> FoundScan:
        """Give a scan as variables read it: its file, where there is one."""
        if scan.kind == "nxstxm":
            return scan
        parts = (*self.table.database.parts(scan.uid), *scan.parts)
        kind, paths = read_from(scan.kind, scan.paths, parts)
        return replace(scan, kind=kind, paths=paths)

    def _one(self, order: Order, scan: FoundScan, numbers: tuple[int, int]) -> Processed:
        begun = time.monotonic()
        proposal, run = numbers

        def failed(error: Exception) -> Processed:
            logger.error("scan %s can not be processed: %s", scan.uid, error)
            seconds = time.monotonic() - begun
            return Processed(scan.uid, proposal, run, seconds=seconds, failure=str(error))

        try:
            plan = self._planned(order, scan, numbers)
        except (NXstxmError, OSError) as error:
            return failed(error)
        if not plan.todo:
            return Processed(scan.uid, proposal, run, seconds=time.monotonic() - begun)
        processing = new_processing_id()
        self._tell(
            processing_state_set(
                processing, proposal, run, "RUNNING",
                hostname=socket.gethostname(), username=_user(),
            )
        )  # fmt: skip
        try:
            answers, names = self._filled(order, scan, numbers, plan)
        except (NXstxmError, OSError) as error:
            return failed(error)
        finally:
            self._tell(processing_finished(processing))
        self._tell(run_values_updated(proposal, run, names))
        return Processed(
            scan.uid,
            proposal,
            run,
            plan.todo,
            {
                answer.name: f"{answer.error_type}: {answer.error}"
                for answer in answers
                if answer.name in plan.todo and answer.error_type not in ("", "Skip")
            },
            time.monotonic() - begun,
        )

    def _planned(self, order: Order, scan: FoundScan, numbers: tuple[int, int]) -> Plan:
        """Say what is to be computed of a scan, and how each of it is made."""
        stored = self.table.database.cells(*numbers)
        data = self._data(order.context, scan)
        made = order.made(data)
        stamp = scan_stamp(scan.kind, scan.paths)
        different = strangers(self.table, *numbers, stored)
        todo = to_do(
            order.context.infos,
            made,
            {name: cell.attributes for name, cell in stored.items()},
            strangers=different,
            scan=lambda before: why_other(before, stamp, scan.paths),
            wanted=order.wanted,
            force=order.force,
        )
        return Plan(todo, made, data, different, stamp)

    def _filled(
        self, order: Order, scan: FoundScan, numbers: tuple[int, int], plan: Plan
    ) -> tuple[tuple[Answer, ...], list[str]]:
        """Compute what is to be, and put it into the table; give answers, and names of cells."""
        scanned = with_content(plan.stamp, scan.paths)  # as it is before it is read
        done = self._computed(order, scan, numbers, plan)
        more = {
            **({SCAN: scanned} if scanned else {}),
            **({WRITTEN: done.token} if done.token else {}),
        }
        # of what was only computed for others the file has a new result as well
        cells = [self._cell(answer, plan.made[answer.name], more) for answer in done.answers]
        all_agree = plan.strangers <= {cell.name for cell in cells}
        try:
            self.table.database.set_cells(
                *numbers,
                cells,
                start_time=scan.start_time,
                stamp=done.stamp if all_agree else None,
                first_uid=scan.uid,
            )
        except UnknownError:
            file = file_of(self.table.path, *numbers)
            if file.stamp() == done.stamp:  # of a run that is not there any more
                file.path.unlink(missing_ok=True)
            raise
        return done.answers, [cell.name for cell in cells]

    def _computed(
        self,
        order: Order,
        scan: FoundScan,
        numbers: tuple[int, int],
        plan: Plan,
    ) -> Done:
        task = Task(
            order.context.code,
            order.context.path,
            str(self.table.path),
            scan.ref(*numbers),
            tuple(plan.todo),
            {name: identity.hash for name, identity in plan.made.items()},
            order.params,
            str(self.table.store_path),
            {name: lineage.as_json() for name, lineage in plan.data.items()},
        )
        with self._worker() as worker:
            return worker.compute(task)

    @staticmethod
    def _cell(answer: Answer, identity: Identity, more: Mapping[str, Any]) -> StoredCell:
        made = {LINEAGE: identity.hash, MADE: identity.made, SECONDS: answer.seconds}
        more = {**made, **more}
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
