"""Pictures without the dimensions of length 1 that their kind of scan does not have."""

from __future__ import annotations

from dataclasses import replace

from ._contents import Channel, Coordinate
from ._words import COUNTED

#: What a scan of one of these kinds has, at most.
_HAS = {
    "sample image": ("y", "x"),
    "sample point spectrum": ("energy",),
}
#: Dimensions and how the one value along them is called.
_NAMES = {"x": "sample_x", "y": "sample_y", "line": "line_position"}


def without_empty(channel: Channel, label: str | None) -> Channel:
    """Leave out an image's one energy, or the one place of a point spectrum, as dimensions.

    Parameters
    ----------
    channel : Channel
        As its axes say it is.
    label : str or None
        The scan type that the file says; others stay as they are.

    Returns
    -------
    Channel
        What was along such a dimension is one value for all.
    """
    data = channel.data
    has = _HAS.get(label or "", data.dims)
    sizes = dict(zip(data.dims, data.stored.shape, strict=True))
    empty = [dim for dim in data.dims if dim not in has and sizes[dim] == 1]
    # a stack that is called an image keeps its energies, and its places
    if not empty or not set(has) <= set(data.dims) or len(data.dims) - len(empty) != len(has):
        return channel
    kept = tuple(number for number, dim in enumerate(data.dims) if dim not in empty)
    variables = tuple(
        replace(each, dims=tuple(each.dims[n] for n in kept), stored=each.stored.turned(kept))
        for each in channel.variables
    )
    there = {each.name for each in channel.coordinates}
    coordinates: list[Coordinate] = []
    for each in channel.coordinates:
        if not set(each.dims) & set(empty):
            coordinates.append(each)
            continue
        name = _NAMES.get(each.name, each.name)
        is_known = each.attrs.get("units") != COUNTED
        if is_known and (name == each.name or name not in there):
            coordinates.append(replace(each, name=name, dims=(), values=each.values.reshape(())))
    told = f"{', '.join(empty)} of length 1 is no dimension of a {label}"
    return replace(
        channel,
        variables=variables,
        coordinates=tuple(coordinates),
        guessed=(*channel.guessed, told),
    )
