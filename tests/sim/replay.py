"""A second opinion on what documents mean, for comparing them with what is expected.

It knows the documents' metadata and the rules of the reference, and nothing of the generator.
"""

import json
from collections import defaultdict

import numpy as np


def place(runs, *, signal=None):
    """Put the primary readings of all runs into arrays: entry name -> array of float64."""
    blocks = defaultdict(dict)
    for number, documents in enumerate(runs):
        start = documents[0][1]
        if "stxm" in start:
            name, found = _stxm(start["stxm"], documents, number)
            blocks[name][None] = found
        else:
            _pystxm(start, documents, signal, blocks)
    return {
        name: parts[None] if None in parts else np.stack([parts[k] for k in sorted(parts)])
        for name, parts in blocks.items()
    }


def primary_data(documents):
    names = {d["uid"]: d["name"] for n, d in documents if n == "descriptor"}
    for name, document in documents:
        if name == "event" and names[document["descriptor"]] == "primary":
            yield document["seq_num"], document["data"]
        if name == "event_page" and names[document["descriptor"]] == "primary":
            for k, seq_num in enumerate(document["seq_num"]):
                yield seq_num, {key: column[k] for key, column in document["data"].items()}


def metadata(start):
    md = json.loads(start["metadata"])
    return md | {key: json.loads(md[key]) for key in ("img_idx_map", "wdg_com")}


def _stxm(block, documents, number):
    n_e, n_y, n_x = block["shape"]
    found = np.full((n_e * n_y, n_x), np.nan)
    for seq_num, data in primary_data(documents):
        found[seq_num - 1] = data[block["data_field"]]
    index = block.get("scan_group", {"index": number})["index"]
    stack = block.get("scan_type", 7) != 6
    shape = (n_e, n_y, n_x) if stack and (n_e > 1 or "scan_type" in block) else (n_y, n_x)
    return f"entry{index}", found.reshape(shape)


def _readings(documents, md, signal):
    first = md["primary_det"] if isinstance(md["primary_det"], str) else md["primary_det"][0]
    for _, data in primary_data(documents):
        key = next(k for k in data if k.startswith(signal or first))
        value = data[key]
        if isinstance(value, dict):
            value = next(iter(value.values()))
        yield np.atleast_1d(np.asarray(value, dtype=np.float64))


def _pystxm(start, documents, signal, blocks):
    md = metadata(start)
    scan_type, ids = md["scan_type"], md["sp_id_lst"]
    index, roi = md["img_idx_map"], md["rois"][str(md["img_idx_map"]["sp_id"])]
    readings = list(_readings(documents, md, signal))
    n_energies = sum(len(part["SETPOINTS"]) for part in roi["EV_ROIS"])
    if scan_type == 4:
        for k, sp_id in enumerate(ids):
            spectrum = np.full(n_energies, np.nan)
            arrived = [v[0] for v in readings[k :: len(ids)]]
            spectrum[: len(arrived)] = arrived
            blocks[f"entry{sp_id}"][None] = spectrum
        return
    n_x, n_y = roi["X"]["NPOINTS"], roi["Y"]["NPOINTS"]
    outer = {2: roi["ZP"]["Z"]["NPOINTS"], 3: roi["ZP"]["Z"]["NPOINTS"], 5: n_energies}
    shape = (outer.get(scan_type, n_y), n_x)
    flat = np.full(shape[0] * shape[1], np.nan)
    arrived = np.concatenate([v.ravel() for v in readings]) if readings else np.empty(0)
    flat[: len(arrived)] = arrived
    found = flat.reshape(shape)
    if start.get("snaking", [False])[-1]:
        found[1::2] = found[1::2, ::-1]
    if roi["Y"]["POSITIONER"] == "None":
        found = found[0]
    blocks[index["entry"]][index["e_idx"] if scan_type in (7, 11, 13) else None] = found
