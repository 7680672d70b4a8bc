"""What a document says, as values of the run: one each, under the keys of the document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ._columns import Reading, is_array
from ._names import Names
from ._stream import RunValue


def values_of(source: str, doc: Mapping[str, Any], time: int) -> Iterator[RunValue]:
    """Give what a document says as values of the run."""
    names = Names()
    for key, value in doc.items():
        for path, each in _leaves(names[str(key)], value):
            yield source, path, Reading(each, time), {"displayedName": str(key)}


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Give what HDF5 can hold of a value of a document: mappings as groups, lists as text."""
    if isinstance(value, Mapping) and value:
        names = Names()
        for key, each in value.items():
            yield from _leaves(f"{path}/{names[str(key)]}", each)
    elif is_array(value) and np.size(value):
        yield path, np.asarray(value)
    elif isinstance(value, (bool, int, float, str, np.generic)):
        yield path, value
    else:
        yield path, json.dumps(value, default=repr)
