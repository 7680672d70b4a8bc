"""A picture in the table shows what was measured: upright, in its colours, and no larger."""

from __future__ import annotations

import datetime
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from suitcase.nxstxm.variables import Cell, CellError, RunTable
from suitcase.nxstxm.variables._summary import summarised

Image = pytest.importorskip("PIL.Image")


def pixels(result: Any) -> np.ndarray[Any, Any]:
    """Give the picture that the table has of a result: red, green and blue."""
    png = summarised(Cell(result)).value
    assert png.startswith(b"\x89PNG")
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def striped() -> np.ndarray[Any, Any]:
    """Make a picture with a white stripe in its first rows."""
    made = np.zeros((100, 100), np.uint8)
    made[:30] = 255
    return made


# -- grey ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [np.asarray, Image.fromarray, lambda a: xr.DataArray(a)])
def test_the_first_row_is_at_the_top(make: Any) -> None:
    shown = pixels(make(striped()))
    assert shown.shape == (300, 300, 3)
    assert shown[:80].min() == 255
    assert shown[-80:].max() == 0


@pytest.mark.parametrize("dim", ["y", "height"])
def test_with_positions_the_larger_are_above(dim: str) -> None:
    for sign in (1, -1):
        at = {dim: sign * np.arange(100.0), "x": np.arange(100.0)}
        shown = pixels(xr.DataArray(striped(), dims=(dim, "x"), coords=at))
        assert shown[-80:, 150].mean() == (255 if sign > 0 else 0)
        assert shown[:80, 150].mean() == (0 if sign > 0 else 255)


@pytest.mark.parametrize("shape", [(400, 600), (600, 400), (2000, 20), (4, 5), (1, 50), (1, 1)])
def test_no_picture_is_larger_than_300_pixels(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    shown = pixels(rng.random(shape))
    assert max(shown.shape[:2]) == 300
    assert shown.shape[0] >= shown.shape[1] or shape[0] <= shape[1]
    colour = pixels(rng.integers(0, 255, (*shape, 3), dtype=np.uint8))
    assert max(colour.shape[:2]) <= 300


def test_a_hot_pixel_does_not_make_all_others_black() -> None:
    values = np.random.default_rng(2).normal(100, 10, (100, 100))
    values[50, 50] = 1e9
    values[20, 20] = -1e9
    grey = pixels(values)[..., 0].astype(float)
    assert 40 < grey.std() < 90
    assert 110 < grey.mean() < 145
    assert grey[151, 151] == 255
    assert grey[61, 61] == 0


def test_what_is_not_known_is_no_grey() -> None:
    values = np.ones((10, 10))
    values[:5] = np.nan
    shown = pixels(values)
    assert len({*map(int, shown[10, 10])}) == 3
    assert len({*map(int, shown[-10, 10])}) == 1


# -- colours ---------------------------------------------------------------------------------------


def coloured() -> np.ndarray[Any, Any]:
    made = np.zeros((400, 600, 3), np.uint8)
    made[:200, :, 0] = 255
    made[200:, :, 2] = 128
    return made


@pytest.mark.parametrize(
    "make",
    [
        np.asarray,
        Image.fromarray,
        lambda a: np.dstack((a, np.full(a.shape[:2], 255, np.uint8))),
        lambda a: Image.fromarray(a).convert("RGBA"),
        lambda a: Image.fromarray(a).quantize(4),
        lambda a: np.asfortranarray(a),
    ],
    ids=["array", "Pillow", "opaque", "RGBA", "palette", "Fortran"],
)
def test_a_picture_in_colours(make: Any) -> None:
    shown = pixels(make(coloured()))
    assert shown.shape == (200, 300, 3)
    np.testing.assert_allclose(shown[20, 150], (255, 0, 0), atol=2)
    np.testing.assert_allclose(shown[180, 150], (0, 0, 128), atol=2)


def test_what_is_transparent_is_white() -> None:
    shown = pixels(np.zeros((40, 60, 4), np.uint8))
    assert (shown == 255).all()


def test_a_stack_of_three_images_is_no_picture_in_colours() -> None:
    stack = xr.DataArray(np.zeros((4, 5, 3), np.uint8), dims=("y", "x", "energy"))
    assert summarised(Cell(stack)).value == "uint8: (4, 5, 3)"
    assert summarised(Cell(np.zeros((4, 5, 3)))).value == "float64: (4, 5, 3)"
    assert summarised(Cell(np.zeros((0, 5, 3), np.uint8))).value == "uint8: (0, 5, 3)"


def test_pictures_come_back_as_arrays(tmp_path: Path) -> None:
    with RunTable.create(tmp_path / "table", context="") as table:
        given = {
            "grey": Image.fromarray(striped()),
            "rgb": coloured(),
            "palette": Image.fromarray(coloured()).quantize(4),
        }
        table.submit((1, 1), given, provenance="camera")
        row = table[1]
        np.testing.assert_array_equal(row["grey"].read(), striped())
        np.testing.assert_array_equal(row["rgb"].read(), coloured())
        np.testing.assert_array_equal(row["palette"].read(), coloured())
        assert all(row[name].summary().startswith(b"\x89PNG") for name in given)


# -- masks, and zones ------------------------------------------------------------------------------


def test_what_is_masked_is_nan() -> None:
    values = np.ma.masked_array([1.0, 2.0, 3.0], [0, 1, 0])
    cell = Cell(values, summary="nanmean", preview=values)
    assert isinstance(cell.data, np.ndarray)
    assert not isinstance(cell.data, np.ma.MaskedArray)
    np.testing.assert_array_equal(cell.data, [1.0, np.nan, 3.0])
    np.testing.assert_array_equal(cell.preview, [1.0, np.nan, 3.0])
    assert summarised(cell).value == 2.0
    assert np.isnan(Cell(np.ma.masked).data)
    assert np.isnan(Cell(np.ma.masked_array([1j, 2j], [0, 1])).data[1])
    days = np.ma.masked_array(np.array(["2024-01-01", "2024-01-02"], "M8[s]"), [0, 1])
    assert np.isnat(Cell(days).data).tolist() == [False, True]
    pairs = np.ma.zeros(2, [("a", "f8"), ("b", "i4")])
    assert Cell(pairs).data.shape == (2,)


def test_masked_values_that_can_not_be_nan_are_refused() -> None:
    counts = np.ma.masked_array([1, 2, 3], [0, 1, 0])
    with pytest.raises(CellError, match=r"int64 has masked values.*give .astype\(float\)"):
        Cell(counts)
    np.testing.assert_array_equal(Cell(counts.astype(float)).data, [1, np.nan, 3])
    np.testing.assert_array_equal(Cell(np.ma.masked_array([1, 2], [0, 0])).data, [1, 2])


@pytest.mark.skipif(not hasattr(__import__("time"), "tzset"), reason="no zones can be set there")
def test_a_time_without_a_zone_is_one_of_utc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    noon = datetime.datetime(2024, 1, 1, 12)
    known = noon.replace(tzinfo=datetime.timezone.utc)
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        with RunTable.create(tmp_path / "table", context="") as table:
            given = {"naive": noon, "known": known, "numpy": np.datetime64(noon)}
            table.submit((1, 1), given, provenance="clock")
            row = table[1]
            assert len({row[name].summary() for name in given}) == 1
            assert row["naive"].summary() == known.timestamp()
            assert row["naive"].read() == row["known"].read() == known
    finally:
        monkeypatch.undo()
        time.tzset()
