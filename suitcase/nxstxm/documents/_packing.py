"""How the values of a document become msgpack, and come back as what they were.

msgpack knows None, bool, int, float, str, bytes, lists and maps. Documents hold more: arrays of
every dtype, complex numbers, times, ints beyond 64 bits. Each of these gets an extension type
here; what only wears another dress (a numpy float, a tuple, a path) becomes the plain value. What
can be neither is refused: nothing is stored that would come back as something else. What becomes of
a document that holds such a thing is in ``_storable``.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

import msgpack
import numpy as np

from suitcase.nxstxm.documents._raw_arrays import (
    array_from_bytes,
    array_to_bytes,
    dtype_spec,
    object_array,
)

# The numbers of msgpack's extension types are part of the format: never reuse one.
#: Begins a number of 4 bytes in msgpack.
_UINT32 = b"\xce"
_ARRAY, _OBJECT_ARRAY, _SCALAR, _ARRAY_REF = 1, 2, 3, 4
_COMPLEX, _BIG_INT, _SET, _FROZENSET = 5, 6, 7, 8
_DATETIME, _DATE, _TIME, _TIMEDELTA = 9, 10, 11, 12
_PLACED_REF = 13

# Extensions that hold values are packed in themselves. Each level costs the reader a frame of
# Python and one of C, so a forged file must not choose how many there are.
_MAX_DEPTH = 8

_TWO_DOUBLES = struct.Struct("<dd")

# What packing and unpacking raise for values that do not fit and bytes that are not ours.
PACKING_ERRORS = (TypeError, ValueError, OverflowError, RecursionError, BufferError)
UNPACKING_ERRORS = (*PACKING_ERRORS, struct.error, MemoryError, msgpack.UnpackException)


@dataclass(frozen=True)
class ArrayRef:
    """
    Stands in a document for an array that is stored elsewhere.

    Parameters
    ----------
    run, stream, key : str
        The uid of the run, the name of the stream and the data key that the array belongs to.
    row : int
        The row of the array in what is stored under that key.
    crc32 : int
        `array_crc32` of the array.
    """

    run: str
    stream: str
    key: str
    row: int
    crc32: int

    def __str__(self) -> str:
        """Name it for people."""
        return f"row {self.row} of {self.key!r} in stream {self.stream!r} of run {self.run:.8}"


@dataclass(frozen=True)
class PlacedRef(ArrayRef):
    """
    Stands in a journal for an array that lies in the temporary file of its scan.

    Parameters
    ----------
    file : str
        The file, from the folder of its writer on.
    dataset : str
        The dataset of which the array is a row, that of the same number.
    at : int
        The byte of the file at which it begins.
    dtype : str
        Its dtype, as numpy's array protocol has it.
    shape : tuple of int
        Its shape.
    """

    file: str
    dataset: str
    at: int
    dtype: str
    shape: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        """Bytes of the array."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


ExtHook = Callable[[int, bytes], object]
Resolve = Callable[[ArrayRef], object]


def fast_packer() -> Callable[[object], bytes]:
    """
    Give the function that packs ``(name, document)``, at msgpack's own speed.

    It raises one of `PACKING_ERRORS` for what it does not know, and for strings with lone
    surrogates: asking for them costs a third of the time, so `pack_carefully` does it afterwards.
    """
    pack: Callable[[object], bytes] = msgpack.Packer(default=_Encoder()).pack
    return pack


def unpack_records(
    raw: bytes, count: int, ext_hook: ExtHook
) -> Iterator[tuple[str, dict[str, Any]]]:
    """
    Unpack the records of a block, one at a time.

    Raises
    ------
    ValueError, TypeError, ...
        Any of `UNPACKING_ERRORS`, after the records before it.
    """
    unpacker, base = _unpacker(raw, ext_hook), 0
    for _ in range(count):
        start = base + unpacker.tell()
        try:
            record = unpacker.unpack()
        except TypeError:
            # A tuple was the key of a dict and comes back as a list, which can not be one. From
            # here on keys are looked at one by one, which is slow and hardly ever needed.
            unpacker, base = _unpacker(raw[start:], ext_hook, object_pairs_hook=_dict), start
            record = unpacker.unpack()
        if not (
            isinstance(record, list)
            and len(record) == 2
            and isinstance(record[0], str)
            and isinstance(record[1], dict)
        ):
            raise ValueError("a record is not [name, document]")
        yield record[0], record[1]
    if base + unpacker.tell() != len(raw):
        raise ValueError(f"there is more in it than its {count} records")


def _unpacker(raw: bytes, ext_hook: ExtHook, **options: Any) -> Any:
    # Nothing in `raw` can be longer than `raw`, whatever its bytes say.
    unpacker = msgpack.Unpacker(
        ext_hook=ext_hook,
        strict_map_key=False,
        unicode_errors="surrogatepass",
        max_buffer_size=max(len(raw), 1),
        **options,
    )
    unpacker.feed(raw)
    return unpacker


def pack_value(value: object, depth: int = 0) -> bytes:
    """Pack a value that may hold strings with lone surrogates; see `fast_packer`."""
    packer = msgpack.Packer(default=_Encoder(depth), unicode_errors="surrogatepass")
    packed: bytes = packer.pack(value)
    return packed


# -- from values to msgpack -----------------------------------------------------------------------


class _Encoder:
    """What msgpack asks about a value that it does not know."""

    def __init__(self, depth: int = 0) -> None:
        self.depth = depth

    def __call__(self, value: Any) -> object:
        plain = _PLAIN_SCALARS.get(type(value))
        if plain is not None:
            return plain(value)
        if type(value) is ArrayRef:
            return array_extension(value)  # one for each frame
        for kind, encode in _ENCODERS:
            if isinstance(value, kind):
                return encode(self, value)
        if all(hasattr(value, name) for name in ("__array__", "dtype", "shape")):
            return self.array(np.asarray(value))  # a lazy array, as handlers of HDF5 files give
        raise TypeError(f"{type(value).__qualname__} is not known")

    def array(self, array: np.ndarray) -> msgpack.ExtType:
        if isinstance(array, np.ma.MaskedArray):
            raise TypeError("a masked array would lose its mask")
        dtype = array.dtype
        # Strings of variable length, and of none, are stored as what they hold.
        if dtype.kind == "T" or (dtype.itemsize == 0 and dtype.names is None):
            array, dtype = array.astype(object), np.dtype(object)
        if not dtype.hasobject:
            return msgpack.ExtType(_ARRAY, array_to_bytes(array))
        if dtype.names is None:
            content: list[Any] = array.ravel().tolist()
        else:
            content = [array[name] for name in dtype.names]
        return self.packed(_OBJECT_ARRAY, [dtype_spec(dtype), array.shape, content])

    def scalar(self, value: np.generic) -> msgpack.ExtType:
        return msgpack.ExtType(_SCALAR, array_to_bytes(np.asarray(value)))

    def long_double(self, value: Any) -> object:
        short = float(value)
        return short if short == value or value != value else self.scalar(value)

    def plain(self, value: object) -> object:
        # msgpack does not ask again about what it got as an answer.
        known = value is None or isinstance(value, (bool, float, str, bytes, list, tuple, dict))
        if known or (isinstance(value, int) and -(1 << 63) <= value < 1 << 64):
            return value
        return self(value)

    def packed(self, code: int, content: object) -> msgpack.ExtType:
        if self.depth >= _MAX_DEPTH:
            raise ValueError(f"sets and arrays of objects are nested over {_MAX_DEPTH} levels")
        return msgpack.ExtType(code, pack_value(content, self.depth + 1))


def _plain_scalars() -> dict[type, Callable[[Any], object]]:
    plain = {"b": bool, "i": int, "u": int, "f": float}
    return {
        scalar: plain[np.dtype(scalar).kind]
        for scalar in set(np.sctypeDict.values())
        if np.dtype(scalar).kind in plain and scalar is not np.longdouble
    }


_PLAIN_SCALARS = _plain_scalars()
_ENCODERS: tuple[tuple[type | tuple[type, ...], Callable[[_Encoder, Any], object]], ...] = (
    (np.ndarray, _Encoder.array),
    (np.longdouble, _Encoder.long_double),
    (
        (complex, np.complex64),
        lambda _, v: msgpack.ExtType(_COMPLEX, _TWO_DOUBLES.pack(v.real, v.imag)),
    ),
    (np.generic, _Encoder.scalar),
    (PlacedRef, lambda encoder, v: encoder.packed(_PLACED_REF, list(vars(v).values()))),
    (ArrayRef, lambda _, v: array_extension(v)),
    (Mapping, lambda _, v: dict(v)),
    (int, lambda _, v: msgpack.ExtType(_BIG_INT, _int_to_bytes(v))),
    (Enum, lambda encoder, v: encoder.plain(v.value)),
    (PurePath, lambda _, v: str(v)),
    (UUID, lambda _, v: str(v)),
    (datetime, lambda _, v: msgpack.ExtType(_DATETIME, v.isoformat().encode())),
    (date, lambda _, v: msgpack.ExtType(_DATE, v.isoformat().encode())),
    (time, lambda _, v: msgpack.ExtType(_TIME, v.isoformat().encode())),
    (timedelta, lambda encoder, v: encoder.packed(_TIMEDELTA, (v.days, v.seconds, v.microseconds))),
    (set, lambda encoder, v: encoder.packed(_SET, list(v))),
    (frozenset, lambda encoder, v: encoder.packed(_FROZENSET, list(v))),
)


def _reference_bytes(ref: ArrayRef) -> bytes:
    """Pack a reference with its checksum last and as long as any, so that it can be filled in."""
    rest: bytes = msgpack.packb(
        (ref.run, ref.stream, ref.key, ref.row, 0), unicode_errors="surrogatepass"
    )
    return rest[:-1] + _UINT32 + ref.crc32.to_bytes(4, "big")


def array_extension(ref: ArrayRef) -> msgpack.ExtType:
    """Give what a reference becomes in msgpack."""
    return msgpack.ExtType(_ARRAY_REF, _reference_bytes(ref))


def checksum_at(record: bytes | bytearray, ref: ArrayRef) -> int:
    """Find where the 4 bytes of a reference's checksum are in a packed document."""
    packed: bytes = msgpack.packb(array_extension(ref))
    return record.index(packed) + len(packed) - 4


def _int_to_bytes(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)


# -- from msgpack to values -----------------------------------------------------------------------


class Decoder:
    """
    What msgpack asks about an extension type.

    Parameters
    ----------
    resolve : callable, optional
        Gives the array, or whatever shall stand there, for an `ArrayRef`. Without it the
        reference itself stays in the document.
    """

    def __init__(self, resolve: Resolve | None = None, depth: int = 0) -> None:
        self._resolve = resolve
        self._depth = depth

    def __call__(self, code: int, data: bytes) -> object:
        """Decode the content of one extension type."""
        decode = _DECODERS.get(code)
        if decode is None:
            raise ValueError(f"values of type {code} are not known; a newer version wrote them")
        return decode(self, data)

    def unpacked(self, data: bytes) -> Any:
        if self._depth >= _MAX_DEPTH:
            raise ValueError("extension types are nested too deeply")
        hook = Decoder(self._resolve, self._depth + 1)
        # An Unpacker keeps its state on the heap; `unpackb` would put 40 kB of it on the stack.
        unpacker = _unpacker(data, hook, object_pairs_hook=_dict)
        value = unpacker.unpack()
        if unpacker.tell() != len(data):
            raise ValueError("an extension type holds more than one value")
        return value

    def object_array(self, data: bytes) -> np.ndarray:
        spec, shape, content = self.unpacked(data)
        return object_array(spec, shape, content)

    def reference(self, data: bytes) -> object:
        run, stream, key, row, crc32 = self.unpacked(data)
        texts, numbers = (run, stream, key), (row, crc32)
        if not all(isinstance(v, str) for v in texts) or not all(type(v) is int for v in numbers):
            raise ValueError("a reference to an array is not one")
        return self.resolved(ArrayRef(run, stream, key, row, crc32))

    def placed_reference(self, data: bytes) -> object:
        fields = self.unpacked(data)
        if [type(v) for v in fields] != [str, str, str, int, int, str, str, int, str, list]:
            raise ValueError("a reference to a placed array is not one")
        if any(type(n) is not int or n < 0 for n in (fields[7], *fields[9])):
            raise ValueError("a reference to a placed array is not one")
        run, stream, key, row, crc32, file, dataset, at, dtype, shape = fields
        ref = PlacedRef(run, stream, key, row, crc32, file, dataset, at, dtype, tuple(shape))
        return self.resolved(ref)

    def resolved(self, reference: ArrayRef) -> object:
        return reference if self._resolve is None else self._resolve(reference)


_DECODERS: dict[int, Callable[[Decoder, bytes], object]] = {
    _ARRAY: lambda _, data: array_from_bytes(data),
    _OBJECT_ARRAY: Decoder.object_array,
    _SCALAR: lambda _, data: array_from_bytes(data)[()],
    _ARRAY_REF: Decoder.reference,
    _PLACED_REF: Decoder.placed_reference,
    _COMPLEX: lambda _, data: complex(*_TWO_DOUBLES.unpack(data)),
    _BIG_INT: lambda _, data: int.from_bytes(data, "little", signed=True),
    _SET: lambda decoder, data: {_hashable(value) for value in decoder.unpacked(data)},
    _FROZENSET: lambda decoder, data: frozenset(map(_hashable, decoder.unpacked(data))),
    _DATETIME: lambda _, data: datetime.fromisoformat(data.decode()),
    _DATE: lambda _, data: date.fromisoformat(data.decode()),
    _TIME: lambda _, data: time.fromisoformat(data.decode()),
    _TIMEDELTA: lambda decoder, data: timedelta(*decoder.unpacked(data)),
}


def _dict(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    return {_hashable(key): value for key, value in pairs}


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list) else value
