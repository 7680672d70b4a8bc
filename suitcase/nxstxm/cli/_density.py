"""The optical density of what is drawn, plane by plane."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from suitcase.nxstxm._errors import NXstxmValueError
from suitcase.nxstxm.cli._extras import require
from suitcase.nxstxm.cli._pictures import Change, Floats
from suitcase.nxstxm.nexus import Channel, Contents, Entry

#: The part of the points that is taken for empty where nobody says where the sample is not.
_PART = 0.05


def density_of(
    i0: str | None,
) -> Callable[[Contents, Entry, Channel], tuple[Change, str, str]]:
    """Give what makes optical densities of the planes of a channel.

    Parameters
    ----------
    i0 : str, optional
        The name or role of a list, or another file; by default the brightest points are taken for
        empty.
    """
    require("xarray", "xarray", "the optical density")
    from suitcase.nxstxm.analysis import absorbance

    def change(contents: Contents, entry: Entry, channel: Channel) -> tuple[Change, str, str]:
        full = _of_brightest(channel) if i0 is None else _of_other(contents, entry, channel, i0)
        has_energies = channel.data.dims[:1] == ("energy",)

        def density(index: tuple[int, ...], plane: Floats) -> Floats:
            # a spectrum comes whole, everything else one energy at a time
            empty = full[index[0]] if has_energies and full.ndim and index else full
            return absorbance(plane, empty)

        return density, f"optical density of {channel.name}", ""

    return change


def _of_brightest(channel: Channel) -> Floats:
    """Give the mean of the brightest points at each energy."""
    stored, dims = channel.data.stored, channel.data.dims
    if stored.ndim < 2:
        raise NXstxmValueError(
            f"{channel.name} has no place without sample, for it is of one point; say which "
            f"intensity is without sample (--i0)"
        )
    if stored.ndim == 2 and dims[0] != "energy":
        image = stored.read().astype(float)
        mask = _brightest(image)
        return np.asarray(np.nanmean(image[mask]))
    if stored.ndim == 2:
        rows = stored.read().astype(float)
        mask = _brightest(np.nanmean(rows, axis=0))
        return np.asarray(np.nanmean(rows[:, mask], axis=1))
    total = np.zeros(stored.shape[-2:])
    for _, plane in stored.planes():
        total += np.nan_to_num(plane.astype(float))
    mask = _brightest(total)
    spectrum = np.full(stored.shape[0], np.nan)
    for index, plane in stored.planes():
        inside = plane[mask].astype(float)
        if np.isfinite(inside).any():
            spectrum[index[0]] = np.nanmean(inside)
    return spectrum


def _brightest(image: Floats) -> np.ndarray:
    import xarray as xr

    from suitcase.nxstxm.analysis import brightest

    dims = ("y", "x") if image.ndim == 2 else ("line",)
    found: np.ndarray = brightest(xr.DataArray(image, dims=dims), _PART).values
    return found


def _of_other(contents: Contents, entry: Entry, channel: Channel, i0: str) -> Floats:
    """Give the intensity without sample from a list, or another file, in the channel's shape."""
    from suitcase.nxstxm.analysis import i0_of, placed_list
    from suitcase.nxstxm.nexus import open_nxstxm

    with open_nxstxm(contents.path) as tree:
        node = tree[entry.name][channel.name]
        if not Path(i0).is_file():
            return np.asarray(placed_list(node, i0).values)
        with open_nxstxm(i0) as other:
            first = other[str(other.attrs["default"])]
            empty = i0_of(node["data"], first[str(first.attrs["default"])]["data"])
            return np.asarray(empty.values, dtype=float)
