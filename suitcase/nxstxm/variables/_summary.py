"""What the table shows of a result: a number, a text, a sparkline, a small picture."""

from __future__ import annotations

import datetime
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .._log import logger
from ..nexus import draw
from ..storage import is_a
from ._cell import Cell, is_array, is_figure

AnyArray = npt.NDArray[Any]
#: The longer side of a picture in the table, pixels.
THUMBNAIL = 300
#: Points of a sparkline.
POINTS = 150
#: Lengths in micrometres.
_UNITS = {"um": 1.0, "µm": 1.0, "μm": 1.0, "nm": 1e-3, "mm": 1e3}
#: The attribute of a number or a text that stands for a result, and is not it.
SUMMARY_ONLY = "summary_only"
_BAR = (1.0, 2.0, 5.0)


@dataclass(frozen=True)
class Summary:
    """What the table shows of a cell.

    Attributes
    ----------
    value : None, int, float, str, bytes, complex or ndarray
        Bytes are a PNG picture; an array of shape (2, n) is a sparkline: x and y.
    type : str, optional
        What the value is, where it does not show: ``"timestamp"``, ``"trendline"``, ``"complex"``,
        ``"numpy"``.
    method : str
        The function of numpy that made it.
    max_diff : float, optional
        Greatest less least value of the data.
    attributes : Mapping
        Units, bold, background: how it is shown.
    """

    value: Any
    type: str | None = None
    method: str = ""
    max_diff: float | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


def summarised(cell: Cell) -> Summary:
    """Make the summary of a cell.

    A summary that can not be made, by a function that does not take such data or by a figure that
    can not be drawn, is a text that says so: the result itself is not lost.
    """
    attributes: dict[str, Any] = {}
    if cell.units is not None:
        attributes["units"] = cell.units
    if cell.bold is not None:
        attributes["bold"] = cell.bold
    if cell.background is not None:
        attributes["background"] = list(cell.background)
    method = ""
    try:
        if cell.summary_value is not None:
            value, kind = _scalar(cell.summary_value), None
        elif cell.summary is not None and cell.data is not None:
            method = cell.summary
            value, kind = _scalar(getattr(np, cell.summary)(cell.data)), None
        else:
            value, kind = _shown(cell)
    except Exception as error:  # noqa: BLE001 - of any library; the data are good all the same
        logger.warning("no summary could be made: %s", error, exc_info=True)
        told = " ".join(f"{type(error).__name__}: {error}".split())
        value, kind = f"<{method or 'summary'} failed: {told:.250}>", None
    if isinstance(value, (int, float, complex, str)) and not (kind or method or _is_all(cell)):
        attributes[SUMMARY_ONLY] = True
    if isinstance(value, complex):
        kind = "complex"
    return Summary(value, kind, method, _spread(cell.data), attributes)


def _is_all(cell: Cell) -> bool:
    """Tell whether the result itself is a number or a text, and is shown."""
    if cell.summary_value is not None or cell.preview is not None:
        return cell.data is None
    data = cell.data
    scalar = isinstance(data, np.ndarray) and not data.ndim and data.dtype.kind in "biufcSU"
    return scalar or isinstance(data, str)


def _scalar(value: Any) -> Any:
    """Give a value of the table: of a number of numpy that of Python."""
    if isinstance(value, str) or value is None:
        return value
    array = np.asarray(value)
    if array.ndim == 0 and array.dtype.kind in "biufcUS":
        made = array.item()
        return made.decode("utf-8", "replace") if isinstance(made, bytes) else made
    if array.ndim == 1 and array.dtype.kind in "biuf":
        return array
    return str(value)


def _shown(cell: Cell) -> tuple[Any, str | None]:
    data = cell.preview if cell.preview is not None else cell.data
    if isinstance(data, datetime.datetime):
        return data.timestamp(), "timestamp"
    if data is None or isinstance(data, str):
        return data, None
    if is_figure(data):
        return _figure(data), None
    if is_a(data, "xarray", "Dataset"):
        return f"Dataset ({data.nbytes / 1e6:.2f} MB)", None
    if is_a(data, "pandas", "DataFrame"):
        return f"DataFrame ({data.memory_usage(deep=True).sum() / 1e6:.2f} MB)", None
    if is_a(data, "pandas", "Series"):
        data = data.to_numpy()
    array = np.asarray(data)
    if array.ndim == 0:
        return _number(array)
    numeric = array.dtype.kind in "biufc"
    if array.ndim == 1 and numeric and array.dtype.kind != "c":
        return sparkline(_places(data), array), "trendline"
    if array.ndim == 2 and numeric and array.size:
        return _image(data, array), None
    if _is_coloured(data):
        return _coloured(array), None
    whole = np.asarray(cell.data) if is_array(cell.data) else array
    return f"{whole.dtype}: {whole.shape}", None


def _number(array: AnyArray) -> tuple[Any, str | None]:
    if array.dtype.kind == "M":
        if np.isnat(array):
            return None, None
        return int(array.astype("datetime64[us]").astype(np.int64)) / 1e6, "timestamp"
    if array.dtype.kind == "m":
        return float(array / np.timedelta64(1, "us")) / 1e6, None
    return _scalar(array), None


def _spread(data: Any) -> float | None:
    if is_a(data, "pandas", "Series"):
        data = data.to_numpy()
    if not is_array(data):
        return None
    array = np.asarray(data)
    if array.size < 2 or array.dtype.kind not in "biuf":
        return None
    if array.dtype.kind == "f" and not np.isfinite(array).any():
        return None
    return float(np.nanmax(array)) - float(np.nanmin(array))


# -- sparklines -----------------------------------------------------------------------------------


def _places(data: Any) -> AnyArray:
    """Give the positions of values along their one dimension."""
    count = np.arange(len(data), dtype=float)
    if not is_a(data, "xarray", "DataArray") or data.dims[0] not in data.coords:
        return count
    found = np.asarray(data.coords[data.dims[0]])
    if found.dtype.kind == "M":
        return np.asarray(found.astype("datetime64[ns]").astype(np.int64) / 1e9)
    return found.astype(float) if found.dtype.kind in "biuf" else count


def sparkline(x: AnyArray, y: AnyArray, points: int = POINTS) -> AnyArray:
    """Thin a curve so that its peaks stay: least and greatest value of each part of it.

    Parameters
    ----------
    x, y : ndarray of shape (n,)
        The curve; x may fall.
    points : int
        How many are left, at most.

    Returns
    -------
    ndarray of float64, shape (2, m)
        x, rising, and y.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    if y.size <= points:
        return np.vstack((x, y))
    kept = [0, y.size - 1]
    for part in np.array_split(np.arange(y.size), points // 2 - 1):
        known = part[np.isfinite(y[part])]
        if known.size:
            kept += [int(known[np.argmin(y[known])]), int(known[np.argmax(y[known])])]
    index = np.unique(kept)
    return np.vstack((x[index], y[index]))


# -- pictures -------------------------------------------------------------------------------------


def _image(data: Any, array: AnyArray) -> bytes:
    values = np.abs(array) if array.dtype.kind == "c" else array
    dims, places = ["row", "column"], {}
    units = ""
    if is_a(data, "xarray", "DataArray"):
        dims = [str(dim) for dim in data.dims]
        places = {
            dim: np.asarray(data[dim], float)
            for dim in dims
            if dim in data.coords and data[dim].dtype.kind in "biuf"
        }
        units = str(data.coords["x"].attrs.get("units", "")) if "x" in places else ""
    picture = draw(dims, values, places, THUMBNAIL)
    across = places.get("x")
    if units in _UNITS and across is not None and dims[-1] == "x" and across.size > 1:
        width = float(np.ptp(across)) * across.size / (across.size - 1) * _UNITS[units]
        picture = _with_bar(picture, width)
    return picture


def _with_bar(picture: bytes, width: float) -> bytes:
    """Draw a bar of a round length into a picture.

    Parameters
    ----------
    picture : bytes
        A PNG picture.
    width : float
        Its width, um.
    """
    from PIL import Image, ImageDraw

    if not width > 0 or not np.isfinite(width):
        return picture
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    power = 10.0 ** np.floor(np.log10(width / 3))
    length = max(each * power for each in _BAR if each * power <= width / 3 or each == 1.0)
    pixels = round(image.width * length / width)
    text = f"{length:g} um" if length >= 1 else f"{length * 1000:g} nm"
    pen = ImageDraw.Draw(image)
    bottom, left = image.height - 8, 8
    pen.rectangle((left - 1, bottom - 4, left + pixels + 1, bottom + 1), fill=(0, 0, 0))
    pen.rectangle((left, bottom - 3, left + pixels, bottom), fill=(255, 255, 255))
    at = (left, bottom - 20)
    pen.text(at, text, fill=(255, 255, 255), stroke_width=1, stroke_fill=(0, 0, 0))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _figure(figure: Any) -> bytes:
    """Draw a figure small."""
    from PIL import Image

    if is_a(figure, "plotly", "Figure"):
        raw: bytes = figure.to_image(format="png", width=2 * THUMBNAIL, height=2 * THUMBNAIL)
    else:
        out = io.BytesIO()
        largest = max(figure.get_size_inches()) or 1.0
        figure.savefig(out, format="png", dpi=min(figure.dpi, 2 * THUMBNAIL / largest))
        raw = out.getvalue()
    return _small(Image.open(io.BytesIO(raw)))


def _is_coloured(data: Any) -> bool:
    """Tell whether an array is a picture in colours: of bytes, red, green, blue, and opacity."""
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or not data.size:
        return False
    return data.ndim == 3 and data.shape[-1] in (3, 4)


def _coloured(array: AnyArray) -> bytes:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(array))
    if image.mode == "RGBA":
        paper = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(paper, image)
    return _small(image)


def _small(image: Any) -> bytes:
    """Make a picture of Pillow as small as the table shows it."""
    from PIL import Image

    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.convert("RGB").save(out, "PNG")
    return out.getvalue()
