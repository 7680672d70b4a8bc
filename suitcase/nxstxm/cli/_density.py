"""The optical density of what is drawn, part by part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from suitcase.nxstxm._errors import NXstxmValueError
from suitcase.nxstxm.cli._extras import require
from suitcase.nxstxm.cli._pictures import Change, Floats, Part
from suitcase.nxstxm.nexus import Channel, Contents, Entry

if TYPE_CHECKING:
    import xarray as xr

#: The part of the points that is taken for empty where nobody says where the sample is not.
_PART = 0.05


def density_of(
    i0: str | None,
) -> Callable[[Contents, Entry, Channel], tuple[Change, str, str]]:
    """Give what makes optical densities of the parts of a channel.

    Parameters
    ----------
    i0 : str, optional
        The name or role of a list, or another file; by default the brightest points are taken for
        empty.
    """
    require("xarray", "xarray", "the optical density")
    from suitcase.nxstxm.analysis import absorbance

    def change(contents: Contents, entry: Entry, channel: Channel) -> tuple[Change, str, str]:
        empty = _of_brightest(channel) if i0 is None else _of_other(contents, entry, channel, i0)
        everywhere = np.broadcast_to(empty, channel.data.stored.shape)

        def density(part: Part, values: Floats) -> Floats:
            return absorbance(values, everywhere[part])

        return density, f"optical density of {channel.name}", ""

    return change


def _of_brightest(channel: Channel) -> Floats:
    """Give the mean of the brightest points of each image or line, in the rank of the channel."""
    stored, dims = channel.data.stored, channel.data.dims
    # the points of a line spectrum are along the line, all others are in images
    n_space = 1 if dims[:1] == ("energy",) and stored.ndim == 2 else 2
    if stored.ndim < 2 or "energy" in dims[-n_space:]:
        raise NXstxmValueError(
            f"{channel.name} has no place without sample, for it is of "
            f"{', '.join(dims) or 'one point'}; say which intensity is without sample (--i0)"
        )
    if stored.ndim == 2 and n_space == 2:
        image = stored.read().astype(float)
        mask = _brightest(image)
        return np.full((1, 1), np.nanmean(image[mask]))
    if stored.ndim == 2:
        rows = stored.read().astype(float)
        mask = _brightest(np.nanmean(rows, axis=0))
        return np.asarray(np.nanmean(rows[:, mask], axis=1, keepdims=True))
    total: Floats | None = None
    for _, plane in stored.planes():
        values = np.nan_to_num(plane.astype(float))
        total = values if total is None else total + values
    if total is None:
        raise NXstxmValueError(f"{channel.name} has no images, and so no place without sample")
    mask = _brightest(total)
    empty = np.full((*stored.shape[:-2], 1, 1), np.nan)
    for index, plane in stored.planes():
        inside = plane[mask].astype(float)
        if np.isfinite(inside).any():
            empty[index] = np.nanmean(inside)
    return empty


def _brightest(image: Floats) -> np.ndarray:
    import xarray as xr

    from suitcase.nxstxm.analysis import brightest

    dims = ("y", "x") if image.ndim == 2 else ("line",)
    found: np.ndarray = brightest(xr.DataArray(image, dims=dims), _PART).values
    return found


def _of_other(contents: Contents, entry: Entry, channel: Channel, i0: str) -> Floats:
    """Give the intensity without sample from a list, or another file, in the channel's rank."""
    from suitcase.nxstxm.analysis import i0_of, placed_list
    from suitcase.nxstxm.nexus import open_nxstxm

    with open_nxstxm(contents.path) as tree:
        node = tree[entry.name][channel.name]
        if not Path(i0).is_file():
            return _fitted(placed_list(node, i0), node["data"], i0)
        with open_nxstxm(i0) as other:
            first = other[str(other.attrs["default"])]
            empty = i0_of(node["data"], first[str(first.attrs["default"])]["data"])
            return _fitted(empty, node["data"], i0)


def _fitted(empty: xr.DataArray, data: xr.DataArray, i0: str) -> Floats:
    """Give an intensity the rank of a picture; what it lacks is of length 1."""
    fits = all(
        dim in data.dims and size in (1, data.sizes[dim]) for dim, size in empty.sizes.items()
    )
    if not fits:
        shapes = (", ".join(f"{dim}: {n}" for dim, n in a.sizes.items()) for a in (empty, data))
        raise NXstxmValueError(
            "the intensity without sample of {} is of {}, and does not fit to a picture of {}; "
            "give one of an image or a spectrum".format(i0, *shapes)
        )
    ordered = empty.transpose(*(dim for dim in data.dims if dim in empty.dims))
    shape = [empty.sizes.get(dim, 1) for dim in data.dims]
    return np.asarray(ordered.values, dtype=float).reshape(shape)
