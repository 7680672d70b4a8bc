"""Without these, runs of a group that was begun again, or that lacks some, would mix in silence."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bluesky.plan_stubs as bps
import h5py
import pytest
from bluesky import RunEngine
from bluesky import plans as bp

from suitcase.nxstxm import NXstxmWriter, export, finish_export
from suitcase.nxstxm.scans import check_group, group_runs, read_plan

from .bench import ROLES, Bench, make_bench, messages, runs_of, written
from .starts import start


def images(bench: Bench, groups: Sequence[dict[str, Any]]) -> Any:
    """Measure an image for each; the energy rises from one to the next."""
    for number, group in enumerate(groups):
        yield from bps.mv(bench.energy, 700 + number)
        yield from bp.grid_scan(
            [bench.det, bench.energy], bench.y, 0, 1, 2, bench.x, 0, 1, 2,
            md={"scan_group": {"id": "g", **group}},
        )  # fmt: skip


def of(indices: Sequence[int], total: int | None) -> list[dict[str, Any]]:
    return [{"index": i} | ({} if total is None else {"total": total}) for i in indices]


def energies(path: Path) -> list[float]:
    """Give the energy of each entry of one image."""
    with h5py.File(path) as h5:
        return [float(h5[name]["det/energy"][0]) for name in sorted(h5)]


def complete(path: Path) -> set[bool]:
    with h5py.File(path) as h5:
        return {bool(h5[name].attrs["complete"]) for name in h5}


def test_a_group_that_is_begun_again_is_two_scans(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench, paths = make_bench(), []
    engine = RunEngine({}, context_managers=[], call_returns_result=False)
    with NXstxmWriter(tmp_path, devices=ROLES, on_finish=paths.append) as writer:
        engine.subscribe(writer)
        engine(images(bench, of([0], 3)))
        assert paths == []
        engine(images(bench, of([0, 1, 2], 3)))
        assert len(paths) == 2  # nobody had to ask
    first, second = paths
    assert (energies(first), complete(first)) == ([700], {False})
    assert (energies(second), complete(second)) == ([700, 701, 702], {True})
    [told] = messages(first)
    assert "scan_group 'g' lacks runs: here are 1 with the index 0" in told
    assert "its total is 3; missing is 1, 2" in told
    assert messages(second) == []
    warned = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert [told in each for each in warned] == [True]


@pytest.mark.parametrize(
    ("groups", "parts"),
    [
        (of([0, 0, 1, 2], 3), [[700], [701, 702, 703]]),
        (of([0, 1, 0, 1], 2), [[700, 701], [702, 703]]),
        (of([0, 1, 0, 1], None), [[700, 701], [702, 703]]),
        (of([2, 1, 0], 3), [[702, 701, 700]]),
        (of([0, 1, 2], 2), [[700, 701], [702]]),  # a total that is too small
        ([{"total": 2}] * 3, [[700, 701], [702]]),
        ([{}] * 3, [[700, 701, 702]]),
    ],
)
def test_live_and_exported_runs_are_grouped_alike(
    groups: list[dict[str, Any]], parts: list[list[float]], tmp_path: Path
) -> None:
    made = written(images(make_bench(), groups), tmp_path, asked=True, devices=ROLES)
    assert [energies(path) for path, _ in made] == parts
    every = [run for each in made for run in runs_of(each.documents)]
    plans = [read_plan(run[0][1]) for run in reversed(every)]
    uids = [[plan.run for plan in scan] for scan in group_runs(plans)]
    assert uids == [[run[0][1]["uid"] for run in runs_of(each.documents)] for each in made]


@pytest.mark.parametrize(
    ("groups", "words", "whole"),
    [
        (of([0, 2], 3), "here are 2 with the index 0, 2, its total is 3; missing is 1", False),
        (of([1, 2], 3), "here are 2 with the index 1, 2, its total is 3; missing is 0", False),
        (of([0, 2], None), "here are 2 with the index 0, 2; missing is 1", False),
        ([{"total": 3}] * 2, "here are 2, its total is 3.", False),
        (of([1, 2, 3], 3), "", True),  # who counts from 1 lacks none
        (of([0, 1], 2), "", True),
        ([{}] * 2, "", True),
    ],
)
def test_what_a_group_lacks_is_told(
    groups: list[dict[str, Any]], words: str, whole: bool, tmp_path: Path
) -> None:
    [(path, _)] = written(images(make_bench(), groups), tmp_path, asked=True, devices=ROLES)
    with h5py.File(path) as h5:
        told = ["\n".join(messages(path, entry)) for entry in h5]
    assert [words in each and bool(each) != whole for each in told] == [True] * len(groups)
    assert complete(path) == {whole}


def test_runs_that_are_exported_into_one_scan_are_compared_too(tmp_path: Path) -> None:
    """Who exports run by run says himself what belongs together."""
    documents: list[Any] = []
    engine = RunEngine({}, context_managers=[], call_returns_result=False)
    plan = images(make_bench(), of([0, 0, 1], 2))
    engine(plan, lambda name, doc: documents.append((name, doc)))
    runs = runs_of(documents)
    uid = runs[0][0][1]["uid"]
    for run in runs:
        export(run, tmp_path, first_uid=uid, devices=ROLES)
    path = finish_export(tmp_path, "twice", uid)
    assert messages(path) == [
        "scan_group 'g' has 2 runs with the index 0; give each run an index of its own",
        "scan_group 'g' has 3 runs, though its total is 2; total is too small",
    ]
    assert complete(path) == {True}


def test_a_run_that_goes_on_is_not_cut_off_by_one_of_the_same_index(tmp_path: Path) -> None:
    """Runs may be interlaced: what is still measured comes into its file."""
    documents: list[Any] = []
    engine = RunEngine({}, context_managers=[], call_returns_result=False)
    plan = images(make_bench(), of([0, 0], 2))
    engine(plan, lambda name, doc: documents.append((name, doc)))
    one, other = runs_of(documents)
    with NXstxmWriter(tmp_path, devices=ROLES, path_provider="{uid}") as writer:
        for name, doc in [*one[:-1], *other[:-1], one[-1], other[-1]]:
            writer(name, doc)
        paths = writer.finish()
    assert len(paths) == 2
    for path, run in zip(sorted(paths, key=energies), (one, other), strict=True):
        assert path.stem == run[0][1]["uid"]
        with h5py.File(path) as h5:
            assert h5["entry0/instrument/det/data"].shape == (4,)


@pytest.mark.parametrize("total", [None, 10**12])
def test_odd_indices_take_no_time(total: int | None) -> None:
    plans = [
        read_plan(start(scan_group={"id": "g", "index": i, "total": total})) for i in (5, 10**15)
    ]
    [message] = check_group(plans).messages
    assert "..." in message
