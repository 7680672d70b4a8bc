"""Which kinds of files of detectors are read, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import h5py
import numpy as np

from ._equal import shown
from ._file_rows import AnyArray, DetectorFileError, FileRows, HeldFileError, arranged
from ._file_series import load_image, load_npy, load_tiff, series
from ._stream_assets import StreamResource


def open_rows(
    resource: StreamResource, declared: Mapping[str, Any], root_map: Mapping[str, str]
) -> FileRows:
    """Find out what a file of a detector has.

    Parameters
    ----------
    resource : StreamResource
        The file.
    declared : Mapping
        The data key: its shape tells how many rows of the file are one reading.
    root_map : Mapping of str to str
        Beginning of the path, as the detector knows it, to where it is now.

    Raises
    ------
    HeldFileError
        Somebody still writes it.
    DetectorFileError
        It is not there, or not what the document says.
    """
    path = _located(resource.path, root_map)
    kind = _KINDS.get(resource.mimetype)
    if kind is None:
        raise DetectorFileError(
            f"{shown(resource.mimetype)} is no kind of file that is read here; known are "
            f"{', '.join(sorted(_KINDS))}"
        )
    if not path.exists():
        raise DetectorFileError(
            f"{path} is not there; if the files lie elsewhere now, say "
            f"root_map={{{str(PurePath(resource.path).parent)!r}: 'where'}}"
        )
    return kind(path, resource, _shape(declared))


def _located(path: str, root_map: Mapping[str, str]) -> Path:
    """Give the path here; the longest root that it begins with decides."""
    for root in sorted(root_map, key=len, reverse=True):
        begin = root.rstrip("/")
        if path == begin or path.startswith(f"{begin}/"):
            return Path(root_map[root]) / path[len(begin) :].lstrip("/")
    return Path(path)


def _shape(declared: Mapping[str, Any]) -> tuple[int | None, ...]:
    """Give the declared shape of a reading; None where it is not known."""
    shape = declared.get("shape")
    if not isinstance(shape, Sequence) or isinstance(shape, str):
        return ()
    return tuple(n if type(n) is int and n > 0 else None for n in shape)


def _hdf5(path: Path, resource: StreamResource, declared: tuple[int | None, ...]) -> FileRows:
    name = resource.parameters.get("dataset", resource.parameters.get("path"))
    if not isinstance(name, str):
        raise DetectorFileError(f"{path}: the stream_resource does not say which dataset")
    with open_hdf5(path) as h5:
        dataset = h5.get(name)
        if not isinstance(dataset, h5py.Dataset) or dataset.ndim < 1:
            raise DetectorFileError(f"{path} has no dataset {name!r} with rows")
        if dataset.dtype.kind not in "biufc":
            raise DetectorFileError(f"{path}: {name!r} holds {dataset.dtype}, no numbers")
        frames = resource.parameters.get("frames")
        if frames is None:
            each, shape = arranged(len(dataset), dataset.shape[1:], declared)
        else:  # it is known, whatever is declared
            each, shape = frames, (frames, *dataset.shape[1:])[frames == 1 :]
        dtype = dataset.dtype.newbyteorder("=")
        n = len(dataset) // each

    opened: list[h5py.File] = []  # HDF5 reads its index anew each time that a file is opened

    def read(first: int, last: int) -> AnyArray:
        if not opened:
            opened.append(open_hdf5(path))
        found: AnyArray = opened[0][name][first * each : last * each]
        return found.reshape(last - first, *shape)

    def close() -> None:
        while opened:
            opened.pop().close()

    return FileRows(read, (n, *shape), dtype, path, name, each, is_hdf5=True, close=close)


def open_hdf5(path: Path) -> h5py.File:
    """Open a detector's file for reading, also while it is written in SWMR mode.

    Raises
    ------
    HeldFileError
        Somebody writes it.
    DetectorFileError
        It is no HDF5 file.
    """
    errors: list[OSError] = []
    for swmr in (False, True):
        try:
            return h5py.File(path, "r", swmr=swmr)
        except OSError as error:
            errors.append(error)
    told = str(errors[0])
    if any(word in told for word in ("lock", "consistency", "already open", "flag", "SWMR")):
        raise HeldFileError(f"{path} is still written by the detector ({told})") from errors[0]
    raise DetectorFileError(f"{path} can not be read ({told})") from errors[0]


def _zarr(path: Path, resource: StreamResource, declared: tuple[int | None, ...]) -> FileRows:
    try:
        import zarr
    except ImportError as error:
        raise DetectorFileError(f"{path}: to read it, install zarr (pip install zarr)") from error
    name = resource.parameters.get("dataset", resource.parameters.get("path")) or ""
    node: Any = zarr.open(str(path), mode="r")
    array: Any = node[name] if name else node
    if not hasattr(array, "shape") or not array.shape:
        raise DetectorFileError(f"{path} has no array {name!r} with rows")
    each, shape = arranged(array.shape[0], tuple(array.shape[1:]), declared)

    def read(first: int, last: int) -> AnyArray:
        return np.asarray(array[first * each : last * each]).reshape(last - first, *shape)

    n = array.shape[0] // each
    dtype = np.dtype(array.dtype).newbyteorder("=")
    return FileRows(read, (n, *shape), dtype, path, name, each)


_KINDS: dict[str, Callable[[Path, StreamResource, tuple[int | None, ...]], FileRows]] = {
    "application/x-hdf5": _hdf5,
    "multipart/related;type=image/tiff": partial(series, load_tiff),
    "multipart/related;type=image/jpeg": partial(series, load_image),
    "multipart/related;type=application/x-npy": partial(series, load_npy),
    "application/x-zarr": _zarr,
}
