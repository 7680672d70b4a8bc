"""Which results and data of a run's file have a key, to be seen at a glance."""

from __future__ import annotations

from dataclasses import dataclass

import h5py
import numpy as np

from ..storage import DataCorrupted, DataKey

#: Where what is known of a result is, beside it.
KEYS = ".keys"
_TYPE, _HASH, _RUN = "data_type", "hash", "run_id"


@dataclass(frozen=True)
class Noted:
    """What tells at a glance which data are somewhere.

    Attributes
    ----------
    place : str
        Where they are in the file.
    run_id, data_type, hash : str
        Of their key.
    """

    place: str
    run_id: str
    data_type: str
    hash: str


def note_key(file: h5py.File, place: str, key: DataKey, note: bytes) -> None:
    """Write what is known of a result beside it."""
    made = file.create_dataset(f"{KEYS}/{place}", data=np.frombuffer(note, np.uint8))
    mark(made, key)


def mark(node: h5py.HLObject, key: DataKey) -> None:
    """Let it be seen at a glance which data something is."""
    for name, text in ((_RUN, key.run_id), (_TYPE, key.data_type), (_HASH, key.hash)):
        # a run's id may be text that is no Unicode
        node.attrs[name] = np.void(text.encode("utf-8", "surrogatepass"))


def noted(node: h5py.HLObject, place: str) -> Noted:
    """Read what `mark` wrote.

    Raises
    ------
    DataCorrupted
        It can not be read.
    """
    try:
        found = [
            node.attrs[name].tobytes().decode("utf-8", "surrogatepass")
            for name in (_RUN, _TYPE, _HASH)
        ]
    except (KeyError, OSError, AttributeError, UnicodeError) as error:
        raise DataCorrupted(f"{node.name} does not tell whose data it has ({error})") from error
    return Noted(place, *found)
