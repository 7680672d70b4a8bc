"""Without these, the simulated images, spectra and focus scans could show anything: a demo without
an edge, a tomography that does not turn, counts that differ from run to run.
"""

import numpy as np
import pytest

from suitcase.nxstxm.sim import Optics, Sample, Shape, counts
from suitcase.nxstxm.sim._optics import helicity

A_DISC, B_BAR, EMPTY = (-2.2, 1.8), (0.3, -1.2), (-4.8, 4.8)


def od(energy, at, **options):
    return -np.log(Sample().transmission(energy, *at, **options))


def test_material_a_has_a_doublet_and_material_b_is_smooth():
    energies = np.linspace(690.0, 740.0, 501)
    spectrum = od(energies, A_DISC)
    inner = spectrum[1:-1]
    peaks = energies[1:-1][(inner > spectrum[:-2]) & (inner > spectrum[2:])]
    assert peaks == pytest.approx([708.0, 721.0], abs=0.3)
    assert od(708.0, A_DISC) > 3 * od(700.0, A_DISC)
    assert np.all(np.diff(od(energies, B_BAR)) < 0)


def test_material_a_has_the_carbon_edge_too():
    assert od(285.2, A_DISC) > 1.5 * od(280.0, A_DISC)
    assert od(320.0, A_DISC) > od(280.0, A_DISC)


def test_nothing_absorbs_beside_the_shapes():
    assert Sample().transmission(708.0, *EMPTY) == pytest.approx(1.0, abs=1e-6)


def test_arguments_are_broadcast_against_each_other():
    energies = np.array([700.0, 708.0, 721.0])
    y, x = np.linspace(-1, 1, 4), np.linspace(-2, 2, 5)
    stack = Sample().transmission(energies[:, None, None], x[None, None, :], y[None, :, None])
    assert stack.shape == (3, 4, 5)
    assert stack[1, 2, 3] == Sample().transmission(708.0, x[3], y[2])


def test_dichroism_changes_sign_with_the_light_and_between_the_edges():
    at_l3 = od(708.0, A_DISC, polarization=1) - od(708.0, A_DISC, polarization=-1)
    at_l2 = od(721.0, A_DISC, polarization=1) - od(721.0, A_DISC, polarization=-1)
    assert at_l3 > 0.1
    assert at_l2 < -0.05
    linear = od(708.0, A_DISC)
    assert linear == pytest.approx(
        (od(708.0, A_DISC, polarization=1) + od(708.0, A_DISC, polarization=-1)) / 2
    )
    assert helicity([0, 1, 2, -1]).tolist() == [-1.0, 1.0, 0.0, 0.0]


def test_rotation_moves_what_lies_above_the_axis():
    sample = Sample((Shape("sphere", "B", 0.0, 0.0, 1.0, z=3.0),))
    x = np.linspace(-3, 3, 601)
    for theta in (-30.0, 0.0, 30.0):
        seen = sample.transmission(700.0, x, 0.0, theta)
        assert x[np.argmin(seen)] == pytest.approx(3.0 * np.sin(np.radians(theta)), abs=0.02)


def test_rotation_lengthens_the_way_through_flat_shapes():
    sample = Sample((Shape("disc", "B", 0.0, 0.0, 2.0),))
    flat, turned = (-np.log(sample.transmission(700.0, 0.0, 0.0, t)) for t in (0.0, 60.0))
    assert turned == pytest.approx(2 * flat)


def test_edges_are_steepest_in_focus():
    optics, sample = Optics(), Sample()
    x = np.linspace(-1.3, -0.1, 121)  # across the edge of the disc
    steepness = [
        np.abs(np.diff(sample.transmission(708.0, x, 1.8, blur_um=optics.blur(z)))).max()
        for z in (-3822.0, -3812.0, -3802.0, -3792.0)
    ]
    assert int(np.argmax(steepness)) == 2
    assert steepness[0] < steepness[1]


def test_the_osa_is_a_round_hole():
    optics = Optics()
    assert optics.osa(0.0, 0.0) == pytest.approx(1.0)
    assert optics.osa(20.0, 0.0) == pytest.approx(0.5)
    assert optics.osa(0.0, 20.0) == pytest.approx(0.5)
    assert optics.osa(30.0, 0.0) < 1e-6


def test_the_detector_sees_a_ring_around_the_shadow_of_the_stop():
    optics = Optics()
    centre, ring, outside = (float(optics.detector(x, 0.0)) for x in (0.0, 140.0, 300.0))
    assert centre == pytest.approx(1.0, rel=1e-4)
    assert ring > 1.5
    assert outside < 1e-3


def test_counts_are_whole_numbers_and_repeat_with_the_seed():
    rate = np.full((3, 4), 1000.0)
    first = counts(rate, np.random.default_rng(5))
    assert first.dtype == np.int64
    assert np.array_equal(first, counts(rate, np.random.default_rng(5)))
    assert type(counts(7.5, np.random.default_rng(5))) is int
    many = counts(np.full(10_000, 100.0), np.random.default_rng(1))
    assert many.mean() == pytest.approx(100.0, rel=0.01)
    assert many.var() == pytest.approx(100.0, rel=0.1)
