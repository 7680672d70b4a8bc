"""Which stored runs make one scan.

The rule, in order:

1. runs with the same ``scan_group`` id are one scan, until it has as many as ``total`` says, or an
   ``index`` comes again: then it was begun again, and what came before is another scan;
2. a run whose plan says it is a scan of its own (a single image, a spectrum, plain Bluesky) is;
3. runs of many-run scans (a run for each energy, angle, polarization or region) are one scan when
   they follow each other in time, their regions and energies are equal, no image comes twice,
   and the scan is not complete yet. A gap between them does not matter, a run of another scan
   in between ends neither.
"""

from __future__ import annotations

from collections.abc import Iterable

from ._plan import ScanPlan


class RunsOfScan:
    """A scan that is being put together.

    Attributes
    ----------
    plans : list of ScanPlan
        Its runs, in the order in which they came.
    expected : int or None
        How many runs it has, when its plan tells.
    """

    def __init__(self, plan: ScanPlan) -> None:
        self.plans = [plan]
        self.expected = plan.expected_runs
        if plan.group is not None:
            self.expected = plan.group.total
        elif not plan.fixed:
            self.expected = 1
        self._slots = {_slot(plan)}

    def takes(self, plan: ScanPlan) -> bool:
        """Tell whether a run of the same group, or kind of plan, is one that is missing."""
        if plan.group is None and self.plans[0].signature != plan.signature:
            return False
        if (slot := _slot(plan)) is not None and slot in self._slots:
            return False
        return self.expected is None or len(self.plans) < self.expected

    def add(self, plan: ScanPlan) -> None:
        """Add a run."""
        self.plans.append(plan)
        self._slots.add(_slot(plan))

    def end(self) -> None:
        """Expect no more runs than there are."""
        self.expected = len(self.plans)


def _slot(plan: ScanPlan) -> object:
    """Say which part of its scan a run measures; None where nobody knows."""
    if plan.group is not None:
        return plan.group.index
    return (tuple(entry.key for entry in plan.entries), plan.fixed)


class Grouping:
    """Puts runs into scans as they begin, in the order of time."""

    def __init__(self) -> None:
        self._open: dict[str, RunsOfScan] = {}

    def scan_of(self, plan: ScanPlan) -> tuple[RunsOfScan, RunsOfScan | None]:
        """Find or begin the scan of a run.

        Returns
        -------
        scan : RunsOfScan
            The scan; the run is in it.
        ended : RunsOfScan or None
            One of the same kind that this run ends: it is of another. It expects no more runs.
        """
        name = _name(plan)
        if name is None:
            return RunsOfScan(plan), None
        scan = self._open.get(name)
        if scan is not None and scan.takes(plan):
            scan.add(plan)
            return scan, None
        if scan is not None:
            scan.end()
        self._open[name] = begun = RunsOfScan(plan)
        return begun, scan

    def close(self, scan: RunsOfScan) -> None:
        """Let no more runs join a scan."""
        name = _name(scan.plans[0])
        if name is not None and self._open.get(name) is scan:
            del self._open[name]


def _name(plan: ScanPlan) -> str | None:
    """Give what the runs of a scan have in common; None for a run that is one by itself."""
    if plan.group is not None:
        return f"group {plan.group.id}"
    return f"signature {plan.signature}" if plan.fixed else None


def is_part(plan: ScanPlan) -> bool:
    """Tell whether a run may be one of several of its scan."""
    return _name(plan) is not None


def group_runs(plans: Iterable[ScanPlan]) -> list[list[ScanPlan]]:
    """Group runs into scans.

    Parameters
    ----------
    plans : iterable of ScanPlan
        Plans of all runs, in any order.

    Returns
    -------
    list of list of ScanPlan
        Scans in the order of their first run, the runs of each in the order of time.
    """
    scans: list[list[ScanPlan]] = []
    grouping = Grouping()
    for plan in sorted(plans, key=lambda p: (p.time, p.run)):
        scan, _ = grouping.scan_of(plan)
        if scan.plans[0] is plan:
            scans.append(scan.plans)
    return scans
