"""A database says where data are, truly, to many who ask and write at once.

Without these tests data that were deleted would be found, two jobs would lose each other's rows,
and the notebook of another program could be filled with tables.
"""

from __future__ import annotations

import json
import os
import pickle
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.storage import (
    AmbiguousKeyError,
    DataCorrupted,
    DataDirectory,
    DataExistsError,
    DataKey,
    DataNotAvailable,
    FsspecDirectory,
    KeyValueError,
    MemoryFrontend,
    SQLiteFrontend,
)
from suitcase.nxstxm.storage._sqlite_rows import Row


def key_of(run: str = "a1b2", data_type: str = "od", **options: Any) -> DataKey:
    return DataKey(run, data_type, {data_type: ("optical_density", "1.0", options)})


KEY = key_of()


@pytest.fixture
def disk(tmp_path: Path) -> DataDirectory:
    return DataDirectory(tmp_path / "disk", durable=False)


@pytest.fixture
def other(tmp_path: Path) -> FsspecDirectory:
    return FsspecDirectory(tmp_path / "other")


@pytest.fixture
def store(tmp_path: Path, disk: DataDirectory, other: FsspecDirectory) -> Iterator[SQLiteFrontend]:
    made = SQLiteFrontend(tmp_path / "store.sqlite", {"disk": disk, "other": other})
    yield made
    made.close()


def rows(store: SQLiteFrontend) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(store.path)
    try:
        return db.execute(
            "SELECT run_id, data_type, backend, state FROM data ORDER BY 1, 2, 3"
        ).fetchall()
    finally:
        db.close()


def damage(disk: DataDirectory, key: DataKey = KEY) -> Path:
    path = Path(str(disk.find(key))) / "000000.h5"
    path.write_bytes(path.read_bytes()[:-8])
    return path


# -- what is there and what is not -----------------------------------------------------------------


def test_a_row_says_what_and_where(store: SQLiteFrontend, disk: DataDirectory):
    store.save(KEY, np.arange(3))
    db = sqlite3.connect(store.path)
    ((lineage, backend_key, created),) = db.execute(
        "SELECT lineage, backend_key, created FROM data WHERE hash=?", (KEY.hash,)
    ).fetchall()
    assert db.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
    db.close()
    assert json.loads(lineage) == {"od": ["optical_density", "1.0", {}]}
    assert backend_key == disk.find(KEY).backend_key
    assert abs(created - time.time()) < 60
    assert disk.load(KEY).tolist() == [0, 1, 2]


def test_what_is_gone_is_reported_and_forgotten(store: SQLiteFrontend, disk: DataDirectory):
    store.save(KEY, np.arange(3))
    disk.remove(KEY)
    for _ in range(2):
        with pytest.raises(DataNotAvailable, match=r"backend 'disk', where they are gone: .*od-"):
            store.load(KEY)
        with pytest.raises(DataNotAvailable, match="gone"):
            store.get_metadata(KEY)
        assert KEY not in store
    assert rows(store) == [("a1b2", "od", "disk", "gone")]
    assert list(store.list()) == []
    assert store.scan("disk").forgotten == 1
    with pytest.raises(DataNotAvailable) as caught:
        store.load(KEY)
    assert "database has" not in str(caught.value)
    store.save(KEY, np.arange(4))
    disk.remove(KEY)
    store.remove(KEY)  # of what is gone the row
    assert rows(store) == []
    with pytest.raises(DataNotAvailable):
        store.remove(KEY)
    store.save(KEY, np.arange(5))
    disk.remove(KEY)
    store.save(KEY, np.arange(6))
    assert rows(store) == [("a1b2", "od", "disk", "whole")]


def test_what_is_broken_is_reported(store: SQLiteFrontend, disk: DataDirectory):
    store.save(KEY, np.arange(3))
    place = Path(str(disk.find(KEY)))
    (place / "metadata.json").write_text("{}")
    with pytest.raises(DataCorrupted, match=r"metadata\.json"):
        store.load(KEY)
    assert rows(store) == [("a1b2", "od", "disk", "broken")]
    assert store.scan("disk").broken == (str(place),)
    store.save(KEY, np.arange(4))  # overwrite="if_broken"
    assert store.load(KEY).tolist() == [0, 1, 2, 3]
    assert rows(store) == [("a1b2", "od", "disk", "whole")]
    damage(disk)
    with pytest.raises(DataCorrupted, match=r"000000\.h5"):
        store.load(KEY)


def test_what_others_wrote_where_it_writes_is_taken_up(store: SQLiteFrontend, disk: DataDirectory):
    disk.save(KEY, np.arange(3))
    assert store.load(KEY).tolist() == [0, 1, 2]
    assert rows(store) == [("a1b2", "od", "disk", "whole")]


def test_a_backend_is_scanned(store: SQLiteFrontend, disk: DataDirectory, other: FsspecDirectory):
    for n in range(4):
        other.save(key_of(n=n), np.arange(n))
    with pytest.raises(ZeroDivisionError), disk.saver(KEY):
        raise ZeroDivisionError("the source broke")
    assert key_of(n=1) not in store
    found = store.scan("other")
    assert (found.found, found.added, found.forgotten, found.broken) == (4, 4, 0, ())
    assert store.load(key_of(n=3)).tolist() == [0, 1, 2]
    other.remove(key_of(n=1))
    other.remove(key_of(n=2))
    store.save(key_of(n=2), np.arange(9))
    other.save(key_of(n=2), np.arange(2))  # known to be whole on the disk, where it stays
    assert store.load(key_of(n=2)).size == 9
    found = store.scan("other")
    assert (found.found, found.added, found.forgotten) == (3, 0, 1)
    assert store.load(key_of(n=2)).size == 9
    disk.remove(key_of(n=2))
    assert store.scan("other").added == 1
    assert store.load(key_of(n=2)).size == 2
    found = store.scan("disk")
    assert (found.found, len(found.broken)) == (0, 1)
    with pytest.raises(NXstxmError, match="'nowhere'; there are disk, other"):
        store.scan("nowhere")


def test_data_are_registered(store: SQLiteFrontend, other: FsspecDirectory):
    other.save(KEY, np.arange(3))
    place = other.find(KEY).backend_key
    with pytest.raises(KeyValueError, match=f"{KEY}, and not {key_of(n=1)}"):
        store.register(key_of(n=1), "other", place)
    with pytest.raises(DataNotAvailable, match="gone"):
        store.register(KEY, "disk", place)
    with pytest.raises(NXstxmError, match="nowhere"):
        store.register(KEY, "nowhere", place)
    store.register(KEY, "other", place)
    assert store.load(KEY).tolist() == [0, 1, 2]
    with pytest.raises(DataExistsError):
        store.save(KEY, np.arange(4))


def test_what_takes_the_place_of_data_elsewhere_is_found(
    store: SQLiteFrontend, disk: DataDirectory, other: FsspecDirectory
):
    other.save(KEY, np.arange(3))
    store.scan("other")
    for policy in ("never", "if_broken"):
        store.overwrite = policy
        with pytest.raises(DataExistsError, match="other"):
            store.saver(KEY)
    store.overwrite = "always"
    with pytest.raises(ZeroDivisionError), store.saver(KEY):
        raise ZeroDivisionError("the source broke")
    assert store.load(KEY).size == 3
    store.save(KEY, np.arange(4))
    assert store.load(KEY).size == disk.load(KEY).size == 4
    assert KEY not in other


def test_a_backend_that_was_not_given_is_named(tmp_path: Path, store: SQLiteFrontend):
    store.save(KEY, np.arange(3))
    with_other = SQLiteFrontend(store.path, {"new": DataDirectory(tmp_path / "new")})
    with pytest.raises(DataNotAvailable, match=r"'disk', which is none of those given \(new\)"):
        with_other.load(KEY)
    assert list(with_other.list()) == []
    with_other.close()


def test_loose_matches_come_from_the_database(store: SQLiteFrontend, disk: DataDirectory):
    for n in (1, 2):
        store.save(key_of(n=n, dark=1.0), np.arange(n))
    disk.remove(key_of(n=2, dark=1.0))
    assert store.load(key_of(n=5, dark=1.0), fuzzy_for_options=["n"]).size == 1
    store.save(key_of(n=3, dark=1.0), np.arange(3))
    with pytest.raises(AmbiguousKeyError, match="2 stored data"):
        store.load(key_of(n=5, dark=1.0), fuzzy_for_options=["n"])
    with pytest.raises(DataNotAvailable, match="nothing like"):
        store.load(key_of(n=5, dark=2.0), fuzzy_for_options=["n"])


def test_names_that_look_like_sql_or_are_no_unicode(store: SQLiteFrontend):
    names = ["o'brien", '"; DROP TABLE data; --', "\udce4", "a\0b", "%", "?"]
    for name in names:
        store.save(key_of(name, name), np.arange(2))
        store.write_run_metadata(name, {"start": {"name": name}})
    for name in names:
        assert store.load(key_of(name, name)).size == 2
        assert [m.key for m in store.list(name, name)] == [key_of(name, name)]
        assert store.run_metadata(name, "start.name") == name
    assert sorted(store.runs()) == sorted(names)
    assert store.scan("disk").added == 0


# -- many at once ----------------------------------------------------------------------------------

MANY = """
import sys
import numpy as np
from suitcase.nxstxm.storage import DataDirectory, DataKey, SQLiteFrontend
store = SQLiteFrontend(sys.argv[1] + "/store.sqlite",
                       {"disk": DataDirectory(sys.argv[1] + "/disk", durable=False)})
for n in range(25):
    key = DataKey("a1b2", "od", {"od": ("f", "1.0", {"n": n, "who": sys.argv[2]})})
    store.save(key, np.full(3, n))
    assert store.load(key)[0] == n
    store.write_run_metadata(f"{sys.argv[2]}-{n}", {"n": n})
"""

DYING = """
import os, sys
import numpy as np
from suitcase.nxstxm.storage import DataDirectory, DataKey, SQLiteFrontend
store = SQLiteFrontend(sys.argv[1] + "/store.sqlite",
                       {"disk": DataDirectory(sys.argv[1] + "/disk")})
saver = store.saver(DataKey("a1b2", "od", {"od": ("optical_density", "1.0", {})}))
saver.save(np.arange(3))
os._exit(9)
"""

FORKED = """
import os, sys
import numpy as np
from suitcase.nxstxm.storage import DataDirectory, DataKey, SQLiteFrontend
store = SQLiteFrontend(sys.argv[1] + "/store.sqlite",
                       {"disk": DataDirectory(sys.argv[1] + "/disk", durable=False)})
def key_of(n):
    return DataKey("a1b2", "od", {"od": ("f", "1.0", {"n": n})})
store.save(key_of(0), np.arange(3))
children = []
for n in range(1, 4):
    child = os.fork()
    if not child:
        try:
            assert key_of(0) in store
            store.save(key_of(n), np.full(3, n))
            store.close()
            os._exit(0)
        finally:
            os._exit(1)
    children.append(child)
store.save(key_of(9), np.arange(3))
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
for n in (0, 1, 2, 3, 9):
    assert key_of(n) in store, n
"""


ARCHIVED = """
import os, sys
import numpy as np
from suitcase.nxstxm.storage import DataDirectory, DataKey, SQLiteFrontend
path = sys.argv[1]
key = DataKey("a1b2", "od", {"od": ("f", "1.0", {})})
store = SQLiteFrontend(path + "/store.sqlite", {"disk": DataDirectory(path + "/disk")})
store.save(key, np.arange(3))
store.close()
os.chmod(path, 0o555)
if not os.geteuid():
    os.seteuid(65534)
assert not os.access(path, os.W_OK, effective_ids=True)
disk = DataDirectory(path + "/disk", readonly=True)
assert SQLiteFrontend(path + "/store.sqlite", {"disk": disk}, readonly=True).load(key).size == 3
"""


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(process: subprocess.Popen[str], status: int = 0) -> None:
    told, _ = process.communicate(timeout=90)
    assert process.returncode == status, told


def test_two_processes_note_in_one_database(tmp_path: Path):
    for process in [start(MANY, tmp_path, who) for who in ("one", "two")]:
        ended(process)
    store = SQLiteFrontend(tmp_path / "store.sqlite", {"disk": DataDirectory(tmp_path / "disk")})
    assert len(rows(store)) == 50
    assert len(list(store.runs())) == 50
    assert len(list(store.list())) == 50
    assert store.scan("disk").added == 0
    store.close()


def test_many_threads_use_one_frontend(store: SQLiteFrontend):
    def work(thread: int) -> None:
        for n in range(5):
            key = key_of(f"run {n}", thread=thread)
            store.save(key, np.full(3, n))
            assert store.load(key)[0] == n
            assert key_of(thread=thread, n=n) not in store

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(rows(store)) == 40


def broken_off(store: SQLiteFrontend) -> None:
    with store._rows.database.writing() as db:
        db.execute("INSERT INTO runs VALUES('a1b2', '{}')")
        raise ZeroDivisionError("in the middle")


def test_what_is_noted_together_counts_together_or_not_at_all(store: SQLiteFrontend):
    row = Row.of(KEY, "disk", "somewhere")

    def some() -> Iterator[Row]:
        yield row
        raise ZeroDivisionError("in the middle")

    with pytest.raises(ZeroDivisionError):
        store._rows.put(some())
    with pytest.raises(ZeroDivisionError):
        broken_off(store)
    assert rows(store) == []
    assert list(store.runs()) == []
    store._rows.put([row])
    assert len(rows(store)) == 1


def test_a_killed_writer_leaves_no_row(tmp_path: Path):
    ended(start(DYING, tmp_path), 9)
    store = SQLiteFrontend(tmp_path / "store.sqlite", {"disk": DataDirectory(tmp_path / "disk")})
    assert rows(store) == []
    assert KEY not in store
    assert len(store.clean()) == 1
    store.save(KEY, np.arange(4))
    assert store.load(KEY).size == 4
    store.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_has_connections_of_its_own(tmp_path: Path):
    ended(start(FORKED, tmp_path))
    db = sqlite3.connect(tmp_path / "store.sqlite")
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()


@pytest.mark.skipif(os.name == "nt", reason="folders have no such modes here")
def test_a_folder_that_nobody_can_write_to_is_read():
    with tempfile.TemporaryDirectory() as folder:  # pytest's are closed to other users
        Path(folder).chmod(0o755)
        ended(start(ARCHIVED, folder))


def test_it_goes_to_another_process(store: SQLiteFrontend):
    store.save(KEY, np.arange(3))
    again = pickle.loads(pickle.dumps(store))
    assert again.load(KEY).tolist() == [0, 1, 2]
    again.close()


def test_a_key_among_100000_is_found_by_an_index(store: SQLiteFrontend):
    store.save(KEY, np.arange(3))
    db = sqlite3.connect(store.path)
    made = (
        (f"run{n // 10}", "od", f"{n}", "{}", "disk", f"{n}", "whole", 0.0) for n in range(100_000)
    )
    with db:
        db.executemany("INSERT INTO data VALUES(?, ?, ?, ?, ?, ?, ?, ?)", made)
    db.close()
    began = time.perf_counter()
    for n in range(200):
        assert store._rows.get(key_of("run500", n=n)) is None
        assert store._rows.get(KEY) is not None
        assert len(list(store._rows.like("run500", "od"))) == 10
    assert time.perf_counter() - began < 2  # to look at all rows takes a hundred times as long
    assert sum(1 for _ in store._rows.like(data_type="od")) == 100_001


# -- databases that are not ours -------------------------------------------------------------------


def test_the_database_of_something_else_is_refused(tmp_path: Path, disk: DataDirectory):
    path = tmp_path / "foreign.sqlite"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE notebook(page)")
    db.commit()
    db.close()
    before = path.read_bytes()
    with pytest.raises(
        NXstxmError, match=r"foreign\.sqlite is the database of something else.*note"
    ):
        SQLiteFrontend(path, {"disk": disk})
    assert path.read_bytes() == before
    assert not path.with_name("foreign.sqlite-wal").exists()
    text = tmp_path / "text.sqlite"
    text.write_text("this is a letter, and no database at all\n" * 100)
    with pytest.raises(DataCorrupted, match="is no database"):
        SQLiteFrontend(text, {"disk": disk})


def test_another_version_of_the_schema_is_refused(store: SQLiteFrontend, disk: DataDirectory):
    store.close()
    db = sqlite3.connect(store.path)
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(NXstxmError, match="version 99 of its schema"):
        SQLiteFrontend(store.path, {"disk": disk})


def test_a_damaged_database_is_told(store: SQLiteFrontend, disk: DataDirectory):
    for n in range(300):
        store._rows.put_run(f"run{n}", "x" * 100)
    store.write_run_metadata("a1b2", {"start": {"n": 1}})
    store.close()
    db = sqlite3.connect(store.path)
    db.execute("""UPDATE runs SET metadata=replace(metadata, '"n": 1', '"n": 2')""")
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    with pytest.raises(DataCorrupted, match="'a1b2'"):
        store.run_metadata("a1b2")
    store.close()
    raw = bytearray(store.path.read_bytes())
    raw[4096 : len(raw)] = b"\xa5" * (len(raw) - 4096)
    store.path.write_bytes(raw)
    with pytest.raises(DataCorrupted, match="damaged"):
        list(SQLiteFrontend(store.path, {"disk": disk}).list())


def test_a_database_to_be_read_only_is_neither_made_nor_changed(
    tmp_path: Path, disk: DataDirectory
):
    with pytest.raises(NXstxmError, match="there is no database"):
        SQLiteFrontend(tmp_path / "none.sqlite", {"disk": disk}, readonly=True)
    (tmp_path / "empty.sqlite").touch()
    with pytest.raises(NXstxmError, match="empty"):
        SQLiteFrontend(tmp_path / "empty.sqlite", {"disk": disk}, readonly=True)
    with_rows = SQLiteFrontend(tmp_path / "empty.sqlite", {"disk": disk})
    with_rows.save(KEY, np.arange(3))
    reader = SQLiteFrontend(tmp_path / "empty.sqlite", {"disk": disk}, readonly=True)
    assert reader.load(KEY).size == 3
    disk.save(key_of(n=1), np.arange(3))
    assert reader.load(key_of(n=1)).size == 3  # found, and not noted
    disk.remove(KEY)
    assert KEY not in reader
    assert rows(reader) == [("a1b2", "od", "disk", "whole")]
    for work in (lambda: reader.scan("disk"), lambda: reader.register(KEY, "disk", "x")):
        with pytest.raises(NXstxmError, match="read-only"):
            work()
    reader.close()
    with_rows.close()


def test_another_who_writes_is_waited_for_and_then_told(store: SQLiteFrontend, disk: DataDirectory):
    hasty = SQLiteFrontend(store.path, {"disk": disk}, timeout=0.2)
    store.save(KEY, np.arange(3))
    db = sqlite3.connect(store.path, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    assert hasty.load(KEY).size == 3
    disk.save(key_of(n=1), np.arange(3))
    assert hasty.load(key_of(n=1)).size == 3  # who only reads does not have to note it
    with pytest.raises(NXstxmError, match=r"locked by another for more than 0\.2 s"):
        hasty.save(key_of(n=2), np.arange(3))
    db.execute("ROLLBACK")
    db.close()
    assert hasty.load(key_of(n=2)).size == 3  # it had been written all the same
    assert len(rows(hasty)) == 2
    hasty.close()


def test_options_that_make_no_sense_are_told(tmp_path: Path, disk: DataDirectory):
    path = tmp_path / "store.sqlite"
    with pytest.raises(NXstxmError, match="no backends"):
        SQLiteFrontend(path, {})
    with pytest.raises(NXstxmError, match="none of the backends disk"):
        SQLiteFrontend(path, {"disk": disk}, write_to="tape")
    with pytest.raises(NXstxmError, match="backend 'disk' is 'store'"):
        SQLiteFrontend(path, {"disk": "store"})  # type: ignore[dict-item]
    assert not path.exists()
    bare = SQLiteFrontend(path, {"bare": disk.backend, "memory": MemoryFrontend()})
    bare.save(KEY, np.arange(3))
    assert bare.load(KEY).size == 3
    with pytest.raises(NXstxmError, match="can not list"):
        bare.scan("bare")
    bare.close()
    disk.readonly = True
    closed = SQLiteFrontend(path, {"disk": disk})
    with pytest.raises(NXstxmError, match="backend 'disk' is read-only"):
        closed.saver(key_of(n=1))
    closed.close()
