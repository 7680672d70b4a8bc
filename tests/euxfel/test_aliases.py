"""Without these tests short names of readings could be lost, or stop EXtra-data from opening."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from suitcase.nxstxm.euxfel import export

from .runs import Documents, array, extra_data, folder_of, number, run_of, stream_of

FILE = Path("p000005") / "usr" / "extra-data-aliases.yml"


def known(home: Path) -> Any:
    return json.loads((home / FILE).read_text("utf-8"))


def named(home: Path, run: Documents) -> Any:
    """Write a run; give what EXtra-data finds under its aliases."""
    folder = folder_of(export(run, home, proposal=5))
    return extra_data.open_run(home / "p000005", int(folder.name[1:]), parallelize=False).alias


def test_a_later_run_adds_what_is_new(home: Path) -> None:
    named(home, run_of([{"a": 1.0}], {"a": number()}))
    found = named(home, run_of([{"a": 2.0, "b": [1.0]}], {"a": number(), "b": array(1)}))
    assert known(home) == {"a": ["STXM/primary/a", "a.value"],
                           "b": ["STXM/primary/b:output", "data.b"]}  # fmt: skip
    assert found["b"].ndarray().tolist() == [[1.0]]


def test_an_alias_never_changes_its_meaning(home: Path) -> None:
    """Scripts that use it go on to find what they found; the other reading has a longer name."""
    named(home, run_of([{"a": 1.0}], {"a": number()}))
    other = stream_of(run_of([], {}), "dark", [{"a": 7.0}], [1.7e9], a=number())
    found = named(home, other)
    assert known(home) == {"a": ["STXM/primary/a", "a.value"],
                           "a-dark": ["STXM/dark/a", "a.value"]}  # fmt: skip
    assert found["a_dark"].ndarray().tolist() == [7.0]
    again = known(home)
    named(home, other)
    assert known(home) == again


def test_the_measurement_has_the_short_names(home: Path) -> None:
    """A baseline, whose descriptor comes first, has the same motors."""
    run = stream_of(run_of([{"x": float(i)} for i in range(4)], {"x": number()}), "baseline",
                    [{"x": -1.0}] * 2, [1.7e9 - 1, 1.7e9 + 9], x=number())  # fmt: skip
    run[1:3] = reversed(run[1:3])
    found = named(home, run)
    assert found["x"].ndarray().tolist() == [0.0, 1.0, 2.0, 3.0]
    assert found["x-baseline"].ndarray().tolist() == [-1.0, -1.0]


@pytest.mark.parametrize("names", [("m_x", "m-x"), ("Energy", "energy", "ENERGY"), ("a_B", "A-b")])
def test_names_that_extra_data_takes_for_one(names: tuple[str, ...], home: Path) -> None:
    """It opens no run of a proposal whose aliases have two such names."""
    values = {name: float(i) for i, name in enumerate(names)}
    found = named(home, run_of([values], {name: number() for name in names}))
    assert found[names[0]].ndarray().tolist() == [0.0]
    assert found[f"{names[1]}-primary"].ndarray().tolist() == [1.0]


def test_aliases_of_somebody_else_are_left(home: Path) -> None:
    path = home / FILE
    path.parent.mkdir(parents=True)
    yaml = "mine: STXM/primary/a\n# by hand\n"
    path.write_text(yaml)
    found = named(home, run_of([{"a": 1.0}], {"a": number()}))
    assert path.read_text() == yaml
    assert found["mine", "a"].ndarray().tolist() == [1.0]
    nested = {"STXM/primary/a": {"b": "a"}}
    path.write_text(json.dumps(nested))
    named(home, run_of([{"a": 1.0, "B": 2.0}], {"a": number(), "B": number()}))
    assert known(home) == {**nested, "a": ["STXM/primary/a", "a.value"],
                           "B-primary": ["STXM/primary/B", "B.value"]}  # fmt: skip


SCRIPT = """
import sys
from pathlib import Path
from suitcase.nxstxm.euxfel._map import write_aliases
from suitcase.nxstxm.euxfel._place import RunPlace

home, name = Path(sys.argv[1]), sys.argv[2]
place = RunPlace(5, 1, home / "p000005" / "raw" / "r0001", "run-1")
sys.stdin.readline()
for i in range(60):
    write_aliases(place, [("primary", {f"{name}{i}": ("source", "key")})])
"""


def test_processes_do_not_lose_the_aliases_of_others(tmp_path: Path) -> None:
    names = ("one", "two", "three")
    (tmp_path / "p000005").mkdir()
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, tmp_path, name],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
        )
        for name in names
    ]
    for writer in writers:  # all begin at once
        assert writer.stdin is not None
        writer.stdin.write(b"\n")
        writer.stdin.close()
    assert [writer.wait(100) for writer in writers] == [0, 0, 0]
    assert known(tmp_path).keys() == {f"{name}{i}" for name in names for i in range(60)}
    left = [path.name for path in (tmp_path / FILE).parent.iterdir()]
    assert left == ["extra-data-aliases.yml"]
