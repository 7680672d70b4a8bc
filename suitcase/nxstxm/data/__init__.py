"""Data that know where they belong: coordinates, a handler, processors, storages."""

from .._errors import NXstxmKeyError, NXstxmStateError
from ._coordinates import CoordinatesError, DataCoordinates
from ._feed import FrameFeed
from ._framer import BATCH, BATCHES, COMPLETE, Framer, detector_columns, fastest_loop
from ._handler import DataHandler, DataTimeoutError, Failure
from ._iterator import DataCoordinatesIterator
from ._processor import Chain, DataProcessor, Frame, chain
from ._storage import DataStorage, RAMStorage, missing
from ._where import CHANNEL, EVENT, REGION_AXIS, by_region, entry_name

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
    "by_region",
    "chain",
    "detector_columns",
    "entry_name",
    "fastest_loop",
    "missing",
]
