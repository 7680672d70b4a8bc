"""Without these tests two scans could be on their way to one name, and one of them have no file."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from bluesky import RunEngine
from bluesky.plans import scan
from bluesky.preprocessors import run_decorator, set_run_key_wrapper
from ophyd.sim import SynAxis, SynSignal

from suitcase.nxstxm import NXstxmError, recover

from ..exchange.documents import ONE
from ..exchange.documents import scan as recorded
from ..exchange.same import holds

Documents = list[tuple[str, dict[str, Any]]]
NAMED = {"path_provider": lambda _: "n"}


def two_runs() -> tuple[Documents, Documents]:
    [one], [other] = recorded(ONE), recorded(ONE, scan_id=2, seed=2)
    return one, other


def feed(writer: Any, run: Documents) -> None:
    for name, doc in run:
        writer(name, doc)


@pytest.mark.parametrize("journal", [True, False])
def test_a_name_that_a_scan_of_this_process_will_have_is_refused(
    journal: bool, tmp_path: Path, writers: Any
) -> None:
    one, other = two_runs()
    first, second = (writers(tmp_path, journal=journal, recover=False, **NAMED) for _ in range(2))
    feed(first, one[:-1])
    for writer in (first, second):
        with pytest.raises(NXstxmError, match=r"n\.hdf5 is to be the file of another scan"):
            writer(*other[0])
    feed(first, one[-1:])
    assert [path.name for path in tmp_path.iterdir()] == ["n.hdf5"]
    holds(tmp_path / "n.hdf5", [one])
    with pytest.raises(NXstxmError, match="exists already"):
        second(*other[0])
    (tmp_path / "n.hdf5").rename(tmp_path / "moved")
    feed(second, other)  # nothing holds the name
    holds(tmp_path / "n.hdf5", [other])


def test_interlaced_runs_of_one_name_are_refused_before_anything_moves(
    tmp_path: Path, writers: Any
) -> None:
    writer = writers(tmp_path, path_provider="{name}")
    engine = RunEngine({}, context_managers=[], call_returns_result=False)
    engine.subscribe(writer)
    x, det = SynAxis(name="x"), SynSignal(name="det", func=lambda: 1.0)
    moved: list[Any] = []

    @run_decorator(md={"name": "n"})
    def outer() -> Any:
        x.readback.subscribe(lambda **_: moved.append(1), run=False)
        yield from set_run_key_wrapper(scan([det], x, 0, 2, 3, md={"name": "n"}), "inner")

    with pytest.raises(NXstxmError, match="is to be the file of another scan, which goes on"):
        engine(outer())
    assert not moved
    assert [path.name for path in tmp_path.iterdir()] == ["n.hdf5"]


GOES_ON = """
    import sys, time
    from suitcase.nxstxm import NXstxmWriter
    from tests.exchange.documents import ONE, scan

    writer = NXstxmWriter(sys.argv[1], path_provider=lambda _: "day/n")
    [run] = scan(ONE)
    for name, doc in run[:-1]:
        writer(name, doc)
    time.sleep(0.2)
    print("there", flush=True)
    sys.stdin.read()
"""


def test_a_name_that_a_scan_of_another_process_will_have_is_refused(
    tmp_path: Path, writers: Any
) -> None:
    one, other = two_runs()
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(GOES_ON), str(tmp_path)],
        cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        writer = writers(tmp_path, path_provider=lambda _: "day/n", recover=False)
        with pytest.raises(NXstxmError, match=r"whose journal is .*: it goes on, or was left"):
            writer(*other[0])
        assert len(list(tmp_path.glob("*.journal"))) == 1
        feed(writers(tmp_path, path_provider=lambda _: "n"), other)  # in another folder
    finally:
        process.kill()
        process.communicate()
    # what a process that died left has its file first, and then its name is that of a file
    with pytest.raises(NXstxmError, match="nxstxm recover"):
        writer(*other[0])
    assert recover(tmp_path) == [tmp_path / "day/n.hdf5"]
    holds(tmp_path / "day/n.hdf5", [one[:-1]])
    (tmp_path / "day/n.hdf5").unlink()
    feed(writer, other)
    holds(tmp_path / "day/n.hdf5", [other])


def test_who_overwrites_may_have_any_name(tmp_path: Path, writers: Any) -> None:
    one, other = two_runs()
    writer = writers(tmp_path, overwrite=True, **NAMED)
    feed(writer, one[:-1])
    feed(writer, other)
    holds(tmp_path / "n.hdf5", [other])
    feed(writer, one[-1:])
    holds(tmp_path / "n.hdf5", [one])


def test_a_name_that_somebody_takes_meanwhile_leaves_the_scan_to_recover(
    tmp_path: Path, writers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    one, _ = two_runs()
    writer = writers(tmp_path, **NAMED)
    feed(writer, one[:-1])
    (tmp_path / "n.hdf5").write_text("x")
    feed(writer, one[-1:])
    [told] = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
    assert "exists already. Choose another" in told
    assert "own.tmp" not in told  # it goes: the journal has all of it
    assert "nxstxm recover" in told
    (tmp_path / "n.hdf5").unlink()
    assert recover(tmp_path) == [tmp_path / "n.hdf5"]
    holds(tmp_path / "n.hdf5", [one])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("a\0b", r"can not be the path of a file \(.*embedded null"),
        ("/".join(["d" * 100] * 45), ""),
    ],
)
def test_a_path_that_no_file_can_have_is_told(
    given: str, told: str, tmp_path: Path, writers: Any
) -> None:
    one, _ = two_runs()
    writer = writers(tmp_path / "in", path_provider=lambda _: given)
    told = told or "File name too long"
    with pytest.raises(NXstxmError, match=f"the path provider gave '.*{told}") as caught:
        writer(*one[0])
    assert len(str(caught.value)) < 600
    assert not (tmp_path / "in").exists()
