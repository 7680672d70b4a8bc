"""The suitcase convention for EuXFEL runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from .._errors import NXstxmStateError
from ..documents import copied
from ._options import RunOptions
from ._run import RunWriter

#: Under this name artifacts list the files.
LABEL = "stream_data"


class Serializer:
    """Write the documents of one run into a EuXFEL run.

    Parameters
    ----------
    directory : str or Path
        The folder of the proposals: the run is in ``p<proposal>/raw/r<run>``.
    **options
        ``copy_arrays=True`` copies the arrays of events at once, for devices that use their buffers
        again; otherwise they must not change before some megabytes more have come, or the run is
        closed. And ``proposal``, ``instrument``, ``cycle``, ``domain``, ``trains_per_file``,
        ``bytes_per_file``, ``train_ids``, ``events``, ``pulses``, ``monitors``, ``external``,
        ``legacy``, ``version``, ``handler_registry``, ``root_map``, ``fill_or_fail``; see
        `RunOptions`.

    Raises
    ------
    OptionError, NXstxmTypeError
        One of them makes no sense.

    Examples
    --------
    >>> from suitcase.nxstxm.euxfel import Serializer
    >>> serializer = Serializer("proposals", proposal=900001)
    """

    def __init__(self, directory: str | Path, **options: Any) -> None:
        self._directory = Path(directory).expanduser()
        self._copies = bool(options.pop("copy_arrays", False))
        self._options = RunOptions.of(**options)
        self._filling = self._options.filling()
        self._run: RunWriter | None = None

    @property
    def artifacts(self) -> dict[str, list[Any]]:
        """The files that are complete, as ``{"stream_data": [path, ...]}``."""
        return {LABEL: [] if self._run is None else list(self._run.files)}

    @property
    def messages(self) -> list[str]:
        """What whoever reads the run should know: readings that are missing, and why."""
        return [] if self._run is None else list(self._run.messages)

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
            self._run = RunWriter(self._directory, doc, self._options, names_beside=True)
            return
        if self._run is None:
            raise NXstxmStateError(f"a {name} document came before the start document of its run")
        if self._copies:
            doc = copied(name, doc)
        if name == "event" and self._filling.is_idle:
            self._run.take(name, doc)
            return
        for each in self._filling(name, doc):
            self._run.take(*each)
        if name == "stop":
            self.close()

    def close(self) -> None:
        """Complete the run with what came; after a stop document there is nothing to do."""
        self._filling.close()
        if self._run is not None:
            self._run.close(self._filling.messages)

    def __enter__(self) -> Serializer:
        """Give the serializer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it; after an error nothing is left of a run that is not complete."""
        self._filling.close()
        if self._run is not None and error is not None and not self._run.is_complete:
            self._run.remove()
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
