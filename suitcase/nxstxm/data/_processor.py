"""Functions that change frames on their way into a storage."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from copy import copy, deepcopy
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._errors import NXstxmTypeError, NXstxmValueError
from ._coordinates import DataCoordinates, coordinates

AnyArray = npt.NDArray[Any]
#: Keys of metadata that tell frames of equal coordinates apart.
_CHANNEL = ("channel", "Channel")


class Frame(NamedTuple):
    """A block of data with its place.

    Attributes
    ----------
    coordinates : DataCoordinates
        Where it belongs.
    data : ndarray
        The data.
    metadata : Mapping
        What is known of them.
    """

    coordinates: DataCoordinates
    data: AnyArray
    metadata: Mapping[str, Any]


class DataProcessor:
    """A function that is applied to each frame before it is stored.

    Parameters
    ----------
    fn : callable
        Takes coordinates, data and metadata. It gives such a triple; a list of them; or None, when
        the frame is to be left out, or was taken into account for a later one. It gets copies of
        the array and of the metadata, which it may change.
    finish : callable, optional
        Takes nothing, is called when no more frames come, and gives what `fn` gives: what was
        accumulated. Unless given, the method ``finish`` of `fn`, if it has one.
    executor : concurrent.futures.Executor, optional
        Where `fn` is run, several frames at a time; results are stored in the order of the frames.
        Otherwise one frame after the other in a thread of the handler.
    copy : bool
        False gives `fn` the array itself, which it can not write into.
    name, version : str
        What provenance says of it; the name of `fn` unless given.
    options : Mapping, optional
        The same.
    only : Mapping, optional
        Frames that are processed, by their coordinates or metadata: ``{"detector": "counter0"}``. A
        value may be a tuple of several. Other frames pass untouched.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        *,
        finish: Callable[[], Any] | None = None,
        executor: Executor | None = None,
        copy: bool = True,
        name: str | None = None,
        version: str = "1",
        options: Mapping[str, Any] | None = None,
        only: Mapping[str, Any] | None = None,
    ) -> None:
        if not callable(fn):
            raise NXstxmTypeError(f"a processor is a function, not a {type(fn).__name__}")
        self.fn = fn
        self.executor = executor
        self.name = name or str(getattr(fn, "__name__", type(fn).__name__))
        self.version = version
        self.options = dict(options or {})
        self.only = dict(only or {})
        self._finish = finish or getattr(fn, "finish", None)
        self._copy = copy

    def __getstate__(self) -> dict[str, Any]:
        """Leave the executor behind when it goes to another process."""
        return {**vars(self), "executor": None}

    def __repr__(self) -> str:
        """Show name, version and options."""
        options = "".join(f", {key}={value!r}" for key, value in self.options.items())
        return f"<{self.name} {self.version}{options}>"

    def __call__(self, frame: Frame) -> list[Frame]:
        """Process a frame.

        Parameters
        ----------
        frame : Frame
            The frame; it is not changed.

        Returns
        -------
        list of Frame
            What is to be stored.

        Raises
        ------
        NXstxmTypeError, NXstxmValueError
            The function gave something else, or two frames that nothing tells apart.
        """
        if not self.concerns(frame):
            return [frame]
        data = frame.data.copy() if self._copy else _read_only(frame.data)
        return self._frames(self.fn(frame.coordinates, data, dict(frame.metadata)))

    def concerns(self, frame: Frame) -> bool:
        """Tell whether a frame is one that is processed, as ``only`` says."""
        for key, wanted in self.only.items():
            found = frame.coordinates.get(key, frame.metadata.get(key))
            if found not in (wanted if isinstance(wanted, (tuple, list, set)) else (wanted,)):
                return False
        return True

    def fresh(self) -> DataProcessor:
        """Give a processor like this one that has seen no frame: what it gathers is its own.

        Raises
        ------
        NXstxmTypeError
            Its function can not be copied.
        """
        try:
            # together, so that a method `finish` stays that of its copied object
            fn, finish = deepcopy((self.fn, self._finish))
        except (TypeError, ValueError, AttributeError, RecursionError) as error:
            raise NXstxmTypeError(
                f"{self} can not be copied ({error}), and each run needs one of its own; give a "
                f"function, or a class with a __deepcopy__"
            ) from error
        other = copy(self)
        other.fn, other._finish = fn, finish
        other.executor = self.executor
        return other

    def finish(self) -> list[Frame]:
        """Give what was accumulated."""
        return [] if self._finish is None else self._frames(self._finish())

    def _frames(self, given: Any) -> list[Frame]:
        if given is None:
            return []
        if not isinstance(given, list):
            return [self._frame(given)]
        frames = [self._frame(each) for each in given]
        return frames if len({f.coordinates for f in frames}) == len(frames) else self._told(frames)

    def _frame(self, given: Any) -> Frame:
        if not isinstance(given, tuple) or len(given) != 3:
            raise NXstxmTypeError(
                f"{self} gave a {type(given).__name__}; a processor gives (coordinates, data, "
                f"metadata), a list of these, or None"
            )
        coords, data, metadata = given
        if not isinstance(metadata, Mapping):
            raise NXstxmTypeError(
                f"{self} gave metadata that are a {type(metadata).__name__}; give a mapping"
            )
        return Frame(coordinates(coords), np.asarray(data), metadata)

    def _told(self, frames: Sequence[Frame]) -> list[Frame]:
        """Tell frames of equal coordinates apart by the channel in their metadata."""
        found: dict[DataCoordinates, Frame] = {}
        for frame in frames:
            coords = frame.coordinates
            channel = next((frame.metadata[k] for k in _CHANNEL if k in frame.metadata), None)
            if channel is not None and sum(f.coordinates == coords for f in frames) > 1:
                coords = coordinates(coords.replace(channel=channel))
            if coords in found:
                raise NXstxmValueError(
                    f"{self} gave two frames at {coords}; give them different coordinates, or a "
                    f"'channel' in their metadata"
                )
            found[coords] = frame._replace(coordinates=coords)
        return list(found.values())


class Chain:
    """Processors one after the other.

    Parameters
    ----------
    processors : iterable of DataProcessor or callable
        The first takes the frames as they come, each next what the one before it gives.
    """

    def __init__(self, processors: Iterable[DataProcessor | Callable[..., Any]]) -> None:
        self.processors = tuple(
            each if isinstance(each, DataProcessor) else DataProcessor(each) for each in processors
        )
        self.executor = next((p.executor for p in self.processors if p.executor is not None), None)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the executor behind when it goes to another process."""
        return {**vars(self), "executor": None}

    def fresh(self) -> Chain:
        """Give a chain of processors like these that have seen no frame."""
        return Chain(processor.fresh() for processor in self.processors)

    def concerns(self, frame: Frame) -> bool:
        """Tell whether any of the processors is for a frame; otherwise it passes untouched."""
        return any(processor.concerns(frame) for processor in self.processors)

    def __call__(self, frame: Frame) -> list[Frame]:
        """Process a frame."""
        return self._through(self.processors, [frame])

    def finish(self) -> list[Frame]:
        """Give what was accumulated, by each processor and passed on by those after it."""
        frames: list[Frame] = []
        for i, processor in enumerate(self.processors):
            frames += self._through(self.processors[i + 1 :], processor.finish())
        return frames

    @staticmethod
    def _through(processors: Iterable[DataProcessor], frames: list[Frame]) -> list[Frame]:
        for processor in processors:
            frames = [made for frame in frames for made in processor(frame)]
        return frames


def chain(process_fn: Any) -> Chain | None:
    """Make a chain of what a user gave: None, a function, a processor, or several."""
    if process_fn is None:
        return None
    if isinstance(process_fn, Chain):
        return process_fn
    if isinstance(process_fn, Iterable):
        made = Chain(process_fn)
        return made if made.processors else None
    return Chain([process_fn])


def _read_only(data: AnyArray) -> AnyArray:
    view: AnyArray = data.view()
    view.flags.writeable = False
    return view
