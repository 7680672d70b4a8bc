"""Data that know where they belong: coordinates, and what takes and gives frames."""

from ._coordinates import CoordinatesError, DataCoordinates
from ._iterator import DataCoordinatesIterator
from ._storage import DataStorage, RAMStorage

__all__ = [
    "CoordinatesError",
    "DataCoordinates",
    "DataCoordinatesIterator",
    "DataStorage",
    "RAMStorage",
]
