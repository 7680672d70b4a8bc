"""All runs of one scan in a catalog, when they are there."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .._errors import NXstxmError, NXstxmKeyError, NXstxmTypeError, NXstxmValueError
from ..scans import ScanPlan, group_runs, is_part, read_plan, run_uid
from ._catalog import Catalog, Run

#: Seconds between two questions, at first and at most.
_SOON, _LATER = 0.05, 1.0
#: How long after a scan's first run its last may begin, seconds.
_LONGEST = 86400.0


class UnfinishedError(NXstxmError, TimeoutError):
    """A run is not in the catalog, or has not stopped, after the time that was given."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for runs that are still on their way into a catalog.

    Attributes
    ----------
    timeout : float
        Seconds, for all runs of a scan together; 0 asks once.
    incomplete : bool
        Take a run without its stop document when the time is over.
    progress : callable or None
        Told, in a few words, what is waited for, at most once a second.
    """

    timeout: float = 10.0
    incomplete: bool = False
    progress: Callable[[str], object] | None = None


#: Ask once, and take nothing that is incomplete.
AT_ONCE = Patience(timeout=0.0)


def uids_of(uids: Any) -> list[str]:
    """Give the uids in what a RunEngine gave back: one, several, nested, or its result."""
    found = getattr(uids, "run_start_uids", uids)
    if isinstance(found, str):
        return [found]
    if not isinstance(found, Iterable):
        raise NXstxmTypeError(
            f"uids is a {type(uids).__name__}; give the uids that the RunEngine returned"
        )
    return list(dict.fromkeys(uid for each in found for uid in uids_of(each)))


def scan_in(catalog: Catalog, uids: Any, patience: Patience) -> list[Run]:
    """Find all runs of the scan that some uids belong to, and wait for their ends.

    Parameters
    ----------
    catalog : Catalog
        Where they are.
    uids : str, sequence of str, or a RunEngine's result
        Some or all of the scan's runs.
    patience : Patience
        How long to wait.

    Returns
    -------
    list of Run
        Those of `uids`, and those that the catalog has besides.

    Raises
    ------
    NXstxmKeyError
        The catalog has none of them.
    UnfinishedError
        Some of them are not there, or did not stop, in time.
    """
    wanted = uids_of(uids)
    if not wanted:
        raise NXstxmValueError(f"uids is empty; name runs of {catalog.name}")
    clock = _Clock(patience)
    named = [_awaited(catalog, uid, clock, patience) for uid in wanted]
    runs = {run_uid(run.start): run for run in named}  # catalogs know runs by part of their uid too
    plans = {uid: read_plan(run.start) for uid, run in runs.items()}
    for uid in _others(catalog, plans):
        runs[uid] = _awaited(catalog, uid, clock, patience)
    return list(runs.values())


class _Clock:
    """The time that is left, and whom to tell."""

    def __init__(self, patience: Patience) -> None:
        self._end = time.monotonic() + patience.timeout
        self._tell = patience.progress
        self._told = -math.inf
        self._pause = _SOON

    def wait(self, what: str) -> bool:
        """Wait a little; False when the time is over."""
        now = time.monotonic()
        if now >= self._end:
            return False
        if self._tell is not None and now - self._told >= 1.0:
            self._told = now
            self._tell(f"waiting for {what} ({self._end - now:.0f} s left)")
        time.sleep(min(self._pause, max(self._end - now, 0.0)))
        self._pause = min(2 * self._pause, _LATER)
        return True


def _awaited(catalog: Catalog, uid: str, clock: _Clock, patience: Patience) -> Run:
    """Give a run when it has stopped, or when the time is over."""
    run: Run | None = None
    missing: NXstxmKeyError | None = None
    while True:
        try:
            run = catalog.run(uid)
        except NXstxmKeyError as error:
            missing = error
        if run is not None and getattr(run, "stop", None) is not None:
            return run
        what = f"run {uid}" if run is None else f"the stop document of run {uid}"
        if not clock.wait(what):
            break
    if run is not None and patience.incomplete:
        return run
    waited = f" after {patience.timeout:g} s" if patience.timeout else ""
    if run is None:
        raise NXstxmKeyError(
            f"{missing}{waited}; see that the uid is right and that its program writes there"
        ) from missing
    raise UnfinishedError(
        f"run {uid} in {catalog.name} has no stop document{waited}: it still goes on, or its "
        f"program was killed. Wait longer with timeout=, or export what is there with "
        f"incomplete=True"
    )


def _others(catalog: Catalog, plans: dict[str, ScanPlan]) -> Iterator[str]:
    """Find runs of the same scan that were not named."""
    first = min(plans.values(), key=lambda plan: (plan.time, plan.run))
    if not is_part(first) or len(plans) >= (first.expected_runs or math.inf):
        return
    # its first run may not be among those that were named
    around = {first.run: first}
    for run in catalog.runs(since=first.time - _LONGEST, until=first.time + _LONGEST):
        try:
            plan = read_plan(run.start)
        except NXstxmError:
            continue  # of another program
        around[plan.run] = plan
    for group in group_runs(around.values()):
        if any(plan.run == first.run for plan in group):
            yield from (plan.run for plan in group if plan.run not in plans)
