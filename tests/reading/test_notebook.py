"""A notebook shows what is in a file at a glance, and nothing of the file becomes its markup."""

from __future__ import annotations

import base64
import io
import re
import sys

import h5py
import numpy as np
import pytest
from styles import STYLES, build_style

pytest.importorskip("PIL")

from PIL import Image

from suitcase.nxstxm import export_scan, open_nxstxm, sim


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


@pytest.mark.parametrize("name", STYLES)
def test_every_file_has_a_picture(name, tmp_path):
    path, expected = build_style(name, tmp_path)
    with open_nxstxm(path) as tree:
        html = tree.nxstxm._repr_html_()
    assert expected.label in html
    assert expected.entry in html
    [png] = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    assert pixels(base64.b64decode(png)).size


def test_the_picture_is_upright_and_to_scale(tmp_path):
    path, _ = build_style("cls-image", tmp_path)
    with open_nxstxm(path) as tree:
        shown = pixels(tree.nxstxm.thumbnail())
        again = pixels(tree.nxstxm.thumbnail("entry0", "counter0"))
    np.testing.assert_array_equal(shown, again)
    assert (shown[0, -1] == 255).all(), "the largest value is at the largest x and y"
    assert (shown[-1, 0] == 0).all()
    assert max(shown.shape) == 128
    assert shown.shape[0] / shown.shape[1] == pytest.approx((4 * 4 / 3) / 5, rel=0.02)


def test_what_was_not_measured_has_its_colour(tmp_path):
    request = sim.all_requests()["image-aborted"]
    path = export_scan(sim.scan_documents(request), tmp_path)
    with open_nxstxm(path) as tree:
        shown = pixels(tree.nxstxm.thumbnail())
    missing = np.isnan(sim.expected(request)["entry0"].data).mean()
    ochre = (shown == (0xE8, 0xB3, 0x6B)).all(axis=-1).mean()
    assert ochre == pytest.approx(missing, abs=0.02)


def test_nothing_of_a_file_becomes_markup(tmp_path):
    path, _ = build_style("pixelator-stack", tmp_path)
    with h5py.File(path, "r+") as file:
        del file["entry1/title"]
        file["entry1/title"] = "<script>alert(1)</script>"
    with open_nxstxm(path) as tree:
        html = tree.nxstxm._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_without_pillow_there_are_words(tmp_path, monkeypatch):
    path, expected = build_style("mantis", tmp_path)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with open_nxstxm(path) as tree:
        html = tree.nxstxm._repr_html_()
    assert "<img" not in html
    assert expected.label in html
