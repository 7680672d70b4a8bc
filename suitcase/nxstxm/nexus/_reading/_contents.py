"""What a file holds, as plain descriptions: the one thing that everything which reads looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..._errors import NXstxmKeyError
from ._stored import AnyArray, Stored


@dataclass(frozen=True, eq=False)
class Coordinate:
    """Values along a dimension, or one value for all.

    Attributes
    ----------
    dims : tuple of str
        At most one.
    attrs : Mapping
        ``units``, ``long_name`` and what else there is.
    """

    name: str
    dims: tuple[str, ...]
    values: AnyArray
    attrs: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Variable:
    """An array that is read when it is wanted."""

    name: str
    dims: tuple[str, ...]
    stored: Stored
    attrs: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Channel:
    """One picture of an entry: an NXdata, or what stands for it.

    Attributes
    ----------
    name : str
        As the file calls it.
    variables : tuple of Variable
        The signal, called ``data``, first; then ``control``, ``quality``, errors.
    coordinates : tuple of Coordinate
        Of all dimensions that have some, and others.
    attrs : Mapping
        What is said of the channel.
    guessed : tuple of str
        What was guessed, a sentence each.
    """

    name: str
    variables: tuple[Variable, ...]
    coordinates: tuple[Coordinate, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    guessed: tuple[str, ...] = ()

    @property
    def data(self) -> Variable:
        """The signal."""
        return self.variables[0]

    def coordinate(self, name: str) -> Coordinate | None:
        """Give a coordinate; None when there is none."""
        return next((each for each in self.coordinates if each.name == name), None)


@dataclass(frozen=True, eq=False)
class Entry:
    """One entry.

    Attributes
    ----------
    name : str
        As the file calls it.
    scan_type : str
        One of the labels of NXstxm; ``"generic scan"`` where nobody can tell.
    default : str
        The channel to be shown first.
    channels, processed : mapping of str to Channel
        Its pictures, and what processors gave besides.
    lists : tuple of Variable
        Lists of the instrument, in the order of measurement.
    readings : mapping of str to tuple of Variable
        Readings of the beamline, by stream; empty unless they were asked for.
    attrs : Mapping
        Its facts.
    guessed : tuple of str
        What was guessed of the entry.
    """

    name: str
    scan_type: str
    default: str
    channels: Mapping[str, Channel]
    processed: Mapping[str, Channel]
    lists: tuple[Variable, ...]
    readings: Mapping[str, tuple[Variable, ...]]
    attrs: Mapping[str, Any]
    guessed: tuple[str, ...]

    def channel(self, name: str | None = None) -> Channel:
        """Give a channel; by default the one to be shown first.

        Raises
        ------
        NXstxmKeyError
            There is none of that name.
        """
        wanted = self.default if name is None else name
        found = self.channels.get(wanted) or self.processed.get(wanted.removeprefix("processed/"))
        if found is None:
            raise NXstxmKeyError(
                f"{wanted!r} is no channel of {self.name}; there are: "
                f"{', '.join([*self.channels, *(f'processed/{n}' for n in self.processed)])}"
            )
        return found


@dataclass(frozen=True, eq=False)
class Contents:
    """What a file holds.

    Attributes
    ----------
    path : Path
        The file.
    entries : mapping of str to Entry
        In the order in which people count: entry10 after entry9.
    default : str
        The entry to be shown first.
    attrs : Mapping
        What is said of the file.
    moment : object, optional
        Keeps what there was of a running scan; it is gone when nobody has it any more.
    """

    path: Path
    entries: Mapping[str, Entry]
    default: str
    attrs: Mapping[str, Any]
    moment: object | None = None

    def entry(self, name: str | None = None) -> Entry:
        """Give an entry; by default the one to be shown first.

        Raises
        ------
        NXstxmKeyError
            There is none of that name.
        """
        wanted = self.default if name is None else name
        if wanted not in self.entries:
            raise NXstxmKeyError(
                f"{wanted!r} is no entry of {self.path}; there are: {', '.join(self.entries)}"
            )
        return self.entries[wanted]
