"""Without these tests a damaged run would be called good, or stop who looks at it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.euxfel import export, validate

from .runs import Documents, arange, array, folder_of, number, run_of, stream_of

DA01, DA02 = "RAW-R0001-DA01-S00000.h5", "RAW-R0001-DA02-S00000.h5"
SECOND = "RAW-R0001-DA01-S00001.h5"
A = "STXM/primary/a"
CAM = "STXM/primary/cam:output/data"


def some_run() -> Documents:
    """Give a run with all that a run can have: numbers, text, frames, a line, a monitor."""
    keys = {"a": number(units="um"), "t": number(dtype="string"), "cam": array(30, 40),
            "line": array(5)}  # fmt: skip
    run = run_of(
        [{"a": float(i), "t": f"t{i}", "cam": arange(30, 40) + i, "line": arange(5)}
         for i in range(6)], keys, sample="coal",
    )  # fmt: skip
    run[1][1]["configuration"] = {
        "a": {"data": {"velocity": 2.5}, "timestamps": {"velocity": 1.6e9},
              "data_keys": {"velocity": number(units="mm/s")}}
    }  # fmt: skip
    return stream_of(run, "ring_monitor", [{"ring": 1.5}] * 3,
                     [1.7e9 + t for t in (0.1, 0.3, 0.35)], ring=number())  # fmt: skip


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("good")
    folder = folder_of(export(some_run(), home, trains_per_file=3, pulses=["line"]))
    assert validate(folder) == []
    return folder


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "p000000" / "raw" / "r0001"
    shutil.copytree(good, copy)
    return copy


def put(path: str, value: Any, **more: Any) -> Callable[[h5py.File], None]:
    """Give damage: another dataset of this name."""

    def damage(h5: h5py.File) -> None:
        attrs = dict(h5[path].attrs) if path in h5 else {}
        if path in h5:
            del h5[path]
        h5.create_dataset(path, data=value, **more)
        h5[path].attrs.update(attrs)

    return damage


def change(path: str, at: Any, value: Any) -> Callable[[h5py.File], None]:
    """Give damage: another value."""

    def damage(h5: h5py.File) -> None:
        h5[path][at] = value

    return damage


def delete(path: str) -> Callable[[h5py.File], None]:
    def damage(h5: h5py.File) -> None:
        del h5[path]

    return damage


def cut(path: str, n: int) -> Callable[[h5py.File], None]:
    def damage(h5: h5py.File) -> None:
        h5[path].resize(n, 0)

    return damage


def attribute(path: str, name: str, value: Any) -> Callable[[h5py.File], None]:
    def damage(h5: h5py.File) -> None:
        h5[path].attrs[name] = value

    return damage


def both(*several: Callable[[h5py.File], None]) -> Callable[[h5py.File], None]:
    def damage(h5: h5py.File) -> None:
        for each in several:
            each(h5)

    return damage


def move(path: str, new: str) -> Callable[[h5py.File], None]:
    def damage(h5: h5py.File) -> None:
        h5.move(path, new)

    return damage


IDS = "METADATA/dataSources/dataSourceId"
#: Damage to one file, what is said of it, and where.
KINDS: dict[str, tuple[Callable[[h5py.File], None], str, str]] = {
    "no METADATA": (delete("METADATA"), "is missing", "/METADATA"),
    "no INDEX": (delete("INDEX"), "is missing", "/INDEX"),
    "no version": (delete("METADATA/dataFormatVersion"), "is missing", "dataFormatVersion"),
    "unknown version": (
        put("METADATA/dataFormatVersion", [b"9.9"]), "checked are", "dataFormatVersion"),
    "scalar metadata": (put("METADATA/daqLibrary", "x"), "readers need an array", "daqLibrary"),
    "proposal as text": (
        put("METADATA/proposalNumber", [b"x"]), "not one whole number", "proposalNumber"),
    "another sequence": (
        change("METADATA/sequenceNumber", 0, 7), "the name of the file says", "sequenceNumber"),
    "no table of sources": (delete(IDS), "is missing", "dataSourceId"),
    "short table": (cut("METADATA/dataSources/root", 1), "of ", "dataSources/root"),
    "source of no kind": (change(IDS, 0, "REDUCTION/x"), "neither CONTROL nor", "dataSourceId"),
    "source without channel": (
        change(IDS, 0, "INSTRUMENT/x/data"), "no device:channel/group", "dataSourceId"),
    "root and device disagree": (
        change("METADATA/dataSources/deviceId", 0, "x"), "root and deviceId say", "deviceId"),
    "source that is not there": (
        change(IDS, 0, "CONTROL/none"), "no such group", "/CONTROL/none"),
    "train id 0": (change("INDEX/trainId", 1, 0), "is 0 at 1", "trainId"),
    "train ids fall": (change("INDEX/trainId", 2, 5), "does not rise at 2", "trainId"),
    "train ids of another dtype": (
        put("INDEX/trainId", np.arange(1, 4)), "no array of uint64", "trainId"),
    "no flag": (delete("INDEX/flag"), "is missing", "INDEX/flag"),
    "flag of another dtype": (put("INDEX/flag", np.ones(3)), "not int32", "INDEX/flag"),
    "flag of no meaning": (change("INDEX/flag", 0, 5), "other values", "INDEX/flag"),
    "short timestamps": (cut("INDEX/timestamp", 1), "1 values for 3 trains", "INDEX/timestamp"),
    "no origin": (delete("INDEX/origin"), "is missing", "INDEX/origin"),
    "no index of a source": (delete(f"INDEX/{A}"), "has no index", f"/INDEX/{A}"),
    "no count": (delete(f"INDEX/{A}/count"), "is missing", f"/INDEX/{A}/count"),
    "count of another dtype": (
        put(f"INDEX/{A}/count", np.ones(3)), "not uint64", f"/INDEX/{A}/count"),
    "short index": (cut(f"INDEX/{A}/first", 2), "has 2 first and 3", f"/INDEX/{A}"),
    "index of other trains": (
        both(cut(f"INDEX/{A}/first", 2), cut(f"INDEX/{A}/count", 2)),
        "2 entries for 3 trains", f"/INDEX/{A}"),
    "gap in the index": (change(f"INDEX/{CAM}/first", 2, 9), "begins at row 9", "cam:output"),
    "two values a train": (
        change(f"INDEX/{A}/count", 2, 2), "at most one value", f"/INDEX/{A}/count"),
    "no CONTROL": (delete("CONTROL"), "is missing", "/CONTROL"),
    "no value": (delete(f"CONTROL/{A}/a/value"), "but no value", f"/CONTROL/{A}/a"),
    "short value": (cut(f"CONTROL/{A}/a/value", 2), "has 2 rows, the index 3", f"{A}/a/value"),
    "timestamps fall": (change(f"CONTROL/{A}/a/timestamp", 2, 5), "goes back", "a/timestamp"),
    "timestamps of another dtype": (
        put(f"CONTROL/{A}/a/timestamp", np.ones(3)), "not uint64 (nano", "a/timestamp"),
    "no value of the run": (delete(f"RUN/{A}"), "can not be read", f"/RUN/{A}"),
    "value of the run of another kind": (
        put(f"RUN/{A}/a/value", [b"x"]), "in CONTROL float64", f"/RUN/{A}/a/value"),
    "two values of the run": (
        put(f"RUN/{A}/velocity/value", [1.0, 2.0]), "not one value", "velocity/value"),
    "no INSTRUMENT": (delete("INSTRUMENT"), "is missing", "/INSTRUMENT"),
    "rows cut": (cut(f"INSTRUMENT/{CAM}/cam", 2), "different numbers of rows", "cam:output"),
    "rows of other trains": (
        change(f"INSTRUMENT/{CAM}/trainId", 1, 5), "row 1 is of train 5", "cam:output"),
    "pulses fall": (
        change("INSTRUMENT/STXM/primary/line:output/data/pulseId", 3, 0), "does not rise at row 3",
        "pulseId"),
    "dot in a name": (move(f"CONTROL/{A}/a", f"CONTROL/{A}/a.b"), "dot in its name", "a.b"),
    "data of no source": (
        put("INSTRUMENT/x:y/data/z", np.ones(3)), "no dataSourceId names it", "/INSTRUMENT/x:y"),
    "unit that is no text": (
        attribute(f"CONTROL/{A}/a", "unitSymbol", 5), "no text", "a@unitSymbol"),
    "prefix that is none": (
        attribute(f"CONTROL/{A}/a", "metricPrefixSymbol", "micro"), "no prefix", "PrefixSymbol"),
    "text of fixed length": (
        put("CONTROL/STXM/primary/t/t/value", np.asarray([b"a", b"b", b"c"])),
        "read as bytes", "t/t/value"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_damage_is_found(kind: str, folder: Path) -> None:
    damage, told, where = KINDS[kind]
    with h5py.File(folder / DA01, "r+") as h5:
        damage(h5)
    (folder / "karabo_data_map.json").unlink()
    found = validate(folder, extra_data=False)
    assert [p for p in found if told in p.message and where in p.path], found
    validate(folder)  # with what EXtra-data says, which gives up on some


def bad_map(folder: Path, **changes: Any) -> None:
    path = folder / "karabo_data_map.json"
    known = json.loads(path.read_text())
    known[0] |= changes
    path.write_text(json.dumps(known))


#: Damage to the files together.
TOGETHER: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "a file is missing": (lambda f: (f / DA01).unlink(), "but not S00000", "RAW-R0001-DA01"),
    "not complete": (lambda f: (f / f"{DA01}.tmp").touch(), "is not complete", DA01),
    "a file that is none": (lambda f: (f / DA01).write_text("x"), "can not be opened", DA01),
    "a file that was cut": (
        lambda f: (f / DA01).write_bytes((f / DA01).read_bytes()[:9000]), "can not be opened",
        DA01),
    "the same trains twice": (
        lambda f: shutil.copy(f / DA01, f / "RAW-R0001-DA09-S00000.h5"), "is in", "DA09"),
    "of another run": (
        lambda f: f.rename(f.with_name("r0007")), "of the runs [1]", "r0007"),
    "of another name": (
        lambda f: (f / DA02).rename(f / "frames.h5"), "is not called as", "frames.h5"),
    "map of a file that is not there": (
        lambda f: bad_map(f, filename="none.h5"), "knows none.h5", "karabo_data_map.json"),
    "map of other trains": (
        lambda f: bad_map(f, train_ids=[1]), "says of", "karabo_data_map.json"),
    "map that is older": (
        lambda f: bad_map(f, mtime=1.0), "was changed after it", "karabo_data_map.json"),
    "map that is none": (
        lambda f: (f / "karabo_data_map.json").write_text("{"), "makes no sense", "karabo_data"),
    "documents that are damaged": (
        lambda f: _change(f / "RAW-R0001-DA00-S00000.h5",
                          "RUN/BLUESKY/RUN/DOCUMENTS/archive/value", (0, 60), 0),
        "documents of the run can not be read", "r0001"),
    "arrays that are gone": (
        lambda f: _change(f / DA01, f"INSTRUMENT/{CAM}/cam", (1, 2, 3), 5.0),
        "documents of the run can not be read", "r0001"),
    "another dtype in the next file": (
        lambda f: _change(f / SECOND, None, None, None), "float32", "a/value"),
}  # fmt: skip


def _change(path: Path, name: str | None, at: Any, value: Any) -> None:
    with h5py.File(path, "r+") as h5:
        if name is None:
            for home in ("CONTROL", "RUN"):
                key = f"{home}/{A}/a/value"
                put(key, h5[key][()].astype(np.float32))(h5)
        else:
            h5[name][at] = value


@pytest.mark.parametrize("kind", TOGETHER)
def test_damage_to_the_files_together_is_found(kind: str, folder: Path) -> None:
    damage, told, where = TOGETHER[kind]
    if kind == "arrays that are gone":  # only large ones are not in the archive
        large = run_of([{"cam": arange(100, 100) + i} for i in range(3)], {"cam": array(100, 100)})
        shutil.rmtree(folder.parents[1])
        export(large, folder.parents[2])
    damage(folder)
    home = next(folder.parent.glob("r*"))
    found = validate(home, extra_data=False)
    assert [p for p in found if told in p.message and where in p.path], found
    validate(home)


def test_there_are_kinds_enough() -> None:
    assert len(KINDS) + len(TOGETHER) >= 25


def test_one_file_can_be_checked(folder: Path) -> None:
    assert validate(folder / DA01) == []
    with h5py.File(folder / DA01, "r+") as h5:
        h5["INDEX/flag"][0] = 7
    assert [p.path for p in validate(folder / DA01)] == [f"{DA01}/INDEX/flag"]


def test_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(NXstxmError, match="neither the folder of a run nor a file"):
        validate(tmp_path / "none")
    [problem] = validate(tmp_path)
    assert "has no files" in problem.message


def damaged(content: bytes, place: float, how: str, value: int) -> bytes:
    at = int(place * (len(content) - 1))
    if how == "cut":
        return content[:at]
    if how == "zeros":
        return content[:at] + bytes(min(value + 1, len(content) - at)) + content[at + value + 1 :]
    if how == "turn":
        return content[:at] + bytes([content[at] ^ (value or 1)]) + content[at + 1 :]
    return content[:at] + bytes([value]) * 8 + content[at + 8 :]


@pytest.mark.parametrize("n", [60, pytest.param(3000, marks=[pytest.mark.slow])])
@pytest.mark.timeout(1800)
def test_random_damage_stops_nobody(n: int, good: Path, tmp_path: Path) -> None:
    """Each file is looked at by another process: HDF5 itself must not end it, or hold it."""
    name = DA01
    content = (good / name).read_bytes()
    target = tmp_path / name

    @settings(max_examples=n, suppress_health_check=[*HealthCheck], database=None)
    @given(st.floats(0, 1), st.sampled_from(["cut", "zeros", "turn", "fill"]), st.integers(0, 255))
    def look(place: float, how: str, value: int) -> None:
        target.write_bytes(damaged(content, place, how, value))
        for problem in validate(target, extra_data=False):
            assert problem.path.startswith(name)

    look()


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("typer")
    from suitcase.nxstxm.cli import main

    assert main(["validate", str(folder)]) == 0
    assert "good" in capsys.readouterr().out
    with h5py.File(folder / DA01, "r+") as h5:
        h5["INDEX/flag"][0] = 7
    assert main(["validate", str(folder), str(folder / DA02)]) == 1
    out = capsys.readouterr().out
    assert "bad" in out
    assert f"{DA01}/INDEX/flag" in out
    assert sys.exc_info() == (None, None, None)
