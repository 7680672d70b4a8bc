"""Lines break off; without these tests a single one would spoil the picture of all others."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from suitcase.nxstxm.documents import difference
from suitcase.nxstxm.nexus import read_documents
from suitcase.nxstxm.sim import all_requests, scan_documents

from .flying import NX, THERE, exported, flown, told

GOOD = np.arange(3)[:, np.newaxis] * 10.0 + np.arange(NX)
NAN = np.nan


def lines(broken: int, counts: Any, positions: Any, there: Any = THERE) -> list[dict[str, Any]]:
    """Give three lines, one of which has so many counts and positions; a scalar for None."""

    def cut(values: Any, n: int | None) -> Any:
        return values[0] if n is None else values[:n]

    rows = [{"counter": 10 * i + there, "encoder": there} for i in range(3)]
    whole = rows[broken]
    rows[broken] = {
        "counter": cut(whole["counter"], counts),
        "encoder": cut(whole["encoder"], positions),
    }
    return rows


@pytest.mark.parametrize(
    ("broken", "counts", "positions", "points"),
    [
        (2, 0, 0, 0),
        (2, 1, 1, 1),
        (0, 1, 1, 1),
        (1, None, None, 1),
        (1, 0, 100, 0),
        (2, 1, 100, 1),
        (2, 40, 100, 2),  # the counter stopped, and not the encoder
        (1, 100, 40, 2),
        (1, 100, None, 1),
        (1, 100, 0, 0),  # nobody knows where they were
    ],
)
def test_a_broken_line_has_what_is_known_and_spoils_no_other(
    broken: int, counts: Any, positions: Any, points: int, tmp_path: Path
) -> None:
    documents = flown(lines(broken, counts, positions))
    path = exported(documents, tmp_path)
    with h5py.File(path) as h5:
        wanted = GOOD.copy()
        wanted[broken, points:] = NAN
        picture = h5["entry0/counter/data"][()]
        # of a point that is not complete the samples are those at its begin
        np.testing.assert_allclose(picture, wanted, atol=0.55)
        whole = np.delete(np.arange(3), broken)
        np.testing.assert_allclose(picture[whole], GOOD[whole], atol=0.03)
        assert f"{NX - points} of {3 * NX} points of counter are NaN" in told(h5)
        n = 200 + (1 if counts is None else counts)
        assert h5["entry0/instrument/counter/data"].shape == (n,)
        assert not h5["entry0"].attrs["complete"]
    assert difference(read_documents(path), documents) is None


@pytest.mark.parametrize("n", [1, None, 3])
def test_a_broken_line_of_points_is_not_filled(n: int | None, tmp_path: Path) -> None:
    rows = lines(1, n, n, there=np.arange(NX, dtype=float))
    with h5py.File(exported(flown(rows), tmp_path)) as h5:
        wanted = GOOD.copy()
        wanted[1, n or 1 :] = NAN
        np.testing.assert_array_equal(h5["entry0/counter/data"], wanted)


@pytest.mark.parametrize("n", [1, None, 3])
def test_nor_is_one_whose_positions_nobody_read(n: int | None, tmp_path: Path) -> None:
    rows = [{"counter": row["counter"]} for row in lines(1, n, n, np.arange(NX, dtype=float))]
    with h5py.File(exported(flown(rows), tmp_path)) as h5:
        wanted = GOOD.copy()
        wanted[1, n or 1 :] = NAN
        np.testing.assert_array_equal(h5["entry0/counter/data"], wanted)
        assert "1 lines" in told(h5)


def test_of_a_snaked_line_it_is_the_other_end(tmp_path: Path) -> None:
    rows = lines(1, 1, 1)
    rows[1] = {"counter": 10 + THERE[-1:], "encoder": THERE[-1:]}
    with h5py.File(exported(flown(rows, snake=True), tmp_path)) as h5:
        picture = h5["entry0/counter/data"][()]
        assert np.isnan(picture[1, :-1]).all()
        assert picture[1, -1] == 14.5


def test_processors_see_the_same(tmp_path: Path) -> None:
    documents = flown(lines(2, 40, 100))

    def same(coordinates: Any, data: Any, metadata: Any) -> Any:
        return coordinates, data, metadata

    for name, broken in (("cut", documents), ("one", flown(lines(2, 1, 1)))):
        plain = exported(broken, tmp_path / name)
        path = exported(broken, tmp_path / f"{name}-processed", processors=[same])
        with h5py.File(plain) as a, h5py.File(path) as b:
            np.testing.assert_array_equal(a["entry0/counter/data"], b["entry0/counter/data"])


def test_runs_of_one_list_may_be_sampled_and_not(tmp_path: Path) -> None:
    """Which samples of a list are of which line is told for all of its runs."""
    runs = copy.deepcopy(scan_documents(all_requests()["pystxm2019-sample_image_stack-lines"]))
    for name, doc in runs[0]:
        if name == "event":
            for key, value in doc["data"].items():
                if np.ndim(value) == 1:
                    doc["data"][key] = np.repeat(value, 2)
    path = exported(runs, tmp_path, devices={})
    with h5py.File(path) as h5:
        n = h5["entry0/binning/samples_counter0"][()]
        assert h5["entry0/instrument/counter0/data"].shape == (n.sum(),)
        assert len(set(n.tolist())) == 2
        assert np.isfinite(h5["entry0/counter0/data"]).all()
