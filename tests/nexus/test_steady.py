"""The file under HDF5: whatever is written in whatever order is there, or none of it."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import Any

import h5py
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suitcase.nxstxm import _steady
from suitcase.nxstxm._gathered import GAP, Gathered
from suitcase.nxstxm._steady import PAGE, SteadyFile

#: Places close to each other and to the ends of pages; sizes on both sides of what is gathered.
PLACES = st.integers(0, 5 * PAGE) | st.sampled_from([0, PAGE - 1, PAGE, 2 * PAGE + 10, 40_000])
SIZES = st.integers(1, 300) | st.sampled_from([PAGE, 2**13, 2**13 + 1, 20_000])
WRITES = st.tuples(st.just("write"), PLACES, SIZES, st.integers(1, 255))
#: What is no HDF5: that says itself where it ends.
BEFORE = st.binary(max_size=3 * PAGE).filter(lambda data: not data.startswith(b"\x89HDF"))
STEPS = WRITES | st.tuples(st.just("read"), PLACES, SIZES, st.just(0))
COMMIT = st.tuples(st.just("commit"), st.just(0), st.just(0), st.just(0))


class Model:
    """What a file is that is written at once."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)

    def do(self, file: SteadyFile, what: str, at: int, size: int, value: int) -> None:
        if what == "commit":
            file.commit()
            return
        file.seek(at)
        if what == "write":
            self.data.extend(bytes(max(at + size - len(self.data), 0)))
            self.data[at : at + size] = bytes([value]) * size
            assert file.write(memoryview(bytes([value]) * size)) == size
        else:
            expected = bytes(self.data[at : at + size])
            assert file.read(size) == expected + bytes(size - len(expected))
        assert file.tell() == at + size


@given(BEFORE, st.lists(STEPS | COMMIT, max_size=40), st.integers(2**8, 2**15), st.integers(1, 9))
def test_it_is_the_file_that_was_written(
    before: bytes, steps: list[Any], gathered: int, pieces: int
) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(_steady, "GATHERED", gathered)
        patch.setattr(_steady, "PIECES", pieces)
        path = Path(name) / "file"
        path.write_bytes(before)
        model = Model(before)
        with SteadyFile(path, "r+b") as file:
            for step in steps:
                model.do(file, *step)
        assert path.read_bytes() == bytes(model.data)


@given(BEFORE, st.lists(STEPS, max_size=40))
def test_an_error_takes_all_of_it_back(before: bytes, steps: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "file"
        path.write_bytes(before)
        model = Model(before)

        def write() -> None:
            with SteadyFile(path, "r+b") as file:
                for step in steps:
                    model.do(file, *step)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            write()
        assert path.read_bytes()[: len(before)] == before


@pytest.mark.skipif(not hasattr(os, "pwrite"), reason="only there it is written so")
@given(BEFORE, st.lists(STEPS, max_size=40), st.integers(0, 20_000))
def test_a_full_disk_is_told_at_the_end_and_read_through(
    before: bytes, steps: list[Any], room: int
) -> None:
    """HDF5 must not see it: it reads what it wrote, as long as that is not much."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        path = Path(name) / "file"
        path.write_bytes(before)
        left = room

        def pwrite(descriptor: int, data: Any, at: int) -> int:
            nonlocal left
            if len(data) > left:
                raise OSError(errno.ENOSPC, "No space left on device")
            left -= len(data)
            return os.pwrite(descriptor, data, at)

        patch.setattr(_steady, "_PWRITE", pwrite)
        model = Model(before)
        errors = []
        try:
            with SteadyFile(path, "r+b") as file:
                for step in steps:
                    model.do(file, *step)
        except OSError as error:
            errors.append(error.errno)
        if errors:
            assert errors == [errno.ENOSPC]
        else:
            assert path.read_bytes() == bytes(model.data)


def test_small_pieces_are_written_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(os, "pwrite"):
        pytest.skip("only there it is written so")
    calls: list[int] = []
    pieces: list[int] = []

    def pwrite(descriptor: int, data: Any, at: int) -> int:
        calls.append(len(data))
        return os.pwrite(descriptor, data, at)

    class Counted(SteadyFile):
        def write(self, data: Any) -> int:
            pieces.append(len(data))
            return super().write(data)

    monkeypatch.setattr(_steady, "_PWRITE", pwrite)
    with Counted(tmp_path / "x.h5", "w+b") as file, h5py.File(file, "w") as h5:
        for i in range(200):
            h5[f"group/{i}"] = f"text {i}"
    assert len(calls) < len(pieces) / 4
    with h5py.File(tmp_path / "x.h5") as h5:
        assert [h5[f"group/{i}"].asstr()[()] for i in range(200)] == [
            f"text {i}" for i in range(200)
        ]


@given(st.lists(st.tuples(st.integers(0, 600), st.binary(min_size=1, max_size=90)), max_size=30))
def test_pieces_come_out_together_as_if_written_one_by_one(pieces: list[tuple[int, bytes]]) -> None:
    disk = bytearray(os.urandom(1000))
    expected = bytearray(disk)
    gathered = Gathered()
    for at, piece in pieces:
        gathered.add(at, piece)
        expected[at : at + len(piece)] = piece
    ends: list[int] = []
    for at, data in gathered.joined(lambda at, size: disk[at : at + size]):
        assert not ends or at > ends[-1] + GAP
        disk[at : at + len(data)] = data
        ends.append(at + len(data))
    assert disk == expected
    assert gathered.n_bytes == sum(len(piece) for _, piece in pieces)
