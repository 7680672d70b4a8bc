"""What is known of stored data: how they were made, of how many chunks, whether they are whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .._zlib import crc32
from ._attributes import of_json, to_json
from ._canonical import as_text
from ._errors import DataCorrupted, NewerFormatError
from ._key import DataKey, Lineage
from ._schema import Schema

FORMAT = "suitcase-nxstxm-data"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class ChunkInfo:
    """A chunk that is stored.

    Attributes
    ----------
    index : int
        Its number, from 0.
    rows : int
        Its length along the axis.
    nbytes : int
        Its size in memory.
    ranges : Mapping of str to (low, high)
        Least and greatest value of coordinates along the axis.
    label : object
        What whoever saved it wants to know of it, as JSON.
    place : Mapping
        Where it is, as JSON: its backend knows.
    """

    index: int
    rows: int
    nbytes: int = 0
    ranges: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    label: Any = None
    place: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Give it as a log has it."""
        made: dict[str, Any] = {"i": self.index, "n": self.rows, "bytes": self.nbytes}
        if self.ranges:
            made["ranges"] = {name: to_json(list(e), "a range") for name, e in self.ranges.items()}
        if self.label is not None:
            made["label"] = self.label
        return {**made, **self.place}

    @classmethod
    def of_json(cls, made: Mapping[str, Any]) -> ChunkInfo:
        """Undo `as_json`."""
        rest = dict(made)
        ranges = {name: tuple(of_json(each)) for name, each in rest.pop("ranges", {}).items()}
        return cls(
            rest.pop("i"), rest.pop("n"), rest.pop("bytes"), ranges, rest.pop("label", None), rest
        )


@dataclass(frozen=True)
class StoredMetadata:
    """What is known of stored data.

    Attributes
    ----------
    run_id, data_type : str
        Of their key.
    lineage : Lineage
        How they were made.
    schema : Schema, optional
        What the chunks have in common; None before the first.
    compression : str
        How chunks are compressed.
    writing_started, writing_ended : float
        Seconds since the epoch; `writing_ended` is None while it goes on, and where it never came
        to an end.
    exception : str, optional
        The traceback of what broke them.
    n_chunks, rows, nbytes : int
        How many chunks there are, their length along the axis and size in memory.
    extra : Mapping
        What whoever saved them wants to be known.
    place : Mapping
        What their backend notes for itself.
    """

    run_id: str
    data_type: str
    lineage: Lineage
    schema: Schema | None = None
    compression: str = "lz4"
    writing_started: float | None = None
    writing_ended: float | None = None
    exception: str | None = None
    n_chunks: int = 0
    rows: int = 0
    nbytes: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)
    place: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> DataKey:
        """The key of the data."""
        return DataKey(self.run_id, self.data_type, self.lineage)

    @property
    def is_whole(self) -> bool:
        """Whether they came to an end, and without any exception."""
        return self.writing_ended is not None and self.exception is None

    def with_(self, **changes: Any) -> StoredMetadata:
        """Give others that differ in some attributes."""
        return replace(self, **changes)

    def as_json(self) -> dict[str, Any]:
        """Give them as they are stored."""
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "run_id": self.run_id,
            "data_type": self.data_type,
            "lineage": self.lineage.as_json(),
            "lineage_hash": self.lineage.hash,
            "schema": None if self.schema is None else self.schema.as_json(),
            "compression": self.compression,
            "writing_started": self.writing_started,
            "writing_ended": self.writing_ended,
            "exception": self.exception,
            "n_chunks": self.n_chunks,
            "rows": self.rows,
            "nbytes": self.nbytes,
            "extra": to_json(dict(self.extra), "the metadata"),
            "place": dict(self.place),
        }

    @classmethod
    def of_json(cls, made: Mapping[str, Any], what: str) -> StoredMetadata:
        """Undo `as_json`.

        Raises
        ------
        DataCorrupted
            It is none, or one that this version does not know.
        """
        if not isinstance(made, Mapping):
            raise DataCorrupted(f"{what} has no metadata in it")
        version = made.get("format_version")
        if made.get("format") != FORMAT or version != FORMAT_VERSION:
            newer = isinstance(version, int) and version > FORMAT_VERSION
            raise (NewerFormatError if newer else DataCorrupted)(
                f"{what} has format {made.get('format')!r} of version "
                f"{made.get('format_version')!r}; this version of the package reads {FORMAT!r} of "
                f"version {FORMAT_VERSION}"
            )
        try:
            schema = made["schema"]
            return cls(
                made["run_id"],
                made["data_type"],
                Lineage.of_json(made["lineage"]),
                None if schema is None else Schema.of_json(schema),
                made["compression"],
                made["writing_started"],
                made["writing_ended"],
                made["exception"],
                made["n_chunks"],
                made["rows"],
                made["nbytes"],
                of_json(made["extra"]),
                made["place"],
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise DataCorrupted(f"{what} lacks or spoils {error}") from error


# -- texts that tell when they were damaged -------------------------------------------------------


def sealed(body: Any) -> bytes:
    """Write JSON with its checksum, to be read by people as well."""
    seal = hashlib.sha256(as_text(body).encode("ascii")).hexdigest()
    return (json.dumps({"sha256": seal, "content": body}, indent=1) + "\n").encode("ascii")


def unsealed(raw: bytes, what: str) -> Any:
    """Undo `sealed`.

    Raises
    ------
    DataCorrupted
        It is not what was written.
    """
    try:
        made = json.loads(raw)
        body, seal = made["content"], made["sha256"]
        text = as_text(body)
    except (ValueError, KeyError, TypeError) as error:
        raise DataCorrupted(f"{what} can not be read ({error})") from error
    if hashlib.sha256(text.encode("ascii")).hexdigest() != seal:
        raise DataCorrupted(f"{what} is not what was written: its checksum is wrong")
    return body


def sealed_run(run_id: str, metadata: Mapping[str, Any]) -> bytes:
    """Write what is known of a run.

    Raises
    ------
    FormatError
        Something of it is no JSON.
    """
    return sealed(to_json(dict(metadata), f"what is known of run {run_id!r}"))


def unsealed_run(raw: bytes, what: str) -> Mapping[str, Any]:
    """Undo `sealed_run`.

    Raises
    ------
    DataCorrupted
        It is not what was written.
    """
    known: Mapping[str, Any] = of_json(unsealed(raw, what))
    return known


def line(info: ChunkInfo) -> bytes:
    """Write a line of a log of chunks, with its checksum."""
    text = as_text(info.as_json()).encode("ascii")
    return b"%s\t%08x\n" % (text, crc32(text))


def lines(raw: bytes, what: str, *, torn: bool = False) -> list[ChunkInfo]:
    """Read a log of chunks.

    Parameters
    ----------
    raw : bytes
        The log.
    what : str
        What messages call it.
    torn : bool
        Its writer may have died: what is not whole at its end does not count.

    Raises
    ------
    DataCorrupted
        A line is not what was written.
    """
    found = []
    for number, each in enumerate(raw.splitlines(keepends=True)):
        text, _, seal = each.rstrip(b"\n").rpartition(b"\t")
        if not each.endswith(b"\n") or b"%08x" % crc32(text) != seal:
            if torn:
                break
            raise DataCorrupted(f"line {number + 1} of {what} is not what was written")
        try:
            found.append(ChunkInfo.of_json(json.loads(text)))
        except (ValueError, KeyError, TypeError) as error:
            raise DataCorrupted(f"line {number + 1} of {what} can not be read ({error})") from error
    return found
