"""What a file of another program has must be in the rewritten one, or be told."""

from __future__ import annotations

import warnings

import h5py
import numpy as np
import pytest
from styles import STACK, STYLES, build_style, group, put

from suitcase.nxstxm import export_scan, open_nxstxm
from suitcase.nxstxm.exchange import scans_in
from suitcase.nxstxm.nexus import validate


def rewritten(path, folder):
    """Rewrite a file; warnings of numpy are errors, for each tells of something lost."""
    [scan] = scans_in(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        new = export_scan(scan, folder / "new")
    assert [each for each in validate(new) if each.level == "error"] == []
    return open_nxstxm(new, baseline=True), scan.runs[0].notes


def test_errors_further_signals_and_flags(tmp_path):
    path, _ = build_style("pixelator-stack", tmp_path)
    flags = np.zeros(STACK.shape, np.uint8)
    flags[0, 0, 0] = 2
    with h5py.File(path, "r+") as file:
        put(file["entry1/counter0"], errors=np.sqrt(STACK), second=STACK * 3)
        file["entry1/counter0/second"].attrs["units"] = "V"
        put(group(file["entry1"], "quality"), mask=flags)
        other = group(file["entry1"], "diode", "NXdata")
        other.attrs["signal"] = "data"
        other.attrs["axes"] = ["energy", "sample_y", "sample_x"]
        for name in ("energy", "sample_y", "sample_x"):
            file.copy(f"entry1/counter0/{name}", other)
        put(other, data=STACK * 2, errors=STACK / 2)
    tree, _ = rewritten(path, tmp_path)
    with tree:
        streams = tree["entry1/streams"]
        for name, values in (
            ("counter0_errors", np.sqrt(STACK)),
            ("counter0_second", STACK * 3),
            ("counter0_quality", flags),
            ("diode_errors", STACK / 2),
        ):
            np.testing.assert_array_equal(streams[name][name].values, values)
        assert streams["counter0_second/counter0_second"].attrs["units"] == "V"
        assert "diode_control" not in streams.children, "all pictures have the same monitor"
        assert "diode_quality" not in streams.children
        np.testing.assert_array_equal(tree["entry1/diode"]["data"], STACK * 2)


def test_errors_of_a_spectrum(tmp_path):
    path, expected = build_style("pixelator-point-spectrum", tmp_path)
    with h5py.File(path, "r+") as file:
        put(file["entry1/counter0"], errors=np.sqrt(expected.data))
    tree, _ = rewritten(path, tmp_path)
    with tree:
        found = tree["entry1/streams/lists"]["counter0_errors"]
        np.testing.assert_array_equal(found.values.ravel(), np.sqrt(expected.data))


def test_facts_that_are_texts_or_several_numbers(tmp_path):
    path, _ = build_style("pixelator-stack", tmp_path)
    with h5py.File(path, "r+") as file:
        entry = file["entry1"]
        sample = group(entry, "sample", "NXsample")
        put(sample, name="gold", chemical_formula="Au", position=[1.0, 2.0, 3.0])
        sample["position"].attrs["units"] = "mm"
        put(group(entry["instrument"], "source", "NXsource"), name="SLS")
        put(entry, notes="hello")
    tree, _ = rewritten(path, tmp_path)
    with tree:
        assert tree["entry1"].attrs["sample_name"] == "gold"
        baseline = tree["entry1/baseline"]
        with h5py.File(next((tmp_path / "new").iterdir())) as file:
            home = file["entry1/collection/baseline"]
            texts = {name: np.ravel(home[name]["value"].asstr()[()])[0] for name in
                     ("sample_chemical_formula", "source_name", "notes")}  # fmt: skip
        assert texts == {
            "sample_chemical_formula": "Au",
            "source_name": "SLS",
            "notes": "hello",
        }
        np.testing.assert_array_equal(baseline["sample_position"].values.ravel(), [1, 2, 3])
        assert baseline["sample_position"].attrs["units"] == "mm"
        # the number that Pixelator gives the polarization
        assert baseline["epu_polarization"].values.ravel().tolist() == [3.0]


@pytest.mark.parametrize("kind", ["complex64", "complex128"])
def test_complex_numbers(tmp_path, kind):
    path, _ = build_style("pixelator-stack", tmp_path)
    values = (STACK + 1j * STACK[::-1]).astype(kind)
    with h5py.File(path, "r+") as file:
        del file["entry1/counter0/data"]
        put(file["entry1/counter0"], data=values)
        put(group(file["entry1/instrument"], "probe", "NXdetector"), data=values[0])
    tree, notes = rewritten(path, tmp_path)
    with tree:
        np.testing.assert_allclose(tree["entry1/counter0"]["data"], np.abs(values), rtol=1e-6)
        streams = tree["entry1/streams"]
        real, imaginary = (
            streams[f"counter0_{part}"][f"counter0_{part}"].values for part in ("real", "imaginary")
        )
        np.testing.assert_array_equal(real + 1j * imaginary, values)
    assert "counter0 has complex numbers: the picture is their magnitude" in " ".join(notes)


@pytest.mark.parametrize("name", STYLES)
def test_no_coordinate_is_lost(tmp_path, name):
    path, expected = build_style(name, tmp_path)
    tree, notes = rewritten(path, tmp_path)
    with tree, open_nxstxm(path) as old:
        entry = tree[tree.attrs["default"]]
        there = {*entry[entry.attrs["default"]].coords, *entry["instrument"].data_vars}
        if "baseline" in entry.children:
            there |= {str(each) for each in entry["baseline"].data_vars}
        before = old[expected.entry][expected.channel]
        # the polarization is a fact under its own name
        missing = {*before.coords} - there - {"polarization"}
        assert missing == set()
    assert ("the dwell is not in the file" in " ".join(notes)) == (
        "count_time" not in before.coords
    )
