"""Processors that a microscopist needs, ready made.

Each function gives a `DataProcessor` that carries its options, so that a file can say what was
done to its data. Factors and offsets are taken as they are; nobody guesses units. With ``only``
it is for some frames, as `DataProcessor` says: ``only={"role": "signal"}`` leaves all others alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from .._errors import NXstxmValueError, OptionError
from ._coordinates import DataCoordinates
from ._processor import DataProcessor

AnyArray = npt.NDArray[Any]
#: Frames that a processor is for; see `DataProcessor`.
Only = Mapping[str, Any] | None
Result = tuple[DataCoordinates, AnyArray, Mapping[str, Any]]


def dead_time(tau: float, dwell: float | None = None, *, only: Only = None) -> DataProcessor:
    """Correct counts for the dead time of a counter.

    Parameters
    ----------
    tau : float
        Dead time after each count, seconds.
    dwell : float, optional
        Time in which the counts came, seconds; the ``dwell`` in the metadata of each frame unless
        given, which a writer takes from the scan's plan.

    Notes
    -----
    For a counter that is not paralysed: ``n / (1 - n tau / dwell)`` (G. F. Knoll, Radiation
    Detection and Measurement, chapter 4). Counts that such a counter can not give are infinite.
    """
    _positive(tau=tau, **({} if dwell is None else {"dwell": dwell}))
    return _made(_correct, "dead_time", {"tau": tau, "dwell": dwell}, only=only)


def _correct(
    coords: DataCoordinates,
    data: AnyArray,
    metadata: Mapping[str, Any],
    *,
    tau: float,
    dwell: float | None,
) -> Result:
    counts = data.astype(float)
    live = _of_metadata("dwell", coords, metadata, data) if dwell is None else dwell
    alive = 1 - counts * tau / live
    out = np.full(counts.shape, np.inf)
    # what did not come is NaN, and stays so
    np.divide(counts, alive, out=out, where=~(alive <= 0))
    return coords, out, metadata


def subtract_dark(dark: npt.ArrayLike, *, only: Only = None) -> DataProcessor:
    """Subtract a dark measurement.

    Parameters
    ----------
    dark : array_like
        A number, or an array of the frames' shape. The result is of floats and may be negative.
    """
    dark = np.asarray(dark, float)
    about = {"mean": float(dark.mean()), "shape": list(dark.shape)}
    return _made(_subtract, "subtract_dark", {"dark": dark}, about, only=only)


def _subtract(
    coords: DataCoordinates, data: AnyArray, metadata: Mapping[str, Any], *, dark: AnyArray
) -> Result:
    return coords, data - _fitting(dark, data, "the dark measurement"), metadata


def normalise(
    by: str = "ring_current", reference: float = 1.0, *, only: Only = None
) -> DataProcessor:
    """Divide by something that is in the metadata of each frame, such as the ring current.

    Parameters
    ----------
    by : str
        Key of the metadata; a number, or an array of the frame's shape.
    reference : float
        What the data shall be as if it had been there.
    """
    _positive(reference=reference)
    return _made(_divide, "normalise", {"by": by, "reference": reference}, only=only)


def _divide(
    coords: DataCoordinates,
    data: AnyArray,
    metadata: Mapping[str, Any],
    *,
    by: str,
    reference: float,
) -> Result:
    divisor = _of_metadata(by, coords, metadata, data)
    with np.errstate(divide="ignore", invalid="ignore"):
        return coords, data * (reference / divisor), metadata


def mask(bad: npt.ArrayLike, value: float = np.nan, *, only: Only = None) -> DataProcessor:
    """Put a value where a detector has bad pixels.

    Parameters
    ----------
    bad : array_like of bool
        True for bad pixels, of the frames' shape.
    value : float
        What is put there; for NaN the data become floats.
    """
    bad = np.asarray(bad, bool)
    # JSON, in which a file says it, has no NaN
    about = {"n_bad": int(bad.sum()), "value": "NaN" if np.isnan(value) else value}
    return _made(_put, "mask", {"bad": bad, "value": value}, about, only=only)


def _put(
    coords: DataCoordinates,
    data: AnyArray,
    metadata: Mapping[str, Any],
    *,
    bad: AnyArray,
    value: float,
) -> Result:
    if np.isnan(value) and data.dtype.kind in "biu":
        data = data.astype(float)
    data[_fitting(bad, data, "the mask")] = value
    return coords, data, metadata


def region_sum(rows: slice, columns: slice, *, only: Only = None) -> DataProcessor:
    """Sum the frames of an area detector over a region; the last two dimensions go.

    Parameters
    ----------
    rows, columns : slice
        The region, in pixels.
    """
    about = {"rows": [rows.start, rows.stop], "columns": [columns.start, columns.stop]}
    bounds = {"rows": rows, "columns": columns}
    return _made(_sum_up, "region_sum", bounds, about, copy=False, only=only)


def _sum_up(
    coords: DataCoordinates,
    data: AnyArray,
    metadata: Mapping[str, Any],
    *,
    rows: slice,
    columns: slice,
) -> Result:
    if data.ndim < 2:
        raise NXstxmValueError(f"the frame at {coords} has shape {data.shape}, not an image's")
    part = data[..., rows, columns]
    kind = part.dtype.kind
    dtype = np.uint64 if kind in "bu" else np.int64 if kind == "i" else None
    return coords, np.asarray(part.sum(axis=(-2, -1), dtype=dtype)), metadata


def downsample(factor: int, *, only: Only = None) -> DataProcessor:
    """Average squares of pixels, for a preview; what is left over at the edges is left out.

    Parameters
    ----------
    factor : int
        Side of a square, pixels.
    """
    if factor < 1:
        raise OptionError(f"factor {factor!r} is not a positive whole number")
    return _made(_average, "downsample", {"factor": factor}, copy=False, only=only)


def _average(
    coords: DataCoordinates, data: AnyArray, metadata: Mapping[str, Any], *, factor: int
) -> Result:
    if data.ndim < 2 or min(data.shape[-2:]) < factor:
        raise NXstxmValueError(
            f"the frame at {coords} has shape {data.shape}; it has no squares of {factor} pixels"
        )
    n_rows, n_columns = (size // factor for size in data.shape[-2:])
    cut = data[..., : n_rows * factor, : n_columns * factor]
    squares = cut.reshape(*data.shape[:-2], n_rows, factor, n_columns, factor)
    return coords, squares.mean(axis=(-3, -1)), metadata


def _made(
    fn: Any,
    name: str,
    options: Mapping[str, Any],
    told: Mapping[str, Any] | None = None,
    *,
    copy: bool = True,
    only: Mapping[str, Any] | None = None,
) -> DataProcessor:
    """Make a processor of a function of this module, so that it can go to another process."""
    told = options if told is None else told
    work = partial(fn, **options)
    return DataProcessor(work, name=name, version="1", copy=copy, options=told, only=only)


def _positive(**numbers: float) -> None:
    for name, number in numbers.items():
        if not number > 0:
            raise OptionError(f"{name} {number!r} is not a positive number")


def _of_metadata(
    key: str, coords: DataCoordinates, metadata: Mapping[str, Any], data: AnyArray
) -> AnyArray:
    """Give a number, or an array of the frame's shape, from its metadata."""
    if key not in metadata:
        raise NXstxmValueError(
            f"the frame at {coords} has no {key!r} in its metadata; it has "
            f"{', '.join(map(str, metadata)) or 'nothing'}"
        )
    return _fitting(np.asarray(metadata[key], float), data, key)


def _fitting(array: AnyArray, data: AnyArray, what: str) -> AnyArray:
    """Insist on a number or an array of the frame's shape: broadcasting would hide a mistake."""
    if array.ndim and array.shape != data.shape:
        raise NXstxmValueError(f"{what} has the shape {array.shape}, the frame {data.shape}")
    return array
