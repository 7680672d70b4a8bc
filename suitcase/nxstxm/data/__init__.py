"""Data that know where they belong: coordinates, a handler, processors, storages."""

from .._errors import NXstxmKeyError, NXstxmStateError
from ._coordinates import CoordinatesError, DataCoordinates
from ._feed import FrameFeed
from ._framer import Framer
from ._handler import DataHandler, DataTimeoutError, Failure
from ._iterator import DataCoordinatesIterator
from ._lines import BATCH, BATCHES, COMPLETE
from ._processor import Chain, DataProcessor, Frame, chain
from ._storage import DataStorage, RAMStorage, missing
from ._where import CHANNEL, EVENT, REGION_AXIS

__all__ = [
    "BATCH",
    "BATCHES",
    "CHANNEL",
    "COMPLETE",
    "EVENT",
    "REGION_AXIS",
    "Chain",
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
    "Framer",
    "NXstxmKeyError",
    "NXstxmStateError",
    "RAMStorage",
    "chain",
    "missing",
]
