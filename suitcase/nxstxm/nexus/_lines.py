"""Lines of a run that were sampled more often than they have points, or less.

In the instrument's lists the samples stay as they came; for the pictures they are binned.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import prod

import h5py
import numpy as np
import numpy.typing as npt

from ..scans import (
    EntryPlan,
    LineAxis,
    binned,
    by_order,
    detector_columns,
    is_line,
    line_axes,
    place,
)
from ._blocks import Index, PointBlock
from ._forms import Form, are_lines, form_of, spectra, usual_length
from ._jobs import EntryJob
from ._record import SEQ_NUM, AnyArray, RunRecord, frame_sums

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Lines:
    """The lines of a run whose fast axis is read several times in each.

    Attributes
    ----------
    record : RunRecord
        The run.
    line : LineAxis
        The fast axis.
    usual : int
        Positions of most lines.
    """

    record: RunRecord
    line: LineAxis
    usual: int

    def points(self, h5: h5py.File, values: AnyArray, row: int, usual: int) -> Floats:
        """Make points of the samples of consecutive rows, from (n, m) to (n, points of a line).

        Most lines have `usual` samples.
        """
        line, record = self.line, self.record
        stream, last = record.measurement or "", row + len(values)
        seq = np.concatenate([s for _, s in record.read(h5, stream, SEQ_NUM, row, last)])
        ordinals = ((seq - 1) * line.size)[:, np.newaxis] + np.arange(line.size)
        along = place(record.plan, ordinals.ravel()).axes[line.axis].reshape(ordinals.shape)
        positions = samples_of(record, h5, line.key, row, last)
        out = [
            binned(line, samples, positions.get(row + i), along[i], (usual, self.usual))
            for i, samples in enumerate(values)
        ]
        return np.stack(out)


class Samples:
    """Which columns of an entry have the samples of lines, and what they are.

    Parameters
    ----------
    job : EntryJob
        The entry.
    h5 : h5py.File
        The file that holds the columns.

    Attributes
    ----------
    lines : dict of int to Lines or None
        By the id of its record: the lines of a run whose positions were read.
    lengths : dict of str to list of ndarray
        By the name of its group: how many samples of each line a list has.
    blocks : set of str
        Names of those among them whose lists have what nobody can part, one of each row.
    per_row : dict of int to int
        By the id of its record: points in a row. To be filled before forms are asked for.
    """

    def __init__(self, job: EntryJob, h5: h5py.File) -> None:
        self.lines = {id(p.record): lines_of(p.record, job.plan) for p in job.parts}
        self.lengths: dict[str, list[Index]] = {}
        self.blocks: set[str] = set()
        self.per_row: dict[int, int] = {}
        self._job, self._h5 = job, h5
        self._forms: dict[tuple[int, str], Form] = {}
        self._sampled: dict[str, bool] = {}

    def form(self, record: RunRecord, key: str) -> Form:
        """Tell what the readings of a column are about."""
        known = self._forms.get((id(record), key))
        if known is None:
            stream, width = record.measurement or "", self.per_row[id(record)]
            detectors = {k: d for k, _, d in detector_columns(record.plan, record.keys(stream))}
            detector = detectors.get(key)
            lengths = self._lengths(record, detectors) if width > 1 else set()
            known = form_of(
                record.columns.get((stream, key), []),
                width,
                lengths,
                None if detector is None else detector.covers,
                detector is not None and detector.per != "point",
            )
            self._forms[id(record), key] = known
        return known

    def _lengths(self, record: RunRecord, keys: Collection[str]) -> set[int]:
        """Give the numbers of values that lines have, where their positions were read."""
        lines = self.lines[id(record)]
        if lines is None:
            return set()
        stream = record.measurement or ""
        wanted = [lines.line.key, *(k for s, k in record.columns if s == stream and k in keys)]
        return {
            prod(piece.shape)
            for key in wanted
            for piece in record.columns[stream, key]
            if piece.dtype.kind in "biuf" and is_line(piece.shape)
        }

    def native(
        self, block: PointBlock, key: str, name: str, *, blocks: bool = False
    ) -> AnyArray | None:
        """Give the samples of the lines of a block, for the list of a group, as they came.

        None where they are the points of the block. With `blocks` also what nobody can part.
        """
        record = block.part.record
        form = self.form(record, key)
        if not (self._is_sampled(key, form) or (blocks and form.kind == "block")):
            return None
        rows = block.rows
        if block.select is not None:
            rows = rows[np.unique(block.select // block.per_row)]
        came = samples_of(record, self._h5, key, int(rows.min()), int(rows.max()) + 1, form)
        none = np.empty((0, *form.each))
        chosen = [came.get(int(row), none) for row in rows]
        if form.kind == "block":
            self.blocks.add(name)
        self.lengths.setdefault(name, []).append(np.array([len(c) for c in chosen], np.int64))
        there = [samples for samples in chosen if len(samples)]
        return np.concatenate(there) if there else none

    def _is_sampled(self, key: str, form: Form) -> bool:
        """Tell whether a list has samples: where those of one run are, those of all have to be."""
        if form.kind == "points" and key not in self._sampled:
            forms = [self.form(record, key) for record in self._job.records]
            self._sampled[key] = any(f.kind == "samples" and f.each == form.each for f in forms)
        return form.kind == "samples" or (form.kind == "points" and self._sampled[key])

    def points(
        self, record: RunRecord, key: str, values: AnyArray, row: int
    ) -> tuple[Floats, npt.NDArray[np.bool_] | None]:
        """Make points of the samples of consecutive rows.

        Returns
        -------
        values : ndarray of float64, shape (n, points of a row)
            Of samples that are no numbers their sums.
        came : ndarray of bool, of the same shape, or None
            Where there was a sample; None when there was one everywhere.
        """
        form = self.form(record, key)
        n, each = len(values), form.each
        flat = values.reshape(n, values.size // max(n * prod(each), 1), *each)
        if each:
            flat = frame_sums(flat.reshape(-1, *each)).reshape(flat.shape[:2])
        made = self._binned(record, flat, row, form.usual)
        if not np.isnan(made).any():
            return made, None
        # a sample may be NaN itself
        came = ~np.isnan(self._binned(record, np.zeros(flat.shape), row, form.usual))
        return made, None if came.all() else came

    def _binned(self, record: RunRecord, flat: AnyArray, row: int, usual: int) -> Floats:
        lines = self.lines[id(record)]
        if lines is None:
            return by_order(flat, self.per_row[id(record)], usual)
        return lines.points(self._h5, flat, row, usual)

    def are_spectra_of_lines(self, record: RunRecord, size: int) -> bool:
        """Tell whether a detector gave a spectrum of each point of a line in one reading.

        Only where nobody read the fast axis: a plan that goes from point to point reads it.
        """
        plan, stream = record.plan, record.measurement or ""
        read = [a for a in line_axes(plan, self._job.plan) if (stream, a.key) in record.columns]
        return plan.dialect == "plain" and not read and any(
            detector.per != "point" and spectra(record.columns[stream, key], size)
            for key, _, detector in detector_columns(plan, record.keys(stream))
        )  # fmt: skip


def lines_of(record: RunRecord, entry: EntryPlan) -> Lines | None:
    """Find out whether the fast axis of a run is read several times in each row."""
    for line in line_axes(record.plan, entry):
        pieces = [p for p in record.columns.get((record.measurement or "", line.key), [])
                  if p.dtype.kind in "biuf"]  # fmt: skip
        if are_lines(pieces):
            return Lines(record, line, usual_length(pieces))
    return None


def samples_of(
    record: RunRecord,
    h5: h5py.File,
    key: str,
    first: int,
    last: int,
    form: Form = Form("samples"),  # noqa: B008 - it is frozen
) -> dict[int, AnyArray]:
    """Give the samples of each row of a range that has some, by row: shape (m, ...)."""
    stream = record.measurement or ""
    found: dict[int, AnyArray] = {}
    for row, array in record.read(h5, stream, key, first, last):
        m = form.along(array.shape[1:], array.dtype)
        if m or not array.size:
            parts = array.reshape(len(array), m, *form.each)
            found.update(zip(range(row, row + len(parts)), parts, strict=True))
    return found
