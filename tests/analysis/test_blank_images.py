"""One image without beam must not move all those that come after it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from test_analysis import DRIFT, drifting

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.analysis import align_stack

DARK = np.random.default_rng(6)
BLANK = {
    "zero": lambda shape: np.zeros(shape),
    "constant": lambda shape: np.full(shape, 7.1),
    "a pattern": lambda shape: np.random.default_rng(4).poisson(3, shape).astype(float),
    "dark counts": lambda shape: DARK.poisson(3, shape).astype(float),
}


def with_blank(kind, places):
    stack = drifting(DRIFT)
    values = stack.values.copy()
    for place in places:
        values[place] = BLANK[kind](values.shape[1:])
    return stack.copy(data=values)


@pytest.mark.parametrize("kind", BLANK)
@pytest.mark.parametrize("places", [[2], [0], [4], [2, 3], [0, 1]])
@pytest.mark.parametrize("reference", ["previous", "mean"])
def test_the_others_are_where_they_were(kind, places, reference):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, shifts = align_stack(with_blank(kind, places), reference=reference)
    good = [number for number in range(5) if number not in places]
    found = np.stack([shifts["shift_y"] / 0.05, shifts["shift_x"] / 0.04], axis=1)
    wanted = np.array(DRIFT)[good] - DRIFT[good[0]]
    np.testing.assert_allclose(found[good] - found[good[0]], wanted, atol=0.35)
    assert shifts["found"].values.tolist() == [number in good for number in range(5)]


def test_a_blank_one_is_moved_as_the_last_before_it():
    aligned, shifts = align_stack(with_blank("zero", [2]))
    assert float(shifts["shift_y"][2]) == float(shifts["shift_y"][1])
    assert np.isfinite(aligned.values[2, 10:-10, 10:-10]).all()


def test_a_blank_reference_is_refused():
    with pytest.raises(NXstxmError, match="image number 0 of 5 is blank"):
        align_stack(with_blank("zero", [0]), reference="first")


def test_the_number_of_the_reference_may_be_of_numpy_and_from_the_end():
    _, one = align_stack(drifting(DRIFT), reference=np.int64(4))
    _, other = align_stack(drifting(DRIFT), reference=-1)
    np.testing.assert_array_equal(one["shift_x"], other["shift_x"])
    assert one["found"].values.all()


def test_nothing_at_all_to_be_seen():
    stack = drifting(DRIFT)
    _, shifts = align_stack(stack.copy(data=np.full(stack.shape, 5.0)))
    assert not shifts["found"].values.any()
    assert not shifts["shift_x"].values.any()


def test_a_further_dimension():
    with pytest.raises(NXstxmError, match=r"has polarization as well: .*\.isel\(polarization=0\)"):
        align_stack(drifting(DRIFT).expand_dims("polarization"))
