"""The filters that a user may choose for large arrays, by name.

``none`` and ``gzip`` are read by every HDF5 program. The others are faster and smaller, and need
the package hdf5plugin to write and to read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import h5py

from .._errors import OptionError

Compression = Literal["none", "gzip", "bitshuffle-lz4", "blosc2-zstd"]


def _bitshuffle_lz4() -> dict[str, Any]:
    import hdf5plugin

    return dict(hdf5plugin.Bitshuffle(cname="lz4"))


def _blosc2_zstd() -> dict[str, Any]:
    import hdf5plugin

    # level 1: higher levels cost several times the time and save a few per cent of counts
    return dict(hdf5plugin.Blosc2(cname="zstd", clevel=1, filters=hdf5plugin.Blosc2.BITSHUFFLE))


#: Name -> keywords of ``create_dataset``.
_FILTERS: dict[str, Callable[[], dict[str, Any]]] = {
    "none": dict,
    "gzip": lambda: {"compression": "gzip", "compression_opts": 1, "shuffle": True},
    "bitshuffle-lz4": _bitshuffle_lz4,
    "blosc2-zstd": _blosc2_zstd,
}


def filters(compression: str) -> dict[str, Any]:
    """Give the keywords of ``h5py.Group.create_dataset`` for a compression.

    Parameters
    ----------
    compression : str
        ``"none"``, ``"gzip"``, ``"bitshuffle-lz4"`` or ``"blosc2-zstd"``.

    Returns
    -------
    dict
        Keywords; empty for none.

    Raises
    ------
    OptionError
        There is no such compression, or hdf5plugin is not installed.
    """
    try:
        return _FILTERS[compression]()
    except (KeyError, TypeError):
        raise OptionError(
            f"compression is {compression!r}; it is one of {', '.join(_FILTERS)}"
        ) from None
    except ImportError as error:
        raise OptionError(
            f"compression {compression!r} needs: pip install 'suitcase-nxstxm[compression]' "
            f"({error}). Or choose 'gzip', which every program reads"
        ) from error


def has_filters(dataset: h5py.Dataset, compression: str) -> bool:
    """Tell whether a dataset was made with the filters of a compression."""
    plist = dataset.id.get_create_plist()
    made = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    return made == _FILTER_IDS[compression]


#: Registered HDF5 filter numbers: 1 deflate, 2 shuffle, 32008 bitshuffle, 32026 blosc2.
_FILTER_IDS = {"none": [], "gzip": [2, 1], "bitshuffle-lz4": [32008], "blosc2-zstd": [32026]}
