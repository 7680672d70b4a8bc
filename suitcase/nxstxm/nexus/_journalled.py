"""A run on its way from a journal into a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from .._errors import NXstxmError
from ..documents import ArrayRef, PlacedFrames, is_damaged, read_archive
from ._options import WriterOptions
from ._staging import RunStage

#: Documents that could not be used and are named in an entry.
_NAMED = 5


class Beside(Protocol):
    """Whatever takes the documents of a run as well."""

    def take(self, name: str, doc: Mapping[str, Any], /) -> None:
        """Take a document."""

    def end(self, messages: list[str], /) -> None:
        """Take what went wrong; there are no more documents."""


class JournalledRun:
    """A run as its journal has it.

    Parameters
    ----------
    path : Path
        The journal; it may still be written.

    Attributes
    ----------
    start : Mapping or None
        The start document; None when it is damaged.
    is_empty : bool
        There is nothing in it, and nothing was.
    n_used : int
        Documents that `take` gave to a stage.
    has_more : bool
        Whether it has more than that, or had before it was damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._messages: list[str] = []
        with closing(self._documents(None)) as documents:
            name, doc = next(documents, ("", {}))
        self.start: Any = doc if name == "start" else None
        self.is_empty = not name and not is_damaged(path)
        self.n_used = 0
        self.has_more = False

    def _documents(self, resolve: Callable[[ArrayRef], object] | None) -> Any:
        with self.path.open("rb") as file:
            yield from read_archive(
                file, resolve=resolve, on_damage="skip", damage=self._messages, partial=True
            )

    def __iter__(self) -> Any:
        self._messages.clear()
        return self._documents(None)

    def take(
        self,
        stage: RunStage,
        options: WriterOptions,
        frames: PlacedFrames,
        beside: Beside | None = None,
    ) -> None:
        """Give its documents to a stage; what can not be used is left out, and told.

        Parameters
        ----------
        stage : RunStage
            What takes them.
        options : WriterOptions
            How readings are filled that are in files of detectors.
        frames : PlacedFrames
            Reads the frames that are not in the journal.
        beside : Beside, optional
            Takes them, too, and at the end what went wrong.
        """
        n_wrong, self.n_used = 0, 1  # the stage has the start
        self._messages.clear()
        with closing(options.filling()) as filling:
            for name, doc in self._documents(frames.read):
                if name == "start":
                    continue
                if name in ("event", "event_page"):
                    _leave_out_lost(doc)
                try:
                    for each in filling(name, doc):
                        stage.take(*each)
                        if beside is not None:
                            beside.take(*each)
                    self.n_used += 1
                except NXstxmError as error:
                    n_wrong += 1
                    if n_wrong <= _NAMED:
                        stage.note(f"{_kind(name)} could not be used: {error}")
            for message in filling.messages:
                stage.note(message)
            if beside is not None:
                beside.end([*filling.messages, *self._messages])
        if n_wrong > _NAMED:
            stage.note(f"{n_wrong} documents could not be used in all")
        for message in list(dict.fromkeys(self._messages))[:_NAMED]:
            stage.note(f"the journal is damaged: {message}")
        if len(self._messages) > _NAMED:
            stage.note(f"the journal is damaged at {len(self._messages)} places in all")
        # arrays that are lost are told among the messages, too: the journal has not got them
        self.has_more = n_wrong > 0 or (bool(self._messages) and is_damaged(self.path))


def _leave_out_lost(doc: dict[str, Any]) -> None:
    """Leave out the readings of an event whose arrays are lost; a page loses the column."""
    data = doc.get("data")
    if not isinstance(data, Mapping):
        return
    lost = [
        key
        for key, value in data.items()
        if any(isinstance(v, ArrayRef) for v in (value if isinstance(value, list) else (value,)))
    ]
    if lost:
        doc["data"] = {key: value for key, value in data.items() if key not in lost}


def _kind(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name.replace('_', ' ')}"
