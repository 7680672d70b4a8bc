"""`open_nxstxm`: files as labelled arrays."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..._errors import NXstxmError, NXstxmTypeError, NXstxmValueError
from ._reach import Roots, roots_of
from ._read import read_contents

if TYPE_CHECKING:
    import xarray as xr


#: Lengths of dask's blocks, as users give them.
Chunks: TypeAlias = Mapping[str, int | Literal["auto"]] | Literal["auto"]


class MissingXarrayError(NXstxmError, ImportError):
    """xarray is not installed."""


def open_nxstxm(
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    chunks: Chunks | None = None,
    baseline: bool = False,
    external_roots: Roots = (),
) -> xr.DataTree:
    """Open a file of scans as labelled arrays.

    Parameters
    ----------
    path : path-like, or a sequence of these
        An NXstxm file of this package or of another program. The pictures of several files become
        one where they have the same channels at the same places: images are stacked by energy,
        and entries that differ only in polarization or angle get that as a dimension. So do the
        entries of one file that is given as a list.
    chunks : mapping of str to int or "auto", or "auto", optional
        Make dask arrays of this length along these dimensions; -1 is the whole dimension,
        ``"auto"`` leaves it to dask, and ``{}`` takes blocks as they lie on the disk. By default
        arrays are read when they are looked at, without dask.
    baseline : bool
        Give the readings of the beamline as well: ``baseline`` and ``streams`` of each entry.
    external_roots : path-like, or an iterable of these
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
    NXstxmTypeError
        It is no path, or the blocks are no lengths.
    NXstxmValueError
        It holds no scan, or blocks have a length that can not be.

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
    roots = roots_of(external_roots)
    if chunks is not None:
        _check_chunks(chunks)

    def one(each: str | os.PathLike[str]) -> xr.DataTree:
        return make_tree(read_contents(each, external_roots=roots, readings=baseline))

    if isinstance(path, (str, os.PathLike)):
        tree = one(path)
        return tree if chunks is None else _chunked(tree, chunks)
    if isinstance(path, (bytes, bytearray)) or not isinstance(path, Iterable):
        raise NXstxmTypeError(
            f"open_nxstxm opens a path or a list of paths, and was given {path!r} of type "
            f"{type(path).__name__}"
        )
    return _several([one(each) for each in path], chunks or {})


def _check_chunks(chunks: Any) -> None:
    """Refuse lengths of blocks that can not be."""
    way_out = 'give a mapping such as {"energy": 10}, or "auto"'
    if isinstance(chunks, str) and chunks == "auto":
        return
    if not isinstance(chunks, Mapping):
        raise NXstxmTypeError(f"chunks={chunks!r} are no lengths of blocks; {way_out}")
    for dim, length in chunks.items():
        if isinstance(length, str) and length == "auto":
            continue
        if isinstance(length, bool) or not isinstance(length, Integral):
            raise NXstxmTypeError(f"chunks={chunks!r}: {length!r} is no length; {way_out}")
        if length < 1 and length != -1:
            raise NXstxmValueError(
                f"chunks={chunks!r}: blocks of {length} along {dim} can not be; give 1 or more, or "
                f"-1 for the whole dimension"
            )


def _several(trees: Sequence[xr.DataTree], chunks: Chunks) -> xr.DataTree:
    from ._several import combine

    if not trees:
        raise NXstxmValueError("open_nxstxm was given an empty list; give it at least one file")

    def close() -> None:
        for tree in trees:
            tree.close()

    made = combine([_chunked(tree, chunks) for tree in trees])
    made.set_close(close)
    return made


def _chunked(tree: xr.DataTree, chunks: Chunks) -> xr.DataTree:
    from dask.base import tokenize

    def chunk(dataset: xr.Dataset) -> xr.Dataset:
        made = {}
        for name, array in dataset.data_vars.items():
            variable, encoding = array.variable, array.encoding
            own: dict[Any, Any] = (
                dict.fromkeys(variable.dims, "auto")
                if isinstance(chunks, str)
                else {dim: n for dim, n in chunks.items() if dim in variable.dims}
            )
            # the same for the same file, so that dask knows what it has computed already
            token = tokenize(encoding.get("token"), variable.dims, own)
            blocks = _blocks(variable, encoding.get("preferred_chunks", {}), own)
            made[name] = variable.chunk(blocks, name=f"{name}-{token}")
        chunked: xr.Dataset = dataset.assign(made)
        return chunked

    made: xr.DataTree = tree.map_over_datasets(chunk)
    made.set_close(tree.close)
    return made


def _blocks(
    variable: xr.Variable, preferred: Mapping[Any, int], own: Mapping[Any, Any]
) -> Mapping[Any, Any]:
    """Give the lengths of blocks along each dimension; what is left to dask fits to the disk."""
    if "auto" not in own.values():
        return {**preferred, **own}
    if variable.dtype.kind == "O":  # dask knows no size of texts
        return {**preferred, **{dim: n for dim, n in own.items() if n != "auto"}}
    from dask.array.core import normalize_chunks

    found = normalize_chunks(  # type: ignore[no-untyped-call]
        tuple({**preferred, **own}.get(dim, -1) for dim in variable.dims),
        variable.shape,
        dtype=variable.dtype,
        previous_chunks=tuple(preferred.get(dim, n) for dim, n in variable.sizes.items()),
    )
    return dict(zip(variable.dims, found, strict=True))
