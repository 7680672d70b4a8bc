"""What a signal said while a run went on, in a stream of its own, and what it said last."""

from __future__ import annotations

from dataclasses import dataclass

import h5py
import numpy as np
import numpy.typing as npt

from ..scans import BASELINE, Device
from ._record import TIME, AnyArray, RunRecord

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Monitored:
    """What a device said, in the order of time.

    Attributes
    ----------
    times : ndarray of float64, shape (n,)
        When it said it.
    numbers : ndarray of float64, shape (n,)
        In the units of its role; NaN where it was a word.
    words : tuple of str, length n
        Empty where it was a number.
    """

    times: Floats
    numbers: Floats
    words: tuple[str, ...]

    def last(self, times: Floats) -> npt.NDArray[np.int64]:
        """Give the index of what was said last at some times; -1 before the first."""
        return np.searchsorted(self.times, times, side="right").astype(np.int64) - 1

    def numbers_at(self, times: Floats) -> Floats:
        """Give the number that was said last at some times; NaN before the first."""
        last = self.last(times)
        found: Floats = np.where(last < 0, np.nan, self.numbers[last])
        return found

    def words_at(self, times: Floats) -> list[str]:
        """Give the word that was said last at some times; empty before the first."""
        return ["" if i < 0 else self.words[i] for i in self.last(times).tolist()]


def monitored(record: RunRecord, h5: h5py.File, device: Device) -> Monitored | None:
    """Give what a device said in a stream beside the measurement; None where it said nothing."""
    streams = [
        stream
        for stream, key in record.columns
        if key == device.read_key and stream not in (BASELINE, record.measurement)
    ]
    parts = [_said(record, h5, stream, device) for stream in streams]
    if not any(len(part.times) for part in parts):
        return None
    times = np.concatenate([part.times for part in parts])
    order = np.argsort(times, kind="stable")
    words = [word for part in parts for word in part.words]
    return Monitored(
        times[order],
        np.concatenate([part.numbers for part in parts])[order],
        tuple(words[i] for i in order.tolist()),
    )


def _said(record: RunRecord, h5: h5py.File, stream: str, device: Device) -> Monitored:
    key, n = device.read_key or "", record.n_rows.get(stream, 0)
    times = record.whole(h5, stream, TIME).astype(float)
    numbers, words, came = np.full(n, np.nan), [""] * n, np.zeros(n, bool)
    for row, array in record.read(h5, stream, key, 0, n):
        flat: AnyArray = array.reshape(len(array), -1)
        if flat.shape[1] != 1:
            continue  # not one state
        came[row : row + len(flat)] = True
        if array.dtype.kind in "biuf":
            numbers[row : row + len(flat)] = device.scale * flat[:, 0].astype(float)
        elif array.dtype.kind == "O":
            words[row : row + len(flat)] = [as_word(value) for value in flat[:, 0]]
    kept = np.flatnonzero(came)
    return Monitored(times[kept], numbers[kept], tuple(words[i] for i in kept.tolist()))


def as_word(value: object) -> str:
    """Give what a column holds of text as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
