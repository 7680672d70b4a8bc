"""Without these, a journal could come back as something else, or lose all to one bad byte."""

import io
import random
import struct
import zlib
from datetime import date, datetime, time, timedelta, timezone
from enum import Enum, IntEnum
from pathlib import PurePosixPath
from types import MappingProxyType
from uuid import UUID

import msgpack
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from suitcase.nxstxm._errors import (
    NXstxmError,
    NXstxmStateError,
    NXstxmTypeError,
    NXstxmValueError,
)
from suitcase.nxstxm.documents import (
    ArchiveError,
    ArchiveWriter,
    ArrayRef,
    array_crc32,
    difference,
    is_archive,
    read_archive,
)
from suitcase.nxstxm.documents._archive import MAGIC, Header, pack_header
from suitcase.nxstxm.documents._equal import value_difference


def archived(docs, **options):
    data = bytearray()
    writer = ArchiveWriter(data.extend, **options)
    for name, doc in docs:
        writer.append(name, doc)
    writer.close()
    assert writer.n_bytes == len(data)
    assert writer.n_documents == len(docs)
    return bytes(data)


def round_trip(value, **options):
    ((name, doc),) = read_archive(archived([("start", {"value": value})], **options))
    assert name == "start"
    return doc["value"]


def forged(raw, records=1):
    """Make an archive whose checksums are right, whatever is in it."""
    header = Header(0, 0, records, len(raw), len(raw), zlib.crc32(raw))
    return MAGIC + pack_header(header) + raw + pack_header(Header(1, 0, 0, 0, 0, 0))


def documents(count):
    return [("event", {"uid": f"e{i}", "seq_num": i, "data": {"x": i / 3}}) for i in range(count)]


# -- what goes in comes out -----------------------------------------------------------------------

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(2**70), max_value=2**70),
    st.floats(),
    st.complex_numbers(),
    st.text(st.characters(), max_size=8),  # with lone surrogates
    st.binary(max_size=8),
)
PLAIN_DTYPES = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(endianness="?"),
    npst.unsigned_integer_dtypes(endianness="?"),
    npst.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    npst.complex_number_dtypes(endianness="?", sizes=(64, 128)),
    npst.byte_string_dtypes(max_len=5),
    npst.unicode_string_dtypes(max_len=5),
    npst.datetime64_dtypes(),
    npst.timedelta64_dtypes(),
)
SHAPES = npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
ARRAYS = npst.arrays(PLAIN_DTYPES, SHAPES)
RECORDS = npst.arrays(npst.array_dtypes(PLAIN_DTYPES, max_size=3, allow_subarrays=True), SHAPES)
NUMPY_SCALARS = PLAIN_DTYPES.flatmap(lambda dtype: npst.arrays(dtype, ())).map(lambda a: a[()])
KEYS = st.one_of(st.text(max_size=4), st.integers(), st.booleans(), st.binary(max_size=3))
VALUES = st.recursive(
    st.one_of(SCALARS, ARRAYS, NUMPY_SCALARS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(KEYS, st.tuples(KEYS, KEYS)), inner, max_size=3),
    ),
    max_leaves=6,
)
QUICK = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@QUICK
@given(st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=3), max_size=4))
def test_any_document_comes_back_equal(docs):
    pairs = [("start", doc) for doc in docs]
    for options in ({}, {"compression": "none"}, {"block_bytes": 1}):
        again = list(read_archive(archived(pairs, **options)))
        assert len(again) == len(pairs)
        for (_, before), (_, after) in zip(pairs, again, strict=True):
            assert value_difference(_without_tuple_keys(before), _without_tuple_keys(after)) is None


def _without_tuple_keys(value):
    """Sort tuple keys out by their repr; NaN in a key would never be found again."""
    if isinstance(value, dict):
        return {repr(k): _without_tuple_keys(v) for k, v in value.items()}
    return [_without_tuple_keys(v) for v in value] if isinstance(value, (list, tuple)) else value


@QUICK
@given(st.one_of(ARRAYS, RECORDS))
def test_an_array_comes_back_bit_by_bit(array):
    again = round_trip(array)
    assert isinstance(again, np.ndarray)
    assert again.shape == array.shape
    assert again.flags.writeable
    assert again.flags.aligned
    if array.dtype.names is None and array.dtype.itemsize:
        assert again.dtype == array.dtype
        assert again.tobytes() == array.tobytes()
    assert value_difference(array, again) is None


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24).reshape(2, 3, 4)[:, ::2, ::-1],
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array(["a", None, [1, [2]], {"x": (3,)}, np.arange(3)], dtype=object),
        np.array([[1, None]], dtype=object),
        np.array([(1, "text", [2.0, 3.0])], dtype=[("n", "i4"), ("o", "O"), ("v", "f8", 2)]),
        np.array([(1, (2, b"ab"))], dtype=[("a", "i2"), ("b", [("c", "f4"), ("d", "S3")])]),
        np.zeros(2, dtype=np.dtype({"names": ["a"], "formats": ["i4"], "offsets": [4]})),
        np.zeros(2, dtype=[(("a title", "a"), "i4")]),
        np.array([b"\x00\x01"], dtype="V2"),
        np.rec.array([(1, 2.0)], dtype="i4,f4"),
        np.array([1, 2], dtype=np.longdouble) / 3,
        np.zeros(3, dtype="U1").astype("U"),
    ],
    ids=lambda array: str(array.dtype)[:30],
)
def test_arrays_of_unusual_kinds_come_back(array):
    assert value_difference(array, round_trip(array)) is None
    assert round_trip(array).shape == array.shape


@pytest.mark.skipif(int(np.__version__[0]) < 2, reason="needs numpy 2")
def test_strings_of_variable_length_come_back_as_strings():
    array = np.array([["a", "long" * 20]], dtype=np.dtypes.StringDType())
    assert value_difference(array, round_trip(array)) is None


class Colour(Enum):
    RED = "red"


class Number(IntEnum):
    ONE = 1


UID = UUID("12345678123456781234567812345678")


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (np.float32(0.1), float(np.float32(0.1))),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.bytes_(b"a"), b"a"),
        (np.complex64(1 + 2j), 1 + 2j),
        (np.longdouble(0.5), 0.5),
        ((1, (2,)), [1, [2]]),
        (PurePosixPath("/a/b"), "/a/b"),
        (Colour.RED, "red"),
        (Number.ONE, 1),
        (UID, str(UID)),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (bytearray(b"ab"), b"ab"),
    ],
)
def test_what_only_wears_another_dress_becomes_the_plain_value(value, stored):
    again = round_trip(value)
    assert type(again) is type(stored)
    assert again == stored


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 5, 4, 3, 2, 1, 7),
        datetime(2026, 5, 4, tzinfo=timezone(timedelta(hours=-6))),
        date(2026, 5, 4),
        time(3, 2, 1, 5),
        timedelta(days=-1, microseconds=3),
        {1, "a", (2, 3)},
        frozenset({1.5, None}),
        np.datetime64("2026-05-04T03:02:01.123456789"),
        np.timedelta64(5, "ns"),
        np.longdouble(1) / 3,
        -(2**200),
        2**63,
        {1: "a", None: "b", (1, "x"): "c", 2.5: "d", b"e": {(1, (2,)): 3}},
        "lone \ud800 surrogate",
        {"\udfff": 1},
        float("inf"),
    ],
    # the order in which a set is shown is another one in every process
    ids=lambda value: type(value).__name__,
)
def test_other_values_keep_their_type(value):
    again = round_trip(value)
    assert type(again) is type(value)
    assert again == value


def test_a_lazy_array_is_stored_as_an_array():
    class Lazy:
        dtype, shape = np.dtype("i8"), (3,)

        def __array__(self, dtype=None, copy=None):
            return np.arange(3, dtype=dtype)

    assert value_difference(round_trip(Lazy()), np.arange(3)) is None


def test_a_reference_is_resolved_when_somebody_can():
    image = np.arange(6, dtype="u2").reshape(2, 3)
    reference = ArrayRef("run", "primary", "det", 7, array_crc32(image))
    data = archived([("event", {"data": {"det": reference, "x": 1}})])
    ((_, left),) = read_archive(data)
    assert left["data"]["det"] == reference
    asked = []
    ((_, filled),) = read_archive(data, resolve=lambda ref: asked.append(ref) or image)
    assert asked == [reference]
    assert value_difference(filled["data"], {"det": image, "x": 1}) is None


def test_a_wrong_or_missing_referenced_array_is_damage():
    data = archived([("event", {"det": ArrayRef("run", "primary", "det", 7, 1), "x": 1})])
    with pytest.raises(ArchiveError, match=r"checksum of the array for row 7 of 'det' in"):
        list(read_archive(data, resolve=lambda _: np.zeros(3)))
    with pytest.raises(ArchiveError, match="no array for row 7 of 'det'"):
        list(read_archive(data, resolve={}.__getitem__))
    damage = []
    ((_, doc),) = read_archive(data, resolve={}.__getitem__, on_damage="skip", damage=damage)
    assert doc["x"] == 1
    assert isinstance(doc["det"], ArrayRef)
    assert len(damage) == 1


def test_checksums_of_references_may_come_later():
    """In any sizes: 0 and the largest number are packed as the others."""
    crcs = [0, 1, 127, 128, 65535, 65536, 2**31, 2**32 - 1]
    documents = [
        ("event", {"n": i, "data": {k: ArrayRef("run \u2603", "primary", k, i, crc) for k in "ab"}})
        for i, crc in enumerate(crcs)
    ]
    expected = archived(documents)
    data = bytearray()
    writer = ArchiveWriter(data.extend, block_bytes=100)
    for i, (name, doc) in enumerate(documents):
        refs = [ArrayRef("run \u2603", "primary", k, i, 0) for k in "ab"]
        writer.append(name, {**doc, "data": dict(zip("ab", refs, strict=True))}, refs)
    assert len(data) == 8  # the magic: no block without checksums
    with pytest.raises(NXstxmStateError, match="16 references have no checksum"):
        writer.flush()
    with pytest.raises(ValueError, match="zip"):
        writer.check(crcs)
    writer.check([crc for crc in crcs for _ in "ab"])
    writer.close()
    assert difference(read_archive(data), read_archive(expected)) is None


def test_a_document_may_be_changed_after_it_was_appended():
    data = bytearray()
    writer = ArchiveWriter(data.extend)
    doc = {"uid": "a", "data": np.zeros(3)}
    writer.append("event", doc)
    doc["uid"] = "b"
    doc["data"][:] = 1
    writer.close()
    assert difference(read_archive(data), [("event", {"uid": "a", "data": np.zeros(3)})]) is None


# -- what can not be stored -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("doc", "message"),
    [
        (
            {"data": {"det": [1, object()]}},
            r"start document s1: data\.det\[1\] is a builtins\.object",
        ),
        ({"IOC:m1": {"x": iter(())}}, r"\['IOC:m1'\]\.x is a builtins\.tuple_iterator"),
        ({"x": np.array([1, object()], dtype=object)}, r"x\[1\] is a builtins\.object"),
        ({"x": np.array([(1, object())], dtype="i4,O")}, r"x\['f1'\]\[0\] is a builtins\.object"),
        ({"x": {object}}, r"x\.\(the element .* is a builtins\.type"),
        ({"x": {Ellipsis: 1}}, r"x\.\(the key Ellipsis\) is a builtins\.ellipsis"),
        ({"x": np.ma.masked_array([1, 2], [True, False])}, r"x is a numpy\.ma.*MaskedArray"),
    ],
)
def test_a_value_that_can_not_be_stored_is_named_with_its_place(doc, message):
    data = bytearray()
    writer = ArchiveWriter(data.extend)
    with pytest.raises(NXstxmTypeError, match=message):
        writer.append("start", {"uid": "s1", **doc})
    writer.append("start", {"uid": "s"})
    writer.append("stop", {"uid": "p"})
    writer.close()
    assert [name for name, _ in read_archive(data)] == ["start", "stop"]
    assert writer.n_documents == 2


class Odd:
    def __repr__(self):
        return "an Odd one"


def test_of_other_documents_all_the_rest_is_stored(caplog):
    """One odd value once cost the whole document, and all that came after a descriptor."""
    said = f"<{Odd.__module__}.Odd, which can not be stored: an Odd one>"
    masked = np.ma.masked_array([1, 2], [True, False])
    fields = np.array([(1, Odd())], dtype="i4,O")
    doc = {
        "a": [1, Odd()], "b": (Odd(), {"c": Odd()}), "d": np.array([Odd(), "x"], object),
        "e": fields, "f": {Odd(): 1}, "g": masked, "h": 1.5,
    }  # fmt: skip
    [(_, found)] = read_archive(archived([("event", {"uid": "odd", **doc})]))
    assert found["a"] == [1, said]
    assert found["b"] == [said, {"c": said}]
    assert found["d"].tolist() == [said, "x"]
    assert found["e"].tolist() == [(1, said)]
    assert found["f"] == {said: 1}
    np.testing.assert_array_equal(found["g"], [np.nan, 2.0])
    assert found["h"] == 1.5
    assert "event document odd: a[1] is a" in caplog.text
    archived([("event", {"uid": "odd", **doc})])
    assert caplog.text.count("a[1] is a") == 1


def test_what_has_no_end_is_stored_as_far_as_it_makes_sense():
    endless = [1]
    endless.append(endless)
    [(_, found)] = read_archive(archived([("stop", {"uid": "u", "x": endless, "y": 2})]))
    assert found["y"] == 2
    assert found["x"][:1] == [1]
    assert "which can not be stored" in str(found["x"])


def test_endless_nesting_is_refused():
    endless = []
    endless.append(endless)
    sets = frozenset()
    for _ in range(20):
        sets = frozenset({sets})
    for value in (endless, sets):
        with pytest.raises(NXstxmValueError, match=r"start document u: x.* can not be stored"):
            archived([("start", {"uid": "u", "x": value})])


def test_a_closed_archive_takes_no_more():
    writer = ArchiveWriter(bytearray().extend)
    writer.close()
    size = writer.n_bytes
    writer.close()
    assert writer.n_bytes == size
    with pytest.raises(NXstxmStateError, match="no stop document can be added"):
        writer.append("stop", {})


@pytest.mark.parametrize("options", [{"compression": "lz4"}, {"level": 11}, {"block_bytes": 0}])
def test_wrong_options_are_refused(options):
    with pytest.raises(NXstxmValueError, match=str(next(iter(options)))):
        ArchiveWriter(bytearray().extend, **options)


def test_a_block_that_could_not_be_written_is_written_by_the_next_flush():
    data, full = bytearray(), [True]

    def write(block):
        if len(data) > 8 and full.pop():
            data.extend(block[:20])
            raise OSError("disk full")
        full.append(False)
        data.extend(block)

    writer = ArchiveWriter(write)
    writer.append("start", {"uid": "s"})
    writer.flush()
    full[:] = [False, True]
    writer.append("stop", {"uid": "p"})
    with pytest.raises(OSError, match="disk full"):
        writer.flush()
    writer.close()
    damage = []
    again = list(read_archive(bytes(data), on_damage="skip", damage=damage))
    assert [name for name, _ in again] == ["start", "stop"]
    assert len(damage) == 1


# -- damage ---------------------------------------------------------------------------------------

SMALL = archived(documents(6), block_bytes=60, compression="none")
STARTS = [i for i in range(len(SMALL)) if SMALL.startswith(b"\xc1NXblock", i)]
GOOD = documents(6)


def read_until_error(data, **options):
    good, error = [], None
    try:
        good.extend(read_archive(data, **options))
    except ArchiveError as e:
        error = str(e)
    return good, error


def test_an_archive_is_known_by_its_first_bytes():
    assert is_archive(SMALL[:8])
    assert not is_archive(b"")
    assert not is_archive(b'[["start"')
    assert len(STARTS) == 4  # three blocks of two documents and the end mark


def test_every_cut_gives_the_whole_blocks_before_it_and_then_an_error():
    for length in range(len(SMALL)):
        good, error = read_until_error(SMALL[:length])
        whole = sum(start <= length for start in STARTS[1:])
        assert difference(good, GOOD[: 2 * whole]) is None, length
        assert error is not None, length
        assert "byte" in error
        assert "block" in error


def test_every_flipped_byte_gives_the_blocks_before_it_and_then_an_error():
    for position in range(len(SMALL)):
        data = bytearray(SMALL)
        data[position] ^= 0xFF
        good, error = read_until_error(bytes(data))
        before = sum(start <= position for start in STARTS[1:])
        assert difference(good, GOOD[: 2 * before]) is None, position
        assert error is not None, position


def test_every_flipped_byte_costs_one_block_at_most_when_damage_is_skipped():
    for position in range(len(SMALL)):
        data = bytearray(SMALL)
        data[position] ^= 0x01
        damage = []
        again = list(read_archive(io.BytesIO(data), on_damage="skip", damage=damage))
        hit = sum(start <= position for start in STARTS) - 1
        expected = [GOOD[i] for i in range(6) if i // 2 != hit]
        assert difference(again, expected) is None, position
        assert damage


def test_a_hole_and_an_insertion_cost_only_the_blocks_they_touch():
    inside = STARTS[1] + 50
    hole = SMALL[:inside] + SMALL[inside + 20 :]
    extra = SMALL[:inside] + bytes(20) + SMALL[inside:]
    missing = SMALL[: STARTS[1]] + SMALL[STARTS[2] :]
    twice = SMALL[: STARTS[1]] + SMALL[STARTS[0] :]
    for data in (hole, extra, missing):
        damage = []
        again = list(read_archive(data, on_damage="skip", damage=damage))
        assert difference(again, GOOD[:2] + GOOD[4:]) is None
        assert damage
    assert "before block 2 at byte" in read_until_error(missing)[1]
    again = list(read_archive(twice, on_damage="skip", damage=damage))
    assert difference(again, GOOD) is None
    assert "comes again" in damage[-1]
    assert "after its end mark" in read_until_error(SMALL + b"x")[1]


def test_an_archive_that_is_still_written_is_read_as_far_as_it_is():
    for length in range(len(SMALL)):
        whole = sum(start <= length for start in STARTS[1:])
        again = list(read_archive(SMALL[:length], partial=True))
        assert difference(again, GOOD[: 2 * whole]) is None, length
    flipped = bytearray(SMALL)
    flipped[STARTS[1] + 60] ^= 1
    with pytest.raises(ArchiveError, match="block 1 at byte"):
        list(read_archive(flipped, partial=True))


def test_skipped_damage_is_logged_when_no_list_takes_it(caplog):
    list(read_archive(SMALL[:-1], on_damage="skip"))
    assert "this archive: the header of block 3" in caplog.text


def test_a_newer_version_is_told_apart_from_damage():
    data = MAGIC[:-1] + b"\x02" + SMALL[8:]
    with pytest.raises(ArchiveError, match="version 2 of the format; this package reads version 1"):
        list(read_archive(data))


def test_a_file_that_only_reads_forwards_is_enough():
    class Pipe:
        def __init__(self, data):
            self.rest = data

        def read(self, size):
            piece, self.rest = self.rest[: min(size, 7)], self.rest[min(size, 7) :]
            return piece

    assert difference(read_archive(Pipe(SMALL)), GOOD) is None
    assert difference(read_archive(memoryview(SMALL)), GOOD) is None


def test_lengths_are_not_believed():
    huge = pack_header(Header(0, 0, 1, 1 << 60, 1 << 60, 0))
    bomb = zlib.compress(bytes(1 << 20))
    for data, message in [
        (MAGIC + huge + b"x" * 50, "block 0 at byte 8 is cut short: 50 of"),
        (
            MAGIC + pack_header(Header(0, 1, 1, len(bomb), 1 << 50, zlib.crc32(bomb))) + bomb,
            "can not be .* decompressed",
        ),
        (
            MAGIC + pack_header(Header(0, 1, 1, len(bomb), 1000, zlib.crc32(bomb))) + bomb,
            "another length",
        ),
    ]:
        with pytest.raises(ArchiveError, match=message):
            list(read_archive(data))


def _array(spec, shape, elements):
    head = msgpack.packb((spec, shape))
    return msgpack.ExtType(1, struct.pack("<I", len(head)) + head + elements)


@pytest.mark.parametrize(
    "value",
    [
        _array("|O", [1], bytes(8)),
        _array([["a", "|O"]], [1], bytes(8)),
        _array("<f8", [1 << 40], bytes(8)),
        _array("<f8", [-1], b""),
        _array("<f8", [0, 1 << 62], b""),
        _array("<U0", [1 << 40], b""),
        _array("<f7", [0], b""),
        _array("nonsense" * 100, [0], b""),
        _array([], [0], b""),
        _array({"a": 1}, [0], b""),
        _array("<f8", "ab", b""),
        _array("<f8", [1] * 100, bytes(8)),
        msgpack.ExtType(1, b"\xff\xff\xff\xff"),
        msgpack.ExtType(2, msgpack.packb(["|O", [1 << 40], []])),
        msgpack.ExtType(2, msgpack.packb([[["a", "|O", []]], [1 << 40], [[]]])),
        msgpack.ExtType(4, msgpack.packb([1, 2, 3, 4, 5])),
        msgpack.ExtType(5, b""),
        msgpack.ExtType(7, msgpack.packb([{}])),
        msgpack.ExtType(9, b"yesterday"),
        msgpack.ExtType(12, msgpack.packb([1 << 60])),
        msgpack.ExtType(99, b""),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_forged_values_are_refused(value):
    with pytest.raises(ArchiveError, match="block 0 at byte 8 can not be unpacked"):
        list(read_archive(forged(msgpack.packb(("start", {"x": value})))))


def test_forged_records_are_refused():
    nested = msgpack.ExtType(7, msgpack.packb([]))
    for _ in range(200):
        nested = msgpack.ExtType(7, msgpack.packb([nested]))
    deep = b"\x92\xa5start\x81\xa1x" + b"\x91" * 50_000 + b"\x90"
    for raw, records in [
        (msgpack.packb(["start", {"x": nested}]), 1),
        (deep, 1),
        (b"\x92\xa5start\x81\xa1x\xdd\xff\xff\xff\xff", 1),
        (b"\x92\xa5start\x81\xa1x\xdf\xff\xff\xff\xff", 1),
        (b"\x92\xa5start\x81\xa1x\xc6\xff\xff\xff\xff", 1),
        (msgpack.packb(["start", {}]), 2),
        (msgpack.packb(["start", {}]) * 2, 1),
        (msgpack.packb(["start"]), 1),
        (msgpack.packb([1, {}]), 1),
        (msgpack.packb({}), 1),
        (b"\xc1", 1),
        (b"\x92\xa5start\x81\x81\x01\x02\x03", 1),  # a dict as key
        (b"\x92\xa5start\x81\xa1x\xa1\xff", 1),  # no UTF-8
    ]:
        with pytest.raises(ArchiveError, match="can not be unpacked"):
            list(read_archive(forged(raw, records)))


def test_random_changes_only_ever_raise_errors_of_this_package():
    rng = random.Random(1)
    docs = [
        ("start", {"uid": "s", "a": np.arange(5), "o": np.array([1, None]), "t": {(1, 2): {3}}}),
        ("stop", {"uid": "p", "d": datetime(2026, 1, 1), "i": 2**80, "c": 1j}),
    ]
    packed = archived(docs)
    body = b"".join(msgpack.packb(pair) for pair in documents(3))
    raw = zlib.decompress(packed[8 + 44 : packed.index(b"\xc1NXblock", 9)])
    for _ in range(3000):
        source = bytearray(rng.choice((packed, raw, body)))
        for _ in range(rng.randint(1, 4)):
            source[rng.randrange(len(source))] = rng.randrange(256)
        data = bytes(source)
        # With its checksums made right, so that the change comes as far as it can.
        data = data if data.startswith(MAGIC[:4]) else forged(data, rng.choice((1, 2, 3)))
        for on_damage in ("raise", "skip"):
            try:
                list(read_archive(data, on_damage=on_damage, damage=[]))
            except NXstxmError:
                assert on_damage == "raise"
