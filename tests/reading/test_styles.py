"""Files of other programs must open as what they are, and say what had to be guessed."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from styles import STYLES, build_style

from suitcase.nxstxm import open_nxstxm
from suitcase.nxstxm.nexus import read_contents


@pytest.mark.parametrize("name", STYLES)
def test_opens_as_what_it_is(name, tmp_path):
    path, expected = build_style(name, tmp_path)
    tree = open_nxstxm(path)
    assert tree.attrs["default"] == expected.entry
    entry = tree[expected.entry]
    assert entry.attrs["scan_type"] == expected.label
    assert entry.attrs["default"] == expected.channel
    picture = entry[expected.channel]
    data = picture["data"]
    assert data.dims == expected.dims
    np.testing.assert_array_equal(data.values, expected.data)
    for coordinate, values in expected.coords.items():
        got = picture[coordinate].values
        if got.dtype.kind == "f":
            np.testing.assert_allclose(got, values, rtol=1e-12, err_msg=coordinate)
        else:
            np.testing.assert_array_equal(got, values, err_msg=coordinate)
    for attribute, value in expected.attrs.items():
        assert entry.attrs[attribute] == value
    tree.close()


@pytest.mark.parametrize("name", STYLES)
def test_says_what_was_guessed(name, tmp_path):
    path, expected = build_style(name, tmp_path)
    entry = read_contents(path).entry()
    guessed = "\n".join([*entry.guessed, *entry.channel().guessed])
    for words in expected.guessed:
        assert words in guessed
    if expected.nothing_guessed:
        assert guessed == ""


def test_lists_of_unequal_length_stay_apart(tmp_path):
    """A detector of pystxmcontrol samples more often than its motors, and nobody knows when."""
    path, _ = build_style("als-version-3", tmp_path)
    with open_nxstxm(path) as tree, h5py.File(path) as file:
        lists = tree["entry0/instrument"]
        for name in ("default", "xrf", "sample_x", "sample_y"):
            stored = file[f"entry0/instrument/{name}/data"]
            np.testing.assert_array_equal(lists[name].values, stored[()])
        assert lists["default"].shape == (3, 80)
        assert lists["sample_x"].shape == (3, 7)
        assert lists["default"].dims[1] != lists["sample_x"].dims[1]


def test_axes_have_the_units_of_the_field(tmp_path):
    path, _ = build_style("other-units", tmp_path)
    with open_nxstxm(path) as tree:
        picture = tree["entry1/counter0"]
        units = {name: picture[name].attrs["units"] for name in picture.coords}
    assert units == {"energy": "eV", "y": "um", "x": "um", "count_time": "s"}


def test_one_entry_is_read_alone(tmp_path, monkeypatch):
    from suitcase.nxstxm.nexus._reading import _read

    path, expected = build_style("cls-image", tmp_path)
    with h5py.File(path, "r+") as file:
        file.copy("entry0", "entry1")
    read = []
    original = _read.EntryReader

    def reader(reach, name, *rest, **options):
        read.append(name)
        return original(reach, name, *rest, **options)

    monkeypatch.setattr(_read, "EntryReader", reader)
    assert list(read_contents(path, entry="entry1").entries) == ["entry1"]
    assert read == ["entry1"]
    with pytest.raises(KeyError, match=r"'entry7' is no entry of .*: entry0, entry1"):
        read_contents(path, entry="entry7").entry("entry7")
    assert expected.entry == "entry0"
