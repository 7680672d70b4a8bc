"""What must be true of virtual datasets: who reads them gets zeros where a file is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from .._h5tree import H5_ERRORS, Problem, why


def virtual_problems(path: Path, h5: h5py.File) -> Iterator[Problem]:
    """Look for the files that have the rows of virtual datasets.

    Parameters
    ----------
    path : Path
        The file.
    h5 : File
        It, open.
    """
    found: list[h5py.Dataset] = []

    def note(_: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset) and node.is_virtual:
            found.append(node)

    try:
        home = h5.get("INSTRUMENT")
        if isinstance(home, h5py.Group):
            home.visititems(note)
        for dataset in found:
            yield from _of_dataset(path, dataset)
    except H5_ERRORS as error:  # the other checks say what is damaged
        yield Problem("error", "/INSTRUMENT", f"can not be looked through: {why(error)}")


def _of_dataset(path: Path, dataset: h5py.Dataset) -> Iterator[Problem]:
    for source in {(each.file_name, each.dset_name) for each in dataset.virtual_sources()}:
        name, inside = source
        file = path if name == "." else path.parent / name
        try:
            with h5py.File(file, "r") as other:
                if inside not in other:
                    yield Problem("error", dataset.name, f"{file} has no {inside}: rows are zeros")
        except OSError as error:
            told = f"{file}, which has rows of it, can not be read ({why(error)}): they are zeros"
            yield Problem("error", dataset.name, told)
