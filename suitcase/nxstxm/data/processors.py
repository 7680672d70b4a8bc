"""Processors that a microscopist needs, ready made.

Each function gives a `DataProcessor` that carries its options, so that a file can say what was
done to its data. Factors and offsets are taken as they are; nobody guesses units.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .._errors import NXstxmValueError, OptionError
from ._coordinates import DataCoordinates
from ._processor import DataProcessor

AnyArray = npt.NDArray[Any]
Result = tuple[DataCoordinates, AnyArray, Mapping[str, Any]]


def dead_time(tau: float, dwell: float) -> DataProcessor:
    """Correct counts for the dead time of a counter.

    Parameters
    ----------
    tau : float
        Dead time after each count, seconds.
    dwell : float
        Time in which the counts came, seconds.

    Notes
    -----
    For a counter that is not paralysed: ``n / (1 - n tau / dwell)`` (G. F. Knoll, Radiation
    Detection and Measurement, chapter 4). Counts that such a counter can not give are infinite.
    """
    _positive(tau=tau, dwell=dwell)

    def correct(coords: DataCoordinates, data: AnyArray, metadata: Mapping[str, Any]) -> Result:
        counts = data.astype(float)
        alive = 1 - counts * tau / dwell
        out = np.full(counts.shape, np.inf)
        np.divide(counts, alive, out=out, where=alive > 0)
        return coords, out, metadata

    return _made(correct, "dead_time", tau=tau, dwell=dwell)


def subtract_dark(dark: npt.ArrayLike) -> DataProcessor:
    """Subtract a dark measurement.

    Parameters
    ----------
    dark : array_like
        A number, or an array of the frames' shape. The result is of floats and may be negative.
    """
    dark = np.asarray(dark, float)

    def subtract(coords: DataCoordinates, data: AnyArray, metadata: Mapping[str, Any]) -> Result:
        return coords, data - _fitting(dark, data, "the dark measurement"), metadata

    return _made(subtract, "subtract_dark", mean=float(dark.mean()), shape=list(dark.shape))


def normalise(by: str = "ring_current", reference: float = 1.0) -> DataProcessor:
    """Divide by something that is in the metadata of each frame, such as the ring current.

    Parameters
    ----------
    by : str
        Key of the metadata; a number, or an array of the frame's shape.
    reference : float
        What the data shall be as if it had been there.
    """
    _positive(reference=reference)

    def divide(coords: DataCoordinates, data: AnyArray, metadata: Mapping[str, Any]) -> Result:
        if by not in metadata:
            raise NXstxmValueError(
                f"the frame at {coords} has no {by!r} in its metadata to be divided by; it has "
                f"{', '.join(map(str, metadata)) or 'nothing'}"
            )
        divisor = _fitting(np.asarray(metadata[by], float), data, by)
        with np.errstate(divide="ignore", invalid="ignore"):
            return coords, data * (reference / divisor), metadata

    return _made(divide, "normalise", by=by, reference=reference)


def mask(bad: npt.ArrayLike, value: float = np.nan) -> DataProcessor:
    """Put a value where a detector has bad pixels.

    Parameters
    ----------
    bad : array_like of bool
        True for bad pixels, of the frames' shape.
    value : float
        What is put there; for NaN the data become floats.
    """
    bad = np.asarray(bad, bool)

    def put(coords: DataCoordinates, data: AnyArray, metadata: Mapping[str, Any]) -> Result:
        if np.isnan(value) and data.dtype.kind in "biu":
            data = data.astype(float)
        data[_fitting(bad, data, "the mask")] = value
        return coords, data, metadata

    return _made(put, "mask", n_bad=int(bad.sum()), value=value)


def region_sum(rows: slice, columns: slice) -> DataProcessor:
    """Sum the frames of an area detector over a region; the last two dimensions go.

    Parameters
    ----------
    rows, columns : slice
        The region, in pixels.
    """

    def sum_up(coords: DataCoordinates, data: AnyArray, metadata: Mapping[str, Any]) -> Result:
        if data.ndim < 2:
            raise NXstxmValueError(f"the frame at {coords} has shape {data.shape}, not an image's")
        part = data[..., rows, columns]
        kind = part.dtype.kind
        dtype = np.uint64 if kind in "bu" else np.int64 if kind == "i" else None
        return coords, np.asarray(part.sum(axis=(-2, -1), dtype=dtype)), metadata

    options = {"rows": [rows.start, rows.stop], "columns": [columns.start, columns.stop]}
    return _made(sum_up, "region_sum", copy=False, **options)


def downsample(factor: int) -> DataProcessor:
    """Average squares of pixels, for a preview; what is left over at the edges is left out.

    Parameters
    ----------
    factor : int
        Side of a square, pixels.
    """
    if factor < 1:
        raise OptionError(f"factor {factor!r} is not a positive whole number")

    def average(coords: DataCoordinates, data: AnyArray, metadata: Mapping[str, Any]) -> Result:
        if data.ndim < 2 or min(data.shape[-2:]) < factor:
            raise NXstxmValueError(
                f"the frame at {coords} has shape {data.shape}; it has no squares of "
                f"{factor} pixels"
            )
        n_rows, n_columns = (size // factor for size in data.shape[-2:])
        cut = data[..., : n_rows * factor, : n_columns * factor]
        squares = cut.reshape(*data.shape[:-2], n_rows, factor, n_columns, factor)
        return coords, squares.mean(axis=(-3, -1)), metadata

    return _made(average, "downsample", copy=False, factor=factor)


def _made(fn: Any, name: str, *, copy: bool = True, **options: Any) -> DataProcessor:
    return DataProcessor(fn, name=name, version="1", copy=copy, options=options)


def _positive(**numbers: float) -> None:
    for name, number in numbers.items():
        if not number > 0:
            raise OptionError(f"{name} {number!r} is not a positive number")


def _fitting(array: AnyArray, data: AnyArray, what: str) -> AnyArray:
    """Insist on a number or an array of the frame's shape: broadcasting would hide a mistake."""
    if array.ndim and array.shape != data.shape:
        raise NXstxmValueError(f"{what} has the shape {array.shape}, the frame {data.shape}")
    return array
