"""Without these tests a full disk, a folder that can not be written or a shared one would be where
data get lost, or where nobody else may read them.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from suitcase.nxstxm._errors import NXstxmOSError
from suitcase.nxstxm.exchange import export, export_scan, finish_export

from .documents import ONE, STACK, camera_stack, first_uid, lean

posix = pytest.mark.skipif(os.name != "posix", reason="permissions and limits of POSIX")


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@posix
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_a_file_has_the_permissions_that_the_umask_gives(
    mask: int, mode: int, tmp_path: Path
) -> None:
    with umask(mask):
        runs = camera_stack(2)
        u = first_uid(runs)
        for docs in runs:
            export(docs, tmp_path, "joined", first_uid=u)
        made = [
            finish_export(tmp_path, "joined", u),
            export_scan(runs, tmp_path, file_prefix="scan"),
            export(lean(ONE)[0], tmp_path, "lone")["stream_data"][0],
        ]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {mode}


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    [docs] = lean(ONE)
    tmp_path.chmod(0o500)
    try:
        for first in (None, "abc"):
            with pytest.raises(NXstxmOSError, match=str(tmp_path)):
                export(docs, tmp_path, "x", first_uid=first)
    finally:
        tmp_path.chmod(0o700)
    assert list(tmp_path.iterdir()) == []


FULL_DISK = """
    import resource, sys
    from pathlib import Path
    from suitcase.nxstxm import NXstxmError, export, export_scan, finish_export
    from tests.exchange.documents import camera_stack, scan, STACK
    from tests.exchange.same import holds

    folder, step = Path(sys.argv[1]), int(sys.argv[3])
    frames = sys.argv[2] == "frames"
    runs = camera_stack(3, 8) if frames else scan(STACK)
    size = 12 * 2**20 if frames else 2**16
    u = runs[0][0][1]["uid"]

    def join(*runs):
        for run in runs:
            export(run, folder, "x", first_uid=u)

    # what is there before, what is called on a full disk, and what must work afterwards
    def nothing(): pass

    def join_again():
        try:
            join(runs[1])
        except NXstxmError as error:
            assert "is already in" in str(error), error
        holds(finish_export(folder, "x", u), runs[:2])

    def finish():
        assert [path.name for path in folder.iterdir()] == [f"x.{u}.tmp"]
        holds(finish_export(folder, "x", u), runs)

    calls = {
        "export": (nothing, lambda: export(runs[1], folder, "x"), nothing),
        "scan": (nothing, lambda: export_scan(runs, folder, file_prefix="x"), nothing),
        "join": (lambda: join(runs[0]), lambda: join(runs[1]), join_again),
        "finish": (lambda: join(*runs), lambda: finish_export(folder, "x", u), finish),
    }
    for name, (prepare, call, check) in calls.items():
        told = 0
        for percent in range(0, 100, step):
            for path in folder.iterdir():
                path.unlink()
            prepare()
            before = sum(path.stat().st_size for path in folder.iterdir())
            limit = percent * size // 100 + (before if name == "join" else 0)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, -1))
            try:
                call()
            except NXstxmError as error:
                assert isinstance(error, OSError), repr(error)
                assert any(word in str(error) for word in ("written", "made")), error
                assert not list(folder.glob("*.hdf5"))
                resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
                check()
                told += 1
            resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
        assert told > 1, name
"""


@posix
@pytest.mark.parametrize("what", ["frames", "scalars"])
@pytest.mark.parametrize("step", [30, pytest.param(2, marks=pytest.mark.slow)])
def test_a_full_disk_is_one_clear_error_and_never_half_a_file(
    step: int, what: str, tmp_path: Path
) -> None:
    """No file may grow beyond a limit: what writing says then is what it says on a full disk.

    HDF5 itself crashes when it can not write, so all of it happens in another process. What waited
    in the temporary file before is as it was.
    """
    script = [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(FULL_DISK)]
    done = subprocess.run(
        [*script, str(tmp_path), what, str(step)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_folder_may_be_given_as_text_with_a_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    runs = lean(STACK)
    u = first_uid(runs)
    export(runs[0], "~/data", "x")
    for docs in runs:
        export(docs, "~/data", "y", first_uid=u)
    finish_export("~/data", "y", u)
    export_scan(runs, "~/data", file_prefix="z")
    assert sorted(p.name for p in (tmp_path / "data").iterdir()) == ["x.hdf5", "y.hdf5", "z.hdf5"]


def test_a_relative_folder_is_that_of_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    export(lean(ONE)[0], "", "here")
    export(lean(ONE)[0], "data", "there")
    assert (tmp_path / "here.hdf5").exists()
    assert (tmp_path / "data" / "there.hdf5").exists()
