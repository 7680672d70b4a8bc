"""Series of files that a detector writes: one or more of them are a reading."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from ._equal import shown
from ._file_rows import AnyArray, DetectorFileError, FileRows, arranged
from ._stream_assets import StreamResource

#: Reads one file of a series.
Load = Callable[[Path], AnyArray]


def series(
    load: Load, path: Path, resource: StreamResource, declared: tuple[int | None, ...]
) -> FileRows:
    """Find out what a series of files has; it begins with number 0 and ends where one is missing.

    Parameters
    ----------
    load : callable
        Reads a file.
    path : Path
        Their folder, or the beginning of their names.
    resource : StreamResource
        Has a ``template`` of their names, in either way in which these are written, and where that
        has a place for it, a ``filename``.
    declared : tuple of int or None
        Shape of a reading, as the descriptor has it.

    Raises
    ------
    DetectorFileError
        There is none, or it can not be read.
    """
    folder = path if path.is_dir() else path.parent
    name = _names(path, resource.parameters)
    there = {file.name for file in folder.iterdir()}
    n_files = 0
    while name(n_files) in there:
        n_files += 1
    if not n_files:
        raise DetectorFileError(f"{folder / name(0)} is not there")
    first_one = load(folder / name(0))
    each, shape = _arranged(n_files, first_one.shape, declared, resource.parameters.get("frames"))

    def read(first: int, last: int) -> AnyArray:
        return np.stack([load(folder / name(i)) for i in range(first * each, last * each)])

    return FileRows(read, (n_files // each, *shape), first_one.dtype, folder, each=each)


def _arranged(
    n_files: int, file: tuple[int, ...], declared: tuple[int | None, ...], frames: int | None
) -> tuple[int, tuple[int, ...]]:
    """Tell how many files are a reading, and of which shape it is.

    Each file may have one frame or several, and a reading more frames than a file has.
    """
    if frames is not None:  # it is known, whatever is declared
        return frames, (frames, *file)[frames == 1 :]
    wanted = declared[0] if declared else None
    if wanted is not None and len(file) == len(declared) > 2 and wanted % file[0] == 0:
        return wanted // file[0], (wanted, *file[1:]) if wanted > 1 else file[1:]
    return arranged(n_files, file, declared)


def _names(path: Path, parameters: Mapping[str, Any]) -> Callable[[int], str]:
    """Tell how the files are called, by their numbers.

    In templates of EPICS, as ``%s%s_%6.6d.tiff``, the first place is that of the folder; in newer
    ones, as ``{:s}_{:06d}.tiff``, there is none for it.

    Raises
    ------
    DetectorFileError
        The template makes no sense, or leads to another folder; the second is found out by name.
    """
    template, filename = parameters.get("template"), parameters.get("filename", "")
    if not isinstance(template, str) or not isinstance(filename, str):
        raise DetectorFileError(f"{path}: the document does not say how its files are called")
    if "{" in template:
        begin = filename.replace("{", "{{").replace("}", "}}")
        fill: Callable[[int], str] = re.sub(r"\{:?s\}", lambda _: begin, template, count=1).format
    else:
        begin = template.removeprefix("%s") if template.count("%s") > 1 else template
        fill = begin.replace("%s", filename.replace("%", "%%"), 1).__mod__

    def name(number: int) -> str:
        try:
            found = fill(number)
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            raise DetectorFileError(f"the template {shown(template)} makes no sense") from error
        if PurePath(found).name != found:
            raise DetectorFileError(f"the template {shown(template)} leads to another folder")
        return found

    return name


def load_tiff(path: Path) -> AnyArray:
    """Read a TIFF file: a frame, or as many as it has pages.

    Raises
    ------
    DetectorFileError
        What reads it is not installed, or it is broken.
    """
    try:
        import tifffile
    except ImportError as error:
        raise DetectorFileError(f"{path}: {_install('tifffile')}") from error
    try:
        # one that belongs to others is read by itself
        found: AnyArray = np.asarray(tifffile.imread(path, is_ome=False))
    except (tifffile.TiffFileError, ValueError, KeyError) as error:
        raise DetectorFileError(f"{path} can not be read ({error})") from error
    return found


def load_image(path: Path) -> AnyArray:
    """Read an image of another kind; see `load_tiff`."""
    try:
        from PIL import Image
    except ImportError as error:
        raise DetectorFileError(f"{path}: {_install('pillow')}") from error
    try:
        with Image.open(path) as image:
            return np.asarray(image)
    except OSError as error:
        raise DetectorFileError(f"{path} can not be read ({error})") from error


def load_npy(path: Path) -> AnyArray:
    """Read an array of numpy's; see `load_tiff`."""
    try:
        found: AnyArray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DetectorFileError(f"{path} can not be read ({error})") from error
    return found


def _install(package: str) -> str:
    return f"to read it, install {package} (pip install 'suitcase-nxstxm[images]')"
