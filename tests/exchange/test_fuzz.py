"""Without these tests a broken document or a damaged file could raise an error that no caller
expects, hang, leave half a file under a final name, or spoil the next scan.

Every case is made from its number alone: a failure names the number, and `case` makes it again.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import msgpack
import numpy as np
import pytest

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.documents import ArchiveWriter
from suitcase.nxstxm.exchange import Serializer, export, export_scan, finish_export, scans_in
from suitcase.nxstxm.nexus import read_documents, validate

from .broken import RECORDED, Runs, all_originals, case, refused
from .documents import ONE, scan

#: Seconds of computing that one case may take; ordinary ones take 0.1, on a busy machine more.
PATIENCE = 5.0


# -- broken documents -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def originals() -> dict[str, Runs]:
    return all_originals()


def one_file(runs: Runs, folder: Path) -> None:
    export_scan(runs, folder)


def as_one_stream(runs: Runs, folder: Path) -> None:
    export_scan([document for run in runs for document in run], folder, file_prefix="{uid}")


def each_alone(runs: Runs, folder: Path) -> None:
    for number, run in enumerate(runs):
        export(run, folder, f"run{number}")


def joined(runs: Runs, folder: Path) -> None:
    for run in runs:
        export(run, folder, "x", first_uid="first")
    finish_export(folder, "x", "first")


def stubborn(runs: Runs, folder: Path) -> None:
    """Bring every document, whatever was said of those before it."""
    for number, run in enumerate(runs):
        serializer = Serializer(folder, f"run{number}")
        for name, doc in run:
            with suppress(NXstxmError):
                serializer(name, doc)
        serializer.close()


WAYS = (one_file, one_file, as_one_stream, each_alone, joined, stubborn)


def survives(number: int, originals: dict[str, Runs], folder: Path) -> bool:
    """Export a broken scan; tell whether a file came out of it."""
    told, runs = case(number, originals)
    way = WAYS[number % len(WAYS)]
    folder.mkdir()
    begun = time.process_time()
    error = refused(way, runs, folder)
    took = time.process_time() - begun
    assert error is None or isinstance(error, NXstxmError), f"{told}, {way.__name__}: {error!r}"
    assert error is None or 10 < len(str(error)) < 4000, f"{told}, {way.__name__}: {error}"
    written = list(folder.glob("*.hdf5"))
    for path in written:
        errors = [p for p in validate(path) if p.level == "error"]
        assert not errors, f"{told}, {way.__name__}: {errors[:3]}"
        list(read_documents(path))
        path.unlink()
    assert took < PATIENCE, f"{told}, {way.__name__}: took {took:.1f} s"
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    return bool(written)


def try_all(numbers: range, originals: dict[str, Runs], folder: Path) -> None:
    good = scan(ONE)
    written = [survives(n, originals, folder / str(n)) for n in numbers]
    # The process is as it was: the next scan is fine.
    assert validate(export_scan(good, folder)) == []
    # Most of what can break does not matter to the file, and much does: both were tried.
    assert 0.1 < np.mean(written) < 0.95


def test_a_broken_document_makes_a_valid_file_or_an_error_of_ours(
    originals: dict[str, Runs], tmp_path: Path
) -> None:
    try_all(range(72), originals, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("block", range(10))
def test_many_broken_documents(block: int, originals: dict[str, Runs], tmp_path: Path) -> None:
    try_all(range(1000 * (block + 1), 1000 * (block + 2)), originals, tmp_path)


# -- damaged files --------------------------------------------------------------------------------


def archive_of(runs: Runs) -> bytes:
    found = bytearray()
    writer = ArchiveWriter(found.extend)
    for run in runs:
        for name, doc in run:
            writer.append(name, doc)
    writer.close()
    return bytes(found)


def plain(value: Any) -> Any:
    return value.tolist()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Give whole files of every kind that can be read, by the ending of their names."""
    runs = scan("stack-two-polarizations")[:3]
    path = export_scan(runs, tmp_path_factory.mktemp("whole"))
    lines = [json.dumps(document, default=plain) for run in runs for document in run]
    found = {
        ".hdf5": path.read_bytes(),
        ".jsonl": "\n".join(lines).encode(),
        ".json": f"[{', '.join(lines)}]".encode(),
        ".nxdocs": archive_of(runs),
        ".msgpack": b"".join(msgpack.packb(json.loads(line)) for line in lines),
    }
    found[".jsonl.gz"] = gzip.compress(found[".jsonl"], mtime=0)
    for recorded in sorted(RECORDED.glob("*.json"))[:1] if RECORDED.is_dir() else ():
        found[f" {recorded.name}"] = recorded.read_bytes()
    return found


def flip(chance: random.Random, data: bytearray) -> None:
    for _ in range(chance.choice((1, 1, 3, 30))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def cut(chance: random.Random, data: bytearray) -> None:
    del data[chance.randrange(len(data)) :]


def blank(chance: random.Random, data: bytearray) -> None:
    at, size = chance.randrange(len(data)), chance.choice((1, 8, 64, 4096))
    data[at : at + size] = bytes(len(data[at : at + size]))


def leave_out(chance: random.Random, data: bytearray) -> None:
    at = chance.randrange(len(data))
    del data[at : at + chance.choice((1, 8, 4096))]


def put_in(chance: random.Random, data: bytearray) -> None:
    at = chance.randrange(len(data))
    data[at:at] = chance.randbytes(chance.choice((1, 8, 4096)))


def strike(chance: random.Random, data: bytearray) -> None:
    """Spoil what HDF5 itself finds whole: a dataset or attribute is gone or another one."""
    buffer = io.BytesIO(data)
    with h5py.File(buffer, "r+") as h5:
        named: list[str] = []
        h5.visit(named.append)
        for _ in range(chance.choice((1, 2, 5))):
            name = chance.choice(named)
            item = h5.get(name)
            if item is None:
                continue
            value = chance.choice((1.5, -1, "text", b"bytes", [], [1, 2], [b"a"], h5py.Empty("f4")))
            if len(item.attrs) and chance.random() < 0.5:
                attribute = chance.choice(sorted(item.attrs))
                del item.attrs[attribute]
                if chance.random() < 0.6:
                    item.attrs[attribute] = value
                continue
            del h5[name]
            if chance.random() < 0.3:
                h5.require_group(name)
            elif chance.random() < 0.6:
                h5[name] = value
    data[:] = buffer.getvalue()


def read_all(path: Path) -> None:
    for each in scans_in(path):
        for run in each.runs:
            list(run.documents())


def withstands(number: int, files: dict[str, bytes], folder: Path) -> bool:
    """Read a damaged file in every way; tell whether it could be read all the same."""
    chance = random.Random(f"damaged {number}")
    ending = chance.choice([*sorted(files), ".hdf5", ".hdf5", ".hdf5"])
    ways = [flip, flip, cut, blank, leave_out, put_in]
    damage = chance.choice([*ways, strike, strike, strike] if ending == ".hdf5" else ways)
    data = bytearray(files[ending])
    damage(chance, data)
    path = folder / f"{number}{ending}"
    path.write_bytes(data)
    told = f"file {number}, {damage.__name__} in {ending}"
    outcomes = []
    for way in (validate, lambda p: list(read_documents(p)), read_all):
        error = refused(way, path)
        outcomes.append(error)
        assert error is None or isinstance(error, NXstxmError), f"{told}: {error!r}"
    path.unlink()
    return outcomes[-1] is None


def test_a_damaged_file_is_read_or_refused_with_an_error_of_ours(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    read = [withstands(n, files, tmp_path) for n in range(150)]
    assert 0.1 < np.mean(read) < 0.95


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_damaged_files(files: dict[str, bytes], tmp_path: Path) -> None:
    for number in range(1000, 4000):
        withstands(number, files, tmp_path)
