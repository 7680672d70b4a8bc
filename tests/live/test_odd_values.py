"""Without these tests one odd value in a document could cost a scan its file, or its readings."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import event_model
import h5py
import numpy as np
import pytest
from bluesky import RunEngine
from bluesky.plans import scan
from ophyd.sim import SynAxis, SynSignal

from suitcase.nxstxm import NXstxmError, Serializer, export_scan, recover
from suitcase.nxstxm.documents import difference
from suitcase.nxstxm.euxfel import EuXFELWriter
from suitcase.nxstxm.nexus import read_documents

from ..exchange.same import same_file
from .left import left_behind

Documents = list[tuple[str, dict[str, Any]]]


@dataclasses.dataclass
class Sample:
    name: str


class Silent:
    def __repr__(self) -> str:
        raise SystemExit("it has nothing to say")


ODD: dict[str, tuple[Any, str]] = {
    "dataclass": (Sample("Fe"), r"\.Sample, which .*; give dataclasses.asdict\(\) of it"),
    "function": (len, "builtin_function_or_method, which can not be stored; give numbers, text"),
    "object": ({"deep": [1, object()]}, r"\.deep\[1\] is a builtins\.object"),
    "masked": (np.ma.masked_array([1, 2], [True, False]), r"give its filled\(\), and its mask"),
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("strict", [False, True])
def test_metadata_that_can_not_be_stored_are_refused_before_anything_moves(
    kind: str, strict: bool, tmp_path: Path, writers: Any
) -> None:
    value, told = ODD[kind]
    engine = RunEngine({}, context_managers=[], call_returns_result=False)
    engine.subscribe(writers(tmp_path, strict=strict))
    x, det = SynAxis(name="x"), SynSignal(name="det", func=lambda: 1.0)
    moved: list[Any] = []
    x.readback.subscribe(lambda **_: moved.append(1), run=False)
    with pytest.raises(NXstxmError, match=f"start document .*: specimen.*{told}"):
        engine(scan([det], x, 0, 2, 3), specimen=value)
    assert not moved
    assert list(tmp_path.iterdir()) == []
    engine(scan([det], x, 0, 2, 3), specimen="Fe")
    assert len(list(tmp_path.iterdir())) == 1


def test_runs_and_exports_refuse_the_same_metadata(tmp_path: Path) -> None:
    start = {"uid": "1b2c3d4e", "time": 1.0, "specimen": Sample("Fe")}
    with EuXFELWriter(tmp_path / "runs") as writer, pytest.raises(NXstxmError, match="specimen"):
        writer("start", start)
    with pytest.raises(NXstxmError, match=r"specimen is a .*\.Sample"):
        Serializer(tmp_path)("start", start)
    assert not list(tmp_path.rglob("*.*"))


def odd_run(where: str, odd: Any) -> Documents:
    """Give a run of five points with something odd in one of its documents."""
    run = event_model.compose_run(validate=False)
    setting = {
        "data": {"c": odd if where == "descriptor" else 1.0},
        "timestamps": {"c": 1.0},
        "data_keys": {"c": {"source": "", "dtype": "number", "shape": []}},
    }
    keys = {"a": {"source": "", "dtype": "number", "shape": []}}
    if where == "units":
        keys["a"]["units"] = odd
    stream = run.compose_descriptor(
        name="primary", data_keys=keys, configuration={"a": setting}, validate=False
    )
    events = [
        stream.compose_event(
            data={"a": odd if where == "event" and i == 2 else 1.0 + i, "b": f"point {i}"},
            timestamps={"a": 1.0, "b": 1.0}, validate=False,
        )
        for i in range(5)
    ]  # fmt: skip
    stop = run.compose_stop(validate=False)
    if where == "stop":
        stop["reason"] = odd
    documents = [("descriptor", stream.descriptor_doc), *(("event", event) for event in events)]
    return [("start", dict(run.start_doc)), *documents, ("stop", dict(stop))]


@pytest.mark.parametrize("where", ["descriptor", "units", "event", "stop"])
@pytest.mark.parametrize("odd", [Sample("Fe"), [1, Sample("Fe")], Silent()])
def test_an_odd_value_costs_nothing_but_itself(
    where: str, odd: Any, tmp_path: Path, writers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    run = odd_run(where, odd)
    files = []
    for journal in (True, False):
        writer = writers(tmp_path / f"live-{journal}", journal=journal)
        for name, doc in run:
            writer(name, doc)
        files += writer.finish()
    told = [r.getMessage() for r in caplog.records if "can not be stored" in r.getMessage()]
    assert len(told) == 1, told
    files.append(export_scan([run], tmp_path / "exported"))
    again = list(read_documents(files[0]))
    files.append(export_scan([again], tmp_path / "replayed"))
    kind = f"{type(odd[1] if isinstance(odd, list) else odd).__qualname__}, which can not be stored"
    assert kind in str(again)
    assert [name for name, _ in again] == [name for name, _ in run]
    for path in files:
        same_file(path, files[0])
        assert difference(again, list(read_documents(path))) is None
        with h5py.File(path) as h5:
            measured = h5["entry0/instrument/a/data"][()].ravel()
        np.testing.assert_array_equal(measured, [1, 2, 4, 5] if where == "event" else range(1, 6))


def test_an_odd_value_is_in_the_journal_too(tmp_path: Path) -> None:
    run = odd_run("descriptor", Sample("Fe"))
    left_behind(tmp_path / "data", [run])
    [path] = recover(tmp_path / "data")
    assert [name for name, _ in read_documents(path)] == [name for name, _ in run[:-1]]
    with h5py.File(path) as h5:
        assert h5["entry0/instrument/a/data"].size == 5


def test_a_masked_reading_is_no_number_where_it_is_masked(tmp_path: Path, writers: Any) -> None:
    masked = np.ma.masked_array([7, 8, 9], [False, True, False])
    run = odd_run("event", masked)
    writer = writers(tmp_path / "live")
    for name, doc in run:
        writer(name, doc)
    [path] = writer.finish()
    stored = [doc["data"]["a"] for name, doc in read_documents(path) if name == "event"]
    np.testing.assert_array_equal(stored[2], [7.0, np.nan, 9.0])
    same_file(path, export_scan([run], tmp_path / "exported"))
    same_file(path, export_scan([list(read_documents(path))], tmp_path / "replayed"))


def test_runs_keep_documents_with_odd_values(tmp_path: Path) -> None:
    for where in ("descriptor", "event", "stop"):
        with EuXFELWriter(tmp_path / where) as writer:
            for name, doc in odd_run(where, Sample("Fe")):
                writer(name, doc)
            assert len(writer.finish()) == 1


@pytest.mark.parametrize("dtype", ["f8", [("a", "u1")]])
@pytest.mark.parametrize("journal", [True, False])
def test_an_event_of_no_descriptor_costs_no_other_event(
    dtype: Any, journal: bool, tmp_path: Path, writers: Any
) -> None:
    """Arrays can not even be compared with the descriptor of the event before."""
    run = odd_run("nowhere", None)
    [*first, last] = [i for i, (name, _) in enumerate(run) if name == "event"]
    odd = ("event", {**run[last][1], "uid": "odd", "descriptor": np.zeros(3, dtype)})
    writer = writers(tmp_path, journal=journal)
    for name, doc in [*run[:last], odd, odd, *run[last:]]:
        writer(name, doc)
    writer.close()
    [path] = writer.paths
    assert difference(run, list(read_documents(path))) is None
    assert len(first) == 4


@pytest.mark.parametrize("what", ["dtype", "shape", "dtype_numpy"])
@pytest.mark.parametrize("odd", [np.zeros(0), np.zeros(3), 7, ["array"], [np.zeros(3)]])
def test_a_declaration_that_makes_no_sense_costs_no_event(
    what: str, odd: Any, tmp_path: Path, writers: Any
) -> None:
    run = odd_run("nowhere", None)
    [descriptor] = [doc for name, doc in run if name == "descriptor"]
    descriptor["data_keys"]["a"][what] = odd
    writer = writers(tmp_path)
    for name, doc in run:
        writer(name, doc)
    [path] = writer.finish()
    assert difference(run, list(read_documents(path))) is None
    exported = export_scan([run], tmp_path / "exported")
    assert difference(run, list(read_documents(exported))) is None
