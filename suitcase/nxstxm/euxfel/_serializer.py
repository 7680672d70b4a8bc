"""The suitcase convention for EuXFEL runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from .._errors import NXstxmStateError
from ..documents import Filling
from ._file import Version
from ._place import TrainIds
from ._run import RunOptions, RunWriter

#: Under this name artifacts list the files.
LABEL = "stream_data"


class Serializer:
    """Write the documents of one run into a EuXFEL run.

    Parameters
    ----------
    directory : str or Path
        The folder of the proposals: the run is in ``p<proposal>/raw/r<run>``.
    proposal : int or str, optional
        Number of the proposal; unless given what the start document says under ``proposal``,
        ``proposal_id`` or ``data_session``, else 0.
    handler_registry, root_map, fill_or_fail
        For readings in files, as event-model has them.
    domain : str
        What the names of sources begin with.
    trains_per_file : int
        How many trains a file has; then it is complete, and the next one begins.
    train_ids : {"time", "seq"}
        By time, ten a second and never one twice in a proposal; or counted in each stream from 1.
    version : {"1.2", "1.3"}
        Of the format.

    Raises
    ------
    OptionError
        One of them makes no sense.

    Examples
    --------
    >>> from suitcase.nxstxm.euxfel import Serializer
    >>> serializer = Serializer("proposals", proposal=900001)
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        proposal: int | str | None = None,
        handler_registry: Mapping[str, Any] | None = None,
        root_map: Mapping[str, str] | None = None,
        fill_or_fail: bool = False,
        domain: str = "STXM",
        trains_per_file: int = 500,
        train_ids: TrainIds = "time",
        version: Version = "1.3",
    ) -> None:
        self._directory = Path(directory).expanduser()
        self._options = RunOptions(proposal, domain, trains_per_file, train_ids, version)
        self._filling = Filling(handler_registry, root_map, fill_or_fail=fill_or_fail)
        self._run: RunWriter | None = None

    @property
    def artifacts(self) -> dict[str, list[Any]]:
        """The files that are complete, as ``{"stream_data": [path, ...]}``."""
        return {LABEL: [] if self._run is None else list(self._run.files)}

    @property
    def folder(self) -> Path | None:
        """The folder of the run, when its start document came."""
        return None if self._run is None else self._run.place.folder

    def __call__(self, name: str, doc: Mapping[str, Any]) -> None:
        """Take a document.

        Raises
        ------
        NXstxmError
            It makes no sense, or the files can not be written.
        """
        if name == "start":
            if self._run is not None:
                raise NXstxmStateError("two start documents; use one Serializer for each run")
            self._run = RunWriter(self._directory, doc, self._options)
            return
        if self._run is None:
            raise NXstxmStateError(f"a {name} document came before the start document of its run")
        for each in self._filling(name, doc):
            self._run.take(*each)

    def close(self) -> None:
        """Complete the run with what came; after a stop document there is nothing to do."""
        self._filling.close()
        if self._run is not None:
            self._run.close()

    def __enter__(self) -> Serializer:
        """Give the serializer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it; after an error what is not complete keeps its temporary name."""
        self._filling.close()
        if self._run is not None and error is not None and not self._run.is_closed:
            self._run.abandon()
        else:
            self.close()


def export(
    gen: Iterable[tuple[str, Mapping[str, Any]]], directory: str | Path, **options: Any
) -> dict[str, list[Any]]:
    """Write the documents of one run into a EuXFEL run; see `Serializer`.

    Returns
    -------
    dict
        ``{"stream_data": [path, ...]}``, the files.
    """
    with Serializer(directory, **options) as serializer:
        for name, doc in gen:
            serializer(name, doc)
    return serializer.artifacts
