"""The frames of a run on their way through processors, while its documents come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any

from ..data import DataCoordinates, DataHandler, Failure, Frame, Framer
from ..documents import Block, RunStreams
from ..scans import BASELINE, fastest_loop, may_measure
from ._options import WriterOptions
from ._record import AnyArray, RunRecord, Step

if TYPE_CHECKING:
    from ..data import DataStorage

#: Bytes of frames that wait for the processors before the documents have to.
WAITING_BYTES = 64 * 2**20
#: Points that come one by one become frames when there are so many, or a line.
FRAME_ROWS = 64
#: Failed frames that an entry names.
_NAMED = 5


class Framing:
    """Makes frames of a run, and has them processed and stored.

    Parameters
    ----------
    record : RunRecord
        The run.
    streams : RunStreams
        Its streams.
    options : WriterOptions
        Says what is done to its frames.
    storage : DataStorage
        Takes what the processors give.
    """

    def __init__(
        self,
        record: RunRecord,
        streams: RunStreams,
        options: WriterOptions,
        storage: DataStorage,
    ) -> None:
        if options.processors is None:
            raise AssertionError("there is nothing to process with")
        self._record = record
        self._streams = streams
        self._on_error = options.on_error
        self._storage = storage
        self._chain = options.processors.fresh()
        self._handler: DataHandler | None = None
        self._making = Lock()
        self._framer = Framer(self._put)
        self._blocks: list[Block] = []
        self._fed: dict[str, int] = {}  # by stream, rows of which frames were made
        self._has_raised = False
        self._n_events = 0
        record.processing = tuple(
            Step(p.name, p.version, {**p.options, **({"only": p.only} if p.only else {})})
            for p in self._chain.processors
        )

    @property
    def handler(self) -> DataHandler:
        """What the frames go through; its threads begin when somebody asks for it."""
        with self._making:
            if self._handler is None:
                # an error must not come between a frame and the handler: it is raised afterwards
                self._handler = DataHandler(
                    self._storage,
                    self._chain,
                    max_bytes=WAITING_BYTES,
                    on_error="store_raw" if self._on_error == "store_raw" else "keep",
                )
        return self._handler

    def _put(self, coords: Mapping[str, Any], data: AnyArray, metadata: Mapping[str, Any]) -> None:
        frame = Frame(DataCoordinates(coords), data, metadata)
        if self.concerns(frame):
            self.handler.put(*frame)

    def concerns(self, frame: Frame) -> bool:
        """Tell whether any of the processors is for a frame."""
        return self._chain.concerns(frame)

    def note(self, block: Block) -> None:
        """Keep a block that is complete until `feed`."""
        later = block.since(self._fed.get(block.stream, 0))
        if later is not None:
            self._blocks.append(later)

    def is_due(self, at_once: bool) -> bool:
        """Tell after each event whether to `feed`: at once, or when there may be a line."""
        self._n_events += 1
        if not at_once:
            loop = fastest_loop(self._record.plan)
            at_once = self._n_events >= min((loop and loop.size) or FRAME_ROWS, FRAME_ROWS)
        if at_once:
            self._n_events = 0
        return at_once

    def feed(self) -> None:
        """Make frames of what came.

        Raises
        ------
        Exception
            What a processor raised, once; the readings are in the run all the same.
        """
        self._feed_complete()
        for block in self._streams.open_blocks(self._fed):
            self._feed(block)
        self.check()

    def _feed_complete(self) -> None:
        blocks, self._blocks = self._blocks, []
        for block in blocks:
            self._feed(block)

    def take(self, block: Block) -> None:
        """Make frames of a block whose rows came before, without some of their readings."""
        self._framer.take(self._record.plan, block)

    def _feed(self, block: Block) -> None:
        stream = block.stream
        self._fed[stream] = block.row + len(block.seq_nums)
        plan = self._record.plan
        if stream == BASELINE or may_measure(stream, self._streams.n_rows, plan.stream):
            self._framer.take(plan, block)

    def finish(self) -> None:
        """Have everything processed and stored; `check` tells what went wrong."""
        self._feed_complete()
        self._framer.flush()
        if self._handler is not None:
            with suppress(Exception):  # what it raises is among its failures
                self._handler.finish()
            self._tell(self._handler.failures)

    def abandon(self) -> None:
        """End the threads of the handler; the run is given up."""
        if self._handler is not None:
            with suppress(Exception):
                self._handler.close()

    def check(self) -> None:
        """Raise the first thing that a processor or the storage raised, once.

        The entry tells of all. Unless ``on_error`` is "raise" nothing is raised.
        """
        if self._handler is None or self._on_error != "raise" or self._has_raised:
            return
        if self._handler.failures:
            self._has_raised = True
            raise self._handler.failures[0].error

    @property
    def failures(self) -> Sequence[Failure]:
        """What went wrong so far."""
        return () if self._handler is None else self._handler.failures

    def _tell(self, failures: Sequence[Failure]) -> None:
        """Say in the run's entries what went wrong."""
        kept = "it is as it came" if self._on_error == "store_raw" else "it is left out"
        for failure in failures[:_NAMED]:
            what = (
                "the end of the processors failed"
                if failure.coordinates is None
                else f"the frame at {failure.coordinates} could not be processed, {kept}"
            )
            self._record.note_once(f"{what}: {failure.error!r:.200}")
        if len(failures) > _NAMED:
            self._record.note_once(f"{len(failures)} frames could not be processed in all")
