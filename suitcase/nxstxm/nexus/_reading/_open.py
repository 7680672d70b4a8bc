"""`open_nxstxm`: files as labelled arrays."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..._errors import NXstxmError, NXstxmValueError
from ._read import read_contents

if TYPE_CHECKING:
    import xarray as xr


class MissingXarrayError(NXstxmError, ImportError):
    """xarray is not installed."""


def open_nxstxm(
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    chunks: Mapping[str, int] | None = None,
    baseline: bool = False,
    external_roots: Iterable[str | os.PathLike[str]] = (),
) -> xr.DataTree:
    """Open a file of scans as labelled arrays.

    Parameters
    ----------
    path : path-like, or a sequence of these
        An NXstxm file of this package or of another program. The pictures of several files become
        one where they have the same channels at the same places: images are stacked by energy,
        and entries that differ only in polarization or angle get that as a dimension. So do the
        entries of one file that is given as a list.
    chunks : mapping of str to int, optional
        Make dask arrays of this length along these dimensions; ``{}`` takes blocks as they lie on
        the disk. By default arrays are read when they are looked at, without dask.
    baseline : bool
        Give the readings of the beamline as well: ``baseline`` and ``streams`` of each entry.
    external_roots : iterable of path-like
        Folders, besides that of the file, in which other files may be read that it leads to.

    Returns
    -------
    xarray.DataTree
        ``tree["entry0/counter0"]["data"]`` is the picture of a detector; its dimensions are
        ``energy``, ``y``, ``x``, ``line``, and so on. ``tree["entry0/instrument"]`` has the lists.

    Raises
    ------
    MissingXarrayError
        xarray is not installed.
    NXstxmOSError
        The file can not be opened.
    NXstxmValueError
        It holds no scan.

    Examples
    --------
    >>> from suitcase.nxstxm import export_scan, open_nxstxm
    >>> from suitcase.nxstxm.sim import all_requests, scan_documents
    >>> runs = scan_documents(all_requests()["pystxm2019-sample_image_stack-lines"])
    >>> tree = open_nxstxm(export_scan(runs, "files", overwrite=True))
    >>> tree["entry0/counter0"]["data"].dims
    ('energy', 'y', 'x')
    """
    try:
        from ._tree import make_tree
    except ImportError as error:
        raise MissingXarrayError(
            f"open_nxstxm needs xarray ({error}): pip install 'suitcase-nxstxm[xarray]'"
        ) from error
    roots = list(external_roots)

    def one(each: str | os.PathLike[str]) -> xr.DataTree:
        return make_tree(read_contents(each, external_roots=roots, readings=baseline))

    if isinstance(path, (str, os.PathLike)):
        tree = one(path)
        return tree if chunks is None else _chunked(tree, chunks)
    return _several([one(each) for each in path], chunks or {})


def _several(trees: Sequence[xr.DataTree], chunks: Mapping[str, int]) -> xr.DataTree:
    from ._several import combine

    if not trees:
        raise NXstxmValueError("open_nxstxm was given an empty list; give it at least one file")

    def close() -> None:
        for tree in trees:
            tree.close()

    made = combine([_chunked(tree, chunks) for tree in trees])
    made.set_close(close)
    return made


def _chunked(tree: xr.DataTree, chunks: Mapping[str, int]) -> xr.DataTree:
    from dask.base import tokenize

    def chunk(dataset: xr.Dataset) -> xr.Dataset:
        made = {}
        for name, array in dataset.data_vars.items():
            variable, encoding = array.variable, array.encoding
            own: dict[Any, int] = {d: n for d, n in chunks.items() if d in variable.dims}
            # the same for the same file, so that dask knows what it has computed already
            token = tokenize(encoding.get("token"), variable.dims, own)
            made[name] = variable.chunk(
                {**encoding.get("preferred_chunks", {}), **own}, name=f"{name}-{token}"
            )
        chunked: xr.Dataset = dataset.assign(made)
        return chunked

    made: xr.DataTree = tree.map_over_datasets(chunk)
    made.set_close(tree.close)
    return made
