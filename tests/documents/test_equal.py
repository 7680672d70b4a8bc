"""Without these, a round trip could lose a dtype, a NaN or a key, and no test would see it."""

import json
from fractions import Fraction

import numpy as np
import pytest
from event_model import NumpyEncoder, pack_datum_page, pack_event_page

from suitcase.nxstxm._errors import NXstxmValueError
from suitcase.nxstxm.documents import difference, documents_equal, unpack_documents, values_equal
from suitcase.nxstxm.documents._equal import value_difference

NAN = float("nan")

EQUAL = {
    "numpy float and float": (np.float64(1.5), 1.5),
    "float32 and the float it is exactly": (np.float32(0.1), float(np.float32(0.1))),
    "numpy int and int": (np.uint8(7), 7),
    "numpy bool and bool": (np.bool_(True), True),
    "numpy str and str": (np.str_("a"), "a"),
    "numpy bytes and bytes": (np.bytes_(b"a"), b"a"),
    "NaN and NaN": (NAN, np.float32("nan")),
    "complex with NaN": (complex(1, NAN), np.complex64(complex(1, NAN))),
    "0-d array and scalar": (np.array(3), 3),
    "list and tuple": ([1, (2, [3])], (1, [2, (3,)])),
    "list and array": ([1, 2], np.array([1, 2], dtype="int16")),
    "list of NaN and array": ([1.0, NAN], np.array([1.0, NAN])),
    "nested list and array": ([[1.0, 2.0], [3.0, 4.0]], np.array([[1.0, 2.0], [3.0, 4.0]])),
    "list of arrays and array": ([np.arange(3), np.arange(3)], np.array([range(3), range(3)])),
    "list of numpy scalars": ([np.int64(1), 2], [1, np.int8(2)]),
    "big and little endian": (np.array([1, 2], dtype=">i4"), np.array([1, 2], dtype="<i8")),
    "int64 and uint64": (np.array([1, 2], dtype="i8"), np.array([1, 2], dtype="u8")),
    "float32 and float64": (np.array([0.5], dtype="f4"), np.array([0.5])),
    "strings": (np.array(["ab", "c"]), ["ab", "c"]),
    "bytes": (np.array([b"ab"]), [b"ab"]),
    "NaT": (np.array(["NaT", "2020"], dtype="M8[s]"), np.array(["NaT", "2020"], dtype="M8[D]")),
    "datetime64 one by one": (list(np.array(["2020"], dtype="M8[s]")), np.array(["2020"], "M8[s]")),
    "objects": (np.array([1, "a", None], dtype=object), [1, "a", None]),
    "object and int array": (np.array([1, 2], dtype=object), np.array([1, 2])),
    "records": (np.array([(1, 2.0)], dtype="i4,f4"), np.array([(1, 2.0)], dtype="i8,f8")),
    "records and JSON": (np.array([(1, NAN)], dtype="i4,f4"), [[1, NAN]]),
    "empty": ([], np.zeros((0, 3))),
    "order of keys": ({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}),
    "keys of numpy": ({np.int64(1): 2}, {1: 2}),
    "sets": ({1, "a"}, frozenset({"a", 1})),
    "equal objects": (Fraction(1, 2), Fraction(1, 2)),
}

DIFFERENT = {
    "int and float": (1, 1.0),
    "int and bool": (1, True),
    "False and None": (False, None),
    "NaN and None": (NAN, None),
    "str and bytes": ("a", b"a"),
    "complex and float": (1.0, 1 + 0j),
    "float32 and the float it is near": (np.float32(0.1), 0.1),
    "int and float in lists": ([1], [1.0]),
    "int and bool in lists": ([1, 1], [1, True]),
    "mixed list and array of floats": ([1, 2.0], np.array([1.0, 2.0])),
    "list of ints and array of floats": ([1, 2], np.array([1.0, 2.0])),
    "list of bools and array of ints": ([True], np.array([1])),
    "arrays of other kinds": (np.array([1]), np.array([1.0])),
    "array of bools and of ints": (np.array([True]), np.array([1], dtype="u1")),
    "large ints": (np.array([2**53 + 1], dtype="i8"), np.array([2**53], dtype="u8")),
    "negative and wrapped": (np.array([-1], dtype="i8"), np.array([2**64 - 1], dtype="u8")),
    "shape": (np.zeros((2, 3)), np.zeros((3, 2))),
    "length": ([1, 2], [1, 2, 3]),
    "scalar and list of one": (1, [1]),
    "one value": (np.arange(5), np.array([0, 1, 2, 3, 5])),
    "NaN and a number": (np.array([NAN]), np.array([0.0])),
    "NaN on one side of a complex": (complex(NAN, 1), complex(NAN, 2)),
    "str and number in arrays": (np.array(["1"]), np.array([1])),
    "objects": (np.array([1, 2], dtype=object), np.array([1.0, 2.0])),
    "fields": (np.array([(1, 2)], dtype="i4,i4"), np.array([(1, 3)], dtype="i4,i4")),
    "names of fields": (np.zeros(1, dtype=[("a", "i4")]), np.zeros(1, dtype=[("b", "i4")])),
    "missing key": ({"a": 1}, {}),
    "key 1 and key '1'": ({1: 0}, {"1": 0}),
    "key 1 and key True": ({1: 0}, {True: 0}),
    "None and missing": ({"a": None}, {}),
    "sets of 1 and True": ({1}, {True}),
    "empty list and empty dict": ([], {}),
    "dates of other kinds": (np.datetime64("2020"), np.timedelta64(50, "Y")),
    "unlike objects": (Fraction(1, 2), 0.5),
}


@pytest.mark.parametrize(("a", "b"), EQUAL.values(), ids=EQUAL)
def test_values_that_mean_the_same_are_equal(a, b):
    assert value_difference(a, b) is None
    assert values_equal(b, a)
    assert values_equal({"x": [a]}, {"x": (b,)})


@pytest.mark.parametrize(("a", "b"), DIFFERENT.values(), ids=DIFFERENT)
def test_values_that_mean_something_else_are_not_equal(a, b):
    assert not values_equal(a, b)
    assert value_difference(b, a)
    assert not values_equal({"x": [a]}, {"x": [b]})


@pytest.mark.skipif(int(np.__version__[0]) < 2, reason="needs numpy 2")
def test_strings_of_variable_length_equal_those_of_fixed_length():
    variable = np.array(["a", "bc"], dtype=np.dtypes.StringDType())
    assert values_equal(variable, np.array(["a", "bc"]))
    assert values_equal(variable, ["a", "bc"])
    assert not values_equal(variable, ["a", "b"])


def test_anything_that_numpy_makes_an_array_of_is_compared_as_one():
    class Lazy:
        def __array__(self, dtype=None, copy=None):
            return np.arange(3, dtype=dtype)

    assert values_equal(Lazy(), [0, 1, 2])
    assert not values_equal(Lazy(), [0, 1, 3])


def test_a_value_is_named_by_its_path():
    a = {"data": {"det": np.zeros((2, 3)), "IOC:m1.VAL": [1, {"x": 2}]}}
    b = {"data": {"det": np.zeros((2, 3)), "IOC:m1.VAL": [1, {"x": 2.0}]}}
    assert value_difference(a, b) == "data['IOC:m1.VAL'][1].x: 2 (int) is not 2.0 (float)"
    b["data"]["det"][1, 2] = 5
    assert value_difference(a, b) == "data.det[1, 2]: 0.0 (float) is not 5.0 (float)"
    assert value_difference({"a": {1: 2}}, {"a": {1: 3}}) == "a[1]: 2 (int) is not 3 (int)"
    assert value_difference({"a": {}}, {"a": {"b": 1}}) == "a: only the second has 'b'"


def events(count, **data):
    for i in range(count):
        yield (
            "event",
            {
                "uid": f"e{i}",
                "descriptor": "d",
                "time": float(i),
                "seq_num": i + 1,
                "data": {"det": np.full((2, 2), i), "x": i / 2, **data},
                "timestamps": dict.fromkeys(("det", "x", *data), 0.0),
            },
        )


def test_a_page_equals_its_events():
    single = list(events(5))
    page = pack_event_page(*(doc for _, doc in events(5)))
    assert difference(single, [("event_page", page)]) is None
    page["data"]["det"] = np.array(page["data"]["det"])
    assert difference([("event_page", page)], single) is None


def test_bulk_events_and_datum_pages_equal_what_is_in_them():
    single = list(events(3))
    bulk = {"primary": [doc for _, doc in single]}
    assert documents_equal([("bulk_events", bulk)], single)
    datums = [{"resource": "r", "datum_id": f"r/{i}", "datum_kwargs": {"n": i}} for i in range(3)]
    page = pack_datum_page(*datums)
    old = {
        "resource": "r",
        "datum_ids": ["r/0", "r/1", "r/2"],
        "datum_kwarg_list": [{"n": 0}, {"n": 1}, {"n": 2}],
    }
    assert documents_equal([("datum_page", page)], [("datum", doc) for doc in datums])
    assert documents_equal([("bulk_datum", old)], [("datum_page", page)])


def test_a_page_without_data_keys_still_has_its_events():
    page = pack_event_page(*({**doc, "data": {}, "timestamps": {}} for _, doc in events(4)))
    assert [doc["seq_num"] for _, doc in unpack_documents([("event_page", page)])] == [1, 2, 3, 4]


def test_a_page_of_columns_that_do_not_match_is_an_error():
    page = pack_event_page(*(doc for _, doc in events(4)))
    page["data"]["x"] = page["data"]["x"][:3]
    with pytest.raises(NXstxmValueError, match="descriptor d, data: 'x' has 3 values for 4 rows"):
        list(unpack_documents([("event_page", page)]))
    del page["uid"]
    with pytest.raises(NXstxmValueError, match="this event_page can not be unpacked: KeyError"):
        list(unpack_documents([("event_page", page)]))


def test_documents_through_json_are_equal():
    docs = list(events(3, s="text", none=None, flag=True, nan=NAN))
    again = [json.loads(json.dumps(pair, cls=NumpyEncoder)) for pair in docs]
    assert difference(docs, again) is None


def test_the_first_difference_of_two_streams_is_named():
    a = [("start", {"uid": "s"}), *events(5), ("stop", {"uid": "p"})]
    b = [("start", {"uid": "s"}), *events(5), ("stop", {"uid": "p"})]
    b[4][1]["data"]["det"][0, 1] = 9
    assert difference(a, b) == "events[3].data.det[0, 1]: 3 (int) is not 9 (int)"
    assert difference(iter(a), a[:-1]) == "documents[6]: only the first stream goes on, with 'stop'"
    assert difference(a[:-1], a) == "documents[6]: only the second stream goes on, with 'stop'"
    assert difference(a[1:], a) == "documents[0]: 'event' is not 'start'"


def test_filled_with_something_in_it_counts():
    (name, doc), *_ = events(1)
    assert documents_equal([(name, doc)], [(name, {**doc, "filled": {}})])
    assert not documents_equal([(name, doc)], [(name, {**doc, "filled": {"det": "d/1"}})])


def test_values_that_nest_without_end_are_an_error():
    a, b = [], []
    for _ in range(100_000):
        a, b = [a], [b]
    with pytest.raises(NXstxmValueError, match="nested too deeply"):
        values_equal(a, b)
    while a:  # taken apart one by one: freeing them in one go needs a deep stack as well
        (a,), (b,) = a, b
