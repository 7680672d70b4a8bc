"""Without these tests a full disk could end the experiment, or leave a run that lacks something.

HDF5 itself crashes when it can not write, so all of it happens in other processes. In them no file
may grow beyond a limit: what writing says then is what it says on a full disk.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytest.importorskip("extra_data")  # the processes make runs as its tests do

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")

BEGIN = """
    import gc, resource, sys
    from pathlib import Path
    import numpy as np
    from h5py import h5f
    from suitcase.nxstxm import NXstxmError, recover
    from suitcase.nxstxm.documents import difference
    from suitcase.nxstxm.euxfel import EuXFELWriter, Serializer, documents, export, validate
    from tests.euxfel.runs import array, number, run_of

    home = Path(sys.argv[1])
    chance = np.random.default_rng(1)

    def frames(n):
        events = [{"camera": chance.integers(0, 9, (256, 256), np.uint16)} for _ in range(n)]
        return run_of(events, {"camera": array(256, 256, dtype_numpy="<u2")})

    def scalars(n):
        keys = {f"a{i}": number() for i in range(20)}
        return run_of([{key: 0.5 + i for key in keys} for i in range(n)], keys)

    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, -1))

    def whole(folder, run):
        assert validate(folder, extra_data=False) == []
        assert difference(run, list(documents(folder))) is None
        assert [p for p in folder.iterdir() if p.suffix not in (".h5", ".json")] == []

    def let_go():
        gc.collect()  # a file that is open would be closed when the process ends, by HDF5
        assert h5f.get_obj_count(h5f.OBJ_ALL, h5f.OBJ_FILE) == 0
"""
EXPORT = """
    run = {"frames": lambda: frames(150), "scalars": lambda: scalars(60)}[sys.argv[2]]()
    options = {"trains_per_file": 25 if sys.argv[2] == "scalars" else 1000}
    [*_, last] = export(run, home / "free", **options)["stream_data"]
    largest = max(path.stat().st_size for path in last.parent.glob("*.h5"))
    told = 0
    for percent in range(0, 101, int(sys.argv[3])):
        limit(largest * percent // 100)
        try:
            export(run, home / "full", **options)
        except NXstxmError as error:
            assert isinstance(error, OSError), repr(error)
            assert "File too large" in str(error), error
            assert list((home / "full").glob("*/raw/*")) == []
            told += 1
        limit(-1)
        let_go()
    assert told >= 2
    [*_, last] = export(run, home / "full", **options)["stream_data"]
    whole(last.parent, run)
"""
LIVE = """
    run = scalars(60)
    limit(100_000)
    writer = EuXFELWriter(home)
    for name, doc in run:
        writer(name, doc)
    writer.close()
    assert writer.paths == []
    assert not list(home.rglob("*-DA00-*.h5"))
    let_go()
    try:
        recover(home)
    except NXstxmError as error:
        assert "File too large" in str(error), error
    else:
        raise AssertionError("there is no room yet")
    let_go()
    limit(-1)
    [folder] = recover(home)
    whole(folder, run)
"""


def in_process(script: str, *arguments: object) -> None:
    text = textwrap.dedent(BEGIN) + textwrap.dedent(script)
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", text, *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("what", ["frames", "scalars"])
@pytest.mark.parametrize("step", [20, pytest.param(3, marks=pytest.mark.slow)])
def test_a_full_disk_is_one_clear_error_and_nothing_is_left(
    step: int, what: str, tmp_path: Path
) -> None:
    in_process(EXPORT, tmp_path, what, step)


def test_a_run_that_was_measured_with_a_full_disk_is_made_when_there_is_room(
    tmp_path: Path,
) -> None:
    in_process(LIVE, tmp_path)


def test_what_could_not_be_written_once_is_not_passed_over(tmp_path: Path) -> None:
    """Room that comes back in the middle of a run does not make a run that lacks some trains."""
    script = """
        run = scalars(60)
        serializer = Serializer(home, trains_per_file=10)
        told = []
        for i, (name, doc) in enumerate(run):
            limit(100_000 if 20 < i < 30 else -1)
            try:
                serializer(name, doc)
            except NXstxmError as error:
                told.append(str(error))
        assert len(told) > 30
        assert all("File too large" in each for each in told), told
        try:
            serializer.close()
        except NXstxmError as error:
            assert "File too large" in str(error), error
        else:
            raise AssertionError("the run lacks trains")
        assert not list(home.rglob("*-DA00-S00000.h5"))
        [folder] = export(run, home)["stream_data"][0].parents[:1]
        whole(folder, run)
    """
    in_process(script, tmp_path)
