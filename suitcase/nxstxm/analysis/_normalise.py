"""Pictures divided by what the beam did, without the points that can not be trusted."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from .._errors import NXstxmTypeError, NXstxmValueError
from ._arrays import array_of, call, number_type, told


def normalise(
    picture: xr.Dataset | xr.DataTree, by: str | None = "control", *, mask: bool | int = True
) -> xr.DataArray:
    """Divide a picture by its monitor, and leave out the points that can not be trusted.

    Parameters
    ----------
    picture : Dataset or DataTree
        A channel: ``data`` with the monitor beside it.
    by : str or None
        The variable that tells of the beam, ``control`` (the ring current) by default; the
        picture keeps its unit, for it is divided by the monitor over its mean.
    mask : bool or int
        Leave out the points that ``quality`` flags; or only those with these bits, where 1 is not
        measured, 2 beam lost, 4 shutter closed, 8 top-up, 16 unknown. Without ``quality`` nothing
        is left out.

    Returns
    -------
    DataArray
        In the units of the picture, NaN where it was left out.

    Raises
    ------
    NXstxmTypeError
        The picture is an array by itself.
    NXstxmValueError
        There is no such monitor, or it can not be one: it is not positive, or has the values of
        the picture.
    """
    if not isinstance(picture, (xr.Dataset, xr.DataTree)):
        raise NXstxmTypeError(
            "normalise needs the monitor beside the picture: give the channel, "
            'tree["entry0/counter0"], instead of its data'
        )
    array = array_of(picture)
    values = number_type(array)
    good = _good(picture, mask)
    if good is not None:
        values = values.where(good)
    if by is not None:
        values = values / _monitor(picture, array, by, good)
    return told(values.transpose(*array.dims), array, call("normalise", by=by, mask=mask))


def _good(picture: Any, mask: bool | int) -> xr.DataArray | None:
    # a truth value of numpy is a truth value, too, and not the bit 1
    all_or_none = isinstance(mask, (bool, np.bool_))
    if (all_or_none and not mask) or "quality" not in picture:
        return None
    flags = picture["quality"]
    bits = ~0 if all_or_none else int(mask)
    good: xr.DataArray = (flags.astype(np.int64) & bits) == 0
    return good


def _monitor(picture: Any, array: xr.DataArray, by: str, good: xr.DataArray | None) -> xr.DataArray:
    if by not in picture:
        there = [str(name) for name in picture.data_vars if name != "data"]
        raise NXstxmValueError(
            f"there is no {by!r} beside the picture; there are: {', '.join(there) or 'none'}"
        )
    monitor = number_type(picture[by])
    if good is not None:
        monitor = monitor.where(good)
    known = monitor.where(np.isfinite(number_type(array)))
    if bool((known <= 0).any()) or not bool(np.isfinite(known).any()):
        raise NXstxmValueError(
            f"{by!r} is not positive everywhere, so that nothing can be divided by it; say by=None"
        )
    if monitor.shape == array.shape and bool((known.values == array.values).all()):
        raise NXstxmValueError(
            f"{by!r} has the values of the picture itself, as some files have it; say by=None"
        )
    made: xr.DataArray = monitor / known.mean()
    return made
