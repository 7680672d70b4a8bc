"""How values are written, so that every reader that was tried opens them.

The encoding is that of docs/reference/nxstxm-file.md: ``definition`` and ``stxm_scan_type`` of
shape (1,) as fixed-length bytes, other strings scalar, ``@axes`` as an array of fixed-length bytes,
``@NX_class``, ``@signal`` and ``@default`` plain text, ``@units`` on whatever has a unit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from .._h5write import clean, mark
from ._filters import filters

AnyArray = npt.NDArray[Any]
_TEXT = h5py.string_dtype("utf-8")
#: Arrays larger than this are, when asked, compressed, in chunks of about that size (bytes).
LARGE = CHUNK_BYTES = 64 * 1024
#: Images that a compressed chunk covers in part.
DEPTH = 4


def safe_name(name: str, taken: Iterable[str] = ()) -> str:
    """Make a name that NeXus allows and that is not taken.

    Parameters
    ----------
    name : str
        Any text.
    taken : iterable of str
        Names that are in use.

    Returns
    -------
    str
        Letters, digits and ``_``, no digit first (NeXus allows more, its validators do not); a
        number is added to a name that is taken.
    """
    text = re.sub(r"[^A-Za-z0-9_]+", "_", name)[:200] or "unnamed"
    text = f"_{text}" if text[0].isdigit() else text
    used = set(taken)
    result, i = text, 1
    while result in used:
        i += 1
        result = f"{text}_{i}"
    return result


def group(parent: h5py.Group, name: str, nx_class: str) -> h5py.Group:
    """Create a group of a NeXus class."""
    made = parent.create_group(name)
    mark(made, "NX_class", nx_class)
    return made


def texts(parent: h5py.Group, name: str, values: Iterable[str]) -> h5py.Dataset:
    """Write a 1-D array of strings."""
    return parent.create_dataset(name, data=[clean(v) for v in values], dtype=_TEXT)


def word(parent: h5py.Group, name: str, value: str) -> h5py.Dataset:
    """Write a word of an enumeration: shape (1,), fixed-length bytes."""
    return parent.create_dataset(name, data=np.array([value.encode("ascii")]))


def values(
    parent: h5py.Group,
    name: str,
    data: Any,
    units: str | None = None,
    *,
    compression: str = "none",
    **attributes: Any,
) -> h5py.Dataset:
    """Write numbers, with their unit and other attributes."""
    array = np.asarray(data)
    keywords: dict[str, Any] = {}
    if array.nbytes > LARGE and array.ndim:
        keywords = storage(array.shape, array.dtype, compression)
    dataset = parent.create_dataset(name, data=array, **keywords)
    if units is not None:
        mark(dataset, "units", units)
    for key, value in attributes.items():
        dataset.attrs[key] = value
    return dataset


def storage(
    shape: tuple[int, ...], dtype: np.dtype[Any], compression: str = "none", depth: int = DEPTH
) -> dict[str, Any]:
    """Choose how an array of a known shape is stored: ``create_dataset``'s keywords.

    Without compression in one piece: images, spectra and all of it are read faster than from any
    chunks that serve both. Compressed in chunks that are `depth` images deep. The measurements are
    in docs/explanations/speed.md.

    Parameters
    ----------
    shape : tuple of int
        Its shape.
    dtype : dtype
        Its dtype.
    compression : str
        As of `filters`.
    depth : int
        Images that a chunk covers in part, at most.
    """
    if compression == "none" or 0 in shape:
        return {}
    if len(shape) < 3:
        chunks = chunk_shape(shape, dtype.itemsize)
    else:
        depth = max(min(depth, shape[0]), 1)
        side = max(int((CHUNK_BYTES // (dtype.itemsize * depth)) ** 0.5), 1)
        image = (-(-n // -(-n // side)) for n in shape[-2:])  # tiles of nearly one size
        chunks = (depth, *(1 for _ in shape[1:-2]), *image)
    return {"chunks": chunks, **filters(compression)}


def chunk_shape(shape: tuple[int, ...], itemsize: int, target: int = 256 * 1024) -> tuple[int, ...]:
    """Fill a chunk from the fastest axis on until it has about `target` bytes."""
    room = max(target // max(itemsize, 1), 1)
    chunk = []
    for size in reversed(shape):
        n = max(min(size, room), 1)
        chunk.append(n)
        room = max(room // n, 1)
    return tuple(reversed(chunk))


def open_shape(shape: tuple[int, ...]) -> tuple[int | None, ...]:
    """Give ``maxshape`` of a dataset that grows by rows; HDF5 has no chunks of fixed length 0."""
    return (None, *(size or None for size in shape))


def mark_axes(data: h5py.Group, signal: str, axes: Iterable[str]) -> None:
    """Write ``@signal`` and ``@axes`` of an NXdata."""
    mark(data, "signal", signal)
    data.attrs["axes"] = np.array([axis.encode("ascii") for axis in axes])
