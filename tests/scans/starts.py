"""Start documents written by hand, so that the simulator is not the only witness."""

import copy
import json

AXIS_X = {"POSITIONER": "SampleX", "SETPOINTS": [0.0, 0.5, 1.0], "NPOINTS": 3, "ENABLED": True}
AXIS_Y = {"POSITIONER": "SampleY", "SETPOINTS": [5.0, 6.0], "NPOINTS": 2, "ENABLED": True}
PLATE_Z = {"POSITIONER": "_ZonePlateZ_base", "SETPOINTS": [-10.0, -9.0], "NPOINTS": 2}
ENERGIES = {"SETPOINTS": [700.0, 708.0], "DWELL": 2.0, "POL_ROIS": [{"POL": 0, "ANGLE": 0.0}]}
ROI = {"X": AXIS_X, "Y": AXIS_Y, "ZP": {"Z": PLATE_Z}, "EV_ROIS": [ENERGIES]}
METADATA = {
    "entry_name": "entry0",
    "scan_type": 7,
    "sp_id_lst": [0],
    "rois": {"0": ROI},
    "dwell": 2.0,
    "primary_det": "counter0",
    "img_idx_map": {"e_idx": 0, "entry": "entry0", "pol_idx": 0, "sp_id": 0, "sp_idx": 0},
    "wdg_com": {"SINGLE_LST": {"EV_ROIS": [700.0, 708.0], "DWELL": [2.0, 2.0]}},
    "rev_lu_dct": {"SampleX": "IOC:m117", "SampleY": "IOC:m118"},
}
BLOCK = {
    "contract_version": 1,
    "shape": [2, 3, 4],
    "energies": [700.0, 708.0],
    "dwell_ms": 2.0,
    "x_extent": [0.0, 3.0],
    "y_extent": [10.0, 14.0],
    "x_motor": "SampleX",
    "y_motor": "SampleY",
    "energy_motor": "energy",
    "data_field": "pmt",
}
RUN = "8b8a62f3-1111-4222-8333-444444444444"


def start(**keys):
    return {"uid": RUN, "time": 1_700_000_000.0, **keys}


def metadata(*path, to=None, **changes):
    """Give a copy of METADATA with keys changed, and what is at a path set to a value.

    A value of ``...`` takes the key away.
    """
    found = copy.deepcopy(METADATA)
    found.update(changes)
    place = found
    for step in path[:-1]:
        place = place[step]
    if path and to is ...:
        del place[path[-1]]
    elif path:
        place[path[-1]] = to
    return {key: value for key, value in found.items() if value is not ...}


def pystxm(*path, to=None, **changes):
    """Give a start document with `metadata`, as JSON within JSON."""
    found = metadata(*path, to=to, **changes)
    for key in ("img_idx_map", "wdg_com"):
        if isinstance(found.get(key), dict):
            found[key] = json.dumps(found[key])
    return start(metadata=json.dumps(found))


def stxm(**changes):
    """Give a start document with the `stxm` block, changed; ``...`` takes a key away."""
    block = {k: v for k, v in {**BLOCK, **changes}.items() if v is not ...}
    return start(stxm=block)
