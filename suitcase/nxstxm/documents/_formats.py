"""The formats that documents are stored in, told apart by what is inside: a name proves nothing.

Each format is a row of a table: how its first bytes look, and a reader that gives one record
after the other with its position, so that a part of a large file can be read again. A file that
is none of them is refused with what it is and what would do.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, Literal, NamedTuple, cast

import msgpack
import numpy as np

from suitcase.nxstxm._errors import NXstxmError, NXstxmOSError, NXstxmValueError
from suitcase.nxstxm.documents._archive import is_archive
from suitcase.nxstxm.documents._archive_reader import read_blocks
from suitcase.nxstxm.documents._damage import DamageReport
from suitcase.nxstxm.documents._packing import UNPACKING_ERRORS, Resolve
from suitcase.nxstxm.documents._raw_arrays import array_from_parts, dtype_from_spec

SourceKind = Literal["archive", "msgpack", "jsonl", "recorded-json"]

_ACCEPTED = (
    "what can be replayed is recorded JSON ({run uid: [[name, document], ...]}), JSON lines "
    "([name, document] each), msgpack as suitcase-msgpack writes it and an archive (.nxdocs), "
    "each plain or compressed with gzip"
)
_GZIP = b"\x1f\x8b"
# What people take for stored documents, by its first bytes.
_FOREIGN = {
    b"": "is empty",
    b"\x89HDF\r\n\x1a\n": "is an HDF5 file",
    b"SQLite format 3\x00": "is an SQLite database",
    b"PK\x03\x04": "is a zip file",
    b"BZh": "is compressed with bzip2",
    b"\xfd7zXZ\x00": "is compressed with xz",
    b"\x28\xb5\x2f\xfd": "is compressed with zstd",
    b"II*\x00": "is a TIFF image",
    b"MM\x00*": "is a TIFF image",
}
_JSON_LINE = re.compile(rb'\[[ \t]*"\w+"[ \t]*,|\{[ \t]*"(name|doc)"[ \t]*:')
_JSON_ERRORS = (ValueError, RecursionError)  # UnicodeDecodeError is a ValueError


class Record(NamedTuple):
    """A document as a file holds it; reading can begin at its position again."""

    position: int
    name: str
    document: dict[str, Any]


def recognise(path: Path) -> SourceKind:
    """
    Tell the format of a file by its content.

    Raises
    ------
    NXstxmOSError
        When there is no such file, or it can not be read.
    NXstxmValueError
        When it holds no documents in a format that can be read here.
    """
    if path.is_dir():
        raise NXstxmOSError(f"{path} is a folder, not a file of documents; {_ACCEPTED}")
    with opened(path, DamageReport(str(path))) as file:
        head = cast(io.BufferedReader, file).read1(4096)  # `read` would want all of a broken gzip
    return _recognised(path, head)


def _recognised(path: Path, head: bytes) -> SourceKind:
    for start, what in _FOREIGN.items():
        if head.startswith(start) and (start or not head):
            raise NXstxmValueError(f"{path} {what}; {_ACCEPTED}")
    if is_archive(head):
        return "archive"
    # A record of msgpack is an array of two or a map of two; as text these bytes are no JSON.
    if head[0] in (0x92, 0x82, 0xDC, 0xDD, 0xDE, 0xDF):
        return "msgpack"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] in (b"[", b"{", b'"'):
        return "jsonl" if _JSON_LINE.match(text) else "recorded-json"
    raise NXstxmValueError(f"{path} begins with {head[:16]!r}, which no format does; {_ACCEPTED}")


def read_records(
    path: Path,
    kind: SourceKind,
    report: DamageReport,
    *,
    resolve: Resolve | None = None,
    first: int = 0,
    last: int | None = None,
) -> Iterator[Record]:
    """
    Read the records of a file one by one; not of recorded JSON, which is one value.

    Parameters
    ----------
    path, kind
        The file and what `recognise` said about it.
    report : DamageReport
        What is done about damage. Records that are whole are given before and, where the format
        allows it, after.
    resolve : callable, optional
        For the `ArrayRef` of archives.
    first, last : int
        The positions of records that were read before: begin and end there.
    """
    with opened(path, report) as file:
        if kind == "archive":
            yield from map(
                Record._make, read_blocks(file, report, resolve=resolve, first=first, last=last)
            )
            return
        file.seek(first)
        for record in _READERS[kind](file, first, report):
            if last is not None and record.position > last:
                return
            yield record


@contextlib.contextmanager
def opened(path: Path, report: DamageReport) -> Iterator[BinaryIO]:
    """Open a file, decompressed; what goes wrong while it is read is reported by its name."""
    try:
        with path.open("rb") as plain:
            packed = plain.read(len(_GZIP)) == _GZIP
            plain.seek(0)
            if not packed:
                yield plain
            else:
                with gzip.GzipFile(fileobj=plain) as file:
                    yield cast(BinaryIO, file)
    except NXstxmError:
        raise
    except FileNotFoundError as error:
        raise NXstxmOSError(f"{path} does not exist; {_ACCEPTED}") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        report(f"its gzip compression is damaged: {error}", error)
    except OSError as error:
        raise NXstxmOSError(f"{path} can not be read: {error}") from error


# -- JSON -----------------------------------------------------------------------------------------


def load_recorded(path: Path) -> dict[str, list[Record]] | list[Record]:
    """
    Read recorded JSON: the records of each run by its uid, or those of all runs in a list.

    The file, its runs, their records and documents may each be a JSON string of themselves, and
    these again. Strings inside a document stay what they are.

    Raises
    ------
    NXstxmValueError
        When it is not JSON, or its shape is another.
    """
    with opened(path, DamageReport(str(path))) as file:
        data = file.read()
    try:
        value = _plain(json.loads(data))
        if isinstance(value, dict):
            return {
                uid: [_record(i, item) for i, item in enumerate(_listed(_plain(records)))]
                for uid, records in value.items()
            }
        return [_record(i, item) for i, item in enumerate(_listed(value))]
    except _JSON_ERRORS as error:
        raise NXstxmValueError(
            f"{path} is not recorded JSON: {_reason(error)}; {_ACCEPTED}"
        ) from error


def _plain(value: Any) -> Any:
    """Decode a JSON string until it is none."""
    while isinstance(value, str):
        value = json.loads(value)
    return value


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise NXstxmValueError(f"a {type(value).__name__} stands where a list of documents should")
    return value


def _record(position: int, value: Any) -> Record:
    value = _plain(value)
    if isinstance(value, dict) and value.keys() == {"name", "doc"}:
        value = [value["name"], value["doc"]]
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):
        document = _plain(value[1])
        if isinstance(document, dict):
            return Record(position, value[0], document)
    raise NXstxmValueError(f"{str(value)[:60]} is not [name, document]")


def _json_lines(file: BinaryIO, position: int, report: DamageReport) -> Iterator[Record]:
    for line in file:
        try:
            if line.strip():
                yield _record(position, json.loads(str(line, "utf-8-sig")))
        except _JSON_ERRORS as error:
            report(f"the line at byte {position} is no document: {_reason(error)}", error)
        position += len(line)


def _reason(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


# -- msgpack --------------------------------------------------------------------------------------


def _msgpack(file: BinaryIO, position: int, report: DamageReport) -> Iterator[Record]:
    limit = _size_limit(file)
    unpacker = msgpack.Unpacker(
        SimpleNamespace(read=cast(io.BufferedReader, file).read1),
        read_size=min(1 << 20, limit),
        max_buffer_size=limit,
        strict_map_key=False,
        object_hook=_from_msgpack_numpy,
    )
    start = position
    while True:
        position = start + unpacker.tell()
        try:
            record = _record(position, unpacker.unpack())
        except msgpack.OutOfData:
            # At the end of the file, which is in order only between two records.
            if file.tell() > position:
                report(f"it ends in the middle of the document at byte {position}")
            return
        except UNPACKING_ERRORS as error:
            report(f"no document can be read at byte {position}: {_reason(error)}", error)
            return
        yield record


def _size_limit(file: BinaryIO) -> int:
    """Give a number of bytes that nothing in the file can exceed, nor a forged length."""
    if isinstance(file, gzip.GzipFile):
        compressed = cast(BinaryIO, file.fileobj)
        return min(_size(compressed) * 1100, 1 << 32)
    return _size(file)


def _size(file: BinaryIO) -> int:
    position = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(position)
    return size


def _from_msgpack_numpy(value: dict[Any, Any]) -> Any:
    """Decode a map that msgpack-numpy made of an array, a numpy scalar or a complex number."""
    if b"nd" in value:
        if value.get(b"kind") == b"O":
            raise NXstxmValueError("an array of objects is pickled, which is not safe to read")
        dtype = dtype_from_spec(value.get(b"type"))
        shape = value.get(b"shape") if value[b"nd"] else []
        data = value.get(b"data")
        if not isinstance(data, bytes):
            raise NXstxmValueError("an array has no data")
        array: np.ndarray = array_from_parts(dtype, shape, data)
        return array if value[b"nd"] else array[()]
    if b"complex" in value and b"data" in value:
        return complex(value[b"data"])
    return value


_READERS: dict[str, Callable[[BinaryIO, int, DamageReport], Iterator[Record]]] = {
    "jsonl": _json_lines,
    "msgpack": _msgpack,
}
