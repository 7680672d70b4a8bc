"""Without these tests a long run could fill the memory of the computer that measures, leave holes
in its file, or lose what was moved to the disk on the way.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import h5py
import numpy as np
import pytest

from suitcase.nxstxm.exchange import Serializer, export, export_scan, finish_export
from suitcase.nxstxm.nexus import validate

from .documents import Document, camera_stack, first_uid, frames_run, pages, plain_run
from .same import holds, same_file

N_FRAMES, SIZE, CAMERAS = 60, 512, 3
FRAME_BYTES = N_FRAMES * CAMERAS * SIZE * SIZE * 2


def stored_bytes(path: Path) -> int:
    """Count the bytes of all datasets, each once."""
    found: dict[object, int] = {}
    with h5py.File(path) as h5:

        def count(_name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset):
                found[h5py.h5o.get_info(item.id).addr] = item.id.get_storage_size()

        h5.visititems(count)
    return sum(found.values())


def check_tree(path: Path) -> None:
    assert [p for p in validate(path) if p.level == "error"] == []
    with h5py.File(path) as h5:
        assert set(h5) == {name for name in h5 if h5[name].attrs["NX_class"] == "NXentry"}
        assert "staging" not in h5


@pytest.fixture(scope="module")
def frames() -> list[Document]:
    return list(frames_run(N_FRAMES, SIZE, CAMERAS))


@pytest.mark.parametrize(
    "how",
    ["export", "joined", "manager"]
    + [pytest.param(how, marks=pytest.mark.slow) for how in ("pages", "scan")],
)
def test_frames_of_several_cameras_are_stored_once(
    how: str, frames: list[Document], tmp_path: Path
) -> None:
    docs = pages(frames) if how == "pages" else frames
    u = first_uid([docs])
    if how == "joined":
        export(docs, tmp_path, "x", first_uid=u)
        path = finish_export(tmp_path, "x", u)
    elif how == "scan":
        path = export_scan([docs], tmp_path)
    elif how == "manager":
        from suitcase.utils import MultiFileManager

        [path] = export(docs, MultiFileManager(tmp_path), "x")["stream_data"]
    else:
        [path] = export(docs, tmp_path, "x")["stream_data"]
    assert [path] == list(tmp_path.iterdir())
    assert path.stat().st_size < 1.15 * FRAME_BYTES
    check_tree(path)
    holds(path, [docs])
    with h5py.File(path) as h5:
        entry = h5[h5.attrs["default"]]
        for camera in range(CAMERAS):
            data = entry[f"instrument/camera{camera}/data"]
            assert (data.shape, data.dtype) == ((N_FRAMES, SIZE, SIZE), np.uint16)
            events = [doc["data"] for name, doc in frames if name == "event"]
            for row in (0, 31, N_FRAMES - 1):
                np.testing.assert_array_equal(data[row], events[row][f"camera{camera}"])


def test_a_run_moves_to_disk_while_it_comes_in(frames: list[Document], tmp_path: Path) -> None:
    serializer = Serializer(tmp_path, "x")
    sizes = []
    for name, doc in frames[:-1]:
        serializer(name, doc)
        sizes.append(serializer.artifacts["stream_data"][0].stat().st_size)
    assert sizes == sorted(sizes)
    assert sizes[-1] > 0.8 * FRAME_BYTES
    serializer(*frames[-1])
    holds(tmp_path / "x.hdf5", [frames])


@pytest.mark.parametrize("joined", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_many_scalar_events_leave_no_hole_in_the_file(joined: bool, tmp_path: Path) -> None:
    keys: dict[str, tuple[int, ...]] = {f"signal{i}": () for i in range(8)}
    docs = list(plain_run(60_000, keys, lambda i, key: float(i % 997) + len(key)))
    u = first_uid([docs])
    with Serializer(tmp_path, "x", first_uid=u if joined else None) as serializer:
        grew = 0
        for name, doc in docs:
            serializer(name, doc)
            grew += name == "event" and doc["seq_num"] == 59_999 and size_of(serializer) > 2**22
        assert grew  # the test is about a run that does not fit into memory
    path = finish_export(tmp_path, "x", u) if joined else tmp_path / "x.hdf5"
    assert [path] == list(tmp_path.iterdir())
    assert path.stat().st_size < 1.15 * stored_bytes(path)
    check_tree(path)
    with h5py.File(path) as h5:
        entry = h5[h5.attrs["default"]]
        for key in keys:
            expected = np.arange(60_000) % 997 + len(key)
            np.testing.assert_array_equal(entry[f"instrument/{key}/data"][()], expected)
            np.testing.assert_array_equal(entry[f"{key}/data"][()], expected)
    holds(path, [docs])


def size_of(serializer: Serializer) -> int:
    [path] = serializer.artifacts["stream_data"]
    return int(path.stat().st_size)


def test_a_scan_of_runs_with_frames(tmp_path: Path) -> None:
    runs = camera_stack(3, 10)  # 300 frames of 128 KiB
    u = first_uid(runs)
    for docs in runs[::-1]:
        export(docs, tmp_path, "x", first_uid=u)
    path = finish_export(tmp_path, "x", u)
    assert path.stat().st_size < 1.15 * 2 * 300 * 256 * 256 * 2  # in the list and the archive
    check_tree(path)
    holds(path, runs)
    same_file(path, export_scan(runs, tmp_path, file_prefix="y"))


def test_a_scan_of_many_small_runs_stays_small(tmp_path: Path) -> None:
    """Whoever waits on disk must not take whole chunks for a few readings."""
    runs = camera_stack(40, 2)
    for docs in runs:
        for _name, doc in docs:
            if "data" in doc:
                doc["data"] = {k: v for k, v in doc["data"].items() if np.ndim(v) < 2}
    u = first_uid(runs)
    for docs in runs:
        [waiting] = export(docs, tmp_path, "x", first_uid=u)["stream_data"]
    assert waiting.stat().st_size < 40 * 50_000
    path = finish_export(tmp_path, "x", u)
    at_once = export_scan(runs, tmp_path, file_prefix="y")
    same_file(path, at_once)
    assert path.stat().st_size < 2 * at_once.stat().st_size


def peak(script: str, *arguments: str) -> float:
    """Run a script and give the most memory that it had, in MiB."""
    head = """
        import sys
        from pathlib import Path
        from suitcase.nxstxm import export, export_scan, finish_export
        from tests.exchange.documents import frames_run, plain_run
        from tests.memory import most_memory
    """
    text = "".join(textwrap.dedent(part) for part in (head, script, "\nprint(most_memory())\n"))
    done = subprocess.run(
        [sys.executable, "-c", text, *arguments],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout.splitlines()[-1])


LONG_RUNS = {
    "frames": """
        n = int(sys.argv[2])
        export(frames_run(n, 512, 3), sys.argv[1], "x")
    """,
    "joined frames": """
        for number in range(2):
            run = frames_run(int(sys.argv[2]) // 2, 512, 3, number=number)
            export(run, sys.argv[1], "x", first_uid="abc")
        finish_export(sys.argv[1], "x", "abc")
    """,
    "scan of frames": """
        runs = [frames_run(int(sys.argv[2]) // 2, 512, 3, number=number) for number in range(2)]
        export_scan(runs, sys.argv[1], file_prefix="x")
    """,
    "scalars": """
        keys = {f"signal{i}": () for i in range(8)}
        export(plain_run(int(sys.argv[2]) * 1000, keys, lambda i, key: i / 7), sys.argv[1], "x")
    """,
}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no resource module on Windows")
@pytest.mark.parametrize(
    "what",
    [
        "frames",
        pytest.param("scalars", marks=pytest.mark.slow),
        pytest.param("joined frames", marks=pytest.mark.slow),
        pytest.param("scan of frames", marks=pytest.mark.slow),
    ],
)
def test_memory_does_not_grow_with_the_run(what: str, tmp_path: Path) -> None:
    short = peak(LONG_RUNS[what], str(tmp_path / "short"), "20")
    long = peak(LONG_RUNS[what], str(tmp_path / "long"), "70")
    assert long - short < 15, (short, long)  # 50 events more are 75 MiB of frames
