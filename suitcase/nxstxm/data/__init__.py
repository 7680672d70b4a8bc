"""Data that know where they belong: coordinates, a handler, processors, storages."""

from ._coordinates import CoordinatesError, DataCoordinates
from ._feed import FrameFeed
from ._handler import DataHandler, DataTimeoutError, Failure
from ._iterator import DataCoordinatesIterator
from ._processor import DataProcessor, Frame
from ._storage import DataStorage, RAMStorage

__all__ = [
    "CoordinatesError",
    "DataCoordinates",
    "DataCoordinatesIterator",
    "DataHandler",
    "DataProcessor",
    "DataStorage",
    "DataTimeoutError",
    "Failure",
    "Frame",
    "FrameFeed",
    "RAMStorage",
]
