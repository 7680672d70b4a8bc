"""Without these tests a file could be wrong in a way that no validator notices, and be shipped.

Correct files of every scan type are written by hand (`build`), then one thing at a time is broken
and the complaint must name it. Last, bytes are broken at random.
"""

from __future__ import annotations

import importlib.util
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from suitcase.nxstxm._errors import NXstxmError, NXstxmOSError
from suitcase.nxstxm.documents import ArchiveWriter
from suitcase.nxstxm.nexus import Problem, nexusformat_problems, validate

from .build import LABELS, build_file
from .damages import DAMAGES

needs_nexusformat = pytest.mark.skipif(
    importlib.util.find_spec("nexusformat") is None, reason="nexusformat is not installed"
)


def archive(uid: str) -> bytes:
    parts: list[bytes] = []
    writer = ArchiveWriter(parts.append)
    writer.append("start", {"uid": uid, "time": 1562943845.25})
    writer.append("stop", {"uid": f"{uid}-stop", "run_start": uid, "time": 1562943996.5})
    writer.close()
    return b"".join(parts)


@pytest.fixture(scope="session")
def good_files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("good")
    made: dict[str, Path] = {}

    def get(label: str) -> Path:
        if label not in made:
            made[label] = build_file(
                folder / f"{len(made)}.hdf5",
                label,
                camera=(2, 3),
                missing=0.1,
                archives={"8b8a62f3": archive("8b8a62f3"), "77777777": archive("77777777")},
            )
        return made[label]

    return get


# --- files that are right -----------------------------------------------------------------


@pytest.mark.parametrize("label", LABELS)
def test_a_correct_file_of_every_scan_type_has_no_problem(
    label: str, good_files: Callable[[str], Path]
) -> None:
    assert validate(good_files(label)) == []


@needs_nexusformat
@pytest.mark.parametrize("label", LABELS)
def test_nexusformat_finds_no_error_in_the_hand_written_files(label: str, tmp_path: Path) -> None:
    path = build_file(tmp_path / "a.hdf5", label)
    problems = nexusformat_problems(path)
    assert problems is not None
    assert [p for p in problems if p.level == "error"] == []


@needs_nexusformat
@pytest.mark.parametrize("tool", ["nxvalidate", "nxcheck"])
def test_the_command_line_validators_find_no_error(tool: str, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name(tool)
    if not program.exists():
        pytest.skip(f"{tool} is not beside {sys.executable}")
    path = build_file(tmp_path / "a.hdf5")
    done = subprocess.run([program, "-w", path], capture_output=True, text=True, check=True)
    assert "Total number of errors: 0" in done.stdout


@needs_nexusformat
def test_nexusformat_objects_to_a_zone_plate_directly_in_the_instrument(tmp_path: Path) -> None:
    # NeXus definitions v2026.01 allow NXfresnel_zone_plate in no base class but NXcollection.
    path = build_file(tmp_path / "a.hdf5", zone_plate="instrument")
    assert validate(path) == []
    problems = nexusformat_problems(path) or []
    assert [p for p in problems if p.level == "error"] == [
        Problem(
            "error",
            "/entry0/instrument/zone_plate",
            "nexusformat: NXfresnel_zone_plate is an invalid class in NXinstrument",
        )
    ]


@needs_nexusformat
def test_nexusformat_is_asked_about_every_entry_and_says_nothing_aloud(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = build_file(tmp_path / "a.hdf5", entries=2)
    with h5py.File(path, "r+") as file:
        del file["entry1/title"]
    problems = nexusformat_problems(path) or []
    assert any(p.level == "error" and p.path.startswith("/entry1") for p in problems)
    assert capfd.readouterr() == ("", "")


def test_a_scan_aborted_before_its_first_point_is_a_correct_file(tmp_path: Path) -> None:
    assert validate(build_file(tmp_path / "a.hdf5", missing=1.0, complete=False)) == []


# --- one thing wrong at a time ------------------------------------------------------------


@pytest.mark.parametrize("case", DAMAGES)
def test_one_broken_thing_is_named(
    case: str, tmp_path: Path, good_files: Callable[[str], Path]
) -> None:
    label, damage, where, what = DAMAGES[case]
    path = tmp_path / "damaged.hdf5"
    shutil.copy(good_files(label), path)
    with h5py.File(path, "r+") as file:
        damage(file)
    problems = validate(path)
    assert any(p.path == where and what in p.message for p in problems), problems


def test_every_entry_is_checked(tmp_path: Path) -> None:
    path = build_file(tmp_path / "a.hdf5", "sample image", entries=2)
    with h5py.File(path, "r+") as file:
        del file["entry1/title"]
    assert validate(path) == [Problem("error", "/entry1/title", "the dataset is missing")]


# --- files that can not be opened ---------------------------------------------------------


def test_a_file_that_is_none_of_ours_is_refused_by_name(
    tmp_path: Path, good_files: Callable[[str], Path]
) -> None:
    whole = good_files("sample image").read_bytes()
    contents = {
        "empty.hdf5": b"",
        "text.hdf5": b"not HDF5 at all\n" * 100,
        "cut.hdf5": whole[: len(whole) // 2],
        "head.hdf5": whole[:100],
    }
    for name, content in contents.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(NXstxmOSError, match=name):
            validate(path)
    for path in (tmp_path / "missing.hdf5", tmp_path):
        with pytest.raises(NXstxmOSError, match="is not a file"):
            validate(path)


def test_a_heap_of_strings_that_hdf5_would_read_for_ever_is_refused(
    tmp_path: Path, good_files: Callable[[str], Path]
) -> None:
    data = bytearray(good_files("sample image").read_bytes())
    heap = data.find(b"GCOL\x01")
    # Its first object becomes free space of length 0.
    struct.pack_into("<HHIQ", data, heap + 16, 0, 0, 0, 0)
    path = tmp_path / "endless.hdf5"
    path.write_bytes(data)
    with pytest.raises(NXstxmOSError, match=f"endless.hdf5 is damaged: .* at byte {heap}"):
        validate(path)


def test_a_string_that_became_a_sequence_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "sequence.hdf5"
    with h5py.File(build_file(path), "r+") as file:
        del file["entry0/title"]
        numbers = h5py.vlen_dtype("uint8")
        file["entry0"].create_dataset("title", shape=(), dtype=numbers)
        value = np.empty((), dtype=object)
        value[()] = np.array([1, 2], dtype="uint8")
        file["entry0"].attrs.create("note", value, dtype=numbers)
    found = {p.path for p in validate(path) if "can not be read" in p.message}
    assert found == {"/entry0/title", "/entry0@note"}


@pytest.mark.parametrize("seed", range(60))
def test_random_damage_gives_problems_or_a_clear_refusal(
    seed: int, tmp_path: Path, good_files: Callable[[str], Path]
) -> None:
    chance = random.Random(seed)
    data = bytearray(good_files(list(LABELS)[seed % len(LABELS)]).read_bytes())
    for _ in range(chance.choice([1, 8, 100])):
        data[chance.randrange(len(data))] = chance.randrange(256)
    path = tmp_path / "damaged.hdf5"
    path.write_bytes(data)
    try:
        result: list[Problem] | str = validate(path)
    except NXstxmError as error:
        result = str(error)
    if isinstance(result, str):
        assert "damaged.hdf5" in result
    else:
        assert all(problem.path.startswith("/") for problem in result)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_hole_in_the_data_is_noticed(part: float, tmp_path: Path) -> None:
    # Compressed, so that a damaged chunk can not be read.
    path = build_file(tmp_path / "a.hdf5", "sample image")
    with h5py.File(path, "r+") as file:
        del file["entry0/counter0/data"]
        data = file["entry0/counter0"].create_dataset(
            "data", data=np.random.default_rng(1).random((4, 5)), chunks=(1, 5), fletcher32=True
        )
        data.attrs["units"] = "counts"
        chunk = data.id.get_chunk_info(int(4 * part))
    raw = bytearray(path.read_bytes())
    raw[chunk.byte_offset] ^= 0xFF
    path.write_bytes(raw)
    assert [p.path for p in validate(path)] == ["/entry0/counter0/data"]
