"""A result of a variable, and how the table is to show it."""

from __future__ import annotations

import copy
import datetime
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..storage import is_a
from ._errors import CellError

#: Modes of Pillow of which an array is what they show.
_PLAIN = ("1", "L", "I", "I;16", "F", "RGB", "RGBA")
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")


def is_figure(thing: object) -> bool:
    """Tell whether something is a figure of matplotlib or plotly."""
    return is_a(thing, "matplotlib", "Figure") or is_a(thing, "plotly", "Figure")


def is_array(thing: object) -> bool:
    """Tell whether something is an array, labelled or not."""
    return isinstance(thing, np.ndarray) or is_a(thing, "xarray", "DataArray")


def is_summary(name: object) -> bool:
    """Tell whether something names a function of numpy that can summarise data."""
    return callable(getattr(np, str(name), None))


class Cell:
    """A result, and how the table is to show it.

    Parameters
    ----------
    data : object
        A number, text, a time, an array of numpy, a DataArray or Dataset of xarray, a table of
        pandas, a figure of matplotlib or plotly, a picture of Pillow, or None. A time without a
        zone is one of UTC, whatever the machine's is. What is masked of an array is NaN.
    summary : str, optional
        The name of a function of numpy that makes one number of the data: ``"nanmean"``.
    summary_value : number or str, optional
        What the table shows, instead.
    bold : bool, optional
        Show it in bold.
    background : str or sequence of three int, optional
        The cell's colour: ``"#ffcc00"``, or red, green and blue from 0 to 255.
    preview : array of one or two dimensions, or figure, optional
        What to show when somebody looks closer.
    units : str, optional
        The units of the data and the summary. They are not taken from the attributes of a
        DataArray: arithmetic hands those on that its input had.

    Raises
    ------
    CellError
        The data, or an argument, is of a kind that can not be stored or shown.

    Examples
    --------
    >>> import numpy as np
    >>> from suitcase.nxstxm.variables import Cell
    >>> Cell(np.arange(5.0), summary="max", units="um").background is None
    True
    """

    def __init__(
        self,
        data: Any,
        summary: str | None = None,
        summary_value: Any = None,
        bold: bool | None = None,
        background: str | Sequence[int] | None = None,
        *,
        preview: Any = None,
        units: str | None = None,
    ) -> None:
        self.data = _checked(data)
        if summary is not None and not is_summary(summary):
            raise CellError(
                f"summary={summary!r:.50} is no function of numpy; give a name such as 'nanmean', "
                f"or the value itself as summary_value"
            )
        self.summary = summary
        self.summary_value = _checked_summary(summary_value)
        self.bold = None if bold is None else bool(bold)
        self.background = _colour(background)
        self.preview = _checked_preview(preview)
        self.units = _checked_units(units)

    def in_units(self, units: str) -> Cell:
        """Give the same with units; nothing is converted."""
        made = copy.copy(self)
        made.units = _checked_units(units)
        return made


def _checked_units(units: Any) -> str | None:
    if units is not None and (not isinstance(units, str) or not units):
        raise CellError(f"units={units!r:.50} are no text; give units such as 'um', or none")
    return units


def _checked(data: Any) -> Any:
    if is_a(data, "matplotlib", "Axes"):
        data = data.get_figure()
    if isinstance(data, datetime.datetime) and data.tzinfo is None:
        return data.replace(tzinfo=datetime.timezone.utc)  # as datetime64 is, on any machine
    if data is None or isinstance(data, (str, datetime.datetime)) or is_figure(data):
        return data
    if is_a(data, "xarray", "DataArray", "Dataset"):
        return data
    if is_a(data, "pandas", "DataFrame", "Series"):
        return data
    if is_a(data, "PIL", "Image") and data.mode not in _PLAIN:
        data = data.convert("RGBA" if data.has_transparency_data else "RGB")
    array = np.asarray(_unmasked(data))
    if array.dtype.hasobject:
        raise CellError(
            f"a result of type {type(data).__name__} can not be stored: {data!r:.80}; give "
            f"numbers, text, arrays, tables or figures"
        )
    return array


def _unmasked(data: Any) -> Any:
    """Give an array in which NaN is what was masked: no file and no picture has masks."""
    if not isinstance(data, np.ma.MaskedArray):
        return data
    mask = np.ma.getmaskarray(data)
    if not (mask.view(bool) if mask.dtype.names else mask).any():
        return data.data
    if data.dtype.kind in "fc":
        return data.filled(np.nan)
    if data.dtype.kind in "mM":
        never: Any = np.array("NaT", data.dtype)
        return data.filled(never)
    raise CellError(
        f"an array of {data.dtype} has masked values, which can not be stored: no {data.dtype} "
        f"says that it is none; give .astype(float), of which they become NaN, or .filled(...)"
    )


def _checked_summary(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    array = np.asarray(value)
    if array.dtype.hasobject or array.ndim > 1:
        raise CellError(
            f"summary_value={value!r:.60} is neither a number nor text; a cell shows no more"
        )
    return array


def _checked_preview(preview: Any) -> Any:
    if is_a(preview, "matplotlib", "Axes"):
        preview = preview.get_figure()
    preview = _unmasked(preview)
    if preview is None or is_figure(preview):
        return preview
    if not is_array(preview):
        raise CellError(
            f"a preview of type {type(preview).__name__} can not be shown; give an array or a "
            f"figure"
        )
    if preview.ndim not in (1, 2) or preview.dtype.kind not in "biufc":
        raise CellError(
            f"a preview of {preview.dtype} and shape {preview.shape} can not be shown; give "
            f"numbers in one or two dimensions"
        )
    return preview


def _colour(colour: str | Sequence[int] | None) -> tuple[int, int, int] | None:
    if colour is None:
        return None
    if isinstance(colour, str) and _COLOUR.fullmatch(colour):
        red, green, blue = bytes.fromhex(colour[1:])
        return red, green, blue
    if not isinstance(colour, str) and len(colour) == 3:
        numbers = [int(each) for each in colour]
        if all(0 <= each <= 255 for each in numbers):
            return numbers[0], numbers[1], numbers[2]
    raise CellError(
        f"background={colour!r:.50} is no colour; give '#ffcc00', or three numbers from 0 to 255"
    )
