"""What `open_nxstxm` is given: lengths of blocks, paths; what makes no sense is told."""

from __future__ import annotations

import numpy as np
import pytest
from styles import STACK, build_style

from suitcase.nxstxm import NXstxmError, export_scan, open_nxstxm, sim
from suitcase.nxstxm.nexus import read_contents

CHANNEL = "entry1/counter0"


@pytest.fixture
def path(tmp_path):
    return build_style("pixelator-stack", tmp_path)[0]


@pytest.mark.parametrize(
    ("chunks", "blocks"),
    [
        ("auto", ((3,), (4,), (5,))),
        ({"energy": "auto", "y": 3}, ((3,), (3, 1), (5,))),
        ({"y": -1, "x": np.int64(2)}, ((3,), (4,), (2, 2, 1))),
        ({}, ((3,), (4,), (5,))),
    ],
)
def test_lengths_of_blocks(path, chunks, blocks):
    for given in (path, [path]):
        with open_nxstxm(given, chunks=chunks) as tree:
            data = tree[CHANNEL]["data"]
            assert data.chunks == blocks
            np.testing.assert_array_equal(data.values, STACK)


def test_dask_chooses_for_everything_in_a_file(tmp_path):
    request = sim.all_requests()["pystxm2019-sample_image_stack-lines"]
    with open_nxstxm(
        export_scan(sim.scan_documents(request), tmp_path), chunks="auto", baseline=True
    ) as tree:
        arrays = [array for node in tree.subtree for array in node.data_vars.values()]
        assert len(arrays) > 10
        assert all(array.chunks is not None and array.load() is not None for array in arrays)


@pytest.mark.parametrize(
    ("chunks", "told"),
    [
        ({"y": 0}, "blocks of 0 along y can not be"),
        ({"y": -2}, "blocks of -2 along y can not be"),
        ({"y": 1.5}, "1.5 is no length"),
        ({"y": True}, "True is no length"),
        (5, "chunks=5 are no lengths of blocks"),
        ("all", "chunks='all' are no lengths of blocks"),
    ],
)
def test_lengths_that_can_not_be(path, chunks, told):
    with pytest.raises(NXstxmError, match=told):
        open_nxstxm(path, chunks=chunks)


@pytest.mark.parametrize("given", [None, 3, b"a.hdf5", [None], [b"a.hdf5"]])
def test_what_is_no_path(given):
    with pytest.raises(NXstxmError, match="path") as error:
        open_nxstxm(given)
    assert isinstance(error.value, TypeError)
    with pytest.raises(NXstxmError, match="is not a path but of type"):
        read_contents(given)
