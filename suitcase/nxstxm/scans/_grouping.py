"""Which stored runs make one scan.

The rule, in order:

1. runs with the same ``scan_group`` id are one scan;
2. a run whose plan says it is a scan of its own (a single image, a spectrum, plain Bluesky) is;
3. runs of many-run scans (a run for each energy, angle, polarization or region) are one scan when
   they follow each other in time, their regions and energies are equal, no image comes twice,
   and the scan is not complete yet. A gap between them does not matter, a run of another scan
   in between ends neither.
"""

from __future__ import annotations

from collections.abc import Iterable

from ._plan import ScanPlan


class _Scan:
    """A scan that is being put together."""

    def __init__(self, plan: ScanPlan) -> None:
        self.plans = [plan]
        self.slots = {_slot(plan)}
        self.expected = plan.expected_runs

    def takes(self, plan: ScanPlan) -> bool:
        if self.plans[0].signature != plan.signature or _slot(plan) in self.slots:
            return False
        return self.expected is None or len(self.plans) < self.expected

    def add(self, plan: ScanPlan) -> None:
        self.plans.append(plan)
        self.slots.add(_slot(plan))


def _slot(plan: ScanPlan) -> tuple[object, ...]:
    """Say which image of its scan a run measures."""
    return (tuple(entry.key for entry in plan.entries), plan.fixed)


def is_part(plan: ScanPlan) -> bool:
    """Tell whether a run may be one of several of its scan."""
    return plan.group is not None or bool(plan.fixed)


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
    open_scans: dict[str, _Scan] = {}
    groups: dict[str, list[ScanPlan]] = {}
    for plan in sorted(plans, key=lambda p: (p.time, p.run)):
        if plan.group is not None:
            if plan.group.id not in groups:
                groups[plan.group.id] = []
                scans.append(groups[plan.group.id])
            groups[plan.group.id].append(plan)
        elif not plan.fixed:
            scans.append([plan])
        else:
            scan = open_scans.get(plan.signature)
            if scan is not None and scan.takes(plan):
                scan.add(plan)
            else:
                scan = open_scans[plan.signature] = _Scan(plan)
                scans.append(scan.plans)
    return scans
