"""Loading stored data, and making savers: what a way of storing has to be able to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Any

from .._errors import OptionError
from ._loading import StoredData
from ._metadata import ChunkInfo, StoredMetadata
from ._saver import Saver


class StorageBackend(ABC):
    """Loads pieces of data and makes savers, each from a backend key.

    A backend key is a text that the backend understands: a folder's name, an object's address. It
    knows nothing of runs and lineages, but for what the metadata say.
    """

    #: The name under which a database remembers it.
    name: str = ""

    # -- to be written by subclasses ---------------------------------------------------------------

    @abstractmethod
    def get_metadata(self, backend_key: str) -> StoredMetadata:
        """Give what is known of data, whether they are whole or not.

        Raises
        ------
        DataNotAvailable
            There are none.
        DataCorrupted
            It can not be read.
        """

    @abstractmethod
    def get_chunks(self, backend_key: str, metadata: StoredMetadata) -> Sequence[ChunkInfo]:
        """Give what is known of the chunks, in their order; also of data that are not whole."""

    @abstractmethod
    def read_chunk(
        self,
        backend_key: str,
        metadata: StoredMetadata,
        info: ChunkInfo,
        *,
        rows: tuple[int, int] | None = None,
        only: Collection[str] | None = None,
    ) -> Any:
        """Load a chunk.

        Parameters
        ----------
        backend_key : str
            Whose it is.
        metadata : StoredMetadata
            As `get_metadata` gave them.
        info : ChunkInfo
            Which, as `get_chunks` gave it.
        rows : (int, int), optional
            Only these rows of it, counted from its first.
        only : collection of str, optional
            Of labelled data, these variables are enough.

        Raises
        ------
        DataCorrupted
            It is not what was saved.
        """

    def make_saver(
        self,
        backend_key: str,
        metadata: StoredMetadata,  # noqa: ARG002 - what can only be read takes nothing
        *,
        overwrite: str,  # noqa: ARG002
        wait: float,  # noqa: ARG002
        **options: Any,  # noqa: ARG002
    ) -> Saver:
        """Make a saver.

        Parameters
        ----------
        backend_key : str
            Where data will be.
        metadata : StoredMetadata
            What is known of them.
        overwrite : "never", "if_broken" or "always"
            What happens to data that are there.
        wait : float
            Seconds to wait for another writer of the same data.
        **options
            What the backend knows.

        Raises
        ------
        DataExistsError
            There are data that are not to be overwritten.
        DataLockedError
            Another writer is there.
        """
        raise OptionError(f"{self.describe(backend_key)} can only be read")

    def remove(self, backend_key: str) -> None:
        """Remove data."""
        raise OptionError(f"{self.describe(backend_key)} can only be read")

    def open(self, backend_key: str) -> StoredData:
        """Open data to be read.

        Raises
        ------
        DataNotAvailable
            There are none.
        DataCorrupted
            What describes them can not be read.
        """
        return StoredData(self, backend_key)

    def describe(self, backend_key: str) -> str:
        """Say where data are, for messages."""
        return f"{type(self).__name__}:{backend_key}"
