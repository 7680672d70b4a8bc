"""Most people open a file in a viewer and name nothing in it: what they see must be the scan.

h5web, in JupyterLab, is that viewer at many facilities. It knows nothing of NXstxm: it follows
``default`` from the file's root, and takes ``signal``, ``axes``, ``long_name`` and ``units``.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from suitcase.nxstxm import export_scan, sim

from ..catalogs.environments import python_with

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
BASH = shutil.which("bash")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
    # Chromium's pipe is two numbered file descriptors
    pytest.mark.skipif(os.name != "posix" or BASH is None, reason="needs bash to start Chromium"),
]

REQUESTS = sim.all_requests()
#: Seconds until a page must show something, and until a process must have ended.
BEGIN, END = 60.0, 30.0


class Shown(NamedTuple):
    """What somebody sees who opened a file; `dimensions` are those that can be chosen for x."""

    path: str
    plot: str
    title: str
    x: str
    y: str
    dimensions: list[str]


_Y, _X, _ENERGY = "sample_y (um)", "sample_x (um)", "energy (eV)"
_COUNTS = "counter0 (counts)"
_HEATMAP, _LINE = "NX Heatmap", "NX Line"
#: What h5web must show of each scan. Without ``default`` it takes the first NXdata that it finds:
#: i0 of the stack, and the camera's sums of ptychography. The point spectra are three entries.
EXPECTED = {
    "pystxm2019-sample_image-lines": Shown("/", _HEATMAP, _COUNTS, _X, _Y, [_Y, _X]),
    "stxm-stack-two-detectors": Shown("/", _HEATMAP, "pmt (counts)", _X, _Y, [_ENERGY, _Y, _X]),
    "pystxm2019-sample_point_spectra-points": Shown(
        "/", _LINE, _COUNTS, _ENERGY, _COUNTS, [_ENERGY]
    ),
    "pystxm2019-sample_line_spectra-lines": Shown(
        "/", _HEATMAP, _COUNTS, "line_position (um)", _ENERGY, [_ENERGY, "line_position (um)"]
    ),
    "pystxm2019-ptychography_scan-points": Shown("/", _HEATMAP, _COUNTS, _X, _Y, [_ENERGY, _Y, _X]),
}

# -- the browser -----------------------------------------------------------------------------------

#: Where a file is in the list of files, as soon as it is there.
_ITEM = """(() => {
    const named = e => e.querySelector(".jp-DirListing-itemText")?.textContent.trim() === %s;
    const item = [...document.querySelectorAll(".jp-DirListing-item")].find(named);
    const box = item?.getBoundingClientRect();
    return box?.width ? [box.x + box.width / 3, box.y + box.height / 2] : null;
})()"""
_PLOT = """(() => {
    const root = document.querySelector(".h5web-root");
    const text = selector => root?.querySelector(selector)?.textContent ?? null;
    const dimensions = '[aria-label="Dimension as x axis"] button';
    const shown = [
        root?.querySelector('#h5web-explorer-tree [aria-selected="true"]')?.dataset.path ?? null,
        text('[aria-label="Visualization"] [aria-selected="true"]'),
        root?.querySelector("figure")?.getAttribute("aria-label") ?? null,
        text('[data-type="abscissa"] .visx-axis-label'),
        text('[data-type="ordinate"] .visx-axis-label'),
        [...(root?.querySelectorAll(dimensions) ?? [])].map(button => button.title),
    ];
    return shown.includes(null) ? null : shown;
})()"""
_CANVAS = """(() => {
    const box = document.querySelector(".h5web-root figure canvas")?.getBoundingClientRect();
    return box?.width ? [box.x, box.y, box.width, box.height] : null;
})()"""
_TOOLTIP = "document.querySelector('.h5web-root .visx-tooltip')?.innerText ?? null"
_EVERYTHING = "(document.querySelector('.h5web-root') ?? document.body).innerText"
#: An axis in the tooltip, ``sample_x (um)=-2``, and the count below.
_AT = re.compile(r"(\w+) \(\w+\) ?= ?([-+.\de]+)")
_VALUE = re.compile(r"^([-+.\de]+) \(float64\)$", re.MULTILINE)


class Browser:
    """Chromium without a window, which is told what to do through a pipe.

    JupyterLab does not wait for Chromium's virtual time, and h5web opens only what is selected in
    the list of files, never what an address names: somebody has to click.
    """

    def __init__(self, commands: int, answers: int) -> None:
        self._commands = commands
        self._answers = answers
        self._read = b""
        self._calls = 0
        self._page: dict[str, str] = {}

    def call(self, method: str, **params: Any) -> Any:
        """Call a method of the DevTools protocol, for the page where there is one."""
        self._calls += 1
        call = {"id": self._calls, "method": method, "params": params, **self._page}
        os.write(self._commands, json.dumps(call).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._calls:  # the others are events
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._read:
            ready, _, _ = select.select([self._answers], [], [], BEGIN)
            assert ready, f"Chromium says nothing for {BEGIN:g} s"
            more = os.read(self._answers, 1 << 20)
            assert more, "Chromium has ended"
            self._read += more
        answer, _, self._read = self._read.partition(b"\0")
        return json.loads(answer)

    @contextmanager
    def page(self, address: str) -> Iterator[None]:
        """Open a page, and close it."""
        target = self.call("Target.createTarget", url=address)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._page = {"sessionId": session}
        try:
            yield
        finally:
            self._page = {}
            self.call("Target.closeTarget", targetId=target)

    def value(self, script: str) -> Any:
        """Give what a script gives in the page."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, script: str, seconds: float = BEGIN) -> Any:
        """Wait until a script gives something, and give it; None when it never does."""
        end = time.monotonic() + seconds
        while (found := self.value(script)) is None and time.monotonic() < end:
            time.sleep(0.2)
        return found

    def move(self, x: float, y: float) -> None:
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def double_click(self, x: float, y: float) -> None:
        for count in (1, 2):
            for kind in ("mousePressed", "mouseReleased"):
                self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left",
                          clickCount=count)  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    home = tmp_path_factory.mktemp("chromium")
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
        "--window-size=1600,1000", f"--user-data-dir={home / 'profile'}",
        "--remote-debugging-pipe",
    ]  # fmt: skip
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    # the pipe is 3 and 4 for Chromium, whatever it is here
    redirected = [BASH, "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", *command]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            redirected, pass_fds=(theirs_in, theirs_out), stdout=log, stderr=log
        )
    os.close(theirs_in)
    os.close(theirs_out)
    browser = Browser(ours_out, ours_in)
    try:
        yield browser
        browser.call("Browser.close")
    finally:
        os.close(ours_out)  # which ends it, had it not been closed
        _ended(process)
        os.close(ours_in)


# -- the server ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder with the files, which are made as they are for everybody."""
    folder = tmp_path_factory.mktemp("files")
    for name in EXPECTED:
        export_scan(sim.scan_documents(REQUESTS[name]), folder, file_prefix=name)
    return folder


@pytest.fixture(scope="module")
def lab(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start JupyterLab in the folder, and give the address that opens it."""
    python = python_with("h5web")
    home = tmp_path_factory.mktemp("jupyter")
    token = secrets.token_hex(16)
    left_out = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    environment = {key: value for key, value in os.environ.items() if key not in left_out}
    environment["JUPYTER_TOKEN"] = token  # anybody could read it in the command
    for what in ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        (home / what).mkdir()
        environment[what] = str(home / what)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        python, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
        f"--port={port}", f"--ServerApp.root_dir={folder}",
        # nothing is asked of anybody else
        "--LabApp.extension_manager=readonly",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    log = home / "log"
    with log.open("w") as told:
        process = subprocess.Popen(
            command, cwd=home, env=environment, stdin=subprocess.DEVNULL, stdout=told, stderr=told
        )
    try:
        # another port when somebody was quicker
        yield f"{_announced(process, log)}/lab?reset&token={token}"
    finally:
        process.terminate()
        _ended(process)


def _announced(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until the server says where it is."""
    end = time.monotonic() + BEGIN
    while time.monotonic() < end and process.poll() is None:
        found = re.search(r"(http://127\.0\.0\.1:\d+)/lab", log.read_text("utf-8"))
        if found:
            return found[1]
        time.sleep(0.1)
    raise AssertionError(f"no JupyterLab after {BEGIN:g} s:\n{log.read_text('utf-8')[-3000:]}")


def _ended(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# -- what is shown ---------------------------------------------------------------------------------


def open_file(browser: Browser, name: str) -> Shown:
    """Open a file of the list, as with a mouse, and give what is plotted then."""
    for _ in range(3):  # a click is lost while JupyterLab still arranges its page
        place = browser.wait(_ITEM % json.dumps(name))
        assert place, f"JupyterLab does not list {name}: {browser.value(_EVERYTHING)}"
        browser.double_click(*place)
        if browser.wait("document.querySelector('.h5web-root') && true", BEGIN / 3):
            break
    shown = browser.wait(_PLOT)
    assert shown, f"h5web plots nothing of {name}: {browser.value(_EVERYTHING)}"
    return Shown(*shown)


def read_at(browser: Browser, across: float, down: float) -> tuple[dict[str, float], float]:
    """Put the mouse somewhere on the plot; give where h5web says that is, and the count there."""
    before = browser.value(_TOOLTIP)
    left, top, width, height = browser.wait(_CANVAS)
    for nudge in range(50):  # the plot may not yet look at the mouse
        browser.move(left + across * width + nudge % 2, top + down * height)
        text = browser.wait(_TOOLTIP, 0.2)
        if text is not None and text != before:
            break
    assert text, f"h5web says nothing about the plot: {browser.value(_EVERYTHING)}"
    text = text.replace("\N{MINUS SIGN}", "-")
    count = _VALUE.search(text)
    assert count, text
    return {axis: float(value) for axis, value in _AT.findall(text)}, float(count[1])


@pytest.mark.parametrize("name", EXPECTED)
def test_h5web_plots_the_scan_without_being_told_where_it_is(
    browser: Browser, lab: str, name: str
) -> None:
    shown = EXPECTED[name]
    entry = sim.expected(REQUESTS[name])["entry0"]
    counts = entry.channels[shown.title.partition(" ")[0]]
    axes = entry.axes[-2:]
    if len(entry.axes) == 3:
        counts = counts[0]  # the first picture of a stack
    with browser.page(lab):
        assert open_file(browser, f"{name}.hdf5") == shown
        places = set()
        for across, down in ((0.1, 0.3), (0.9, 0.6)):
            at, count = read_at(browser, across, down)
            assert set(at) == set(axes)
            place = tuple(int(np.abs(entry.setpoints[axis] - at[axis]).argmin()) for axis in axes)
            for axis, index in zip(axes, place, strict=True):
                assert at[axis] == pytest.approx(entry.setpoints[axis][index], abs=1e-3)
            assert count == counts[place]
            places.add(place)
        assert len(places) == 2
