"""Without these tests EXtra-data would refuse our runs, or show other values than were measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.documents import difference
from suitcase.nxstxm.euxfel import Serializer, documents, export
from suitcase.nxstxm.sim import all_requests, scan_documents

from .runs import extra_data, folder_of, number, problems, run_of

REQUESTS = all_requests()
LINES = "pystxm2019-sample_image-lines"
POINTS = "pystxm2019-sample_image-points"


@pytest.mark.parametrize(
    ("name", "version"),
    [*((name, "1.3") for name in list(REQUESTS)[::4]), (LINES, "1.2"), (POINTS, "1.2")],
)
def test_runs_are_valid_and_come_back(name: str, version: Any, home: Path) -> None:
    run = scan_documents(REQUESTS[name])[-1]
    folder = folder_of(export(run, home, proposal=900001, version=version))
    assert problems(folder) == []
    assert difference(run, list(documents(folder))) is None
    assert [path for path in folder.iterdir() if path.suffix not in (".h5", ".json")] == []
    opened = extra_data.RunDirectory(str(folder))
    assert opened.run_metadata()["dataFormatVersion"] == version


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("name", REQUESTS)
def test_all_runs_are_valid_and_come_back(name: str, version: Any, home: Path) -> None:
    for run in scan_documents(REQUESTS[name]):
        folder = folder_of(export(run, home, proposal=900001, version=version))
        assert problems(folder) == []
        assert difference(run, list(documents(folder))) is None


def test_what_was_measured_is_what_is_read(home: Path) -> None:
    [run] = scan_documents(REQUESTS[POINTS])
    folder = folder_of(export(run, home, proposal="p-900001", trains_per_file=7))
    assert folder == home / "p900001" / "raw" / "r0001"
    opened = extra_data.open_run(str(home / "p900001"), 1)
    [descriptor] = [doc for n, doc in run if n == "descriptor" and doc["name"] == "primary"]
    events = [d for n, d in run if n == "event" and d["descriptor"] == descriptor["uid"]]
    aliases = json.loads((home / "p900001" / "usr" / "extra-data-aliases.yml").read_text())
    times = [round(event["time"] * 1e9) for event in events]
    for key in descriptor["data_keys"]:
        source, where = aliases[key]
        data = opened[source, where]
        np.testing.assert_array_equal(data.ndarray(), [event["data"][key] for event in events])
        np.testing.assert_array_equal(opened.alias[key].ndarray(), data.ndarray())
        stamps = data.select_trains(np.s_[:]).train_id_coordinates()
        assert len(stamps) == len(events)
        found = opened[source].select_trains(np.s_[:]).data_counts()
        assert (found == 1).all()
    # trains of the baseline are in its own files
    mine = opened.select([(aliases[key][0], "*") for key in descriptor["data_keys"]])
    found = mine.select(aliases[key][0], require_all=True).train_timestamps().astype(np.int64)
    np.testing.assert_allclose(found, times, atol=1000)
    assert opened.run_metadata()["blueskyUid"] == run[0][1]["uid"]
    assert len(list(folder.glob("*-DA*-S00001.h5"))) >= 1


def test_units_names_and_values_of_the_run(home: Path) -> None:
    keys = {"sx": number(units="um"), "e": number(units="eV"), "c": number(units="counts")}
    run = run_of([{"sx": 1.5 * i, "e": 700.0, "c": i} for i in range(5)], keys, sample="coal")
    run[1][1]["configuration"] = {
        "sx": {"data": {"sx_velocity": 2.5}, "timestamps": {"sx_velocity": 1.6e9},
               "data_keys": {"sx_velocity": number(units="mm/s")}}
    }  # fmt: skip
    opened = extra_data.RunDirectory(str(folder_of(export(run, home))))
    assert opened["STXM/primary/sx", "sx.value"].units == "μm"
    assert opened["STXM/primary/sx", "sx.value"].xarray().attrs["units"] == "μm"
    assert opened["STXM/primary/e", "e.value"].units == "eV"
    assert opened["STXM/primary/c", "c.value"].units == "counts"
    assert opened["STXM/primary/e", "e.value"].as_single_value() == 700.0
    assert opened.get_run_value("STXM/primary/sx", "sx_velocity.value") == 2.5
    assert opened.get_run_value("BLUESKY/RUN/START", "sample.value") == "coal"
    assert opened.get_run_value("BLUESKY/RUN/STOP", "exit_status.value") == "success"


@pytest.mark.parametrize("n", [0, 1, 3, 9])
def test_files_end_after_so_many_trains(n: int, home: Path) -> None:
    frames = np.arange(n * 128 * 300, dtype=np.uint16).reshape(n, 128, 300)
    keys = {"x": number(), "cam": {"dtype": "array", "shape": [128, 300], "source": "c"}}
    run = run_of([{"x": float(i), "cam": frames[i]} for i in range(n)], keys)
    folder = folder_of(export(run, home, trains_per_file=3))
    assert len(list(folder.glob("*DA01*.h5"))) == -(-n // 3)
    assert problems(folder) == []
    found = list(documents(folder))
    assert difference(run, found) is None
    opened = extra_data.RunDirectory(str(folder))
    assert len(opened.train_ids) == n
    if n:
        data = opened["STXM/primary/cam:output", "data.cam"]
        np.testing.assert_array_equal(data.ndarray(), frames)
        assert data.dtype == np.uint16
        # frames of 64 KiB and more are not stored twice
        with h5py.File(folder / "RAW-R0001-DA00-S00000.h5") as h5:
            assert h5["RUN/BLUESKY/RUN/DOCUMENTS/archive/value"].size < 5000


def test_readings_that_are_missing_or_change(home: Path) -> None:
    keys = {key: number() for key in ("a", "b", "t", "cam")}
    small, large = np.ones((2, 3)), np.ones((4, 4))
    run = run_of(
        [{"a": 1, "cam": small}, {"b": 2.5, "t": "on"}, {"a": 3, "cam": large},
         {"a": 4, "b": None, "t": "off", "cam": small.astype(np.float32)}, {"cam": [1, 2]}], keys,
    )  # fmt: skip
    folder = folder_of(export(run, home))
    assert problems(folder) == []
    assert difference(run, list(documents(folder))) is None
    opened = extra_data.RunDirectory(str(folder))
    np.testing.assert_array_equal(opened["STXM/primary/a", "a.value"].ndarray(), [1, 1, 3, 4, 4])
    np.testing.assert_array_equal(opened["STXM/primary/b", "b.value"].ndarray(), [2.5] * 5)
    assert list(opened["STXM/primary/t", "t.value"].ndarray()) == ["on", "on", "on", "off", "off"]
    counts = opened["STXM/primary/cam:output", "data.cam"].data_counts(labelled=False)
    assert list(counts) == [1, 0, 0, 1, 0]


def test_numbers_keep_their_fractions_in_later_files(home: Path) -> None:
    """EXtra-data takes the dtype of the first file for all."""
    keys = {"a": number(), "i": number(dtype="integer"), "f": number(dtype_numpy="<f4")}
    values = [{"a": v, "i": int(v), "f": v} for v in (1, 2, 2.5, 3.25)]
    run = run_of(values, keys)
    opened = extra_data.RunDirectory(str(folder_of(export(run, home, trains_per_file=2))))
    for key, dtype in (("a", "f8"), ("i", "i8"), ("f", "f4")):
        data = opened[f"STXM/primary/{key}", f"{key}.value"]
        assert data.dtype == dtype
        np.testing.assert_array_equal(data.ndarray(), [each[key] for each in values])


def test_channels_and_pages(home: Path) -> None:
    """A scaler with channels gives a reading with several; a data key may have a slash itself."""
    keys = {"scaler": number(), "m/x": number(units="um")}
    run = run_of([{"scaler": {"a": i, "b": [i, 2 * i]}, "m/x": i / 2} for i in range(4)], keys)
    run[1][1]["object_keys"] = {"counter": ["scaler"], "stage": ["m/x"]}
    events = [doc for name, doc in run if name == "event"]
    paged = [*run[:2], ("bulk_events", {"primary": events}), run[-1]]
    for documents_ in (run, paged):
        folder = folder_of(export(documents_, home))
        assert problems(folder) == []
        assert difference(documents_, list(documents(folder))) is None
        opened = extra_data.RunDirectory(str(folder))
        np.testing.assert_array_equal(
            opened["STXM/primary/stage", "m_x.value"].ndarray(), [0, 0.5, 1, 1.5]
        )
        assert opened["STXM/primary/stage", "m_x.value"].units == "μm"
        counted = opened["STXM/primary/counter", "scaler_a.value"]
        np.testing.assert_array_equal(counted.ndarray(), range(4))
        assert counted.attributes()["displayedName"] == "scaler/a"
        spectra = opened["STXM/primary/counter:output", "data.scaler_b"]
        np.testing.assert_array_equal(spectra.ndarray(), [[i, 2 * i] for i in range(4)])


def test_times_that_go_back_are_held(home: Path) -> None:
    run = run_of([{"a": float(i)} for i in range(4)], {"a": number()})
    run[3][1]["timestamps"]["a"] = 1.0
    folder = folder_of(export(run, home))
    assert problems(folder) == []
    assert difference(run, list(documents(folder))) is None


def test_a_run_has_a_number_of_its_own(home: Path) -> None:
    run = run_of([{"a": 1.0}] * 3, {"a": number()})
    folders = [folder_of(export(run, home)) for _ in range(3)]
    assert [folder.name for folder in folders] == ["r0001", "r0002", "r0003"]
    opened = [extra_data.RunDirectory(str(folder)) for folder in folders]
    both = opened[0].union(opened[1], opened[2])  # no train is in two of them
    assert len(both.train_ids) == 9
    counted = [folder_of(export(run, home, train_ids="seq")) for _ in range(2)]
    assert [list(extra_data.RunDirectory(str(f)).train_ids) for f in counted] == [[1, 2, 3]] * 2
    # DAMNIT, for one, takes all that is beside them for runs
    assert sorted(path.name for path in folders[0].parent.iterdir()) == [
        f"r{number:04d}" for number in range(1, 6)
    ]


def test_an_older_run_keeps_its_distances(home: Path) -> None:
    """Stored runs are exported in any order; what EXtra-data calls the duration must be right."""
    late = run_of([{"a": 1.0}] * 3, {"a": number()})
    early = run_of([{"a": 1.0}] * 3, {"a": number()})
    for i, (name, doc) in enumerate(early):
        doc["time"] = 1.6e9 + 2.0 * i
        if name == "event":
            doc["timestamps"] = {"a": doc["time"]}
    folders = [folder_of(export(run, home)) for run in (late, early)]
    ids = [list(extra_data.RunDirectory(str(folder)).train_ids) for folder in folders]
    assert ids[1][0] == ids[0][-1] + 1
    assert np.diff(ids[1]).tolist() == [20, 20]


def test_names_are_made_safe_and_kept(home: Path) -> None:
    keys = {"m1.RBV": number(), "m1:RBV": number(), "päth/x y": number()}
    run = run_of([dict.fromkeys(keys, 1.0)] * 2, keys)
    folder = folder_of(export(run, home, domain="SM.1"))
    assert problems(folder) == []
    opened = extra_data.RunDirectory(str(folder))
    found = {s: opened[s].keys() for s in opened.all_sources if s.startswith("SM_1")}
    assert set(found) == {"SM_1/primary/m1_RBV", "SM_1/primary/m1_RBV_2", "SM_1/primary/p_th_x_y"}
    names = {opened[s][k].attributes()["displayedName"] for s in found for k in found[s]
             if k.endswith("value")}  # fmt: skip
    assert names == set(keys)


def test_the_map_of_files_is_what_extra_data_would_write(home: Path) -> None:
    [run] = scan_documents(REQUESTS[POINTS])
    folder = folder_of(export(run, home))
    ours = json.loads((folder / "karabo_data_map.json").read_text())
    (folder / "karabo_data_map.json").unlink()
    extra_data.RunDirectory(str(folder))
    theirs = json.loads((folder / "karabo_data_map.json").read_text())

    def plain(found: Any) -> Any:
        return sorted(
            ({k: sorted(v) if isinstance(v, list) else v for k, v in each.items()}
             for each in found), key=lambda each: each["filename"],
        )  # fmt: skip

    assert plain(ours) == plain(theirs)


def test_a_run_without_a_stop_document_says_so(home: Path) -> None:
    run = run_of([{"a": 1.0}] * 3, {"a": number()})
    with Serializer(home) as serializer:
        for name, doc in run[:-1]:
            serializer(name, doc)
    assert serializer.folder is not None
    assert problems(serializer.folder) == []
    opened = extra_data.RunDirectory(str(serializer.folder))
    assert opened.get_run_value("BLUESKY/RUN/STOP", "exit_status.value") == "incomplete"
    assert difference(run[:-1], list(documents(serializer.folder))) is None


def test_an_error_leaves_no_file_under_a_final_name(home: Path) -> None:
    run = run_of([{"a": 1.0}] * 3, {"a": number()})
    run[3] = ("event", {"descriptor": "d", "time": "late"})
    with pytest.raises(NXstxmError, match="needs a time and a mapping data"):
        export(run, home)
    assert list(home.rglob("*.h5")) == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"proposal": "none"}, "is no number of a proposal"),
        ({"proposal": 12345678}, "is no number of a proposal"),
        ({"trains_per_file": 0}, "is no positive number"),
        ({"version": "0.5"}, "not one of '1.2', '1.3'"),
        ({"train_ids": "x"}, "not one of 'time', 'seq'"),
        ({"domain": ""}, "is no name"),
    ],
)
def test_options_that_make_no_sense_are_told(options: Any, told: str, home: Path) -> None:
    with pytest.raises(NXstxmError, match=told):
        export(run_of([], {}), home, **options)
    assert not home.exists()  # and no number is taken


def test_what_is_no_run_of_ours_is_told(tmp_path: Path) -> None:
    with pytest.raises(NXstxmError, match="is no folder of a run"):
        list(documents(tmp_path / "none"))
    with pytest.raises(NXstxmError, match="has no file"):
        list(documents(tmp_path))
