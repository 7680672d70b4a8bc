"""The callback for a RunEngine: documents in, files out, and never a scan that fails for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .._disk import sync
from .._errors import NXstxmOSError, NXstxmStateError
from ..documents import FrameFile, JournalFolder, LiveWriter, ScanFacts
from ..nexus import SUFFIX, NXstxmStorage, WriterOptions, check_uid
from ..scans import Grouping, ScanPlan, read_plan, run_uid
from ._beside import RunsBeside
from ._live_scan import LiveScan
from ._paths import PathProvider, provider_of, target_of
from ._recover import recover as recover_left
from ._scan_writer import ScanWriter
from ._taken import TakenName, refuse_journalled

#: A scan is not begun where there is less room than this, bytes.
LEAST_SPACE = 64 * 2**20
#: Seconds that a reader waits until what came before it asked is written.
_BUSY = 5.0


class NXstxmWriter(LiveWriter[LiveScan]):
    """Write an NXstxm file of each scan that a RunEngine measures.

    ``RE.subscribe(NXstxmWriter("/data"))``

    Parameters
    ----------
    directory : str or Path
        The folder; nothing is written outside of it.
    path_provider : callable or str, optional
        Gives the path of a scan's file for the start document of its first run, as
        `DayFolders` does; or a template such as ``"{sample}-{scan_id:05d}"``. Unless given, the
        name has the scan's number and the beginning of the uid.
    journal : bool
        Keep the documents on the disk until the file is there.
    fsync : float, optional
        Seconds after which the disk is asked to have the journals, for power cuts.
    strict : bool
        Raise what goes wrong with a file, which fails the scan, instead of logging it.
    finish_timeout : float
        Seconds that the last document of a scan waits for the file.
    on_finish : callable, optional
        Told the path of each file; by the writer's thread, before the scan's last document
        returns. It must not wait for the writer.
    copy_arrays : bool
        Copy the arrays of events at once: for devices that use their buffers again.
    recover : bool
        Make the files of scans that an earlier process left in the folder, from now on, in a
        thread.
    **options
        As of `Serializer`.

    Raises
    ------
    NXstxmError
        From a start document: the folder can not be written, the name is taken, by a file or by
        a scan that goes on, the disk is almost full, a root of external files does not exist, or
        the metadata make no sense or can not be stored.

    Notes
    -----
    Documents are taken by reference and journalled within 50 ms. What happens when something
    breaks is told under *Live* in the explanations.

    Examples
    --------
    >>> from bluesky import RunEngine
    >>> from suitcase.nxstxm.sim import SimulatedMicroscope, image_plan
    >>> RE = RunEngine({}, context_managers=[], call_returns_result=False)
    >>> with NXstxmWriter("live") as writer:
    ...     token = RE.subscribe(writer)
    ...     uids = RE(image_plan(SimulatedMicroscope(), (-2, 2, 8), (-2, 2, 8)))
    >>> writer.paths[0].suffix
    '.hdf5'
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        path_provider: PathProvider | str | None = None,
        journal: bool = True,
        fsync: float | None = None,
        strict: bool = False,
        finish_timeout: float = 10.0,
        on_finish: Callable[[Path], object] | None = None,
        copy_arrays: bool = False,
        recover: bool = True,
        **options: Any,
    ) -> None:
        chosen = WriterOptions.of(**options)
        if chosen.on_error == "raise":
            # the file is made all the same; a strict writer raises afterwards
            chosen = replace(chosen, on_error="leave_out")
        super().__init__(
            directory,
            fsync=fsync,
            strict=strict,
            finish_timeout=finish_timeout,
            on_finish=on_finish,
            copy_arrays=copy_arrays,
            recover=recover_left if recover else None,
        )
        self._options = chosen
        self._beside = RunsBeside(chosen, raises=False)
        self._provide = provider_of(path_provider, chosen.timezone)
        self._has_journal = bool(journal)
        self._grouping = Grouping()
        self._latest = ""

    # -- documents --------------------------------------------------------------------------------

    def _start(self, doc: Mapping[str, Any]) -> None:
        """Begin a run; all that can be known to be wrong is found here."""
        uid = run_uid(doc)
        scans = self._scans
        with scans.lock:
            self._may_start(uid)
            plan = read_plan(doc)
            scans.start()
            runs, ended = self._grouping.scan_of(plan)
            before = None if ended is None else scans.of_runs(ended)
            if before is not None and not before.has_open_runs:
                self._finish(before)  # else with the last of them
            try:
                scan = scans.of_runs(runs) or self._new_scan(plan, doc, runs)
                self._begin(uid, scan, doc)
            except BaseException:
                self._grouping.close(runs)
                raise
            self._latest = uid

    def _new_scan(self, plan: ScanPlan, doc: Mapping[str, Any], runs: Any) -> LiveScan:
        for root, now in self._options.root_map.items():
            if not Path(now).is_dir():
                raise NXstxmOSError(
                    f"root_map says that {root} is in {now}, which is no folder; mount it, or "
                    f"correct root_map"
                )
        target = target_of(self._directory, self._provide, doc)
        check_uid(plan.run)
        _check_space(self._directory)
        taken = None
        if not self._options.overwrite:
            taken = TakenName(self._directory.resolve() / f"{target}{SUFFIX}")
        folder = None
        try:
            if self._has_journal:
                # before the temporary file: what a killed process leaves has a journal that tells
                # of it
                facts = self._facts(target, plan.run)
                folder = JournalFolder.make(self._directory, facts, syncs=self._syncs)
            if taken is not None:
                refuse_journalled(self._directory, target, None if folder is None else folder.path)
            home = self._directory / target.parent
            alone = folder is not None
            writer = ScanWriter(home, target.name, plan.run, self._options, alone=alone)
            if self._syncs:
                sync(home)
        except BaseException:
            if folder is not None:
                folder.remove()
            if taken is not None:
                taken.give_back()
            raise
        frames = self._frame_file(writer, folder)
        scan = LiveScan(writer, runs, folder, frames, self._beside, taken)
        self._scans.add(scan)
        return scan

    def _frame_file(self, writer: ScanWriter, folder: JournalFolder | None) -> FrameFile | None:
        """Give what puts frames into the temporary file of a scan; None without a journal."""
        path = writer.file.path
        if folder is None or path is None:
            return None
        name = path.relative_to(self._directory).as_posix()
        return FrameFile(path, name, folder.rescue, self._scans.ask_for_room)

    def _facts(self, target: Path, first_uid: str) -> ScanFacts:
        chain = self._options.processors
        names = () if chain is None else tuple(p.name for p in chain.processors)
        file = f"{target.as_posix()}{SUFFIX}"
        return ScanFacts(file, first_uid, self._options.saved(), names)

    def _ends(self, scan: LiveScan) -> None:
        """Let no more runs join a scan."""
        self._grouping.close(scan.runs)

    # -- the user ---------------------------------------------------------------------------------

    def storage(self, uid: str | None = None) -> NXstxmStorage:
        """Give what came so far of a run that goes on, by its coordinates.

        All that was brought before is in it, unless the writer is busy for longer than a few
        seconds, with a large file for instance.

        Parameters
        ----------
        uid : str, optional
            The run; the latest unless given.

        Raises
        ------
        NXstxmStateError
            It has not begun, or its file is there.
        """
        self._scans.settle(_BUSY)
        uid = self._latest if uid is None else uid
        scan = self._scans.of_run(uid)
        stage = None if scan is None else scan.stage(uid)
        if stage is None:
            raise NXstxmStateError(
                f"run {uid:.8} is not being written; read the file of a run that has stopped with "
                f"NXstxmStorage(path)"
            )
        return stage.storage


def _check_space(folder: Path) -> None:
    """Refuse to begin where there is hardly any room; the folder may have to be made yet."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        raise NXstxmOSError(f"folder {folder} can not be looked at ({error})") from error
    if free < LEAST_SPACE:
        raise NXstxmOSError(
            f"{folder} has room for {free / 2**20:.0f} MiB more; make at least "
            f"{LEAST_SPACE / 2**20:.0f} MiB free before the scan"
        )
