"""What the commands read: files, and the scans of catalogs that a user chose."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from suitcase.nxstxm._errors import NXstxmError, NXstxmKeyError, NXstxmValueError
from suitcase.nxstxm.cli._choice import Choice
from suitcase.nxstxm.cli._telling import UsageError
from suitcase.nxstxm.exchange import Catalog, CatalogScan, StoredScan, scans_in
from suitcase.nxstxm.exchange._catalog import opened
from suitcase.nxstxm.exchange._scan_in import Patience, scan_in
from suitcase.nxstxm.scans import ScanPlan, group_runs, is_part, read_plan

#: How far from a run others of its scan may be, seconds.
_AROUND = 86400.0

Failures = list[tuple[str, Exception]]


@dataclass(frozen=True)
class FoundScan:
    """A scan that was found.

    Attributes
    ----------
    name : str
        What messages call it.
    source : StoredScan or CatalogScan
        The scan, as another process can have it.
    catalog : Catalog or None
        Where this process has it open.
    """

    name: str
    source: StoredScan | CatalogScan
    catalog: Catalog | None = None

    def runs(self, patience: Patience) -> list[Any]:
        """Give its runs, those of a catalog when they are all there."""
        if isinstance(self.source, StoredScan):
            return list(self.source.runs)
        if self.catalog is None:
            raise AssertionError("a scan of a catalog has a catalog")
        runs = scan_in(self.catalog, self.source.uids, patience)
        groups = group_runs(read_plan(run.start) for run in runs)
        if len(groups) > 1:
            told = "; ".join(", ".join(f"{plan.run:.8}" for plan in group) for group in groups)
            raise NXstxmValueError(
                f"--uid names runs of {len(groups)} scans of {self.catalog.name}: {told}. Give "
                f"those of one at a time, or choose several scans with --scan-id or --since"
            )
        return runs


def find_scans(
    sources: Sequence[str],
    choice: Choice,
    read_file: Callable[[str], list[StoredScan]] = lambda path: scans_in([path]),
) -> tuple[list[FoundScan], Failures]:
    """Find the scans in files, and the chosen ones in catalogs.

    Parameters
    ----------
    sources : sequence of str
        Files and addresses of catalogs.
    choice : Choice
        Which scans of the catalogs.
    read_file : callable
        Finds the scans in a file.

    Returns
    -------
    scans : list of FoundScan
        Source by source.
    failures : list of (str, Exception)
        What could not be read, and why.

    Raises
    ------
    UsageError
        There is a catalog and nothing is chosen from it, or the other way round.
    """
    known = [_opened(source) for source in sources]
    catalogs = [s for s, what in zip(sources, known, strict=True) if what is not None]
    if catalogs and not choice.enough:
        raise UsageError(
            f"{_public(catalogs[0])} is a catalog; say which of its scans with --uid, --scan-id "
            f"or --since (and --until)"
        )
    if choice.given and not catalogs:
        raise UsageError(
            "--uid, --scan-id, --since and --until choose from catalogs, and only files were "
            "given; leave them out, or name a catalog: tiled:URI_OR_PROFILE or databroker:NAME"
        )
    scans: list[FoundScan] = []
    failures: Failures = []
    for source, what in zip(sources, known, strict=True):
        try:
            if isinstance(what, NXstxmError):
                raise what
            if what is None:
                scans += [FoundScan(scan.source, scan) for scan in read_file(source)]
            elif isinstance(what, Catalog):
                scans += _chosen(source, what, choice, failures)
            else:
                uid = what.start.get("uid")
                raise NXstxmValueError(
                    f"{_public(source)} is one run; give its catalog, and --uid {uid}"
                )
        except NXstxmError as error:
            failures.append((_public(source), error))
    return scans, failures


def _opened(source: str) -> Any:
    try:
        return opened(source)
    except NXstxmError as error:
        return error  # told when it is the turn of this source


def _public(source: str) -> str:
    """Give an address without what it keeps secret."""
    return source.partition("?")[0] if "://" in source else source


def _chosen(
    source: str, catalog: Catalog, choice: Choice, failures: Failures
) -> Iterator[FoundScan]:
    """Give the chosen scans of a catalog."""
    if choice.uids:
        uids = tuple(_whole(catalog, uid) for uid in choice.uids)
        yield FoundScan(f"{_public(source)}, run {uids[0]:.8}", CatalogScan(source, uids), catalog)
        return
    found: dict[str, ScanPlan] = {}
    for number in choice.scan_ids or (None,):
        there = False
        for run in catalog.runs(since=choice.since, until=choice.until, scan_id=number):
            there = True
            try:
                plan = read_plan(run.start)
            except NXstxmError as error:
                failures.append((f"{_public(source)}, run {run.start.get('uid')}", error))
            else:
                found[plan.run] = plan
        if not there:
            nothing = NXstxmKeyError(f"{catalog.name} has no run {choice.told(number)}")
            failures.append((catalog.name, nothing))
    for plans in _grouped(catalog, found):
        uids = tuple(plan.run for plan in plans)
        name = f"{_public(source)}, run {uids[0]:.8}"
        yield FoundScan(name, CatalogScan(source, uids), catalog)


def _whole(catalog: Catalog, uid: str) -> str:
    """Give the whole uid of a run that a user named by the beginning of it."""
    try:
        return str(catalog.run(uid).start["uid"])
    except NXstxmKeyError:
        return uid  # may still be on its way


def _grouped(catalog: Catalog, found: dict[str, ScanPlan]) -> list[list[ScanPlan]]:
    """Group runs into whole scans, which may have begun before or end after what was chosen."""
    around = dict(found)
    for first, last in _stretches([plan.time for plan in found.values() if is_part(plan)]):
        for run in catalog.runs(since=first, until=last):
            try:
                plan = read_plan(run.start)
            except NXstxmError:
                continue  # of another program, and nobody asked for it
            around.setdefault(plan.run, plan)
    scans = group_runs(around.values())
    return [plans for plans in scans if any(plan.run in found for plan in plans)]


def _stretches(times: list[float]) -> Iterator[tuple[float, float]]:
    """Give the stretches of time that are near to any of some times."""
    ordered = sorted(times)
    while ordered:
        n = next(
            (i for i in range(1, len(ordered)) if ordered[i] - ordered[i - 1] > 2 * _AROUND),
            len(ordered),
        )
        yield ordered[0] - _AROUND, ordered[n - 1] + _AROUND
        ordered = ordered[n:]
