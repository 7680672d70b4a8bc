"""What NXstxm has no place for: the request, the baseline, other readings, the archive."""

from __future__ import annotations

import json
import reprlib
from math import prod
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from .._h5write import text
from ._canvas import ListWriter
from ._encoding import group, safe_name, texts, values
from ._linked import are_whole, copy_whole, note_sources, sources_of_pieces, write_linked
from ._record import TIME, Piece, RunRecord
from ._rows import append

if TYPE_CHECKING:
    from ._entry import EntryWriter


def write_collection(writer: EntryWriter) -> None:
    """Write the NXcollection of an entry."""
    home = group(writer.entry, "collection", "NXcollection")
    records = writer.job.records
    request = next((r.plan.request for r in records if r.plan.request), None)
    if request is not None:
        text(home, "scan_request", request)
    _write_exit(home, records)
    opened = next((r for r in records if r.n_rows.get("baseline")), None)
    if opened is not None:
        known = writer.shared.baselines.get(opened.uid)
        if known is None:
            write_baseline(writer, home, opened)
            writer.shared.baselines[opened.uid] = home["baseline"].name
        else:
            home["baseline"] = writer.h5[known]
    _write_streams(writer, home)
    messages = list(dict.fromkeys(writer.messages))
    if messages:
        texts(home, "messages", messages)
    write_archives(writer, home)


def _write_exit(home: h5py.Group, records: list[RunRecord]) -> None:
    """Write how the runs ended: the worst of them decides."""
    order = ("success", "abort", "fail", "incomplete")
    statuses = [
        "incomplete"
        if r.stop is None
        else _word(r.stop.get("exit_status", "success")) or "incomplete"
        for r in records
    ]
    worst = max(statuses, key=lambda s: order.index(s) if s in order else len(order))
    text(home, "exit_status", worst)
    reasons = [_word(r.stop.get("reason", "")) for r in records if r.stop is not None]
    if any(reasons):
        text(home, "reason", "; ".join(dict.fromkeys(filter(None, reasons))))


def _word(value: Any) -> str:
    """Give text as it is, and anything else briefly."""
    if value is None:
        return ""
    return value if isinstance(value, str) else reprlib.repr(value)


def write_baseline(writer: EntryWriter, home: h5py.Group, record: RunRecord) -> None:
    """Write every reading of the baseline, before and after, with its unit and source."""
    made = group(home, "baseline", "NXcollection")
    times = record.whole(writer.source, "baseline", TIME).astype(float)
    units = {d.read_key: d.units for d in record.plan.devices.values() if d.units}
    units |= {d.set_key: d.units for d in record.plan.devices.values() if d.units and d.set_key}
    shared_times: h5py.Dataset | None = None
    names: set[str] = set()
    for key in record.keys("baseline"):
        declared = record.data_key("baseline", key)
        name = safe_name(key, names)
        names.add(name)
        sensor = group(made, name, "NXsensor")
        text(sensor, "name", _word(declared.get("source", "")) or key)
        text(sensor, "short_name", key)
        if about := _word(declared.get("desc", "")):
            text(sensor, "description", about)
        given = units.get(key) or declared.get("units")
        _write_readings(writer, sensor, record, "baseline", key, given, "value")
        if shared_times is None:
            shared_times = values(sensor, "value_time", times, "s")
        else:
            sensor["value_time"] = shared_times


def _write_streams(writer: EntryWriter, home: h5py.Group) -> None:
    """Write the readings that have no other place: other streams, other columns."""
    shown = {c.key for c in writer.channels}
    for record in writer.job.records:
        for stream in record.n_rows:
            keys = record.keys(stream)
            if stream == "baseline":
                continue
            if stream == record.measurement:
                placed = {
                    key
                    for d in record.plan.devices.values()
                    for key in (d.read_key,)
                    if key is not None and d.role in _placed_roles(writer)
                }
                keys = [k for k in keys if k not in shown | placed]
            if not keys:
                continue
            name = safe_name(stream)
            if name in ("baseline", "bluesky", "messages", "scan_request", "exit_status", "reason"):
                name = safe_name(f"{name}_stream")
            made = home[name] if name in home else group(home, name, "NXcollection")
            where = made
            if len(writer.job.records) > 1:
                where = group(made, f"run_{safe_name(record.uid)}", "NXcollection")
            times: h5py.Dataset | None = None
            for key in keys:
                log = group(where, safe_name(key, where), "NXlog")
                text(log, "description", key)
                given = record.data_key(stream, key).get("units")
                _write_readings(writer, log, record, stream, key, given, "value")
                if times is None:
                    out = ListWriter(log, "time", "s")
                    for _, array in record.read(
                        writer.source, stream, TIME, 0, record.n_rows[stream]
                    ):
                        out.add(array - record.plan.time)
                    times = out.close()
                    times.attrs["start"] = writer.options.time(record.plan.time)
                else:
                    log["time"] = times


def _placed_roles(writer: EntryWriter) -> set[str]:
    """Name the roles whose measured values stand in the instrument."""
    named = {axis.role for axis in (*writer.plan.axes, *writer.plan.positions) if axis.role}
    return named | {"energy", "ring_current", "sample_x", "sample_y", "sample_z"}


def _write_readings(
    writer: EntryWriter,
    home: h5py.Group,
    record: RunRecord,
    stream: str,
    key: str,
    units: Any,
    name: str,
) -> None:
    """Write a column as it came; readings of another shape than the first get a dataset each."""
    pieces = record.columns.get((stream, key), [])
    shown = units if isinstance(units, str) and units else None
    frames = None
    if are_whole(pieces, record.n_rows.get(stream, 0)) and pieces and prod(pieces[0].shape) > 1:
        frames = sources_of_pieces(pieces)
    if frames and write_linked(writer, home, frames, pieces[0], shown, name):
        return  # exposures, darks: beside the signal of the scan, where the detector put them
    note_sources(writer, home, pieces)
    if frames and copy_whole(writer, home, frames, pieces[0], shown, name):
        return
    by_shape: dict[tuple[Any, ...], list[Piece]] = {}
    for piece in pieces:
        by_shape.setdefault((piece.shape, piece.dtype.kind == "O"), []).append(piece)
    for i, (kind, group_of) in enumerate(by_shape.items()):
        label = name if i == 0 else f"{name}_{i + 1}"
        if kind[1]:
            arrays = [p.read(writer.source, p.row, p.row + p.n) for p in group_of]
            flat = [_as_str(v) for a in arrays for v in np.asarray(a, object).reshape(-1)]
            texts(home, label, flat)
            continue
        out = ListWriter(home, label, shown, writer.options.compression)
        for piece in group_of:
            step = max(1, 2**20 // max(int(np.prod(piece.shape, dtype=np.int64)), 1))
            for a in range(piece.row, piece.row + piece.n, step):
                out.add(piece.read(writer.source, a, min(a + step, piece.row + piece.n)))
        out.close()


def _as_str(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def write_archives(writer: EntryWriter, home: h5py.Group) -> None:
    """Write the archive of every run of the entry; a run in several entries has one, linked."""
    made = group(home, "bluesky", "NXcollection")
    for order, record in enumerate(writer.job.records):
        if not record.archive:
            continue
        name = safe_name(record.uid)
        elsewhere = writer.shared.archives.get(record.uid)
        if elsewhere is not None:
            made[name] = writer.h5[elsewhere]
            if f"{elsewhere}_arrays" in writer.h5:
                made[f"{name}_arrays"] = writer.h5[f"{elsewhere}_arrays"]
            continue
        if isinstance(record.archive, str):
            writer.bring(record.archive, made, name)
        else:
            data = np.frombuffer(b"".join(record.archive), np.uint8)
            made.create_dataset(name, data=data)
        archive = made[name]
        archive.attrs["uid"] = record.uid
        archive.attrs["order"] = order
        archive.attrs["time"] = record.plan.time
        archive.attrs["documents"] = record.n_documents
        if record.references:
            # a dataset: the table may be longer than an attribute can be
            text(made, f"{name}_arrays", json.dumps(_keep_arrays(writer, made, record)))
        writer.shared.archives[record.uid] = archive.name


def _keep_arrays(writer: EntryWriter, home: h5py.Group, record: RunRecord) -> list[list[Any]]:
    """Keep the arrays that an archive refers to, and say where each row is.

    Returns
    -------
    list of [stream, key, row, n, path, at]
        Rows `row` to ``row + n`` of a column are those from `at` on of the dataset at `path`.
    """
    table: list[list[Any]] = []
    channels = {c.key: c for c in writer.channels}
    for stream, key in sorted(record.references):
        channel = channels.get(key) if stream == record.measurement else None
        for piece in record.columns[stream, key]:
            place = channel.place_of(record.uid, piece) if channel is not None else None
            if place is None:
                place = _keep_piece(writer, home, f"{record.uid}_{stream}_{key}", piece)
            table.append([stream, key, piece.row, piece.n, *place])
    return table


def _keep_piece(writer: EntryWriter, home: h5py.Group, name: str, piece: Piece) -> tuple[str, int]:
    """Keep readings that no detector's list holds as they came; say where they are."""
    arrays = home.require_group("arrays")
    arrays.attrs["NX_class"] = "NXcollection"
    name = safe_name(name, arrays)
    if isinstance(piece.values, str):
        path = writer.shared.arrays.get(piece.values)
        if path is None:
            writer.bring(piece.values, arrays, name)
            path = writer.shared.arrays[piece.values] = arrays[name].name
        return path, piece.at
    shape = (None, *piece.shape)
    dataset = arrays.create_dataset(
        name, (0, *piece.shape), piece.dtype, maxshape=shape, chunks=(1, *piece.shape)
    )
    append(dataset, np.asarray(piece.values))
    return dataset.name, piece.at


__all__ = ["write_archives", "write_baseline", "write_collection"]
