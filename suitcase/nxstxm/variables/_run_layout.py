"""What is where in the file of a run: results in DAMNIT's layout, and what is beside them.

::

    /<name>             group: ``data``, or a DataArray or Dataset as NetCDF has them
    /.reduced/<name>    the summary, with how it is shown
    /.preview/<name>    what to show when somebody looks closer
    /.errors/<name>     the text of an error; attribute ``type``
    /.keys/<name>       of results that have a key: what is known of them as stored data
    /.data/<key>        stored data that are no results of variables
    /.made              the lineages of results, by their names, as JSON
    /.written           which writing put each of them there, as JSON
    /.run               what is known of the run, as storage has it
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import h5py

from ._keyed import KEYS

#: Data that are no results of variables.
DATA = ".data"
#: What is known of the run.
TOLD = ".run"
#: The lineages of results.
MADE = ".made"
#: The writings of results; in a cell's attributes, without the dot, the one that it tells of.
TOKENS, WRITTEN = ".written", "written"
#: What DAMNIT's files have beside results; and all that ours have.
DAMNITS = (".reduced", ".preview", ".errors")
_INNER = (*DAMNITS, KEYS, DATA)


def lineages_in(file: h5py.File) -> dict[str, str]:
    """Give the hashes of how results were made, by their names."""
    return _texts(file, MADE)


def tokens_in(file: h5py.File) -> dict[str, str]:
    """Give the tokens of the writings that put results there, by their names."""
    return _texts(file, TOKENS)


def _texts(file: h5py.File, name: str) -> dict[str, str]:
    if name not in file:
        return {}
    made: dict[str, str] = json.loads(file[name][()])
    return made


def stamp_of(path: Path) -> str:
    """Give what tells a file from others that had its name."""
    about = path.stat()
    return f"{about.st_ino}:{about.st_size}:{about.st_mtime_ns}"


def places_but(old: h5py.File, new: set[str]) -> Iterator[str]:
    """Say what stays of a file: results, and what is beside them under their names; and data."""
    for name in old:
        if name not in (*_INNER, MADE, TOKENS) and name not in new:
            yield name
    for inner in _INNER:
        for name in old.get(inner, ()):
            if (f"{DATA}/{name}" if inner == DATA else name) not in new:
                yield f"{inner}/{name}"


def opened_file(path: Path) -> h5py.File:
    """Open a file to be read, whoever has it open."""
    try:
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        if "locking flag" not in str(error):
            raise
        return h5py.File(path, "r")  # this process has it open, with locks
