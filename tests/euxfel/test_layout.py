"""Without these tests a run might be valid, and its readings in the wrong trains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.documents import difference
from suitcase.nxstxm.euxfel import documents, export, validate
from suitcase.nxstxm.sim import all_requests, scan_documents

from .runs import (
    arange,
    array,
    extra_data,
    folder_of,
    number,
    opened,
    problems,
    run_of,
    stream_of,
)

REQUESTS = all_requests()


def written(run: Any, home: Path, **options: Any) -> Path:
    """Write a run, which must be valid and come back."""
    folder = folder_of(export(run, home, **options))
    assert problems(folder) == []
    assert validate(folder) == []
    assert difference(run, list(documents(folder))) is None
    return folder


# -- pulses ---------------------------------------------------------------------------------------


def test_pixels_of_a_line_are_pulses(home: Path) -> None:
    [run] = scan_documents(REQUESTS["pystxm2019-sample_image-lines"])
    descriptor = next(d for n, d in run if n == "descriptor" and d["name"] == "primary")
    events = [d for n, d in run if n == "event" and d["descriptor"] == descriptor["uid"]]
    key = next(k for k, d in descriptor["data_keys"].items() if "waveform" in k)
    data = opened(written(run, home))["STXM/primary/" + _device(descriptor, key) + ":output"]
    [counts] = {*data[f"data.{key}"].drop_empty_trains().data_counts(labelled=False).tolist()}
    lines = [np.asarray(event["data"][key]) for event in events]
    assert counts == len(lines[0]) > 1
    np.testing.assert_array_equal(data[f"data.{key}"].ndarray(), np.concatenate(lines))
    pulses = data["data.pulseId"].ndarray()
    np.testing.assert_array_equal(pulses, np.tile(np.arange(counts), len(lines)))


def _device(descriptor: Any, key: str) -> str:
    return next(device for device, keys in descriptor["object_keys"].items() if key in keys)


@pytest.mark.parametrize(
    ("shape", "options", "is_split"),
    [
        ((3, 4, 5), {}, True),  # frames of one event
        ((3, 4, 5), {"pulses": ()}, False),
        ((6,), {}, False),  # a spectrum, for all we know
        ((6,), {"pulses": "a"}, True),
        ((6,), {"pulses": ["b"]}, False),
        ((4, 5), {}, False),
    ],
)
def test_what_is_split_into_pulses(
    shape: tuple[int, ...], options: Any, is_split: bool, home: Path
) -> None:
    run = run_of([{"a": arange(*shape) + i} for i in range(4)], {"a": array(*shape)})
    data = opened(written(run, home, trains_per_file=3, **options))["STXM/primary/a:output"]
    n = shape[0] if is_split else 1
    assert data["data.a"].data_counts(labelled=False).tolist() == [n] * 4
    assert data["data.a"].entry_shape == (shape[1:] if is_split else shape)
    assert ("data.pulseId" in data) == is_split


def test_large_arrays_that_are_split_are_stored_once(home: Path) -> None:
    """Lines of different lengths too: the archive knows where each begins."""
    lengths = [20_000, 9_000, 0, 12_345]
    run = run_of([{"a": arange(n) + i} for i, n in enumerate(lengths)], {"a": array(20_000)})
    folder = written(run, home, pulses=["a"], trains_per_file=2)
    counts = opened(folder)["STXM/primary/a:output", "data.a"].data_counts(labelled=False)
    assert counts.tolist() == lengths
    with h5py.File(folder / "RAW-R0001-DA00-S00000.h5") as h5:
        assert h5["RUN/BLUESKY/RUN/DOCUMENTS/archive/value"].size < 5000


def test_events_may_be_the_pulses_of_trains(home: Path) -> None:
    run = run_of(
        [{"a": float(i), "t": f"t{i}", "cam": arange(2, 3) + i} for i in range(8)],
        {"a": number(units="um"), "t": number(dtype="string"), "cam": array(2, 3)},
    )
    times = [1.7e9 + t for t in (0.01, 0.05, 0.09, 0.31, 0.52, 0.55, 0.56, 0.58)]
    for (_, doc), time in zip(run[2:-1], times, strict=True):
        doc["time"] = time
        doc["timestamps"] = dict.fromkeys(doc["data"], time)
    run_ = opened(written(run, home, events="pulse", trains_per_file=2))
    counts = run_["STXM/primary/a:output", "data.a"].data_counts(labelled=False)
    assert counts.tolist() == [3, 1, 4]
    assert list(run_.train_ids) == [17_000_000_000 + n for n in (0, 3, 5)]
    np.testing.assert_array_equal(run_["STXM/primary/a:output", "data.a"].ndarray(), range(8))
    assert run_["STXM/primary/a:output", "data.a"].units == "μm"
    assert list(run_["STXM/primary/t:output", "data.t"].ndarray()) == [f"t{i}" for i in range(8)]
    np.testing.assert_array_equal(
        run_["STXM/primary/cam:output", "data.cam"].ndarray(),
        [arange(2, 3) + i for i in range(8)],
    )
    stamps = run_["STXM/primary/a:output", "data.timestamp"].ndarray().astype(np.int64)
    np.testing.assert_allclose(stamps / 1e9, times, atol=1e-6)
    # held values, one a train, for tables
    np.testing.assert_array_equal(run_["STXM/primary/a", "a.value"].ndarray(), [2, 3, 7])
    pulses = run_["STXM/primary/a:output", "data.pulseId"].ndarray()
    assert pulses.tolist() == [0, 1, 2, 0, 0, 1, 2, 3]


# -- monitors -------------------------------------------------------------------------------------


def test_what_monitors_saw_belongs_to_the_train_that_comes_after_it(home: Path) -> None:
    run = run_of([{"a": float(i)} for i in range(5)], {"a": number()})  # at 0, 0.25, ... 1.0
    ring = [0.1, 0.2, 0.24, 0.6, 0.9, 1.3, 1.4]
    run = stream_of(
        run, "ring_monitor", [{"ring": 200.0 + i} for i in range(7)], [1.7e9 + t for t in ring],
        ring=number(units="mA"),
    )  # fmt: skip
    shutter = [0.3, 0.8]
    run = stream_of(
        run, "shutter_monitor", [{"shutter": s} for s in ("open", "closed")],
        [1.7e9 + t for t in shutter], shutter=number(dtype="string"),
    )  # fmt: skip
    run_ = opened(written(run, home, trains_per_file=3))
    data = run_["STXM/ring_monitor/ring:output", "data.ring"]
    np.testing.assert_array_equal(data.ndarray(), 200.0 + np.arange(7))
    trains = list(run_["STXM/primary/a", "a.value"].drop_empty_trains().train_ids)
    assert len(run_.train_ids) == len(trains) + 1  # what came after the last event is one more
    # the monitor begins with its first event, before the second train
    assert data.data_counts().loc[trains[1:]].tolist() == [3, 0, 1, 1]
    assert data.data_counts().iloc[-1] == 2
    held = run_["STXM/ring_monitor/ring", "ring.value"].series()
    assert held.loc[trains[1:]].tolist() == [202.0, 202.0, 203.0, 204.0]
    assert run_["STXM/ring_monitor/ring", "ring.value"].units == "mA"
    words = run_["STXM/shutter_monitor/shutter:output", "data.shutter"]
    assert list(words.ndarray()) == ["open", "closed"]
    both = run_.select([("STXM/primary/a", "a.value"), ("STXM/ring_monitor/ring:output", "*")],
                       require_all=True)  # fmt: skip
    assert list(both.train_ids) == [trains[i] for i in (1, 3, 4)]


def test_the_stream_that_the_plan_names_is_the_measurement(home: Path) -> None:
    """What came into another before it has trains of its own, and monitors go by the measured."""
    run = run_of(
        [{"a": 1.0}], {"a": number()}, hints={"dimensions": [[["x"], "lines"]]}, motors=["x"]
    )
    times = [1.7e9 + 1 + i for i in range(4)]
    run = stream_of(run, "lines", [{"x": float(i)} for i in range(4)], times, x=number())
    seen = [t + 0.5 for t in times[:-1]]
    run = stream_of(run, "m_monitor", [{"m": float(i)} for i in range(3)], seen, m=number())
    run_ = opened(written(run, home))
    lines = list(run_["STXM/lines/x", "x.value"].drop_empty_trains().train_ids)
    counts = run_["STXM/m_monitor/m:output", "data.m"].data_counts()
    assert counts.loc[lines[1:]].tolist() == [1, 1, 1]


def test_monitors_alone_have_trains_of_their_own(home: Path) -> None:
    times = [1.7e9 + i for i in range(4)]
    run = stream_of(run_of([], {}), "m", [{"m": i} for i in range(4)], times, m=number())
    run_ = opened(written(run, home, monitors=["m"]))
    data = run_["STXM/m/m:output", "data.m"]
    assert data.ndarray().tolist() == [0, 1, 2, 3]
    assert data.data_counts(labelled=False).sum() == 4


def test_no_stream_is_a_monitor_where_none_is_to_be(home: Path) -> None:
    run = stream_of(run_of([], {}), "m_monitor", [{"m": 1}], [1.7e9], m=number())
    assert "STXM/m_monitor/m:output" not in opened(written(run, home, monitors=())).all_sources


# -- files ----------------------------------------------------------------------------------------


def test_files_end_after_so_many_bytes(home: Path) -> None:
    frames = arange(6, 100, 100)
    run = run_of([{"a": frame} for frame in frames], {"a": array(100, 100)})
    folder = written(run, home, bytes_per_file=2 * frames[0].nbytes)
    assert len(list(folder.glob("*DA01*.h5"))) == 3
    np.testing.assert_array_equal(
        opened(folder)["STXM/primary/a:output", "data.a"].ndarray(), frames
    )


def test_folders_of_instrument_and_cycle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of([{"a": 1.0}], {"a": number()})
    folder = written(run, tmp_path, instrument="STXM", cycle="202601", proposal=900001)
    assert folder == tmp_path / "STXM" / "202601" / "p900001" / "raw" / "r0001"
    monkeypatch.setattr(extra_data.reader, "DATA_ROOT_DIR", str(tmp_path), raising=False)
    monkeypatch.setenv("EXTRA_DATA_DATA_ROOT", str(tmp_path))
    by_number = extra_data.open_run(900001, 1)
    assert by_number["STXM/primary/a", "a.value"].ndarray().tolist() == [1.0]
    assert by_number.alias["a"].ndarray().tolist() == [1.0]


def test_older_names_lead_to_the_same_data(home: Path) -> None:
    frames = arange(4, 3, 5)
    run = run_of([{"cam": f, "a": 1.0} for f in frames], {"cam": array(3, 5), "a": number()})
    folder = written(run, home, legacy={"SM/CAM/1:daqOutput": "cam"}, trains_per_file=3)
    run_ = opened(folder)
    assert run_.legacy_sources == {"SM/CAM/1:daqOutput": "STXM/primary/cam:output"}
    with pytest.warns(DeprecationWarning, match="legacy"):
        old = run_["SM/CAM/1:daqOutput", "data.cam"]
    np.testing.assert_array_equal(old.ndarray(), frames)
    known = json.loads((folder / "karabo_data_map.json").read_text())
    assert any(each["legacy_sources"] for each in known)


def test_the_start_document_is_in_the_first_file(home: Path) -> None:
    """Whoever follows a run that goes on must know what is measured."""
    run = run_of(
        [{"a": 1.0}] * 5, {"a": number()}, sample="coal", shape=[5], nested={"x": {"y": 1}}
    )
    folder = written(run, home, trains_per_file=2)
    with h5py.File(folder / "RAW-R0001-DA01-S00000.h5") as h5:
        start = h5["RUN/BLUESKY/RUN/START"]
        assert start["sample/value"].asstr()[0] == "coal"
        assert start["nested/x/y/value"][0] == 1
        assert start["shape/value"][0].tolist() == [5]
    with h5py.File(folder / "RAW-R0001-DA01-S00001.h5") as h5:
        assert "BLUESKY/RUN/START" not in h5["RUN"]
    assert opened(folder).get_run_value("BLUESKY/RUN/START", "sample.value") == "coal"


def test_the_start_document_is_there_when_the_first_stream_is_empty(home: Path) -> None:
    run = run_of([], {"a": number()}, sample="coal")
    run = stream_of(run, "second", [{"b": 1.0}] * 3, [1.7e9 + i for i in range(3)], b=number())
    assert opened(written(run, home)).get_run_value("BLUESKY/RUN/START", "sample.value") == "coal"


def test_what_the_format_changes_is_kept(home: Path) -> None:
    run = run_of([{"a": float(i), "b": 1.0} for i in range(6)], {"a": number(), "b": number()})
    run[4][1]["timestamps"]["a"] = 1.5e9 + 0.25
    run[5][1]["timestamps"]["a"] = 1.5e9 + 0.5
    run[3][1]["seq_num"] = 7
    run_ = opened(written(run, home, trains_per_file=4))
    kept = run_["BLUESKY/primary/TIMES:output", "data.a"]
    assert kept.ndarray().tolist() == [1.5e9 + 0.25, 1.5e9 + 0.5]
    assert kept.data_counts(labelled=False).tolist() == [0, 0, 1, 1, 0, 0]
    events = run_["BLUESKY/primary/EVENTS"]
    assert events["seq_num.value"].ndarray().tolist() == [1, 7, 3, 4, 5, 6]
    np.testing.assert_array_equal(
        events["time.value"].ndarray(), [doc["time"] for name, doc in run if name == "event"]
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"bytes_per_file": 0}, "is no positive number"),
        ({"instrument": "STXM"}, "give both or none"),
        ({"instrument": "", "cycle": "1"}, "is no name"),
        ({"events": "line"}, "not one of 'train', 'pulse'"),
        ({"external": "link"}, "not one of 'copy', 'vds'"),
        ({"pulses": 3}, "are no names"),
        ({"monitors": [1]}, "are no names"),
        ({"legacy": {"a": "b"}}, "older names of sources with their channel"),
        ({"legacy": ["a"]}, "give a mapping of text"),
    ],
)
def test_options_that_make_no_sense_are_told(options: Any, told: str, home: Path) -> None:
    with pytest.raises(NXstxmError, match=told):
        export(run_of([], {}), home, **options)
    assert not home.exists()


def test_an_option_that_is_none_is_told(home: Path) -> None:
    with pytest.raises(TypeError, match=r"unknown option proposals; the options are"):
        export(run_of([], {}), home, proposals=1)
