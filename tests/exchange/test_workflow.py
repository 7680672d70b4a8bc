"""Without these tests the workflow that users have known since 2019 could break: every run of a
scan goes through `export` with the first uid, then `finish_export` makes the one file.
"""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import h5py
import pytest

from suitcase.nxstxm import Serializer, export, finish_export
from suitcase.nxstxm._errors import (
    NXstxmFileExistsError,
    NXstxmKeyError,
    NXstxmStateError,
    NXstxmTypeError,
    NXstxmValueError,
)
from suitcase.nxstxm.exchange import PrefixError
from suitcase.nxstxm.nexus import OptionError, validate

from .documents import ONE, STACK, TOMOGRAPHY, TWO_BY_TWO, camera_stack, first_uid, scan
from .same import holds, same_file


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def errors(path: Path) -> list[object]:
    return [problem for problem in validate(path) if problem.level == "error"]


@pytest.mark.parametrize("name", [ONE, STACK, TOMOGRAPHY, TWO_BY_TWO, "stxm-stack-group"])
def test_the_runs_wait_in_one_temporary_file_until_the_scan_is_finished(
    name: str, tmp_path: Path
) -> None:
    data_dir = tmp_path / "new" / "folder"
    runs = scan(name)
    u = first_uid(runs)
    for docs in runs:
        artifacts = export(docs, data_dir, file_prefix="C190712016", first_uid=u)
        assert names(data_dir) == [f"C190712016.{u}.tmp"]
        assert artifacts == {"stream_data": [data_dir / f"C190712016.{u}.tmp"]}
    final = finish_export(data_dir, "C190712016", u)
    assert final == data_dir / "C190712016.hdf5"
    assert names(data_dir) == ["C190712016.hdf5"]
    assert errors(final) == []
    holds(final, runs)


def test_artifacts_name_what_is_there_when_they_are_read(tmp_path: Path) -> None:
    [docs] = scan(ONE)
    serializer = Serializer(tmp_path, "x")
    assert serializer.artifacts == {}
    serializer(*docs[0])
    [temporary] = serializer.artifacts["stream_data"]
    assert temporary.suffix == ".tmp"
    assert temporary.exists()
    for name, doc in docs[1:]:
        serializer(name, doc)
    assert serializer.artifacts == {"stream_data": [tmp_path / "x.hdf5"]}
    assert names(tmp_path) == ["x.hdf5"]

    joined = Serializer(tmp_path, "y", first_uid=first_uid([docs]))
    for name, doc in docs:
        joined(name, doc)
    [temporary] = joined.artifacts["stream_data"]
    assert temporary.exists()
    finish_export(tmp_path, "y", first_uid([docs]))
    assert joined.artifacts == {}


def test_prefixes_may_differ_and_the_last_one_counts(tmp_path: Path) -> None:
    runs = scan(STACK)
    u = first_uid(runs)
    for number, docs in enumerate(runs):
        export(docs, tmp_path, file_prefix=f"run{number}-", first_uid=u)
        assert names(tmp_path) == [f"run0.{u}.tmp"]
    finish_export(tmp_path, "whole-scan", u)
    assert names(tmp_path) == ["whole-scan.hdf5"]


def test_templates_are_filled_from_the_first_run_whatever_came_first(tmp_path: Path) -> None:
    runs = scan(STACK)
    u = first_uid(runs)
    for docs in reversed(runs):
        export(docs, tmp_path, file_prefix="{uid}", first_uid=u)
    assert names(tmp_path) == [f"{runs[-1][0][1]['uid']}.{u}.tmp"]
    finish_export(tmp_path, "{start[uid]}", u)
    assert names(tmp_path) == [f"{u}.hdf5"]


def test_templates_know_the_keys_of_the_start_document(tmp_path: Path) -> None:
    [docs] = scan(ONE)
    start = docs[0][1]
    day = datetime.fromtimestamp(start["time"], timezone.utc)
    expected = {
        "{uid}": start["uid"],
        "{start[uid]}": start["uid"],
        "{uid:.8}": start["uid"][:8],
        "{scan_id:05d}": "00001",
        "{time:%Y-%m-%d}": day.strftime("%Y-%m-%d"),
        "{start[time]:%H:%M}": day.strftime("%H_%M"),
        "C{scan_id}-": "C1",
        "C001_": "C001",
        "a-b_c-_-": "a-b_c",
    }
    for template, name in expected.items():
        assert export(docs, tmp_path, template) == {"stream_data": [tmp_path / f"{name}.hdf5"]}
        (tmp_path / f"{name}.hdf5").unlink()


def test_dates_in_names_are_of_the_time_zone_asked_for(tmp_path: Path) -> None:
    [docs] = scan(ONE)
    zone = ZoneInfo("America/Regina")
    at = datetime.fromtimestamp(docs[0][1]["time"], zone)
    export(docs, tmp_path, "{time:%Y%m%d-%H%M}", timezone="America/Regina")
    assert names(tmp_path) == [f"{at:%Y%m%d-%H%M}.hdf5"]


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{nowhere}", "nowhere"),
        ("{start[nowhere]}", "nowhere"),
        ("{uid", "can not be filled"),
        ("{uid}}", "can not be filled"),
        ("{scan_id:%%}", "can not be filled"),
        ("{uid!z}", "can not be filled"),
        ("{}", "key of the start"),
        ("{0}", "key of the start"),
        ("{uid.__class__}", "key of the start"),
        ("{time.real}", "key of the start"),
        ("{start.keys}", "key of the start"),
        ("{scan_id[0]}", "can not be filled"),
        ("", "leaves no name"),
        ("---", "leaves no name"),
        ("..", "leaves no name"),
    ],
)
def test_a_template_that_can_not_be_filled_is_one_error_and_no_file(
    template: str, told: str, tmp_path: Path
) -> None:
    [docs] = scan(ONE)
    with pytest.raises(PrefixError, match=told):
        export(docs, tmp_path, template)
    with pytest.raises(PrefixError, match=told):
        export(docs, tmp_path, template, first_uid=first_uid([docs]))
    assert names(tmp_path) == []


def test_a_prefix_that_is_no_text_is_refused(tmp_path: Path) -> None:
    [docs] = scan(ONE)
    with pytest.raises(PrefixError, match="file_prefix is a int"):
        export(docs, tmp_path, 7)  # type: ignore[arg-type]


# -- finish_export --------------------------------------------------------------------------------


def staged(folder: Path, name: str = STACK, **options: object) -> str:
    runs = scan(name)
    for docs in runs:
        export(docs, folder, "C1", first_uid=first_uid(runs), **options)
    return first_uid(runs)


def test_finishing_what_was_not_begun_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NXstxmKeyError, match=r"no temporary file \*\.abc\.tmp") as caught:
        finish_export(tmp_path / "not-there", "x", "abc")
    assert isinstance(caught.value, KeyError)
    u = staged(tmp_path)
    finish_export(tmp_path, "x", u)
    with pytest.raises(NXstxmKeyError, match=u):
        finish_export(tmp_path, "x", u)


def test_several_temporary_files_of_one_scan_are_an_error_that_names_them(tmp_path: Path) -> None:
    u = staged(tmp_path)
    copy = tmp_path / f"other.{u}.tmp"
    copy.write_bytes((tmp_path / f"C1.{u}.tmp").read_bytes())
    for call in (
        lambda: finish_export(tmp_path, "x", u),
        lambda: export(scan(ONE)[0], tmp_path, first_uid=u),
    ):
        with pytest.raises(NXstxmStateError) as caught:
            call()
        assert f"C1.{u}.tmp" in str(caught.value)
        assert f"other.{u}.tmp" in str(caught.value)
    copy.unlink()
    assert finish_export(tmp_path, "x", u).exists()


@pytest.mark.parametrize("kind", ["small runs", "one run with frames", "runs with frames"])
def test_a_name_that_is_taken_leaves_the_scan_to_be_finished_under_another(
    kind: str, tmp_path: Path
) -> None:
    runs = {
        "small runs": lambda: scan(STACK),
        "one run with frames": lambda: camera_stack(1),
        "runs with frames": lambda: camera_stack(2),
    }[kind]()
    u = first_uid(runs)
    for docs in runs:
        export(docs, tmp_path, "C1", first_uid=u)
    (tmp_path / "C1.hdf5").write_text("an older file")
    for _ in range(2):
        with pytest.raises(NXstxmFileExistsError, match=r"C1\.hdf5 exists already") as caught:
            finish_export(tmp_path, "C1", u)
        assert isinstance(caught.value, FileExistsError)
        assert f"C1.{u}.tmp" in str(caught.value)
        assert names(tmp_path) == [f"C1.{u}.tmp", "C1.hdf5"]
    assert (tmp_path / "C1.hdf5").read_text() == "an older file"
    final = finish_export(tmp_path, "C2", u)
    assert names(tmp_path) == ["C1.hdf5", "C2.hdf5"]
    holds(final, runs)
    assert errors(final) == []


def test_a_file_is_replaced_only_when_asked(tmp_path: Path) -> None:
    u = staged(tmp_path)
    (tmp_path / "C1.hdf5").write_text("an older file")
    final = finish_export(tmp_path, "C1", u, overwrite=True)
    assert names(tmp_path) == ["C1.hdf5"]
    holds(final, scan(STACK))


def test_a_complete_temporary_file_only_needs_its_name(tmp_path: Path) -> None:
    """What is left when a process dies between writing a file and giving it its name."""
    runs = camera_stack(1)
    u = first_uid(runs)
    reference = export(runs[0], tmp_path, "whole", first_uid=u) and finish_export(
        tmp_path, "whole", u
    )
    (tmp_path / f"C1.{u}.tmp").write_bytes(reference.read_bytes())
    with pytest.raises(NXstxmFileExistsError):
        finish_export(tmp_path, "whole", u)
    final = finish_export(tmp_path, "again-{scan_id}", u)
    assert names(tmp_path) == ["again-1.hdf5", "whole.hdf5"]
    same_file(reference, final)


@pytest.mark.parametrize("uid", ["", "../x", "a/b", "a\0b", "x" * 81, "..", "a.b", None, 5])
def test_a_uid_that_leads_out_of_the_folder_is_refused(uid: object, tmp_path: Path) -> None:
    [docs] = scan(ONE)
    folder = tmp_path / "data"
    if uid is not None:
        with pytest.raises(NXstxmValueError, match="can not be part of a file name"):
            export(docs, folder, "x", first_uid=uid)  # type: ignore[arg-type]
    with pytest.raises(NXstxmValueError, match="can not be part of a file name"):
        finish_export(folder, "x", uid)  # type: ignore[arg-type]
    renamed = [("start", {**docs[0][1], "uid": uid})]
    for first in (None, "abc"):
        with pytest.raises(NXstxmValueError, match=r"uid"):
            export(renamed, folder, "x", first_uid=first)
    assert names(tmp_path) in ([], ["data"])
    assert not folder.exists() or names(folder) == []


# -- options --------------------------------------------------------------------------------------


def facility(path: Path) -> tuple[object, ...]:
    with h5py.File(path) as h5:
        entry = h5[h5.attrs["default"]]
        return (
            entry["instrument/source/name"].asstr()[()],
            entry["start_time"].asstr()[()][-6:],
            h5.attrs["file_time"][-6:],
        )


def test_options_of_the_export_hold_until_the_scan_is_finished(tmp_path: Path) -> None:
    options = {
        "facility": {"name": "Ring of Saturn", "beamline": "B6"},
        "timezone": "America/Regina",
        "compression": "gzip",
    }
    u = staged(tmp_path / "a", **options)
    final = finish_export(tmp_path / "a", "x-{time:%H}", u)
    assert facility(final) == ("Ring of Saturn", "-06:00", "-06:00")
    start = scan(STACK)[0][0][1]["time"]
    assert final.stem == f"x-{datetime.fromtimestamp(start, ZoneInfo('America/Regina')):%H}"

    u = staged(tmp_path / "b", **options)
    final = finish_export(tmp_path / "b", "x", u, facility="Moon", timezone=timezone.utc)
    assert facility(final) == ("Moon", "+00:00", "+00:00")


def test_compression_of_the_export_holds_until_the_scan_is_finished(tmp_path: Path) -> None:
    runs = camera_stack(2)
    used = {}
    for folder, at_export, at_finish in (
        ("a", {}, {}),
        ("b", {"compression": "gzip"}, {}),
        ("c", {"compression": "gzip"}, {"compression": "none"}),
        ("d", {}, {"compression": "gzip"}),
    ):
        for docs in runs:
            export(docs, tmp_path / folder, "x", first_uid=first_uid(runs), **at_export)
        final = finish_export(tmp_path / folder, "x", first_uid(runs), **at_finish)
        with h5py.File(final) as h5:
            instrument = h5[h5.attrs["default"]]["instrument"]
            lists = [d["data"] for d in instrument.values() if "data" in d]
            used[folder] = next(data.compression for data in lists if data.ndim == 3)
        holds(final, runs)
    assert used == {"a": None, "b": "gzip", "c": None, "d": "gzip"}


def test_devices_of_the_export_hold_and_can_be_exchanged_at_the_end(tmp_path: Path) -> None:
    [docs] = scan("generic-2d")

    def energies(folder: Path, at_export: dict[str, str], at_finish: dict[str, object]) -> object:
        u = first_uid([docs])
        export(docs, folder, "x", first_uid=u, devices=at_export)
        with h5py.File(finish_export(folder, "x", u, **at_finish)) as h5:
            return h5[h5.attrs["default"]]["instrument/monochromator/energy"][()].tolist()

    one, other = {"energy": "IOC:m104"}, {"energy": "IOC:m105"}
    nothing = energies(tmp_path / "a", {}, {})
    held = energies(tmp_path / "b", one, {})
    changed = energies(tmp_path / "c", one, {"devices": other})
    direct = energies(tmp_path / "d", other, {})
    dropped = energies(tmp_path / "e", one, {"devices": {}})
    assert held != nothing
    assert changed == direct != held
    assert dropped == nothing


def test_a_wrong_option_is_told_before_anything_is_written(tmp_path: Path) -> None:
    [docs] = scan(ONE)
    with pytest.raises(NXstxmTypeError, match="compresion"):
        export(docs, tmp_path, compresion="gzip")
    with pytest.raises(OptionError, match="zip"):
        export(docs, tmp_path, compression="zip")
    with pytest.raises(OptionError, match="Atlantis"):
        export(docs, tmp_path, timezone="Atlantis/City")
    u = staged(tmp_path)
    with pytest.raises(NXstxmTypeError, match="nonsense"):
        finish_export(tmp_path, "x", u, nonsense=1)
    assert names(tmp_path) == [f"C1.{u}.tmp"]
    assert finish_export(tmp_path, "x", u).exists()
