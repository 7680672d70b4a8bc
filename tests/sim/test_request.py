"""Without these, a request that no microscope could make would give documents that look right."""

import subprocess
import sys
from dataclasses import replace

import pytest

from suitcase.nxstxm._errors import NXstxmError
from suitcase.nxstxm.sim import Polarization, Region, RequestError, ScanRequest, Span, all_requests
from suitcase.nxstxm.sim._kinds import KINDS

TWO = (
    Region(0, Span(0, 1, 3), Span(0, 1, 2)),
    Region(1, Span(0, 1, 3), Span(0, 1, 2)),
)


@pytest.mark.parametrize(
    ("request_options", "message"),
    [
        ({"scan_type": 99}, "not one of 0..14"),
        ({"scan_type": 6, "dialect": "pixelator"}, "dialect"),
        ({"scan_type": 6, "regions": ()}, "needs a region"),
        ({"scan_type": 7, "energies": (1.0, 2.0, 3.0), "dwells_ms": (1.0, 2.0)}, "2 dwells for 3"),
        ({"scan_type": 6, "regions": TWO}, "several regions"),
        ({"scan_type": 7, "regions": TWO[:1] * 2}, "same sp_id"),
        ({"scan_type": 6, "energies": (700.0, 708.0)}, "several energies"),
        ({"scan_type": 6, "polarizations": (Polarization(0), Polarization(1))}, "polarizations"),
        ({"scan_type": 7, "angles": (0.0, 1.0)}, "only a tomography"),
        ({"scan_type": 6, "positioners": ("osa_x", "none")}, "positioners"),
        ({"scan_type": 5, "regions": TWO[:1]}, "as many points in x as in y"),
        ({"scan_type": 4, "regions": TWO}, "one point a region"),
        ({"scan_type": 6, "style": "images", "snake": True}, "not snaked"),
        ({"scan_type": 13, "style": "lines"}, "a frame a point"),
        ({"scan_type": 0, "dialect": "stxm"}, "images and stacks"),
        ({"scan_type": 6, "dialect": "stxm", "style": "points"}, "lines"),
        ({"scan_type": 6, "truncate": -1}, "truncate"),
    ],
)
def test_impossible_scans_are_refused_with_the_reason(request_options, message):
    with pytest.raises(RequestError, match=message) as caught:
        ScanRequest(**request_options)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, NXstxmError)


def test_there_is_a_small_request_for_every_scan_type_and_dialect():
    requests = all_requests()
    assert {r.scan_type for r in requests.values()} == set(KINDS) == set(range(15))
    assert {r.dialect for r in requests.values()} == {"pystxm2019", "pystxm", "stxm", "simulator"}
    assert {r.arrival for r in requests.values()} == {"points", "lines", "images"}
    assert len(set(requests.values())) == len(requests)


def test_a_request_equals_itself_and_no_other():
    request = ScanRequest(6)
    assert request.digest() == ScanRequest(6).digest()
    assert request.digest() != replace(request, seed=1).digest()


def test_documents_need_neither_bluesky_nor_ophyd():
    program = (
        "import sys\n"
        "from suitcase.nxstxm.sim import ScanRequest, expected, scan_documents\n"
        "scan_documents(ScanRequest(6)), expected(ScanRequest(6))\n"
        "assert not {'bluesky', 'ophyd', 'h5py'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
