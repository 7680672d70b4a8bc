"""A figure says more than a number: the table shows it small, and gives it back as it was drawn."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pandas")

from suitcase.nxstxm.variables import (
    FoundScan,
    Processed,
    Processor,
    RunTable,
    export_table,
)

from ..catalogs.environments import python_with
from .noted import scan_in

PNG = b"\x89PNG\r\n\x1a\n"
EVIL = "<script>alert(1)</script>"
PLOTLY = f"""
import numpy as np
import plotly.graph_objects as go
from suitcase.nxstxm.variables import Cell, Variable

def curve():
    line = go.Scatter(x=[1, 2, 3], y=np.array([4.0, np.nan, 6.0]), name={EVIL!r})
    return go.Figure(line, layout={{"title": {{"text": {EVIL!r}}}}})

@Variable(title="Figure")
def figure(run):
    return curve()

@Variable(title="Number with a figure")
def number(run):
    return Cell(5.0, preview=curve(), units="um")

@Variable(title="Figure with a word")
def word(run):
    return Cell(curve(), summary_value="three points", background="#00ff00")

@Variable(title="Of a figure")
def points(run, figure: "var#figure"):
    return len(figure.data[0].x)
"""
MATPLOTLIB = """
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from suitcase.nxstxm.variables import Cell, Variable

@Variable(title="Figure")
def figure(run):
    made = Figure(figsize=(20, 5))
    made.subplots().imshow(np.arange(12.0).reshape(3, 4))
    return made

@Variable(title="Axes")
def axes(run):
    return plt.subplots()[1]

@Variable(title="Number with a figure")
def number(run):
    return Cell(5.0, preview=plt.figure())

@Variable(title="Empty")
def empty(run):
    return Figure(figsize=(0.01, 0.01))
"""


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> FoundScan:
    return scan_in(tmp_path_factory.mktemp("scans"))


def processed(table: RunTable, scan: FoundScan, **how: Any) -> Processed:
    with Processor(table, timeout=100) as processor:
        (done,) = processor.process([scan], **how)
    assert (done.failure, done.errors) == ("", {})
    return done


class Pictures(HTMLParser):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.pictures = 0
        self.text = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "script"
        self.pictures += tag == "img" and str(dict(attrs)["src"]).startswith("data:image/png")

    def handle_data(self, data: str) -> None:
        self.text += data


# -- plotly ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn(scan: FoundScan, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunTable]:
    pytest.importorskip("plotly")
    table = RunTable.create(tmp_path_factory.mktemp("figures") / "table", context=PLOTLY)
    processed(table, scan)
    yield table
    table.close()


def test_a_figure_of_plotly_comes_back(drawn: RunTable) -> None:
    import plotly.graph_objects as go

    (info,) = drawn.runs()
    row = drawn[info.first_uid or ""]
    for found in (
        row["figure"].read(), row["figure"].preview(), row["number"].preview(), row["word"].read()
    ):  # fmt: skip
        assert isinstance(found, go.Figure)
        assert found.layout.title.text == found.data[0].name == EVIL
        assert tuple(found.data[0].x) == (1, 2, 3)
        line = go.Scatter(x=[1, 2, 3], y=np.array([4.0, np.nan, 6.0]), name=EVIL)
        assert json.loads(found.to_json())["data"] == json.loads(go.Figure(line).to_json())["data"]
    assert (row["number"].read(), row["number"].units) == (5.0, "um")
    assert row["points"].read() == 3
    assert row["word"].summary() == "three points"


def test_a_figure_of_plotly_is_shown_small_or_it_is_said_why_not(drawn: RunTable) -> None:
    """Plotly draws with kaleido, which needs a Chrome: neither is everywhere."""
    (info,) = drawn.runs()
    row = drawn[info.first_uid or ""]
    for name in ("figure", "number"):
        shown = row[name].summary()
        if isinstance(shown, bytes):
            pillow = pytest.importorskip("PIL.Image")
            assert max(pillow.open(io.BytesIO(shown)).size) <= 300
        else:
            assert shown.startswith("<summary failed: ")
            assert "\n" not in shown
            assert "Kaleido" in shown or "Chrome" in shown
    if importlib.util.find_spec("kaleido") is None:
        assert isinstance(row["figure"].summary(), str)


def test_a_table_with_figures_of_plotly_is_exported(drawn: RunTable, tmp_path: Path) -> None:
    (info,) = drawn.runs()
    row = drawn[info.first_uid or ""]
    page = Pictures(export_table(drawn, tmp_path / "table.html"))
    assert page.pictures == sum(isinstance(row[name].summary(), bytes) for name in row)
    assert "three points" in page.text
    export_table(drawn, tmp_path / "table.csv")
    assert len(drawn.to_pandas()) == 1


def test_a_figure_of_plotly_stays_when_others_are_computed(
    drawn: RunTable, scan: FoundScan
) -> None:
    (info,) = drawn.runs()
    before = drawn[info.first_uid or ""]["figure"].read()
    done = processed(drawn, scan, variables=["points"], force=True)
    assert set(done.computed) == {"points"}  # of the figure that is stored
    row = drawn[info.first_uid or ""]
    assert row["figure"].read() == row["word"].read() == row["number"].preview() == before
    assert row["points"].read() == 3


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_damnit_gives_a_figure_of_plotly_back(drawn: RunTable) -> None:
    script = (
        "import json, sys; from damnit import Damnit; row = Damnit(sys.argv[1])[int(sys.argv[2])]\n"
        "print(json.dumps([row['figure'].read().data[0].name, row['figure'].type_hint().value,\n"
        "  row['number'].preview_data().data[0].name, float(row['number'].read())]))"
    )
    command = [python_with("damnit"), "-c", script, drawn.path, str(drawn.runs()[0].run)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [EVIL, "PlotlyFigure", EVIL, 5.0]


# -- matplotlib ------------------------------------------------------------------------------------


def test_a_figure_of_matplotlib_is_a_picture(scan: FoundScan, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pillow = pytest.importorskip("PIL.Image")
    with RunTable.create(tmp_path / "table", context=MATPLOTLIB) as table:
        done = processed(table, scan)
        row = table[done.uid]
        for name in ("figure", "axes", "number"):
            assert row[name].summary().startswith(PNG)
        assert pillow.open(io.BytesIO(row["figure"].summary())).size == (300, 75)
        picture = row["figure"].read()
        assert (picture.dtype, picture.shape) == (np.uint8, (500, 2000, 4))
        assert row["axes"].preview().shape == (480, 640, 4)
        assert row["number"].preview().shape == (480, 640, 4)
        assert row["number"].read() == 5.0
        page = Pictures(export_table(table, tmp_path / "table.html"))
        assert page.pictures == sum(isinstance(row[name].summary(), bytes) for name in row)
