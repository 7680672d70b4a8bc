"""Records of runs, written down in the temporary file of their scan and read back.

What is written says where the columns of a run lie and with which options it was exported, so that
another process may finish the scan.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from ..documents import ArchiveWriter, read_archive
from ..scans import read_plan
from ._framestore import as_json
from ._options import WriterOptions
from ._record import STAGING, Piece, RunRecord, Step

#: Attribute of a run's group: it came with its stop document and is not exported again.
WHOLE = "whole"


def save_record(home: h5py.Group, record: RunRecord, options: WriterOptions) -> None:
    """Write a record down, in the group of the run whose columns it describes."""
    columns = [
        [stream, key, [[p.row, p.n, p.values, p.at, list(p.shape), p.dtype.str] for p in pieces]]
        for (stream, key), pieces in record.columns.items()
    ]
    saved = {
        "start": dict(record.start),
        "stop": None if record.stop is None else dict(record.stop),
        "descriptors": [dict(d) for d in record.descriptors],
        "columns": columns,
        "n_rows": record.n_rows,
        "last_time": record.last_time,
        "archive": record.archive,
        "n_documents": record.n_documents,
        "references": [list(r) for r in sorted(record.references)],
        "notes": record.notes,
        "processing": [[s.name, s.version, as_json(s.options)] for s in record.processing],
        "devices": dict(options.devices),
        "options": options.saved(),
    }
    data: list[bytes] = []
    writer = ArchiveWriter(data.append)
    writer.append("record", saved)
    writer.close()
    if "record" in home:
        del home["record"]
    home.create_dataset("record", data=np.frombuffer(b"".join(data), np.uint8))
    home.attrs[WHOLE] = record.stop is not None


def is_assembled(h5: h5py.File) -> bool:
    """Tell whether a temporary file is complete and lacks nothing but its final name."""
    return STAGING not in h5 and h5.attrs.get("NX_class") == "NXroot"


def read_records(
    h5: h5py.File, devices: Mapping[str, str] | None = None
) -> tuple[list[RunRecord], dict[str, Any]]:
    """Read the runs that wait in a temporary file.

    Parameters
    ----------
    h5 : h5py.File
        The file.
    devices : Mapping of str to str, optional
        Role to data key, instead of what was said when the runs were exported.

    Returns
    -------
    list of RunRecord
        In the order of their start times.
    dict
        Options with which the first of them was written.
    """
    records: list[RunRecord] = []
    options: list[dict[str, Any]] = []
    for uid in h5.get(STAGING, ()):
        home = h5[STAGING][uid]
        if "record" not in home:
            continue  # a run whose export did not come to its end
        ((_, saved),) = read_archive(home["record"][()].tobytes())
        plan = read_plan(saved["start"]).with_devices(
            saved["devices"] if devices is None else devices
        )
        for descriptor in saved["descriptors"]:
            plan = plan.bind(descriptor)
        columns = {
            (stream, key): [
                Piece(row, n, path, at, tuple(shape), np.dtype(dtype))
                for row, n, path, at, shape, dtype in pieces
            ]
            for stream, key, pieces in saved["columns"]
        }
        references = {(stream, key) for stream, key in saved["references"]}
        record = RunRecord(plan, saved["start"], saved["stop"], saved["descriptors"], columns)
        record.n_rows, record.last_time = saved["n_rows"], saved["last_time"]
        record.archive, record.n_documents = saved["archive"], saved["n_documents"]
        record.references, record.notes = references, saved["notes"]
        record.processing = tuple(
            Step(name, version, json.loads(options))
            for name, version, options in saved.get("processing", ())
        )
        records.append(record)
        options.append(saved["options"])
    order = sorted(range(len(records)), key=lambda i: (records[i].plan.time, records[i].uid))
    return [records[i] for i in order], options[order[0]] if order else {}
