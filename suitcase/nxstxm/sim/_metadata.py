"""How control programs write a scan into the start document: pyStxm's metadata, the ``stxm`` block.

True to the real thing, JSON strings within JSON strings included.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from ._devices import Names
from ._kinds import TOMOGRAPHY
from ._program import Entry, Run, program
from ._request import Region, ScanRequest
from ._rois import polarization_rois, region_rois

#: pyStxm's waveforms are declared longer than what arrives.
EXTRA_POINTS = 4

#: Polarization in words, by pyStxm's number.
_POLARIZATION_WORDS: dict[float, str] = {
    0: "circular left",
    1: "circular right",
    2: "linear horizontal",
    3: "linear vertical",
}


def detector_key(request: ScanRequest, detector: str) -> str:
    """Give the data key under which a detector's readings are."""
    if request.dialect == "stxm":
        return detector
    if request.arrival == "points" and "SIS3820" not in detector:
        return f"{detector}_single_value_rbv"
    return f"{detector}_waveform_rbv"


def channel_key(request: ScanRequest, signal: str, region: Region) -> str:
    """Give the name of a scaler's channel; for point spectra it also tells the point."""
    if request.kind.sweep == "point":
        return f"{signal.removeprefix('DNM_')}-spid-{region.sp_id}"
    return signal


def start_metadata(request: ScanRequest, run: Run, runs: list[Run]) -> dict[str, Any]:
    """Give what the dialect puts into the start document of one run.

    Parameters
    ----------
    request : ScanRequest
        The scan.
    run : Run
        One of its runs.
    runs : list of Run
        All of them.

    Returns
    -------
    dict
        ``{"metadata": <JSON>}``, or ``{"stxm": <block>}``; with a snake also bluesky's own
        ``shape`` and ``snaking``.
    """
    if request.dialect == "stxm":
        return {"stxm": _stxm_block(request, run, runs)}
    keys: dict[str, Any] = {"metadata": json.dumps(pystxm_metadata(request, run, runs))}
    if request.snake:
        shape = run.entries[0].shape[int(request.kind.by_run) :]
        keys |= {"shape": list(shape), "snaking": [*(False for _ in shape[1:]), True]}
    return keys


def pystxm_metadata(
    request: ScanRequest, run: Run, runs: list[Run] | None = None
) -> dict[str, Any]:
    """Assemble pyStxm's standard metadata of one run.

    Parameters
    ----------
    request : ScanRequest
        The scan, of a pyStxm dialect.
    run : Run
        One of its runs.
    runs : list of Run, optional
        All of them, found from the request when not given.

    Returns
    -------
    dict
        What the start key ``metadata`` holds as JSON; ``wdg_com`` and ``img_idx_map`` are JSON
        strings within.
    """
    entry, names = run.entries[0], Names(request.dialect)
    rois = {str(sp_id): region_rois(request, region) for sp_id, region in _roi_regions(request)}
    ids = [sp_id for sp_id, _ in _roi_regions(request)]
    found: dict[str, Any] = {
        "entry_name": "entry0" if request.kind.sweep == "point" else entry.name,
        "scan_type": request.scan_type,
        "sp_id_lst": ids[::-1] if request.scan_type == TOMOGRAPHY else ids,
        "rois": rois,
        "dwell": request.dwells_s[run.e_idx] * 1000.0,
        "primary_det": request.detectors[0],
        "zp_def": {
            "zp_idx": 7,
            "zpD": request.optics.zone_plate_um,
            "zpCStop": request.optics.central_stop_um,
            "zpOZone": request.optics.outer_zone_nm,
            "zpA1": -5.067,
            "fl": request.optics.focus_um,
            "Zpz_pos": request.optics.focus_um,
            "Cz_pos": 935.57,
        },
        "wdg_com": json.dumps(_wdg_com(request, rois)),
        "img_idx_map": json.dumps(_image_index(request, run), indent=4),
        "rev_lu_dct": names.lookup(),
    }
    if request.dialect == "pystxm":
        found["primary_det"] = [detector_key(request, name) for name in request.detectors]
        if request.optional_keys:
            found |= _newer_keys(request, entry, runs if runs is not None else program(request))
    return found


def _newer_keys(request: ScanRequest, entry: Entry, runs: list[Run]) -> dict[str, Any]:
    sequence = {str(number): _image_index(request, run) for number, run in enumerate(runs)}
    signal = next(iter(request.signals))
    keys: dict[str, Any] = {
        "default_det": channel_key(request, signal, entry.region) if request.channels else signal,
        "rotation_angle": entry.angle,
        "sequence_map": json.dumps(sequence),
    }
    if request.channels:
        channels = [{"chan_nm": name, "chan_num": k} for k, name in enumerate(request.channels)]
        keys["sis3820_data_map"] = json.dumps(channels)
    return keys


def _roi_regions(request: ScanRequest) -> list[tuple[int, Region]]:
    """Pair sp_ids and regions; a tomography lists its one region once for every angle."""
    if request.scan_type == TOMOGRAPHY:
        region = request.regions[0]
        return [(region.sp_id + k, region) for k in range(len(request.angles))]
    return [(region.sp_id, region) for region in request.regions]


def _image_index(request: ScanRequest, run: Run) -> dict[str, Any]:
    """Tell which image of the scan a run is."""
    entry = run.entries[0]
    points = request.kind.sweep == "point"
    found: dict[str, Any] = {
        "e_idx": run.e_idx,
        "entry": "entry0" if points else entry.name,
        "pol_idx": entry.pol_idx,
        "sp_id": min(r.sp_id for r in request.regions) if points else entry.region.sp_id,
        "sp_idx": entry.sp_idx,
    }
    if request.scan_type == TOMOGRAPHY or (request.dialect == "pystxm" and request.optional_keys):
        found["rotation_angle"] = entry.angle
    return found


def _wdg_com(request: ScanRequest, rois: dict[str, Any]) -> dict[str, Any]:
    """Give the request as pyStxm's scan panel writes it."""
    kind = request.kind
    plugin = {"SCAN_TYPE": request.scan_type, "SCAN_SUBTYPE": int(request.arrival == "lines")}
    plugin_named: dict[str, Any] = {**plugin, "SECTION_ID": kind.section, "DATA_FILE_PFX": "C"}
    spatial = {
        sp_id: {
            **region,
            "CMND": 1,
            "EV_NPOINTS": len(request.energies),
            "ID": "SPATIAL_DB_DICT",
            "ID_VAL": int(sp_id),
            "POL_NPOINTS": len(request.polarizations),
            "RECT": [region[a][end] for end in ("START", "STOP") for a in "XY"],
            "SCAN_PLUGIN": plugin_named,
        }
        for sp_id, region in rois.items()
    }
    found: dict[str, Any] = {"CMND": 0, "SPATIAL_ROIS": spatial}
    if kind.energy_list:
        lists: dict[str, Any] = {
            "SP_ROIS": list(spatial.values()),
            "EV_ROIS": list(request.energies),
            "DWELL": [dwell * 1000.0 for dwell in request.dwells_s],
            "POL_ROIS": polarization_rois(request),
        }
        if request.nested_strings:
            lists = {key: json.dumps(value) for key, value in lists.items()}
        found["SINGLE_LST"] = json.dumps(lists) if request.nested_strings else lists
    return found


def _stxm_block(request: ScanRequest, run: Run, runs: list[Run]) -> dict[str, Any]:
    """Write the ``stxm`` block, version 1; the keys after ``data_field`` are optional."""
    entry, names = run.entries[0], Names("stxm")
    x, y = entry.region.x, entry.region.y
    block: dict[str, Any] = {
        "contract_version": 1,
        "shape": [len(request.energies), y.npoints, x.npoints],
        "energies": list(request.energies),
        "dwell_ms": request.dwells_s[0] * 1000.0,
        "x_extent": [x.start, x.stop],
        "y_extent": [y.start, y.stop],
        "x_motor": names.device(request.stages[0]),
        "y_motor": names.device(request.stages[1]),
        "energy_motor": names.device("energy"),
        "data_field": request.detectors[0],
    }
    if request.optional_keys:
        block |= {
            "scan_type": request.scan_type,
            "sample": request.sample.name,
            "polarization": _POLARIZATION_WORDS.get(entry.polarization.code),
            "rotation_angle": entry.angle,
            "detectors": list(request.detectors),
        }
        if len(runs) > 1:
            group = str(uuid.UUID(bytes=request.digest(), version=4))
            block["scan_group"] = {"id": group, "index": runs.index(run), "total": len(runs)}
    return block
