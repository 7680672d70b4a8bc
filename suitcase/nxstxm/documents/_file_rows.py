"""Rows of files that detectors write, as arrays that are read when somebody asks for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from math import prod
from pathlib import Path, PurePath
from typing import Any, overload

import h5py
import numpy as np
import numpy.typing as npt

from ._equal import shown
from ._filling import UnfilledError
from ._stream_assets import StreamResource

AnyArray = npt.NDArray[Any]
#: Gives readings `first` to `last` of a file, shape (n, ...).
Read = Callable[[int, int], AnyArray]


class DetectorFileError(UnfilledError):
    """A file of a detector that can not be read."""


class HeldFileError(DetectorFileError):
    """A file of a detector that somebody still writes."""


class FileRows:
    """Readings in a file, one a row, seen as an array that is not in memory.

    Parameters
    ----------
    read : callable
        Gives a range of them.
    shape : tuple of int
        Rows, then the shape of a reading.
    dtype : dtype
        Their dtype.
    path : Path
        The file.
    dataset : str or None
        The dataset in an HDF5 file whose rows they are, one by one.
    close : callable, optional
        Closes the file until somebody reads again.
    """

    #: What it takes of memory.
    nbytes = 0

    def __init__(
        self,
        read: Read,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        path: Path,
        dataset: str | None = None,
        close: Callable[[], object] = lambda: None,
    ) -> None:
        self._read = read
        self.close = close
        self.shape = shape
        self.dtype = dtype
        self.path = path
        self.dataset = dataset

    @property
    def ndim(self) -> int:
        """Number of dimensions, that of a reading plus one."""
        return len(self.shape)

    def __len__(self) -> int:
        """Count the rows."""
        return self.shape[0]

    def __iter__(self) -> Iterator[AnyArray]:
        """Read the rows one by one."""
        for i in range(len(self)):
            yield self[i]

    @overload
    def __getitem__(self, index: int) -> AnyArray: ...
    @overload
    def __getitem__(self, index: slice) -> AnyArray: ...
    def __getitem__(self, index: int | slice) -> AnyArray:
        """Read one row, or several.

        Raises
        ------
        DetectorFileError
            The file can not be read any more.
        """
        if isinstance(index, slice):
            first, last, _ = index.indices(len(self))
            if last <= first:
                return np.empty((0, *self.shape[1:]), self.dtype)
            return self._checked(first, last)
        found: AnyArray = self._checked(index, index + 1)[0]
        return found

    def _checked(self, first: int, last: int) -> AnyArray:
        try:
            found = self._read(first, last)
        except (OSError, KeyError, ValueError) as error:
            raise DetectorFileError(f"{self.path} can not be read any more ({error})") from error
        return found.astype(self.dtype, copy=False).reshape(last - first, *self.shape[1:])


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


def arranged(
    n_rows: int, row: tuple[int, ...], declared: tuple[int | None, ...]
) -> tuple[int, tuple[int, ...]]:
    """Tell how many rows of a file are a reading, and of which shape it is.

    A dataset with one dimension more than a reading was stacked, one with as many concatenated.
    A first dimension of one is none.

    Parameters
    ----------
    n_rows : int
        Rows of the file.
    row : tuple of int
        Shape of one.
    declared : tuple of int or None
        Shape of a reading, as the descriptor has it.
    """
    is_concatenated = len(declared) == len(row) + 1
    each = (declared[0] or 1) if is_concatenated else 1
    if each > 1 and n_rows >= each:
        return each, (each, *row)
    while len(row) > 0 and row[0] == 1 and len(row) != 1:
        row = row[1:]  # stacked frames of one: (n, 1, h, w)
    return 1, () if row == (1,) else row


# -- kinds of files -------------------------------------------------------------------------------


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

    return FileRows(read, (n, *shape), dtype, path, name if each == 1 else None, close)


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


def _series(
    load: Callable[[Path], AnyArray],
    path: Path,
    resource: StreamResource,
    declared: tuple[int | None, ...],
) -> FileRows:
    template = resource.parameters.get("template")
    if not isinstance(template, str):
        raise DetectorFileError(f"{path}: the stream_resource does not say how files are called")
    folder = path if path.is_dir() else path.parent

    def file(number: int) -> Path:
        return folder / _named(template, number)

    n_files = 0
    while file(n_files).exists():
        n_files += 1
    if not n_files:
        raise DetectorFileError(f"{file(0)} is not there")
    first_one = load(file(0))
    each, shape = arranged(n_files, first_one.shape, declared)

    def read(first: int, last: int) -> AnyArray:
        return np.stack([load(file(i)) for i in range(first * each, last * each)])

    return FileRows(read, (n_files // each, *shape), first_one.dtype, folder)


def _named(template: str, number: int) -> str:
    """Give the name of a file of a series, in either way in which templates are written.

    Raises
    ------
    DetectorFileError
        It would lie in another folder, or the template makes no sense.
    """
    try:
        if "{" in template:
            name = re.sub(r"^\{:?s\}", "", template).format(number)
        else:
            name = re.sub(r"^%s%s_?", "", template) % number
    except (LookupError, ValueError, TypeError) as error:
        raise DetectorFileError(f"the template {shown(template)} makes no sense") from error
    if PurePath(name).name != name:
        raise DetectorFileError(f"the template {shown(template)} leads to another folder")
    return name


def _load_image(path: Path) -> AnyArray:
    try:
        from PIL import Image
    except ImportError as error:
        raise DetectorFileError(f"{path}: install pillow to read images") from error
    with Image.open(path) as image:
        return np.asarray(image)


def _load_npy(path: Path) -> AnyArray:
    found: AnyArray = np.load(path, allow_pickle=False)
    return found


def _zarr(path: Path, resource: StreamResource, declared: tuple[int | None, ...]) -> FileRows:
    try:
        import zarr
    except ImportError as error:
        raise DetectorFileError(f"{path}: install zarr to read it") from error
    name = resource.parameters.get("dataset", resource.parameters.get("path")) or ""
    node: Any = zarr.open(str(path), mode="r")
    array: Any = node[name] if name else node
    if not hasattr(array, "shape") or not array.shape:
        raise DetectorFileError(f"{path} has no array {name!r} with rows")
    each, shape = arranged(array.shape[0], tuple(array.shape[1:]), declared)

    def read(first: int, last: int) -> AnyArray:
        return np.asarray(array[first * each : last * each]).reshape(last - first, *shape)

    n = array.shape[0] // each
    return FileRows(read, (n, *shape), np.dtype(array.dtype).newbyteorder("="), path)


_KINDS: dict[str, Callable[[Path, StreamResource, tuple[int | None, ...]], FileRows]] = {
    "application/x-hdf5": _hdf5,
    "multipart/related;type=image/tiff": partial(_series, _load_image),
    "multipart/related;type=image/jpeg": partial(_series, _load_image),
    "multipart/related;type=application/x-npy": partial(_series, _load_npy),
    "application/x-zarr": _zarr,
}


def row_bytes(rows: FileRows) -> int:
    """Give the bytes of a reading."""
    return prod(rows.shape[1:]) * rows.dtype.itemsize
