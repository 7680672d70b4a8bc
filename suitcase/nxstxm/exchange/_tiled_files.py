"""Files of detectors of which a Tiled server knows.

Frames in a file that can be read here are not asked for over the network: a file of ours links
them, as it does when the documents come from elsewhere. All others come from the server.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..documents import resource_path
from ._catalog import Document, comes_from, plain

#: The kind of file whose rows are those of its array, whatever wrote it.
_HDF5 = "application/x-hdf5"


@dataclass(frozen=True)
class TiledFile:
    """A file that has an array, row by row.

    Attributes
    ----------
    uri : str
        Where it is.
    parameters : Mapping
        What else must be known to read it.
    """

    uri: str
    parameters: Mapping[str, Any]

    def documents(
        self, run: str, descriptor: str, key: str, n: int
    ) -> Iterator[tuple[str, Document]]:
        """Make the documents that tell of it: `n` rows for as many events."""
        uid = f"{descriptor}/{key}"
        yield (
            "stream_resource",
            {
                "uid": uid,
                "run_start": run,
                "data_key": key,
                "mimetype": _HDF5,
                "uri": self.uri,
                "parameters": dict(self.parameters),
            },
        )
        yield (
            "stream_datum",
            {
                "uid": f"{uid}/0",
                "stream_resource": uid,
                "descriptor": descriptor,
                "seq_nums": {"start": 1, "stop": n + 1},
                "indices": {"start": 0, "stop": n},
            },
        )


def file_behind(array: Any) -> TiledFile | None:
    """Give the file that an array of a server is in.

    Returns
    -------
    TiledFile or None
        None where the array has to come from the server: it is in no HDF5 file, in several, in a
        part of one, or in one that can not be read here. Where the server can not read it either
        the file is given, so that its name is told.
    """
    sources = array.data_sources() if hasattr(array, "data_sources") else None
    if not sources or len(sources) != 1 or sources[0].mimetype != _HDF5:
        return None
    [source] = sources
    parameters = dict(plain(source.parameters or {}))
    if len(source.assets) != 1 or parameters.get("slice") or "dataset" not in parameters:
        return None
    uri = str(source.assets[0].data_uri)
    path = resource_path({"uri": uri})
    is_here = path is not None and Path(path).is_file() and os.access(path, os.R_OK)
    if not is_here and _gives(array):
        return None
    return TiledFile(uri, {"dataset": parameters["dataset"]})


def _gives(array: Any) -> bool:
    """Tell whether the server can read an array."""
    try:
        array[:1]
    except Exception as error:
        if not comes_from(error, "httpx", "tiled"):
            raise
        response = getattr(error, "response", None)
        if getattr(response, "status_code", 0) < 500:
            raise
        return False
    return True
