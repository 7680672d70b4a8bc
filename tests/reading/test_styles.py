"""Files of other programs must open as what they are, and say what had to be guessed."""

from __future__ import annotations

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
        np.testing.assert_array_equal(picture[coordinate].values, values, err_msg=coordinate)
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
