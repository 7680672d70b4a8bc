"""Without these, what the files are compared with could itself be wrong."""

import numpy as np
import pytest

from suitcase.nxstxm.sim import ScanRequest, all_requests, expected, scan_documents

from .replay import place, primary_data

REQUESTS = all_requests()
every_request = pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)

LABELS = {
    0: ("detector image", ("detector_y", "detector_x")),
    1: ("osa image", ("osa_y", "osa_x")),
    2: ("osa focus", ("zoneplate_z", "line_position")),
    3: ("sample focus", ("zoneplate_z", "line_position")),
    4: ("sample point spectrum", ("energy",)),
    5: ("sample line spectrum", ("energy", "line_position")),
    6: ("sample image", ("sample_y", "sample_x")),
    7: ("sample image stack", ("energy", "sample_y", "sample_x")),
    8: ("generic scan", ("sample_x",)),
    9: ("sample image", ("sample_y", "sample_x")),
    10: ("sample image", ("sample_y", "sample_x")),
    11: ("sample image stack", ("energy", "sample_y", "sample_x")),
    12: ("sample image", ("sample_y", "sample_x")),
    13: ("sample image stack", ("energy", "sample_y", "sample_x")),
    14: ("generic scan", ("energy", "sample_x")),
}


@every_request
def test_axes_label_and_lengths_are_those_of_nxstxm(request_):
    label, axes = LABELS[request_.scan_type]
    for entry in expected(request_).values():
        assert entry.label == label
        if request_ is not REQUESTS["generic-2d"]:
            assert entry.axes == axes
        assert entry.data.shape == tuple(len(entry.setpoints[axis]) for axis in entry.axes)
        assert entry.data.dtype == np.float64
        assert entry.count_time.shape == entry.energies.shape
        if "energy" in entry.axes and request_.scan_type != 14:
            assert tuple(entry.energies) == request_.energies


@every_request
def test_lists_hold_what_arrived_in_the_order_of_time(request_):
    arrived = sum(len(list(primary_data(run))) for run in scan_documents(request_))
    total = 0
    for entry in expected(request_).values():
        for name, chronological in entry.lists.items():
            assert chronological.dtype == np.int64
            assert len(chronological) == np.count_nonzero(~np.isnan(entry.channels[name]))
            assert sorted(chronological) == sorted(entry.channels[name][entry.channels[name] >= 0])
        total += len(next(iter(entry.lists.values())))
    if request_.arrival == "points":
        assert total == arrived


def test_the_list_of_a_snake_goes_back_and_forth():
    for name in ("image-snake-points", "image-snake-lines"):
        entry = expected(REQUESTS[name])["entry0"]
        chronological = next(iter(entry.lists.values()))
        np.testing.assert_array_equal(chronological[:5], entry.data[0])
        np.testing.assert_array_equal(chronological[5:10], entry.data[1][::-1])
        documents = scan_documents(REQUESTS[name])[0]
        read = np.concatenate(
            [np.atleast_1d(next(v for k, v in d.items() if k.startswith("counter0")))
             for _, d in primary_data(documents)]
        )  # fmt: skip
        np.testing.assert_array_equal(read, chronological)


def test_every_detector_has_its_own_counts():
    request = REQUESTS["image-two-detectors"]
    entry = expected(request)["entry0"]
    assert list(entry.channels) == ["counter0", "i0_counter"]
    np.testing.assert_array_equal(entry.data, entry.channels["counter0"])
    second = place(scan_documents(request), signal="i0_counter")["entry0"]
    np.testing.assert_array_equal(second, entry.channels["i0_counter"])
    # what sees no sample varies by photon noise alone
    assert second.std() < 3 * np.sqrt(second.mean())


def test_the_ring_current_of_every_point_is_what_its_event_read():
    request = REQUESTS["pystxm2019-osa_focus-points"]
    entry = expected(request)["entry0"]
    (run,) = scan_documents(request)
    read = [data["RING-01:mA:fbk_val"] for _, data in primary_data(run)]
    np.testing.assert_array_equal(entry.ring_current.ravel(), read)
    assert expected(REQUESTS["pystxm2019-sample_image-lines"])["entry0"].ring_current is None


def test_a_line_has_both_positions_and_the_way_along_it():
    entry = expected(REQUESTS["pystxm2019-sample_line_spectra-lines"])["entry0"]
    x, y, along = (entry.setpoints[k] for k in ("sample_x", "sample_y", "line_position"))
    assert along[0] == 0.0
    np.testing.assert_allclose(np.diff(along), np.hypot(np.diff(x), np.diff(y)))


def test_longer_dwells_count_more():
    entry = expected(REQUESTS["stack-uneven-dwells"])["entry0"]
    assert entry.count_time.tolist() == [0.001, 0.0025, 0.0005]
    corner = entry.data[:, 0, 0] / entry.count_time
    assert corner == pytest.approx(1e6, rel=0.15)


def test_the_spectrum_of_a_point_on_material_a_has_the_edge():
    entry = expected(REQUESTS["pystxm2019-sample_point_spectra-points"])["entry2"]
    before, _, on_the_line, _ = entry.data
    assert on_the_line < 0.5 * before


def test_polarizations_are_entries_that_differ_by_the_dichroism():
    entries = expected(REQUESTS["stack-two-polarizations"])
    left, right = entries["entry0"], entries["entry1"]
    assert (left.polarization.code, right.polarization.code) == (0, 1)
    # the disc at (-2, 1) is magnetised along the beam: it takes more of right light at L3
    assert left.data[2, 2, 1] > 1.2 * right.data[2, 2, 1]


def test_entries_that_were_never_begun_are_not_expected():
    assert list(expected(REQUESTS["tomography-aborted"])) == ["entry0", "entry1"]


def test_the_seed_changes_the_counts_and_nothing_else():
    first, second = (expected(ScanRequest(6, seed=seed))["entry0"] for seed in (0, 1))
    assert not np.array_equal(first.data, second.data)
    np.testing.assert_array_equal(first.setpoints["sample_x"], second.setpoints["sample_x"])
