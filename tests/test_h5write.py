"""Single values past h5py's convenience: what h5py reads of them is what it would have written."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from suitcase.nxstxm import _h5write

ENUM = h5py.enum_dtype({"closed": 0, "open": 1}, basetype="i1")


@pytest.fixture
def h5(tmp_path: Path) -> h5py.File:
    with h5py.File(tmp_path / "x.h5", "w") as h5:
        yield h5


@pytest.mark.parametrize("enum_first", [True, False])
def test_an_enumeration_and_the_numbers_under_it_keep_apart(
    h5: h5py.File, enum_first: bool
) -> None:
    values = {"enum": np.asarray(1, ENUM), "number": np.asarray(1, "i1")}
    for name in sorted(values, reverse=not enum_first):
        _h5write.number(h5, name, values[name])
        _h5write.mark_number(h5, name, values[name])
    for found in (h5["enum"].dtype, h5.attrs.get_id("enum").dtype):
        assert h5py.check_enum_dtype(found) == {"closed": 0, "open": 1}
    for found in (h5["number"].dtype, h5.attrs.get_id("number").dtype):
        assert h5py.check_enum_dtype(found) is None
        assert found == "i1"


@pytest.mark.parametrize("value", [True, 3, 2.5, 1 + 2j, np.uint64(2**63), np.arange(3.0)])
def test_attributes_that_are_numbers(h5: h5py.File, value: object) -> None:
    _h5write.mark_number(h5, "ours", value)
    h5.attrs["theirs"] = value
    np.testing.assert_array_equal(h5.attrs["ours"], h5.attrs["theirs"])
    assert h5.attrs.get_id("ours").dtype == h5.attrs.get_id("theirs").dtype
    assert h5.attrs.get_id("ours").shape == h5.attrs.get_id("theirs").shape


@pytest.mark.parametrize("name", ["plain", "Δx"])
def test_groups(h5: h5py.File, name: str) -> None:
    group = _h5write.new_group(h5, name)
    _h5write.mark(group, "units", "µm")
    assert list(h5) == [name]
    assert h5[name].attrs["units"] == "µm"
    with pytest.raises(ValueError, match="exists"):
        _h5write.new_group(h5, name)
