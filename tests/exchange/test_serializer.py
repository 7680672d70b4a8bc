"""Without these tests documents that come in a bad order, from woven runs or from a run that breaks
off would be lost, or spoil a file, instead of being told.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import event_model
import h5py
import numpy as np
import pytest

from suitcase.nxstxm import Serializer, export, finish_export
from suitcase.nxstxm._errors import NXstxmError, NXstxmStateError, NXstxmTypeError
from suitcase.nxstxm.documents import DocumentError
from suitcase.nxstxm.nexus import validate
from suitcase.nxstxm.sim import ScanRequest, scan_documents

from .documents import ONE, STACK, Document, camera_stack, first_uid, lean, pages, plain_run, scan
from .same import holds, same_file


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def feed(serializer: Serializer, docs: list[Document]) -> None:
    for name, doc in docs:
        serializer(name, doc)


# -- runs that are woven into each other ----------------------------------------------------------


def woven(runs: list[list[Document]], seed: int) -> list[Document]:
    """Mix runs, the documents of each in their order."""
    chance = random.Random(seed)
    left = [list(run) for run in runs]
    mixed = []
    while any(left):
        mixed.append(chance.choice([run for run in left if run]).pop(0))
    return mixed


@pytest.mark.parametrize("seed", range(2))
def test_a_run_router_keeps_woven_runs_apart(seed: int, tmp_path: Path) -> None:
    runs = [lean(name)[0] for name in (ONE, "stxm-image", "pystxm2019-osa_focus-points")]
    router = event_model.RunRouter([lambda *_: ([Serializer(tmp_path / "routed")], [])])
    for name, doc in woven(runs, seed):
        router(name, doc)
    for run in runs:
        uid = run[0][1]["uid"]
        export(run, tmp_path / "alone")
        same_file(tmp_path / "routed" / f"{uid}.hdf5", tmp_path / "alone" / f"{uid}.hdf5")
    assert len(names(tmp_path / "routed")) == len(runs)


def test_a_run_router_may_join_the_woven_runs_of_a_scan(tmp_path: Path) -> None:
    runs = scan(STACK)
    u = first_uid(runs)
    router = event_model.RunRouter([lambda *_: ([Serializer(tmp_path, "x", first_uid=u)], [])])
    for name, doc in woven(runs, 5):
        router(name, doc)
    assert names(tmp_path) == [f"x.{u}.tmp"]
    holds(finish_export(tmp_path, "x", u), runs)


# -- documents in a bad order ---------------------------------------------------------------------


@pytest.mark.parametrize("first", [None, "abc"])
def test_a_second_start_is_refused_and_spoils_nothing(first: str | None, tmp_path: Path) -> None:
    docs, other = scan(ONE)[0], scan("stxm-image")[0]
    serializer = Serializer(tmp_path, "x", first_uid=first)
    feed(serializer, docs[:4])
    for start in (other[0], docs[0]):
        with pytest.raises(NXstxmStateError, match=r"two start documents.*RunRouter"):
            serializer(*start)
    feed(serializer, docs[4:])
    with pytest.raises(NXstxmStateError):
        serializer(*other[0])
    path = tmp_path / "x.hdf5" if first is None else finish_export(tmp_path, "x", first)
    holds(path, [docs])


@pytest.mark.parametrize("kind", ["descriptor", "event", "event_page", "stop", "resource"])
def test_a_document_before_the_start_is_refused(kind: str, tmp_path: Path) -> None:
    serializer = Serializer(tmp_path)
    with pytest.raises(NXstxmStateError, match=f"a {kind} document came before the start"):
        serializer(kind, {"uid": "a"})
    [docs] = scan(ONE)
    feed(serializer, docs)
    holds(serializer.artifacts["stream_data"][0], [docs])


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("paged", [False, True])
def test_an_event_of_an_unknown_descriptor_is_refused_and_not_archived(
    paged: bool, large: bool, tmp_path: Path
) -> None:
    docs = camera_stack(1)[0] if large else scan(ONE)[0]
    docs = pages(docs) if paged else docs
    at = next(i for i, (name, _) in enumerate(docs) if name == "descriptor")
    events = [doc for doc in docs if doc[0] in ("event", "event_page")]
    stranger = (events[-1][0], {**events[-1][1], "descriptor": "nobody"})
    serializer = Serializer(tmp_path, "x")
    feed(serializer, docs[:at])
    with pytest.raises(DocumentError, match="descriptors so far: none"):
        serializer(*events[0])
    feed(serializer, docs[at:-1])
    with pytest.raises(DocumentError, match="'nobody', which did not come before it"):
        serializer(*stranger)
    serializer(*docs[-1])
    holds(tmp_path / "x.hdf5", [docs])


BROKEN: list[Any] = [
    ("event", {"seq_num": "one"}),
    ("event", {"time": None}),
    ("event", {"data": 5}),
    ("descriptor", {"uid": "new", "data_keys": None}),
    ("descriptor", {"uid": 7}),
    ("event_page", {"seq_num": [1, 2]}),
    ("event_page", {"data": {"counter0_waveform_rbv": 5}}),
    ("event_page", {"data": None}),
]


@pytest.mark.parametrize(("kind", "change"), BROKEN)
def test_a_broken_document_is_refused_and_spoils_nothing(
    kind: str, change: dict[str, Any], tmp_path: Path
) -> None:
    [docs] = lean(ONE)
    docs = pages(docs) if kind == "event_page" else docs
    last = [doc for name, doc in docs if name == kind][-1]
    serializer = Serializer(tmp_path, "x")
    feed(serializer, docs[:-1])
    with pytest.raises(DocumentError, match=kind.replace("_", " ")):
        serializer(kind, {**last, **change})
    serializer(*docs[-1])
    holds(tmp_path / "x.hdf5", [docs])
    export(docs, tmp_path, "y")
    same_file(tmp_path / "x.hdf5", tmp_path / "y.hdf5")


def test_what_can_not_be_stored_is_named(tmp_path: Path) -> None:
    [docs] = scan(ONE)
    serializer = Serializer(tmp_path, "x")
    with pytest.raises(NXstxmTypeError, match=r"start document .*: sample is a builtins\.object"):
        serializer("start", {**docs[0][1], "sample": object()})
    assert names(tmp_path) == []


def test_documents_after_the_end_are_refused(tmp_path: Path) -> None:
    [docs] = scan(ONE)
    stopped, closed, unused = (Serializer(tmp_path, name) for name in "abc")
    feed(stopped, docs)
    feed(closed, docs[:5])
    closed.close()
    unused.close()
    for serializer in (stopped, closed):
        for name, doc in docs[1:]:
            with pytest.raises(NXstxmStateError, match=f"a {name} document came after run"):
                serializer(name, doc)
    with pytest.raises(NXstxmStateError, match="this Serializer is closed"):
        unused(*docs[0])
    assert names(tmp_path) == ["a.hdf5", "b.hdf5"]
    holds(tmp_path / "a.hdf5", [docs])


def test_a_run_without_events_makes_a_file(tmp_path: Path) -> None:
    [docs] = scan(ONE)
    bare = [docs[0], docs[-1]]
    [path] = export(bare, tmp_path, "x")["stream_data"]
    holds(path, [bare])
    assert [p for p in validate(path) if p.level == "error"] == []


def test_no_documents_make_no_file(tmp_path: Path) -> None:
    assert export([], tmp_path / "x") == {}
    assert names(tmp_path) == []


# -- runs that break off --------------------------------------------------------------------------


def messages(path: Path) -> str:
    with h5py.File(path) as h5:
        return " ".join(h5[h5.attrs["default"]]["collection/messages"].asstr()[()])


@pytest.mark.parametrize("cut", [1, 2, 5, -1])
def test_a_run_without_a_stop_is_written_as_far_as_it_came(cut: int, tmp_path: Path) -> None:
    [docs] = scan(ONE)
    with Serializer(tmp_path, "x") as serializer:
        feed(serializer, docs[:cut])
    assert names(tmp_path) == ["x.hdf5"]
    path = tmp_path / "x.hdf5"
    holds(path, [docs[:cut]])
    assert "no stop document" in messages(path)
    with h5py.File(path) as h5:
        entry = h5[h5.attrs["default"]]
        assert entry.attrs["complete"] == np.False_
        assert entry["collection/exit_status"].asstr()[()] == "incomplete"
        came = [doc["data"] for name, doc in docs[:cut] if name == "event"]
        lines = [data["counter0_waveform_rbv"] for data in came if "counter0_waveform_rbv" in data]
        if lines:
            [found] = [
                detector["data"][()]
                for detector in entry["instrument"].values()
                if detector.attrs.get("data_key") == "counter0_waveform_rbv"
            ]
            np.testing.assert_array_equal(found, np.concatenate(lines))
    assert [p for p in validate(path) if p.level == "error"] == []


def test_a_complete_run_says_so(tmp_path: Path) -> None:
    export(scan(ONE)[0], tmp_path, "x")
    with h5py.File(tmp_path / "x.hdf5") as h5:
        assert h5[h5.attrs["default"]].attrs["complete"] == np.True_


class Trouble(Exception):
    """Of somebody else."""


def breaking_off(docs: list[Document], cut: int) -> Any:
    yield from docs[:cut]
    raise Trouble


@pytest.mark.parametrize("frames", [False, True])
def test_an_error_in_the_source_keeps_what_came_in_the_temporary_file(
    frames: bool, tmp_path: Path
) -> None:
    docs = camera_stack(1, size=9)[0] if frames else scan(ONE)[0]
    uid = docs[0][1]["uid"]
    with pytest.raises(Trouble):
        export(breaking_off(docs, -2), tmp_path, "x")
    assert names(tmp_path) == [f"x.{uid}.tmp"]
    path = finish_export(tmp_path, "rescued", uid)
    assert names(tmp_path) == ["rescued.hdf5"]
    holds(path, [docs[:-2]])
    assert "no stop document" in messages(path)


def test_an_error_in_one_run_of_a_scan_can_be_mended_by_exporting_it_again(tmp_path: Path) -> None:
    runs = scan(STACK)
    u = first_uid(runs)
    export(runs[0], tmp_path, "x", first_uid=u)
    with pytest.raises(Trouble):
        export(breaking_off(runs[1], 4), tmp_path, "x", first_uid=u)
    with pytest.raises(Trouble):
        export(breaking_off(runs[1], 3), tmp_path, "x", first_uid=u)
    export(runs[2], tmp_path, "x", first_uid=u)
    export(runs[1], tmp_path, "x", first_uid=u)
    path = finish_export(tmp_path, "x", u)
    holds(path, runs)


def test_a_scan_may_be_finished_with_a_run_that_broke_off(tmp_path: Path) -> None:
    runs = scan(STACK)
    u = first_uid(runs)
    for docs in runs[:2]:
        export(docs, tmp_path, "x", first_uid=u)
    with pytest.raises(Trouble):
        export(breaking_off(runs[2], 4), tmp_path, "x", first_uid=u)
    path = finish_export(tmp_path, "x", u)
    holds(path, [*runs[:2], runs[2][:4]])
    with h5py.File(path) as h5:
        assert h5[h5.attrs["default"]].attrs["complete"] == np.False_


def test_an_error_before_the_first_document_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Trouble):
        export(breaking_off([], 0), tmp_path / "x")
    assert names(tmp_path) == []


def test_an_error_of_this_package_is_not_hidden_by_keeping_what_came(tmp_path: Path) -> None:
    [docs] = scan(ONE)
    with pytest.raises(DocumentError, match="nobody"):
        export([*docs[:5], ("event", {"descriptor": "nobody"})], tmp_path, "x")
    assert names(tmp_path) == [f"x.{docs[0][1]['uid']}.tmp"]


def test_a_temporary_file_that_vanished_is_named(tmp_path: Path) -> None:
    runs = scan(STACK)
    u = first_uid(runs)
    for joined in (None, u):
        serializer = Serializer(tmp_path, "x", first_uid=joined)
        feed(serializer, runs[0][:-1])
        [path] = serializer.artifacts["stream_data"]
        path.unlink()
        with pytest.raises(NXstxmStateError, match="is gone") as caught:
            serializer(*runs[0][-1])
        assert path.name in str(caught.value)
        assert names(tmp_path) == []
        serializer.close()


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    [docs] = scan(ONE)
    for first in (None, "abc"):
        with pytest.raises(NXstxmError, match="file") as caught:
            export(docs, tmp_path / "file" / "folder", first_uid=first)
        assert isinstance(caught.value, OSError)


def test_large_arrays_of_every_dtype_and_order_come_back(tmp_path: Path) -> None:
    chance = np.random.default_rng(4)
    made = chance.integers(0, 2, (300, 300))
    kinds = {
        "big_endian": lambda: made.astype(">u2"),
        "fortran": lambda: np.asfortranarray(made.astype("f4")),
        "strided": lambda: np.repeat(made, 2, axis=1)[:, ::2],
        "boolean": lambda: made.astype(bool),
        "half": lambda: made.astype("f2"),
        "signed": lambda: -made.astype("i1"),
        "three_dimensions": lambda: made.astype("u4").reshape(3, 100, 300),
    }
    keys = {name: make().shape for name, make in kinds.items()}
    for order in (list, pages):
        docs = order(list(plain_run(9, keys, lambda _i, key: kinds[key]())))
        [path] = export(docs, tmp_path, order.__name__)["stream_data"]
        holds(path, [docs])
        u = docs[0][1]["uid"]
        export(docs, tmp_path, "joined", first_uid=u)
        same_file(path, finish_export(tmp_path, f"joined-{order.__name__}", u))


@pytest.mark.parametrize("kind", ["event", "event_page"])
def test_a_data_key_that_is_no_text_is_refused_and_nothing_of_its_event_is_noted(
    tmp_path: Path, kind: str
) -> None:
    (docs,) = scan_documents(ScanRequest(6))
    at = max(i for i, (name, _) in enumerate(docs) if name == "event")
    bad = {**docs[at][1], "data": {**docs[at][1]["data"], 1: 2}}
    if kind == "event_page":
        bad = {
            **bad,
            "seq_num": [bad["seq_num"]],
            "time": [bad["time"]],
            "data": {key: [value] for key, value in bad["data"].items()},
        }
    serializer = Serializer(tmp_path, "x")
    for name, doc in docs[:at]:
        serializer(name, doc)
    with pytest.raises(DocumentError, match="a data key is text"):
        serializer(kind, bad)
    for name, doc in docs[at:]:
        serializer(name, doc)
    holds(tmp_path / "x.hdf5", [docs])
