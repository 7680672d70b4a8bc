"""Without these an energy in keV would be taken for one in eV."""

from __future__ import annotations

import pytest

from suitcase.nxstxm.scans import canonical, factor


@pytest.mark.parametrize(
    ("units", "wanted", "times"),
    [
        ("keV", "eV", 1e3), ("mm", "um", 1e3), (" nm ", "um", 1e-3), ("A", "mA", 1e3),
        ("rad", "deg", 57.29577951308232), ("ms", "s", 1e-3), ("um", "um", 1.0),
        ("furlong", "um", 1.0), ("mm", "eV", 1.0),
    ],
)  # fmt: skip
def test_how_many_of_a_unit_one_of_another_is(units, wanted, times):
    assert factor(units, wanted) == times


@pytest.mark.parametrize(
    ("said", "spelt"),
    [
        ("micron", "um"), ("(\N{MICRO SIGN}m)", "um"), ("ev", "eV"), ("ma", "mA"),
        ("degrees", "deg"), ("seconds", "s"), ("keV", "keV"), ("mm", "mm"), ("counts", "counts"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_unit_that_only_has_another_name(said, spelt):
    assert canonical(said) == spelt
