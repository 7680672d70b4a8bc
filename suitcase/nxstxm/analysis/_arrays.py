"""What all functions here do alike: take a picture, check it, keep its units, write its history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import xarray as xr

from .._errors import NXstxmTypeError, NXstxmValueError

Floats: TypeAlias = npt.NDArray[np.float64]
#: A picture: its array, or the dataset that has it as ``data``.
Picture: TypeAlias = "xr.DataArray | xr.Dataset | xr.DataTree"
#: A part of a picture: ranges of its coordinates, or a mask.
Region: TypeAlias = "Mapping[str, slice | float] | xr.DataArray | npt.NDArray[np.bool_]"

HISTORY = "history"
#: Dimensions of the sample.
SPACE = ("y", "x", "line")


def array_of(picture: Picture) -> xr.DataArray:
    """Give the array of a picture.

    Raises
    ------
    NXstxmTypeError
        It is no picture.
    """
    if isinstance(picture, xr.DataArray):
        return picture
    if isinstance(picture, (xr.Dataset, xr.DataTree)) and "data" in picture:
        return xr.DataArray(picture["data"])
    raise NXstxmTypeError(
        f"{type(picture).__name__} is no picture; give the data of a channel, such as "
        f'tree["entry0/counter0"]["data"]'
    )


def needs(array: xr.DataArray, *dims: str, function: str) -> None:
    """Check that an array has the dimensions that a function works along.

    Raises
    ------
    NXstxmValueError
        It has not; the message names those it has.
    """
    missing = [dim for dim in dims if dim not in array.dims]
    if missing:
        raise NXstxmValueError(
            f"{function} needs the dimensions {', '.join(dims)}; the array has "
            f"{', '.join(map(str, array.dims)) or 'none'}"
        )


def only(array: xr.DataArray, *dims: str, function: str) -> None:
    """Check that an array has these dimensions and no other.

    Raises
    ------
    NXstxmValueError
        It lacks one, or has a further one.
    """
    needs(array, *dims, function=function)
    more = [str(dim) for dim in array.dims if dim not in dims]
    if more:
        raise NXstxmValueError(
            f"{function} works along {', '.join(dims)}; the array has {', '.join(more)} as well: "
            f"choose one of them with .isel({more[0]}=0)"
        )


def is_number(value: Any) -> bool:
    """Whether something is one real number: of Python, or of numpy."""
    if isinstance(value, (xr.DataArray, xr.Dataset, xr.DataTree)):
        return False
    return isinstance(value, (int, float, np.number)) or (
        isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "iuf"
    )


def told(made: xr.DataArray, source: xr.DataArray, what: str, **attrs: Any) -> xr.DataArray:
    """Give a result the attributes of its source, others, and one line more of history.

    Parameters
    ----------
    made, source : DataArray
        The result, and what it was made of.
    what : str
        What was done, as it could be typed again.
    **attrs
        Attributes of the result: ``units``, ``long_name``.
    """
    history = [line for line in str(source.attrs.get(HISTORY, "")).splitlines() if line]
    kept = {**source.attrs, **attrs, HISTORY: "\n".join([*history, what])}
    named: xr.DataArray = made.assign_attrs({k: v for k, v in kept.items() if v is not None})
    # some versions of xarray lose the units of coordinates on the way
    lost = {
        name: named[name].assign_attrs({**coordinate.attrs, **named[name].attrs})
        for name, coordinate in source.coords.items()
        if name in named.coords and coordinate.attrs and not named[name].attrs
    }
    whole: xr.DataArray = named.assign_coords(lost) if lost else named
    return whole


def call(function: str, /, **options: Any) -> str:
    """Write a call down, briefly: arrays by their shape."""
    shown = ", ".join(f"{key}={_short(value)}" for key, value in options.items())
    return f"{function}({shown})"


def _short(value: Any) -> str:
    if isinstance(value, xr.DataArray) and value.ndim:
        return f"<{'x'.join(map(str, value.shape))} {' '.join(map(str, value.dims))}>"
    if isinstance(value, np.ndarray) and value.ndim:
        return f"<{'x'.join(map(str, value.shape))}>"
    if isinstance(value, (float, np.floating)):
        return f"{float(value):.6g}"
    if isinstance(value, (np.integer, np.bool_)):
        return repr(value.item())
    if isinstance(value, slice):
        return f"slice({value.start}, {value.stop})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k!r}: {_short(v)}" for k, v in value.items()) + "}"
    return repr(value)


def mask_of(array: xr.DataArray, region: Region) -> xr.DataArray:
    """Give a mask over the dimensions of the sample.

    Parameters
    ----------
    array : DataArray
        The picture.
    region : mapping, DataArray or ndarray
        ``{"x": slice(0, 2), "y": (-1, 1)}`` in the units of the coordinates, either way round;
        a single number is the point that is nearest to it. Or a mask: true, and not NaN, inside.

    Raises
    ------
    NXstxmValueError
        It names no dimension of the picture, is no range, has another shape, or nothing is inside.
    """
    space = [dim for dim in array.dims if dim in SPACE]
    if isinstance(region, Mapping):
        mask = _between(array, region, space)
    else:
        mask = _given(array, region, space)
    if not bool(mask.any()):
        raise NXstxmValueError(f"the region {_short(region)} has no point of the picture inside")
    return mask


def _between(array: xr.DataArray, region: Mapping[str, Any], space: list[Any]) -> xr.DataArray:
    inside = xr.DataArray(True)
    for dim, wanted in region.items():
        if dim not in space:
            raise NXstxmValueError(
                f"{dim!r} is no dimension of the sample in this picture; there are: "
                f"{', '.join(map(str, space)) or 'none'}"
            )
        values = array[dim]
        if isinstance(wanted, (tuple, list)) and len(wanted) == 2:
            wanted = slice(*wanted)
        if isinstance(wanted, slice):
            ends = [end for end in (wanted.start, wanted.stop) if end is not None]
            low = min(ends) if len(ends) == 2 else (wanted.start if ends else None)
            high = max(ends) if len(ends) == 2 else (wanted.stop if ends else None)
            part = xr.ones_like(values, dtype=bool)
            part = part & (values >= low) if low is not None else part
            part = part & (values <= high) if high is not None else part
        else:
            nearest = _nearest(values.values, wanted, str(dim))
            part = xr.DataArray(np.arange(values.size) == nearest, dims=[dim])
        inside = inside & part.drop_vars(list(part.coords))
    sizes = {dim: array.sizes[dim] for dim in space}
    whole = xr.DataArray(np.ones(tuple(sizes.values()), bool), dims=space)
    made: xr.DataArray = (whole & inside).transpose(*space)
    return made


def _nearest(values: npt.NDArray[Any], wanted: Any, dim: str) -> int:
    """Give the number of the point that is nearest to a place within the picture."""
    if not is_number(wanted) or not np.isfinite(wanted):
        raise NXstxmValueError(
            f"the region {dim}={wanted!r} is neither a number nor a range; say "
            f"{{{dim!r}: slice(low, high)}}"
        )
    away = np.abs(values.astype(float) - float(wanted))
    if not np.isfinite(away).any():
        raise NXstxmValueError(f"the picture has no positions along {dim}; give a mask instead")
    steps = np.abs(np.diff(values.astype(float)))
    # a point reaches half a step to each side
    reach = float(np.nanmax(steps)) / 2 if steps.size else 1e-3 * max(abs(float(wanted)), 1.0)
    if np.nanmin(away) > reach * (1 + 1e-6):
        raise NXstxmValueError(
            f"the region {dim}={float(wanted):g} is outside of the picture, which has "
            f"{np.nanmin(values):g} to {np.nanmax(values):g}"
        )
    return int(np.nanargmin(away))


def _given(array: xr.DataArray, region: Any, space: list[Any]) -> xr.DataArray:
    values = region.values if isinstance(region, xr.DataArray) else np.asarray(region)
    dims = list(region.dims) if isinstance(region, xr.DataArray) else space
    shape = tuple(array.sizes.get(dim, 0) for dim in dims)
    if not set(dims) <= set(space) or values.shape != shape:
        raise NXstxmValueError(
            f"a mask of shape {values.shape} over {', '.join(map(str, dims))} does not fit a "
            f"picture of {dict(array.sizes)}"
        )
    inside = values.astype(bool) & ~np.isnan(values.astype(float))
    return xr.DataArray(inside, dims=dims)


def number_type(array: xr.DataArray) -> xr.DataArray:
    """Give an array as float64, for counts are integers and NaN has to have a place."""
    made: xr.DataArray = array.astype(np.float64)
    return made
