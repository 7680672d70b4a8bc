"""Disks get full at night: what was there has to stay as it was, and the night has to go on when
somebody has made room.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from suitcase.nxstxm import export_scan
from suitcase.nxstxm.sim import all_requests, scan_documents

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no such limits here")
ROOT = Path(__file__).parents[2]

#: What both ways of having no room share; it runs in a process of its own. Of a variable that fails
#: the database has the traceback, and the file of the run has not.
BEGIN = """
import hashlib, os, resource, sqlite3, sys
import h5py
from pathlib import Path
from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.variables import Processor, RunTable, found_scans

home, (scan,) = Path(sys.argv[1]), found_scans([sys.argv[2]])
HEAD = '''
import numpy as np
from suitcase.nxstxm.variables import Variable
def deep(n):
    return deeper(n) if n else 1 / 0
def deeper(n):
    return deep(n - 1)
@Variable
def number(run):
    return {number}
@Variable
def noise(run):
    return np.random.default_rng({number}).random({size})
'''
FAILS = "@Variable\\ndef fails_{0}(run):\\n    return deep(20)\\n"

def write(number, size, failing=0):
    code = HEAD.format(number=number, size=size)
    table.context_path.write_text(code + "".join(map(FAILS.format, range(failing))))

def process():
    processor.context()
    shut()
    try:
        (done,) = processor.process([scan])
        return done.failure
    except NXstxmError as error:
        assert isinstance(error, OSError), error
        return str(error)
    finally:
        opened()

def state():
    '''Give all names, the file of the run, and the rows.'''
    names = {each.name for each in table.path.rglob("*")} - {"runs.sqlite-shm", "runs.sqlite-wal"}
    (file,) = (table.path / "extracted_data").iterdir()
    rows = {name: str(cell.value) for name, cell in table.database.cells(1, 1).items()}
    return names, hashlib.sha256(file.read_bytes()).hexdigest(), rows

shut = opened = lambda: None
table = RunTable.create(home / "table", context="")
processor = Processor(table, timeout=60)
write(1, 10)
assert process() == "" and table.database.cell(1, 1, "number").value == 1
before = state()
print(*sorted(before[0]))

def no_room_for_the_file(words):
    assert "p1_r1.h5" in why or "extracted_data" in why, why
    assert any(word in why.lower() for word in words), why
    assert "\\n" not in why
    assert state() == before
    assert table[scan.uid]["number"].read() == 1
    assert table[scan.uid]["noise"].read().shape == (10,)

def no_room_for_the_rows(words):
    assert "runs.sqlite" in why and any(word in why for word in words), why
    names, _, rows = state()
    assert (names, rows) == (before[0], before[2])
    with sqlite3.connect(table.database.path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    (file,) = (table.path / "extracted_data").iterdir()
    with h5py.File(file) as opened_file:  # it is whole, and may be newer than the rows
        assert opened_file["noise/data"].shape in ((10,), (20,))
    try:
        assert table[scan.uid]["noise"].read().shape in ((10,), (20,))
    except NXstxmError as error:
        assert "process the run again" in str(error), error

def there_is_room_again(number, size):
    assert process() == ""
    assert table[scan.uid]["number"].read() == table[scan.uid]["number"].summary() == number
    assert table[scan.uid]["noise"].read().shape == (size,)
    assert state()[0] == before[0]
"""
#: Limits hold for processes that are begun under them, and for what SQLite keeps of its changes.
LIMITED = """
def shut():
    processor.close()
    table.close()
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, -1))

def opened():
    processor.close()
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))

write(2, 100_000)
size = 400_000
why = process()
no_room_for_the_file(["file too large"])
write(4, 20, failing=60)
size = 100_000
why = process()
no_room_for_the_rows(["disk"])
size = -1
there_is_room_again(4, 20)
processor.close()
"""
FULL = """
def fill(left):
    free = os.statvfs(home).f_bavail * os.statvfs(home).f_frsize
    (home / "filler").write_bytes(bytes(max(free - left, 0)))

def opened():
    (home / "filler").unlink(missing_ok=True)

def shut():
    fill(left)

for left in (0, 4096, 50_000, 400_000):
    write(2, 100_000)
    why = process()
    no_room_for_the_file(["no space left on device"])

found = []
write(4, 20, failing=60)
for left in range(20_000, 600_000, 20_000):
    why = process()
    if not why:
        break
    if "runs.sqlite" in why:
        found.append(left)
        no_room_for_the_rows(["no room"])
    else:
        no_room_for_the_file(["no space left on device"])
assert found, "there was room for the rows whenever there was for the file"
shut = lambda: None
there_is_room_again(4, 20)
processor.close()
"""
#: A disk of its own, which needs no rights where the system lets anybody have a view of his own.
MOUNTED = 'mount -t tmpfs -o size=2m tmpfs "$0" && exec "$@"'


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = scan_documents(all_requests()["pystxm2019-sample_image-points"])
    return export_scan(runs, tmp_path_factory.mktemp("scans"))


def ended(*command: object) -> None:
    done = subprocess.run(
        [str(each) for each in command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["context.py", "extracted_data", "p1_r1.h5", "runs.sqlite"]


def test_files_that_may_not_grow(tmp_path: Path, scan: Path) -> None:
    ended(sys.executable, "-c", textwrap.dedent(BEGIN + LIMITED), tmp_path, scan)


def test_a_disk_that_is_full(tmp_path: Path, scan: Path) -> None:
    mounting = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNTED, tmp_path]
    try:
        subprocess.run([*mounting, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no disk can be mounted here without rights")
    ended(*mounting, sys.executable, "-c", textwrap.dedent(BEGIN + FULL), tmp_path, scan)
