"""Without these tests a disk that forgets a bit could change a result, and nobody would know."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.storage import (
    DataCorrupted,
    DataDirectory,
    DataExistsError,
    DataNotAvailable,
    StoredMetadata,
)
from suitcase.nxstxm.storage._metadata import lines, sealed, unsealed

from .samples import directory, folder, image, key, names, pieces, rows, same, same_value

KEY = key(dark=3.0)
#: How many bits are flipped, each in whole data.
FLIPS = 200
EXTRA = {"note": "what is known besides", "numbers": [1, 2.5, None]}
RUN = {"start": {"uid": "a-run", "sample": {"name": "é", "thickness": 0.1}}, "energies": [700, 710]}


def table() -> Any:
    pa = pytest.importorskip("pyarrow")
    return pa.table({"n": list(range(300)), "text": [str(i) for i in range(300)]})


KINDS: dict[str, tuple[Callable[[], Any], str | None, str]] = {
    "dataset": (lambda: image(12), "energy", "lz4"),
    "array": (lambda: np.random.default_rng(0).random((12, 40)), None, "none"),
    "zstd": (lambda: np.random.default_rng(0).poisson(3, (12, 400)), None, "zstd"),
    "texts": (lambda: np.array([str(i) * 30 for i in range(12)]), None, "lz4"),
    "table": (table, None, "lz4"),
}


class Stored:
    """Data on the disk that are damaged and made whole again."""

    def __init__(self, path: Path, kind: str) -> None:
        make, self.axis, compression = KINDS[kind]
        self.data = make()
        self.store = directory(path)
        n = self.data.sizes[self.axis] if self.axis else len(self.data)
        saver = self.store.saver(KEY, EXTRA, compression=compression, axis=self.axis)
        saver.save_from(pieces(self.data, [n // 4, n // 2], self.axis))
        self.store.write_run_metadata(KEY.run_id, RUN)
        self.folder = folder(self.store, KEY)
        self.kept = {path: path.read_bytes() for path in self.files("*")}
        self.n = n

    def files(self, pattern: str) -> list[Path]:
        if pattern == "run.json":
            return [self.folder.parent / pattern]
        found = [path for path in self.folder.glob(pattern) if path.is_file()]
        return sorted([*found, self.folder.parent / "run.json"] if pattern == "*" else found)

    def restore(self) -> None:
        for path, raw in self.kept.items():
            path.write_bytes(raw)

    def is_exact(self) -> bool:
        """Load in every way; tell whether all is as it was saved."""
        a, b = self.n // 4 - 1, self.n // 2 + 1
        how = self.store
        return (
            same_value(how.run_metadata(KEY.run_id), RUN)
            and same_value(how.get_metadata(KEY).extra, EXTRA)
            and how.get_metadata(KEY).key == KEY
            and same(self.data, how.load(KEY))
            and same(rows(self.data, a, b, self.axis), how.load(KEY, rows=(a, b)))
            and [(c.index, c.stop) for c in how.loader(KEY)]
            == [(0, self.n // 4), (1, self.n // 2), (2, self.n)]
            and all(
                same(rows(self.data, c.start, c.stop, self.axis), c.data) for c in how.loader(KEY)
            )
        )

    def outcome(self) -> str:
        """Say what comes of loading: the error, or whether it is what was saved."""
        try:
            return "exact" if self.is_exact() else "wrong"
        except (DataCorrupted, DataNotAvailable) as error:
            return type(error).__name__

    def blocks(self) -> Iterator[tuple[Path, int, int]]:
        """Give the file, offset and size of each block."""
        opened = self.store.open(KEY)
        shared = opened._shared  # type: ignore[attr-defined]
        for info in [*opened.chunks, *([shared] if shared is not None else [])]:
            for array in info.place["arrays"].values():
                for offset, size, _ in array["b"]:
                    yield self.folder / info.place["file"], offset, size


@pytest.fixture(scope="module", params=KINDS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stored:
    return Stored(tmp_path_factory.mktemp("store"), request.param)


@pytest.fixture
def stored(whole: Stored) -> Iterator[Stored]:
    yield whole
    if not whole.folder.is_dir():
        whole.folder.mkdir()
    whole.restore()
    assert whole.outcome() == "exact"


def flip(path: Path, raw: bytes, bit: int) -> None:
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << bit % 8
    path.write_bytes(changed)


# -- bits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "noticed"),
    [("[0-9]*.h5", 0.05), ("metadata.json", 0.6), ("chunks.jsonl", 1.0), ("run.json", 0.6)],
)
def test_no_flipped_bit_is_loaded(stored: Stored, pattern: str, noticed: float) -> None:
    chance = random.Random(pattern)
    files = stored.files(pattern)
    assert files
    told: dict[str, int] = {}
    for _ in range(FLIPS):
        path = chance.choice(files)
        raw = stored.kept[path]
        bit = chance.randrange(8 * len(raw))
        flip(path, raw, bit)
        outcome = stored.outcome()
        path.write_bytes(raw)
        assert outcome != "wrong", f"bit {bit} of {path.name}"
        told[outcome] = told.get(outcome, 0) + 1
    assert told.get("DataNotAvailable", 0) == 0
    assert told.get("DataCorrupted", 0) >= noticed * FLIPS, told


@pytest.mark.parametrize("kind", ["dataset"])
def test_no_flipped_bit_of_what_chunks_share_is_loaded(tmp_path: Path, kind: str) -> None:
    stored = Stored(tmp_path, kind)
    [path] = stored.files("constants.h5")
    raw, chance, told = stored.kept[path], random.Random(0), set()
    for _ in range(FLIPS):
        flip(path, raw, chance.randrange(8 * len(raw)))
        told.add(stored.outcome())
    assert told == {"exact", "DataCorrupted"}


def test_verifying_finds_every_flipped_bit_inside_a_block(stored: Stored) -> None:
    chance = random.Random(0)
    blocks = list(stored.blocks())
    sizes = [size for _, _, size in blocks]
    for path, offset, size in chance.choices(blocks, sizes, k=FLIPS // 2):
        bit = 8 * offset + chance.randrange(8 * size)
        flip(path, stored.kept[path], bit)
        with pytest.raises(DataCorrupted, match=r"bytes at \d+ are not those that were written"):
            stored.store.verify(KEY)
        assert stored.outcome() == "DataCorrupted"
        path.write_bytes(stored.kept[path])
    assert stored.store.verify(KEY) == sum(sizes)


def test_what_lies_between_the_blocks_does_not_matter(stored: Stored) -> None:
    """HDF5's own structure may be lost: blocks are found by the log."""
    for path in stored.files("*.h5"):
        inside = np.zeros(len(stored.kept[path]), bool)
        for other, offset, size in stored.blocks():
            if other == path:
                inside[offset : offset + size] = True
        raw = np.frombuffer(stored.kept[path], np.uint8)
        path.write_bytes(np.where(inside, raw, 0xA5).astype(np.uint8).tobytes())
    assert stored.is_exact()
    stored.store.verify(KEY)


def test_verifying_tells_how_far_it_is(stored: Stored) -> None:
    told: list[tuple[int, int]] = []
    total = stored.store.open(KEY).verify(lambda done, of: told.append((done, of)))
    assert told[-1] == (total, total)
    assert told == sorted(told)


def test_every_single_bit_of_a_sealed_text_matters_or_changes_nothing() -> None:
    body = {"a": [1, 2.5, None, "é\n"], "b": {"c": True}}
    raw = sealed(body)
    wrong = 0
    for bit in range(8 * len(raw)):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            assert unsealed(bytes(changed), "it") == body
        except DataCorrupted:
            wrong += 1
    assert wrong > 5 * len(raw)


def test_every_single_bit_of_a_log_is_noticed(stored: Stored) -> None:
    raw = (stored.folder / "chunks.jsonl").read_bytes()
    first = raw[: raw.index(b"\n") + 1]
    expected = lines(first, "it")
    for bit in range(8 * len(first)):
        changed = bytearray(first)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DataCorrupted, match="line 1 of it"):
            lines(bytes(changed), "it")
        assert lines(bytes(changed), "it", torn=True) == []
    assert lines(first, "it") == expected


# -- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["000001.h5", "metadata.json", "chunks.jsonl", "run.json"])
def test_what_was_cut_is_noticed(stored: Stored, name: str) -> None:
    [path] = stored.files(name)
    raw = stored.kept[path]
    ends = [0]
    if path.suffix == ".h5":
        ends = [o + s for other, o, s in stored.blocks() if other == path]
    chance = random.Random(0)
    lengths = {0, 1, len(raw) // 2, len(raw) - 1, *(chance.randrange(len(raw)) for _ in range(20))}
    for length in lengths:
        path.write_bytes(raw[:length])
        # the line's end behind the last brace says nothing
        harmless = length >= max(ends) if path.suffix == ".h5" else raw[length:] == b"\n"
        harmless = harmless and name != "chunks.jsonl"
        assert stored.outcome() == ("exact" if harmless else "DataCorrupted"), length


@pytest.mark.parametrize("name", ["000001.h5", "metadata.json", "chunks.jsonl"])
def test_what_is_missing_is_named(stored: Stored, name: str) -> None:
    [path] = stored.files(name)
    path.unlink()
    with pytest.raises(DataCorrupted, match=name):
        stored.store.load(KEY)
    with pytest.raises(DataCorrupted, match=name):
        list(stored.store.loader(KEY))
    with pytest.raises(DataCorrupted, match=name):
        stored.store.verify(KEY)
    path.mkdir()
    with pytest.raises(DataCorrupted, match=name):
        stored.store.load(KEY)
    path.rmdir()


def test_an_empty_folder_is_damaged_and_a_missing_one_is_not_there(stored: Stored) -> None:
    shutil.rmtree(stored.folder)
    with pytest.raises(DataNotAvailable, match="is not in DataDirectory"):
        stored.store.find(KEY)
    stored.folder.mkdir()
    with pytest.raises(DataCorrupted, match=r"metadata.json is missing"):
        stored.store.find(KEY)
    assert stored.store.find_several([KEY]) == [None]
    assert KEY not in stored.store
    assert list(stored.store.list()) == []


def test_lines_of_the_log_that_are_exchanged_doubled_or_lost_are_noticed(stored: Stored) -> None:
    path = stored.folder / "chunks.jsonl"
    all_ = stored.kept[path].splitlines(keepends=True)
    for changed in (
        [*all_[:-2], all_[-1], all_[-2]], all_[:-1], all_[1:], [*all_, all_[-1]], [*all_, b"\n"],
        [*all_[:-2], all_[-2], all_[-2]], [],
    ):  # fmt: skip
        path.write_bytes(b"".join(changed))
        with pytest.raises(DataCorrupted, match=r"chunks.jsonl is not what was written"):
            stored.store.load(KEY)


def test_chunks_that_are_exchanged_are_noticed(stored: Stored) -> None:
    a, b = stored.folder / "000000.h5", stored.folder / "000001.h5"
    a.write_bytes(stored.kept[b])
    b.write_bytes(stored.kept[a])
    assert stored.outcome() == "DataCorrupted"
    with pytest.raises(DataCorrupted, match=r"000000.h5"):
        stored.store.verify(KEY)


def test_data_under_the_name_of_others_are_noticed(tmp_path: Path) -> None:
    store = directory(tmp_path)
    one, two = key(dark=1.0), key(dark=2.0)
    other_run, other_type = key("another-run", dark=1.0), key(data_type="map", dark=1.0)
    for i, each in enumerate((one, two, other_run, other_type)):
        store.save(each, np.full(3, i))
    at = folder(store, one)
    away = at.with_name("away")
    for each in (two, other_run, other_type):
        at.rename(away)
        shutil.copytree(folder(store, each), at)
        with pytest.raises(DataCorrupted, match="has not the data of"):
            store.load(one)
        assert one not in store
        shutil.rmtree(at)
        away.rename(at)
    assert store.load(one).tolist() == [0, 0, 0]
    for name in names(at):  # one file of another does not fit either
        raw = (at / name).read_bytes()
        shutil.copy(folder(store, two) / name, at)
        with pytest.raises(DataCorrupted):
            store.load(one)
        (at / name).write_bytes(raw)


def test_the_format_of_another_version_is_named(stored: Stored) -> None:
    path = stored.folder / "metadata.json"
    body = unsealed(stored.kept[path], "it")
    for change, said in (({"format_version": 2}, "version 2"), ({"format": "x"}, "format 'x'")):
        path.write_bytes(sealed({**body, **change}))
        with pytest.raises(DataCorrupted, match=said):
            stored.store.load(KEY)
    for name in body:
        if name not in ("format", "format_version", "lineage_hash"):
            path.write_bytes(sealed({k: v for k, v in body.items() if k != name}))
            with pytest.raises(DataCorrupted, match=f"lacks or spoils '{name}'"):
                stored.store.load(KEY)
    path.write_bytes(sealed([1, 2]))
    with pytest.raises(NXstxmError):
        stored.store.load(KEY)


def test_metadata_come_back_as_they_were(stored: Stored) -> None:
    known = stored.store.get_metadata(KEY)
    again = StoredMetadata.of_json(known.as_json(), "it")
    assert again.as_json() == known.as_json()
    assert (known.n_chunks, known.rows, known.is_whole) == (3, stored.n, True)
    assert known.nbytes == sum(info.nbytes for info in stored.store.open(KEY).chunks)


# -- what becomes of damaged data -----------------------------------------------------------------


def test_damaged_data_are_replaced_only_where_that_is_allowed(tmp_path: Path) -> None:
    stored = Stored(tmp_path, "dataset")
    path, offset, _ = next(stored.blocks())
    flip(path, stored.kept[path], 8 * offset)
    assert KEY in stored.store, "only reading all of it would tell"
    never = DataDirectory(tmp_path, overwrite="never")
    with pytest.raises(DataExistsError, match="overwrite='never' protects it") as caught:
        never.saver(KEY)
    assert caught.value.at == str(stored.folder)
    for _ in range(2):
        stored.store.save(KEY, stored.data)
        assert same(stored.data, stored.store.load(KEY))
        stored.store.verify(KEY)
        with pytest.raises(DataExistsError, match="overwrite='if_broken' protects it"):
            stored.store.saver(KEY)
        (stored.folder / "metadata.json").unlink()


def test_a_damaged_log_of_data_that_are_written_gives_what_came_before(tmp_path: Path) -> None:
    store = directory(tmp_path)
    data = image(12)
    chance = random.Random(0)
    saver = store.saver(KEY)
    for piece in pieces(data, range(1, 12), "energy"):
        saver.save(piece)
    path = folder(store, KEY, "_temp") / "chunks.jsonl"
    raw = path.read_bytes()
    lengths = set()
    for _ in range(FLIPS):
        flip(path, raw, chance.randrange(8 * len(raw)))
        try:
            found = store.load(KEY, allow_incomplete=True)
        except DataCorrupted:
            lengths.add(0)
            continue
        lengths.add(found.sizes["energy"])
        assert same(rows(data, 0, found.sizes["energy"], "energy"), found)
    assert len(lengths) > 5
    path.write_bytes(raw)
    saver.close()
    assert same(data, store.load(KEY))


def test_damaged_metadata_of_a_run_are_named(stored: Stored) -> None:
    path = stored.folder.parent / "run.json"
    path.write_bytes(b"{}")
    with pytest.raises(DataCorrupted, match=r"run.json can not be read"):
        stored.store.run_metadata(KEY.run_id)
    assert list(stored.store.runs()) == [KEY.run_id]
