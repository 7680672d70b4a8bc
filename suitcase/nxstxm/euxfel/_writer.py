"""The callback for a RunEngine that writes EuXFEL runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .._errors import NXstxmValueError
from ..documents import JournalFolder, LiveWriter, ScanFacts
from ._live_run import LiveRun
from ._names import safe
from ._options import RunOptions
from ._place import RunPlace, reserve
from ._recover import FORM, recover_runs
from ._run import check_start


class EuXFELWriter(LiveWriter[LiveRun]):
    """Write a EuXFEL run of each run that a RunEngine measures.

    ``RE.subscribe(EuXFELWriter("/data"))``

    Parameters
    ----------
    directory : str or Path
        The folder of the proposals; nothing is written outside of it.
    journal : bool
        Keep the documents on the disk until the run is complete.
    fsync : float, optional
        Seconds after which the disk is asked to have the journals, for power cuts.
    strict : bool
        Raise what goes wrong with a run, which fails the scan, instead of logging it.
    finish_timeout : float
        Seconds that the stop document of a run waits for its files.
    on_finish : callable, optional
        Told the folder of each run that is complete, by the writer's thread.
    copy_arrays : bool
        Copy the arrays of events at once: for devices that use their buffers again.
    recover : bool
        Make the runs that an earlier process left in the folder, from now on, in a thread.
    **options
        As of `Serializer`.

    Raises
    ------
    NXstxmError
        From a start document: no run can be made in the folder.

    Notes
    -----
    A file of a run gets its name when it has all of its trains, so that EXtra-data can follow a
    run that goes on. `suitcase.nxstxm.recover` makes what a process that died left.

    Examples
    --------
    >>> from bluesky import RunEngine
    >>> from suitcase.nxstxm.sim import SimulatedMicroscope, image_plan
    >>> RE = RunEngine({}, context_managers=[], call_returns_result=False)
    >>> with EuXFELWriter("proposals", proposal=900001) as writer:
    ...     token = RE.subscribe(writer)
    ...     uids = RE(image_plan(SimulatedMicroscope(), (-2, 2, 8), (-2, 2, 8)))
    >>> writer.paths[0].parts[-3:]
    ('p900001', 'raw', 'r0001')
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        journal: bool = True,
        fsync: float | None = None,
        strict: bool = False,
        finish_timeout: float = 10.0,
        on_finish: Callable[[Path], object] | None = None,
        copy_arrays: bool = False,
        recover: bool = True,
        **options: Any,
    ) -> None:
        self._options = RunOptions.of(**options)
        self._has_journal = bool(journal)
        super().__init__(
            directory,
            fsync=fsync,
            strict=strict,
            finish_timeout=finish_timeout,
            on_finish=on_finish,
            copy_arrays=copy_arrays,
            recover=recover_runs if recover else None,
        )

    def _start(self, doc: Mapping[str, Any]) -> None:
        check_start(doc)
        uid, scans = doc["uid"], self._scans
        if self._has_journal and safe(uid) != uid:
            raise NXstxmValueError(f"uid {uid!r} can not be a part of the name of a file")
        with scans.lock:
            self._may_start(uid)
            scans.start()
            place = reserve(self._directory, doc, self._options)
            try:
                run = LiveRun(uid, self._directory, place, self._options, self._journal(place))
            except BaseException:
                place.give_back()
                raise
            scans.add(run)
            self._begin(uid, run, doc)

    def _journal(self, place: RunPlace) -> JournalFolder | None:
        if not self._has_journal:
            return None
        options = replace(self._options, proposal=place.proposal).saved()
        name = place.folder.relative_to(self._directory).as_posix()
        facts = ScanFacts(name, place.uid, options, form=FORM)
        return JournalFolder.make(self._directory, facts, syncs=self._syncs)
