"""What a notebook shows of a file: ``tree.nxstxm``."""

from __future__ import annotations

import base64
from html import escape
from typing import Any

import numpy as np
import xarray as xr

from ._thumbnail import draw, middle

_SIZE = 128
_STYLE = "padding: 2px 10px; text-align: left; vertical-align: top"


@xr.register_datatree_accessor("nxstxm")  # type: ignore[no-untyped-call]
class NXstxmAccessor:
    """A look at a tree of scans; a notebook shows a thumbnail of each entry.

    Parameters
    ----------
    tree : DataTree
        As `open_nxstxm` gives it.
    """

    def __init__(self, tree: xr.DataTree) -> None:
        self._tree = tree

    def thumbnail(self, entry: str | None = None, channel: str | None = None) -> bytes:
        """Draw one channel of an entry as a small PNG picture.

        Parameters
        ----------
        entry, channel : str, optional
            By default those to be shown first.
        """
        node = self._tree[entry or str(self._tree.attrs.get("default", ""))]
        picture = node[channel or str(node.attrs.get("default", ""))]
        return _thumbnail(xr.DataArray(picture["data"]))

    def _repr_html_(self) -> str:
        """Show each entry: its picture, what was scanned, and how."""
        rows = "".join(_row(name, entry) for name, entry in self._tree.children.items())
        title = escape(str(self._tree.attrs.get("file", "")))
        return f"<div><strong>{title}</strong><table>{rows}</table></div>"


def _row(name: str, entry: xr.DataTree) -> str:
    default = str(entry.attrs.get("default", ""))
    picture = entry.children.get(default)
    shown = ""
    facts: list[str] = [str(entry.attrs.get("scan_type", ""))]
    if picture is not None:
        data = xr.DataArray(picture["data"])
        shown = _image(data)
        facts.append(", ".join(f"{dim} {size}" for dim, size in data.sizes.items()))
        facts.append(_energies(picture.to_dataset()))
    facts += [str(entry.attrs.get(key, "")) for key in ("sample_name", "title", "start_time")]
    facts += [f"channels: {', '.join(n for n in entry.children if 'data' in entry[n].data_vars)}"]
    facts += [f"guessed: {each}" for each in _texts(entry.attrs.get("guessed", ()))]
    told = "<br>".join(escape(fact) for fact in facts if fact)
    return (
        f'<tr><td style="{_STYLE}">{shown}</td>'
        f'<td style="{_STYLE}"><strong>{escape(name)}</strong><br>{told}</td></tr>'
    )


def _texts(given: Any) -> list[str]:
    return [given] if isinstance(given, str) else [str(each) for each in given]


def _energies(picture: xr.Dataset) -> str:
    if "energy" not in picture.coords:
        return ""
    values = np.atleast_1d(picture["energy"].values).astype(float)
    units = picture["energy"].attrs.get("units", "")
    if values.size == 1:
        return f"{values[0]:g} {units}"
    return f"{values.size} energies, {np.nanmin(values):g} to {np.nanmax(values):g} {units}"


def _image(data: xr.DataArray) -> str:
    try:
        png = _thumbnail(data)
    except ImportError:
        return ""  # Pillow is not installed; everything else can be shown
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def _thumbnail(data: xr.DataArray) -> bytes:
    dims = [str(dim) for dim in data.dims]
    places = {str(dim): data[dim].values for dim in data.dims if dim in data.coords}
    return draw(dims, middle(data.shape, lambda key: data[key].values), places, _SIZE)
