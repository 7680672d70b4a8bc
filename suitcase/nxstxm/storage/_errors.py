"""What storage refuses or fails to do."""

from __future__ import annotations

from .._errors import (
    NXstxmError,
    NXstxmFileExistsError,
    NXstxmKeyError,
    NXstxmOSError,
    NXstxmStateError,
    NXstxmValueError,
)


class DataNotAvailable(NXstxmKeyError):
    """The data are not stored here: absent, refused, unfinished or broken."""


class DataExistsError(NXstxmFileExistsError):
    """The data are stored already, and were not to be overwritten.

    Attributes
    ----------
    at : str
        Where they are.
    """

    def __init__(self, message: str, at: str = "") -> None:
        super().__init__(message)
        self.at = at


class DataCorrupted(NXstxmOSError):
    """Stored data are not what was written: a checksum, a file or a description is wrong."""


class NewerFormatError(DataCorrupted):
    """Stored data are of a format that only a newer version of this package reads."""


class DataLockedError(NXstxmOSError):
    """Another writer makes these data at the moment."""


class RunMetadataNotAvailable(NXstxmKeyError):
    """Nothing is known of that run."""


class AmbiguousKeyError(NXstxmKeyError):
    """Several stored data match a key that was to be matched loosely."""


class KeyValueError(NXstxmValueError):
    """A part of a key that can not be used: an option without a defined form, a bad name."""


class SaverError(NXstxmStateError):
    """A saver that can not do this now: it is closed, or nothing was saved with it."""


class FormatError(NXstxmValueError):
    """Data of a kind, or chunks of a shape, that can not be stored."""


__all__ = [
    "AmbiguousKeyError",
    "DataCorrupted",
    "DataExistsError",
    "DataLockedError",
    "DataNotAvailable",
    "FormatError",
    "KeyValueError",
    "NXstxmError",
    "NewerFormatError",
    "RunMetadataNotAvailable",
    "SaverError",
]
