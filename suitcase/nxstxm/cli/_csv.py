"""What is drawn, as numbers for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from suitcase.nxstxm._errors import NXstxmOSError, NXstxmValueError
from suitcase.nxstxm.cli._pictures import Floats, Line, Picture


class _Rows(Protocol):
    def writerow(self, row: Iterable[object], /) -> object: ...


def write_csv(pictures: Sequence[Picture], path: Path) -> None:
    """Write pictures as comma-separated values.

    Curves, and the mean spectra of stacks, are columns beside the axis that they share; an image is
    a table with its columns in the first row and its rows in the first column. What was not
    measured is empty.

    Raises
    ------
    NXstxmValueError
        Several images, or curves along different axes.
    NXstxmOSError
        The file can not be written.
    """
    curves = [_curve(picture) for picture in pictures]
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    if all(curve is not None for curve in curves):
        _write_curves(rows, pictures, [curve for curve in curves if curve is not None])
    elif len(pictures) == 1:
        _write_image(rows, pictures[0])
    else:
        raise NXstxmValueError(
            f"{len(pictures)} images do not fit into one table; choose one with --entry"
        )
    try:
        path.write_text(text.getvalue(), encoding="utf-8", newline="")
    except OSError as error:
        raise NXstxmOSError(f"{path} can not be written: {error.strerror or error}") from error


def _curve(picture: Picture) -> tuple[Line, Floats] | None:
    if picture.along is not None:
        return picture.along.line, picture.along.values
    return (picture.axes[0], picture.data) if picture.data.ndim == 1 else None


def _write_curves(
    rows: _Rows, pictures: Sequence[Picture], curves: Sequence[tuple[Line, Floats]]
) -> None:
    first = curves[0][0]
    for line, _ in curves:
        if line.values.shape != first.values.shape or not np.array_equal(line.values, first.values):
            raise NXstxmValueError(
                "the curves have different axes, and do not fit into one table; choose one with "
                "--entry"
            )
    rows.writerow([_head(first), *(f"{p.entry} {_quantity(p)}" for p in pictures)])
    for number, place in enumerate(first.values):
        rows.writerow([_number(place), *(_number(values[number]) for _, values in curves)])


def _write_image(rows: _Rows, picture: Picture) -> None:
    up, across = picture.axes
    corner = f"{_quantity(picture)}: {_head(up)} down, {_head(across)} across"
    rows.writerow([corner, *map(_number, across.values)])
    for place, values in zip(up.values, picture.data, strict=True):
        rows.writerow([_number(place), *map(_number, values)])


def _head(line: Line) -> str:
    return f"{line.name} ({line.units})" if line.units else line.name


def _quantity(picture: Picture) -> str:
    name = f"{picture.name} ({picture.units})" if picture.units else picture.name
    return f"{name} {picture.note}".strip()


def _number(value: float) -> str:
    return repr(float(value)) if np.isfinite(value) else ""
