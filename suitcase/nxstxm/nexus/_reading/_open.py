"""`open_nxstxm`: files as labelled arrays."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..._errors import NXstxmError
from ._read import read_contents

if TYPE_CHECKING:
    import xarray as xr


class MissingXarrayError(NXstxmError, ImportError):
    """xarray is not installed."""


def open_nxstxm(
    path: str | os.PathLike[str],
    *,
    chunks: Mapping[str, int] | None = None,
    baseline: bool = False,
    external_roots: Iterable[str | os.PathLike[str]] = (),
) -> xr.DataTree:
    """Open a file of scans as labelled arrays.

    Parameters
    ----------
    path : path-like
        An NXstxm file of this package or of another program.
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
    contents = read_contents(path, external_roots=external_roots, readings=baseline)
    tree = make_tree(contents)
    return tree if chunks is None else _chunked(tree, chunks)


def _chunked(tree: xr.DataTree, chunks: Mapping[str, int]) -> xr.DataTree:

    def chunk(dataset: xr.Dataset) -> xr.Dataset:
        wanted: dict[Any, Any] = {d: n for d, n in chunks.items() if d in dataset.dims}
        made = {}
        for name, variable in dataset.data_vars.items():
            own = {d: n for d, n in wanted.items() if d in variable.dims}
            made[name] = variable.chunk({**variable.encoding.get("preferred_chunks", {}), **own})
        chunked: xr.Dataset = dataset.assign(made)
        return chunked

    made: xr.DataTree = tree.map_over_datasets(chunk)
    made.set_close(tree.close)
    return made
