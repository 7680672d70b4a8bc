"""Without these, a role or a data key that was mistyped would make a "generic scan" in silence."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import bluesky.preprocessors as bpp
import pytest
from bluesky import plans as bp
from ophyd import Component, Device, Signal

from suitcase.nxstxm import NXstxmWriter, export_scan
from suitcase.nxstxm._errors import OptionError

from .bench import ROLES, Bench, messages, picture


class Pair(Device):
    """A device with several fields."""

    a = Component(Signal, value=1.0, kind="hinted")
    b = Component(Signal, value=2.0, kind="hinted")


def grid(bench: Bench) -> Any:
    return bp.grid_scan([bench.det], bench.y, 0, 1, 2, bench.x, 0, 2, 3)


@pytest.mark.parametrize(
    ("role", "hint"), [("samplex", "did you mean 'sample_x'?"), ("zz", "not known. Roles")]
)
def test_a_role_that_is_not_known_is_an_error_at_once(role: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError) as told:
        NXstxmWriter(tmp_path, devices={role: "sx"})
    for words in (f"gives 'sx' the role {role!r}", hint, "sample_y", "ring_current", "camera"):
        assert words in str(told.value)
    with pytest.raises(OptionError):
        export_scan([], tmp_path, devices={role: "sx"})


@pytest.mark.parametrize(
    ("devices", "words"),
    [
        ({"sample_x": "sxx", "sample_y": "sy"}, "sample_x is 'sxx', but no event descriptor has "
         "this data key; did you mean 'sx'"),
        ({"sample_x": "SX", "sample_y": "sy"}, "did you mean 'sx'"),
        ({"sample_x": "typo", "sample_y": "sy"}, "this data key; there are "),
        ({"signal": "dets"}, "signal is 'dets', but no event descriptor has this data key; did you "
         "mean 'det'"),
    ],
)  # fmt: skip
def test_a_data_key_that_nothing_has_is_told(
    devices: dict[str, str],
    words: str,
    bench: Bench,
    run: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path, _ = run(grid(bench), devices=devices)
    [told] = [each for each in messages(path) if each.startswith("devices says")]
    assert words in told
    warned = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert any(told in each for each in warned)


def test_a_device_that_a_run_does_not_read_is_told_in_the_file_only(
    bench: Bench, run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """One writer has the roles of all scans; an image need not read the energy."""
    path, _ = run(grid(bench), devices=ROLES)
    assert picture(path)[0] == "sample image"
    [told] = messages(path)
    assert "energy is 'mono', but no event descriptor has this data key" in told
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


def test_what_is_read_before_the_scan_is_read(bench: Bench, run: Any) -> None:
    plan = bpp.baseline_wrapper(grid(bench), [bench.energy])
    path, _ = run(plan, devices=ROLES)
    assert messages(path) == []


def test_the_beginning_of_a_detectors_keys_is_enough(run: Any) -> None:
    path, _ = run(bp.count([Pair(name="pair")], 2), devices={"signal": "pair"})
    assert messages(path) == []
