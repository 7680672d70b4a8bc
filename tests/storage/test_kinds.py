"""Without these tests something that was stored could come back as something else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from suitcase.nxstxm._errors import NXstxmKeyError, OptionError
from suitcase.nxstxm.storage import (
    DataCorrupted,
    DataDirectory,
    FormatError,
    Wanted,
)

from .samples import (
    directory,
    folder,
    image,
    key,
    names,
    pieces,
    rows,
    rows_of,
    same,
    same_array,
    same_value,
)

KEY = key()
STRING = getattr(np.dtypes, "StringDType", None) if hasattr(np, "dtypes") else None


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> DataDirectory:
    return directory(tmp_path_factory.mktemp("store"), overwrite="always")


@contextmanager
def small_blocks(nbytes: int) -> Iterator[None]:
    """Make several blocks of what is small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("suitcase.nxstxm.storage._pieces.BLOCK_BYTES", nbytes)
        patch.setattr("suitcase.nxstxm.storage._pieces.SMALL", 16)
        yield


# -- arrays ---------------------------------------------------------------------------------------

LEAVES = st.one_of(
    stn.scalar_dtypes(),
    stn.unicode_string_dtypes(max_len=5),
    stn.byte_string_dtypes(max_len=5),
    stn.datetime64_dtypes(),
)
DTYPES = st.one_of(
    LEAVES,
    stn.nested_dtypes(LEAVES, max_leaves=5, max_itemsize=500),
    stn.array_dtypes(LEAVES, max_size=4, allow_subarrays=True),
    st.just(np.dtype("V3")),
    st.just(np.dtype([("a", "i1"), ("b", "f8"), ("c", "U2", (2, 1))], align=True)),
).filter(lambda dtype: dtype.itemsize > 0 or dtype.kind in "US")


def filled(dtype: np.dtype, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Make an array of any bits that its dtype can have."""
    made = np.zeros(shape, dtype)
    base = dtype.subdtype[0] if dtype.subdtype else dtype
    if base.names:
        for name in base.names:
            made[name] = filled(base[name], made.shape, random)
    elif base.kind in "US":
        words = ["", "a", "bc", "é🙂"] if base.kind == "U" else ["", "a", "bc", b"a\0c"]
        made[...] = np.array(words, base)[random.integers(0, 4, made.shape)]
    elif base.kind == "b":
        made[...] = random.integers(0, 2, made.shape)
    else:
        made[...] = np.frombuffer(random.bytes(made.nbytes), base).reshape(made.shape)
    return made


LAYOUTS: dict[str, Any] = {
    "as it is": lambda a: a,
    "Fortran": np.asfortranarray,
    "transposed": lambda a: a.T,
    "backwards": lambda a: a[::-1] if a.ndim else a,
    "every second": lambda a: a[..., ::2] if a.ndim else a,
    "not to be written": lambda a: np.broadcast_to(a, (2, *a.shape)),
}


@st.composite
def arrays(draw: st.DrawFn, min_dims: int = 0) -> np.ndarray:
    dtype = draw(DTYPES)
    shape = draw(stn.array_shapes(min_dims=min_dims, max_dims=3, min_side=0, max_side=6))
    made = filled(dtype, shape, np.random.default_rng(draw(st.integers(0, 99))))
    return np.asarray(LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))](made))


@settings(max_examples=100)
@given(arrays(), st.sampled_from(["lz4", "zstd", "none"]), st.sampled_from([16, 100, 4 << 20]))
def test_any_array_comes_back(
    store: DataDirectory, array: np.ndarray, compression: str, block: int
) -> None:
    before = array.copy()
    with small_blocks(block):
        store.save(KEY, array, compression=compression)
    assert same_array(array, before)
    loaded = store.load(KEY)
    assert same(array, loaded)
    assert loaded.flags.writeable
    if array.ndim:
        assert same(array[1:3], store.load(KEY, rows=(1, 3)))
    [chunk] = store.loader(KEY)
    assert same(array, chunk.data)
    assert (chunk.start, chunk.stop) == (0, len(array) if array.ndim else 1)
    store.verify(KEY)


SPECIAL: dict[str, Any] = {
    "long doubles": np.arange(5, dtype=np.longdouble) / 3,
    "long complex numbers": np.arange(5, dtype=np.clongdouble) / 3,
    "halves": np.array([1, np.nan, -0.0, np.inf, 6e-8], "f2"),
    "NaN with a payload": np.array([0x7FF8DEADBEEF0001], "u8").view("f8"),
    "texts": np.array(["", "a", "é🙂", "a\0b"]),
    "texts of another byte order": np.array(["", "a", "é🙂"], ">U7"),
    "texts of no letters": np.zeros(3, "U0"),
    "bytes of no letters": np.zeros(3, "S0"),
    "objects that are texts": np.array([["", "a"], ["é\ud800", "x" * 300]], object),
    "no objects": np.zeros((0, 3), object),
    "one object": np.array("a", object),
    "moments": np.array(["2024-02-29T12:00:00.000000001", "NaT"], "M8[ns]"),
    "moments in steps": np.array([1, 2], "M8[25s]"),
    "moments of another byte order": np.array(["2024", "1969"], ">M8[us]"),
    "durations": np.array([1, -5], "m8[h]"),
    "records with gaps": np.zeros(4, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "some fields of records": np.ones(3, [("a", "i4"), ("b", "f8"), ("c", "i2")])[["a", "c"]],
    "records in records": np.ones(3, [("a", [("x", "f4", (2,)), ("y", ">i2")]), ("t", "M8[s]")]),
    "titled fields": np.ones(3, [(("a title", "a"), "i4")]),
    "fields of odd names": np.ones(3, [("\0", "?"), ("é\0", "i4"), ("é", "i2"), ("a/b", "f4")]),
    "wide records": np.arange(3000, dtype="u1").reshape(3, 1000).view("V1000")[:, 0],
    "many dimensions": np.arange(4.0).reshape((1,) * 10 + (4,) + (1,) * 20),
    "a scalar": np.float32(3),
    "a moment": np.datetime64("2024"),
    "a text": np.str_("é"),
    "a record": np.ones((), [("a", "i4")]),
    "a long text": np.array("x" * 5000),
    "no columns": np.zeros((4, 0, 3)),
}


@pytest.mark.parametrize("array", SPECIAL.values(), ids=SPECIAL)
@pytest.mark.parametrize("compression", ["lz4", "none"])
def test_special_arrays_come_back(store: DataDirectory, array: Any, compression: str) -> None:
    with small_blocks(64):
        store.save(KEY, array, compression=compression)
    assert same(np.asarray(array), store.load(KEY))


@pytest.mark.parametrize("compression", ["lz4", "none"])
def test_large_chunks_that_several_threads_take_apart_come_back(
    store: DataDirectory, compression: str
) -> None:
    whole = np.random.default_rng(0).poisson(3, (60, 256, 300)).astype("u4")
    store.saver(KEY, compression=compression).save_from(pieces(whole, [40]))
    assert len(store.open(KEY).chunks[0].place["arrays"]["data"]["b"]) > 2
    assert same(whole, store.load(KEY))
    assert same(whole[7:55], store.load(KEY, rows=(7, 55)))
    assert same(whole[:40], next(store.loader(KEY)).data)
    assert same(whole[3:41], np.concatenate([c.data for c in store.loader(KEY, rows=(3, 41))]))
    store.verify(KEY)


@pytest.mark.skipif(STRING is None, reason="this NumPy has no such texts")
def test_texts_of_numpy_2_come_back(store: DataDirectory) -> None:
    array = np.array(["", "a\0b", "é🙂"], STRING())
    store.save(KEY, array)
    loaded = store.load(KEY)
    assert loaded.dtype == array.dtype
    assert loaded.tolist() == array.tolist()
    with pytest.raises(FormatError, match="ends with NUL"):
        store.save(KEY, np.array(["a\0"], STRING()))
    with pytest.raises(FormatError, match="has objects such as None"):
        store.save(KEY, np.array(["a", None], STRING(na_object=None)))


@pytest.mark.parametrize("data", [3, 1.5, True, 2 - 1j, [1, 2], (1.0, [2.0][0]), [[]]])
def test_numbers_and_lists_come_back_as_arrays(store: DataDirectory, data: Any) -> None:
    store.save(KEY, data)
    assert same(np.asarray(data), store.load(KEY))


def test_fields_in_another_order_than_in_memory_keep_that_order(store: DataDirectory) -> None:
    array = np.array([(1, 2.5), (3, 4.5)], [("a", "i4"), ("b", "f8")])[["b", "a"]]
    store.save(KEY, array)
    loaded = store.load(KEY)
    assert loaded.dtype.names == ("b", "a")
    assert loaded.tolist() == [(2.5, 1), (4.5, 3)]


def test_what_h5py_reads_is_stored_without_a_warning(store: DataDirectory, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("fixed", data=["é".encode(), b"b"], dtype=h5py.string_dtype("utf-8", 5))
        file["texts"] = ["é", "b"]
        file.create_dataset("enum", data=[1, 0], dtype=h5py.enum_dtype({"a": 0, "b": 1}, "u1"))
    with h5py.File(tmp_path / "x.h5") as file:
        for array in (file["fixed"][()], file["texts"].asstr()[()], file["enum"][()]):
            store.save(KEY, array)
            assert store.load(KEY).tolist() == array.tolist()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (object(), "a object can not be stored"),
        ({"a": 1}, "a dict can not be stored"),
        ("a text", "a str can not be stored"),
        (None, "a NoneType can not be stored"),
        (np.array([1, None], object), "objects such as 1, a int"),
        (np.array(["a", b"b"], object), "objects such as b'b', a bytes"),
        (np.array(["a", "b\0"], object), "ends with NUL"),
        (np.zeros(2, [("a", object)]), "fields that are objects have no form"),
        (np.zeros(2, []), "nothing in it"),
        (np.zeros(2, "V0"), "nothing in it"),
        (np.ma.masked_equal([1, 2], 2), "has a mask"),
        (xr.DataArray([1.0], dims=(0,)), "a dimension is named 0"),
        (xr.DataArray([1.0], dims="x", name=3), "the array is named 3"),
        (xr.Dataset({3: ("x", [1])}), "a variable is named 3"),
        (xr.DataArray([1.0], dims="x", attrs={"f": print}), "attributes of data.*'f'.*builtin"),
        (xr.Dataset(attrs={"a": {"b": {1, 2}}}), r"attributes\['a'\]\['b'\] is \{1, 2\}, a set"),
    ],
)
def test_what_can_not_be_stored_is_named(tmp_path: Path, data: Any, said: str) -> None:
    store = directory(tmp_path)
    with pytest.raises(FormatError, match=said) as caught:
        store.save(KEY, data)
    assert isinstance(caught.value, ValueError)
    assert KEY not in store
    assert not any(name.endswith("_temp") for name in names(folder(store, KEY).parent))
    store.save(KEY, np.zeros(2))
    assert KEY in store


def test_a_mask_is_not_lost_either_when_chunks_are_merged(tmp_path: Path) -> None:
    store = directory(tmp_path)
    chunks = [np.ma.masked_equal([1, 2], 2), np.ma.masked_equal([3, 2], 2)]
    with pytest.raises(FormatError, match="has a mask"):
        store.saver(KEY).save_from(chunks, rechunk=1 << 20)


# -- labelled data --------------------------------------------------------------------------------

#: Keys of mappings that could be taken for the forms in which other things are written.
FORMS = ["$float", "$bytes", "$array", "$scalar", "$map", "$"]
SIMPLE = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4),
    st.binary(max_size=3),
)  # fmt: skip
ATTRIBUTES = st.recursive(
    st.one_of(
        SIMPLE,
        stn.arrays(stn.scalar_dtypes(), stn.array_shapes(min_dims=0, max_dims=2, min_side=0)),
        stn.arrays("U3", 2),
        stn.scalar_dtypes().flatmap(lambda dtype: stn.arrays(dtype, ())).map(lambda a: a[()]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.text(max_size=3) | st.sampled_from(FORMS), inner, max_size=2),
    ),
    max_leaves=5,
)
ALONG = ["f8", "i4", "u2", "M8[ns]", "U3", "?", "f4", ">f8", "c8"]


@st.composite
def variables(draw: st.DrawFn, dims: tuple[str, ...], sizes: dict[str, int]) -> xr.Variable:
    dtype = np.dtype(draw(st.sampled_from(ALONG)))
    shape = tuple(sizes[dim] for dim in dims)
    values = draw(stn.arrays(dtype, shape, elements=stn.from_dtype(dtype, max_size=3)))
    attrs = draw(st.dictionaries(st.text(max_size=3), ATTRIBUTES, max_size=2))
    return xr.Variable(dims, values, attrs)


@st.composite
def datasets(draw: st.DrawFn) -> tuple[xr.Dataset, str | None]:
    """Give a dataset and the axis of its chunks."""
    sizes = {name: draw(st.integers(0, 5)) for name in ("energy", "y", "x", "data")}
    some_dims = st.permutations(sorted(sizes)).flatmap(
        lambda order: st.integers(0, 3).map(lambda n: tuple(order[:n]))
    )
    found: dict[str, Any] = {}
    for name in draw(st.sets(st.sampled_from(["od", "i0", "a/b", "data2", "", "é."]), max_size=4)):
        found[name] = draw(variables(draw(some_dims), sizes))
    coords: dict[str, Any] = {}
    for name in draw(st.sets(st.sampled_from(sorted(sizes)))):
        coords[name] = draw(variables((name,), sizes))
    for name in draw(st.sets(st.sampled_from(["shift", "note"]))):
        coords[name] = draw(variables(draw(some_dims), sizes))
    attrs = draw(st.dictionaries(st.text(max_size=3), ATTRIBUTES, max_size=3))
    made = xr.Dataset(found, coords, attrs)
    axis = draw(st.sampled_from([None, *sorted(map(str, made.sizes))]))
    return made, axis


@settings(max_examples=60)
@given(datasets())
def test_any_dataset_comes_back(store: DataDirectory, given_: tuple[xr.Dataset, Any]) -> None:
    data, axis = given_
    store.save(KEY, data, axis=axis)
    loaded = store.load(KEY)
    assert same(data, loaded)
    assert same(data, next(store.loader(KEY)).data)
    if axis is not None:
        assert store.get_metadata(KEY).schema.axis == axis  # type: ignore[union-attr]


@settings(max_examples=40)
@given(datasets(), st.data())
def test_any_labelled_array_comes_back(
    store: DataDirectory, given_: tuple[xr.Dataset, Any], data: st.DataObject
) -> None:
    dataset, _ = given_
    for name in dataset.data_vars:
        array = dataset[name].rename(data.draw(st.sampled_from([None, name, "data", "energy"])))
        axis = data.draw(st.sampled_from([None, *map(str, array.dims)]))
        store.save(KEY, array, axis=axis)
        assert same(array, store.load(KEY))


@settings(max_examples=60)
@given(ATTRIBUTES)
@example({"$float": "x"})
@example({"$map": {"$map": {}}})
@example({"$array": 1})
@example([{"$bytes": None}])
@example(np.str_(""))
@example(np.zeros((0, 2), "f4"))
def test_any_attribute_comes_back(store: DataDirectory, value: Any) -> None:
    store.save(KEY, xr.Dataset(attrs={"a": value}), {"extra": value})
    assert same_value(store.load(KEY).attrs, {"a": value})
    assert same_value(store.get_metadata(KEY).extra, {"extra": value})
    with store.saver(KEY) as saver:
        saver.save(np.zeros(2), label=value)
    [chunk] = store.loader(KEY)
    assert same_value(chunk.label, value) or value is None


def test_a_tuple_among_attributes_comes_back_as_a_list(store: DataDirectory) -> None:
    store.save(KEY, xr.Dataset(attrs={"a": (1, (2,))}))
    assert store.load(KEY).attrs == {"a": [1, [2]]}


LABELLED: dict[str, xr.DataArray] = {
    "no coordinates": xr.DataArray(np.ones((2, 3)), dims=("y", "x")),
    "no name": xr.DataArray([1.0, 2.0], dims="energy", coords={"energy": [1, 2]}),
    "the name of its coordinate": xr.DataArray(
        [1.0], dims="energy", coords={"energy": [1]}, name="energy"
    ),
    "a dimension named data": xr.DataArray([1.0, 2.0], dims="data"),
    "a coordinate named data": xr.DataArray([1.0], dims="x", coords={"data": ("x", [2])}),
    "two dimensions, one named data": xr.DataArray(np.ones((2, 3)), dims=("y", "data")),
    "no dimensions": xr.DataArray(3.0, coords={"energy": 700.0}, name="sum"),
    "no rows": xr.DataArray(np.ones((0, 3)), dims=("energy", "x"), coords={"x": [1, 2, 3]}),
    "the axis last": xr.DataArray(np.arange(6.0).reshape(2, 3), dims=("x", "energy")),
    "moments": xr.DataArray([1.0], dims="time", coords={"time": [np.datetime64("2024", "ns")]}),
    "texts": xr.DataArray(["a", "bc"], dims="x", coords={"x": ["é", ""]}),
    "NaN": xr.DataArray([np.nan, 1.0], dims="x", coords={"x": [np.nan, 2.0]}, attrs={"a": np.nan}),
}


@pytest.mark.parametrize("array", LABELLED.values(), ids=LABELLED)
def test_special_labelled_arrays_come_back(store: DataDirectory, array: xr.DataArray) -> None:
    store.save(KEY, array)
    assert same(array, store.load(KEY))
    dataset = array.to_dataset(name="other")
    store.save(KEY, dataset)
    assert same(dataset, store.load(KEY))


@pytest.mark.parametrize(
    ("dims", "axis"),
    [
        (("y", "x"), "y"), (("x", "energy"), "energy"), (("x", "time", "y"), "time"),
        (("a", "b"), "a"), (("x", "line"), "line"),
    ],
)  # fmt: skip
def test_chunks_follow_each_other_along_what_a_scan_moves_last(
    store: DataDirectory, dims: tuple[str, ...], axis: str
) -> None:
    store.save(KEY, xr.DataArray(np.ones((2,) * len(dims)), dims=dims))
    assert store.get_metadata(KEY).schema.axis == axis  # type: ignore[union-attr]
    with pytest.raises(FormatError, match="no dimension 'other' to make chunks along; they have"):
        store.save(KEY, xr.DataArray(np.ones((2,) * len(dims)), dims=dims), axis="other")


def test_what_is_changed_in_one_chunk_is_not_changed_in_the_next(store: DataDirectory) -> None:
    data = image(4)
    with store.saver(KEY) as saver:
        for piece in pieces(data, [1, 2], "energy"):
            saver.save(piece)
    for chunk in store.loader(KEY):
        assert same(data["mask"], chunk.data["mask"])
        chunk.data["mask"].values[:] = True


def test_arrays_of_dask_can_be_saved(store: DataDirectory) -> None:
    data = image(6)
    lazy = data.chunk({"energy": 2})
    store.save(KEY, lazy)
    assert same(data, store.load(KEY))
    store.save(KEY, lazy["od"])
    assert same(data["od"], store.load(KEY))
    store.saver(KEY).save_from(pieces(lazy, [1, 4], "energy"), rechunk=data.nbytes // 2)
    assert same(data, store.load(KEY))


# -- tables ---------------------------------------------------------------------------------------


def test_tables_of_arrow_come_back(store: DataDirectory) -> None:
    pa = pytest.importorskip("pyarrow")
    table = pa.table(
        {
            "n": pa.array([1, None, 3], pa.int16()),
            "text": ["é", None, ""],
            "lists": [[1.5], [], None],
            "when": pa.array([0, 1, None], pa.timestamp("us", "UTC")),
            "kind": pa.array(["a", "b", "a"]).dictionary_encode(),
            "record": [{"a": 1}, {"a": None}, None],
        }
    )
    for each in (table, table.slice(1, 1), table.slice(0, 0), table.select(["n"])):
        store.save(KEY, each)
        loaded = store.load(KEY)
        assert loaded.equals(each)
        assert loaded.schema == each.schema
    with store.saver(KEY) as saver:
        for piece in pieces(table, [1, 1]):
            saver.save(piece)
    assert store.load(KEY).equals(table)
    assert store.load(KEY, rows=(1, 3)).equals(table.slice(1, 2))
    assert [c.data.num_rows for c in store.loader(KEY, rows=(0, 2))] == [1, 0, 1]
    assert sum(c.data.num_rows for c in store.loader(KEY, rechunk=1 << 20)) == 3


def test_tables_of_pandas_come_back_as_those_of_arrow(store: DataDirectory) -> None:
    pytest.importorskip("pyarrow")
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {"a": [1, 2, 3], "b": ["x", None, "z"], "c": pd.to_datetime(["2024"] * 3)},
        index=pd.Index([10, 20, 30], name="row"),
    )
    for each in (frame, frame.reset_index(drop=True), frame.iloc[:0], frame.set_index(["a", "b"])):
        store.save(KEY, each)
        pd.testing.assert_frame_equal(store.load(KEY).to_pandas(), each)
    store.saver(KEY).save_from([frame.iloc[:1], frame.iloc[1:]], rechunk=1 << 20)
    pd.testing.assert_frame_equal(store.load(KEY).to_pandas(), frame)
    with store.saver(KEY) as saver:
        saver.save(frame.iloc[:1])
        saver.save(frame.iloc[1:])
    pd.testing.assert_frame_equal(store.load(KEY).to_pandas(), frame)


def test_anything_that_gives_its_columns_to_arrow_is_a_table(store: DataDirectory) -> None:
    pa = pytest.importorskip("pyarrow")

    class Columns:
        def __arrow_c_stream__(self, requested: Any = None) -> Any:
            return pa.table({"a": [1, 2]}).__arrow_c_stream__(requested)

    store.save(KEY, Columns())
    assert store.load(KEY).equals(pa.table({"a": [1, 2]}))


# -- several chunks, and parts of them ------------------------------------------------------------


def records(n: int) -> np.ndarray:
    made = np.zeros(n, [("time", "f8"), ("energy", "f4"), ("counts", "i4", (2,))])
    made["time"] = np.arange(n) * 0.5
    made["energy"] = 700 - np.arange(n)
    made["counts"] = np.arange(2 * n).reshape(n, 2)
    return made


WHOLE: dict[str, tuple[Any, str | None]] = {
    "array": (np.arange(60.0).reshape(20, 3), None),
    "big-endian": (np.arange(60, dtype=">i4").reshape(20, 3), None),
    "records": (records(20), None),
    "records with gaps": (np.ones(20, np.dtype([("a", "i1"), ("b", "f8")], align=True)), None),
    "texts": (np.array([str(i) * (i % 5) for i in range(20)]), None),
    "objects": (np.array([str(i) * (i % 5) for i in range(20)], object), None),
    "dataset": (image(20), "energy"),
    "labelled": (image(20)["od"], "energy"),
    "another axis": (image(4).isel(y=[0, 1, 2] * 7), "y"),
    "no coordinates": (xr.DataArray(np.arange(40.0).reshape(2, 20), dims=("x", "y")), "y"),
}


@pytest.mark.parametrize(("whole", "axis"), WHOLE.values(), ids=WHOLE)
@settings(max_examples=10)
@given(data=st.data())
def test_parts_are_slices_of_the_whole(
    store: DataDirectory, whole: Any, axis: str | None, data: st.DataObject
) -> None:
    n = rows_of(whole, axis)
    row = st.integers(0, n)
    chunks = pieces(whole, data.draw(st.lists(row, max_size=4), "cuts"), axis)
    saver = store.saver(KEY, axis=axis, index_by=["energy"])
    if data.draw(st.booleans(), "rechunk on saving"):
        saver.save_from(chunks, rechunk=data.draw(st.sampled_from([1, 200, 1000, 1 << 20])))
    else:
        saver.save_from(chunks)
        assert [c.data.shape if axis is None else c.data.sizes for c in store.loader(KEY)] == [
            c.shape if axis is None else c.sizes for c in chunks
        ]
    meta = store.get_metadata(KEY)
    assert (meta.rows, meta.is_whole) == (n, True)
    if saver.closed and meta.n_chunks == len(chunks):
        one = data.draw(st.integers(0, len(chunks) - 1), "chunk")
        some = sorted(data.draw(st.sets(st.integers(0, len(chunks) - 1), min_size=1), "chunks"))
    else:
        one, some = 0, [0]
    stored = [chunk.data for chunk in store.loader(KEY)]
    a, b = sorted([data.draw(row, "from"), data.draw(row, "to")])
    rechunk = data.draw(st.sampled_from([None, 1, 300, 1 << 20]), "rechunk on loading")

    def joined(found: Any) -> Any:
        found = list(found)
        for chunk in found:
            assert chunk.stop - chunk.start == rows_of(chunk.data, axis)
        assert [c.start for c in found[1:]] == [c.stop for c in found[:-1]]
        return together([c.data for c in found], axis)

    assert same(whole, store.load(KEY))
    assert same(whole, joined(store.loader(KEY, rechunk=rechunk)))
    assert same(rows(whole, a, b, axis), store.load(KEY, rows=(a, b)))
    if a < b:
        assert same(
            rows(whole, a, b, axis), joined(store.loader(KEY, rows=(a, b), rechunk=rechunk))
        )
    assert same(stored[one], store.load(KEY, chunk_number=one))
    assert same(together([stored[i] for i in some], axis), store.load(KEY, chunk_number=some))
    assert [c.index for c in store.loader(KEY, chunk_number=some)] == some


def together(found: list[Any], axis: str | None) -> Any:
    """Put chunks together."""
    if axis is None:
        made = np.empty((sum(map(len, found)), *found[0].shape[1:]), found[0].dtype)
        if made.dtype.kind in "US":
            return np.concatenate(found)
        return np.concatenate(found, out=made)
    if len(found) == 1:
        return found[0]
    if isinstance(found[0], xr.DataArray):
        return xr.concat(found, axis, coords="minimal", compat="override", combine_attrs="override")
    return xr.concat(
        found, axis, data_vars="minimal", coords="minimal", compat="override",
        combine_attrs="override",
    )  # fmt: skip


@pytest.mark.parametrize("order", ["up", "down", "random", "with gaps"])
@settings(max_examples=12)
@given(data=st.data())
def test_what_is_between_bounds_is_what_a_mask_gives(
    store: DataDirectory, order: str, data: st.DataObject
) -> None:
    n = 20
    values = np.arange(float(n)) // 2
    if order == "down":
        values = values[::-1].copy()
    elif order == "random":
        np.random.default_rng(0).shuffle(values)
    elif order == "with gaps":
        values[[3, 4, 5, 11]] = np.nan
    dataset = image(n).assign_coords(energy=values)
    table = records(n)
    table["time"] = values
    cuts = data.draw(st.lists(st.integers(0, n), max_size=4), "cuts")
    bounds = sorted([data.draw(st.floats(-2, 12), "low"), data.draw(st.floats(-2, 12), "high")])
    low, high = bounds
    inside = (values >= low) & (values <= high)
    for whole, axis, name in ((dataset, "energy", "energy"), (table, None, "time")):
        store.saver(KEY, axis=axis).save_from(pieces(whole, cuts, axis))
        expected = whole.isel(energy=inside) if axis else whole[inside]
        assert same(expected, store.load(KEY, between={name: (low, high)}))
        found = list(store.loader(KEY, between={name: (low, high)}))
        assert sum(rows_of(c.data, axis) for c in found) == inside.sum()


def test_bounds_are_also_moments_and_several_at_once(store: DataDirectory) -> None:
    times = np.datetime64("2024-01-01", "ns") + np.arange(10).astype("m8[h]")
    whole = xr.DataArray(
        np.arange(10.0), dims="time", coords={"time": times, "turn": ("time", np.arange(10) % 3)}
    )
    store.saver(KEY).save_from(pieces(whole, [3, 6], "time"))
    bounds = (np.datetime64("2024-01-01T02"), np.datetime64("2024-01-01T07"))
    assert same(whole[2:8], store.load(KEY, between={"time": bounds}))
    found = store.load(KEY, between={"time": bounds, "turn": (1, 1)})
    assert same(whole[[4, 7]], found)
    assert same(whole[:0], store.load(KEY, between={"turn": (7, 8)}))


def test_bounds_of_what_nothing_is_known_are_refused(store: DataDirectory) -> None:
    store.save(KEY, image(4))
    with pytest.raises(NXstxmKeyError, match=r"nothing is known of 'x'.* given for energy"):
        store.load(KEY, between={"x": (0, 1)})
    store.save(KEY, records(4), index_by=["energy"])
    with pytest.raises(NXstxmKeyError, match=r"'counts'.* given for energy, time"):
        store.load(KEY, between={"counts": (0, 1)})
    assert len(store.load(KEY, between={"energy": (699, 700)})) == 2
    store.save(KEY, image(4).isel(energy=slice(0, 0)))
    assert store.load(KEY, between={"energy": (699, 700)}).sizes["energy"] == 0


def test_parts_that_make_no_sense_are_refused(store: DataDirectory) -> None:
    store.saver(KEY).save_from([np.zeros(3), np.zeros(2)])
    for bad in ((3, 2), (-1, 2)):
        with pytest.raises(OptionError, match="is no range"):
            store.load(KEY, rows=bad)
    for number in (2, -1, [0, 7]):
        with pytest.raises(NXstxmKeyError, match=r"there is no chunk .*; there are 2"):
            store.load(KEY, chunk_number=number)
    with pytest.raises(OptionError, match="rechunk=0 is no number of bytes"):
        list(store.loader(KEY, rechunk=0))
    assert len(store.load(KEY, rows=(4, 99))) == 1
    assert len(store.load(KEY, rows=(9, 99))) == 0


def test_chunks_are_merged_and_cut_to_about_a_size(store: DataDirectory) -> None:
    whole = np.arange(1000.0)
    for cuts in ([], [500], list(range(0, 1000, 7))):
        store.saver(KEY).save_from(pieces(whole, cuts), rechunk=800)
        sizes = [chunk.data.nbytes for chunk in store.loader(KEY)]
        assert max(sizes) <= 800
        assert len(sizes) <= 2 * 10 + 1
        assert same(whole, store.load(KEY))
        merged = [chunk.data.nbytes for chunk in store.loader(KEY, rechunk=4000)]
        assert max(merged) <= 4000
        assert len(merged) <= 3


# -- a part touches only its chunks ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["array", "records", "texts", "dataset", "labelled"])
def test_a_part_needs_only_its_chunks(tmp_path: Path, name: str) -> None:
    whole, axis = WHOLE[name]
    store = directory(tmp_path)
    store.saver(KEY, axis=axis).save_from(pieces(whole, [4, 8, 12, 16], axis))
    at = folder(store, KEY)
    (at / "000000.h5").unlink()
    (at / "000004.h5").write_bytes(b"no HDF5 at all")
    raw = bytearray((at / "000001.h5").read_bytes())
    (at / "000001.h5").write_bytes(bytes(byte ^ 255 for byte in raw))
    assert same(rows(whole, 8, 16, axis), store.load(KEY, rows=(8, 16)))
    assert same(rows(whole, 9, 13, axis), store.load(KEY, rows=(9, 13)))
    assert same(rows(whole, 8, 12, axis), store.load(KEY, chunk_number=2))
    found = list(store.loader(KEY, chunk_number=[2, 3]))
    assert [(c.start, c.stop) for c in found] == [(8, 12), (12, 16)]
    if name == "records":
        assert same(whole[8:16], store.load(KEY, between={"time": (4.0, 7.5)}))
    elif axis is not None:
        bounds = {"energy": (708.0, 715.0)}
        assert same(rows(whole, 8, 16, axis), store.load(KEY, between=bounds))
    for wanted in ((0, 1), (7, 9), (15, 17)):
        with pytest.raises(DataCorrupted):
            store.load(KEY, rows=wanted)
    with pytest.raises(DataCorrupted):
        store.load(KEY)
    with pytest.raises(DataCorrupted):
        store.verify(KEY)


def test_some_rows_of_a_chunk_need_only_their_blocks(tmp_path: Path) -> None:
    store = directory(tmp_path)
    whole = np.arange(4000.0).reshape(40, 100)
    with small_blocks(1600):  # two rows
        store.save(KEY, whole)
    path = folder(store, KEY) / "000000.h5"
    stored = store.open(KEY).chunks[0].place["arrays"]["data"]
    assert len(stored["b"]) == 20
    raw = bytearray(path.read_bytes())
    for i, (offset, size, _) in enumerate(stored["b"]):
        if not 5 <= i < 8:
            raw[offset : offset + size] = bytes(size)
    path.write_bytes(raw)
    assert same(whole[10:16], store.load(KEY, rows=(10, 16)))
    assert same(whole[11:15], store.load(KEY, rows=(11, 15)))
    for bad in ((9, 11), (15, 17)):
        with pytest.raises(DataCorrupted, match=r"data in .*000000.h5: .* not those that were"):
            store.load(KEY, rows=bad)


# -- chunks that disagree -------------------------------------------------------------------------

D = image(4)
DISAGREE: dict[str, tuple[Any, Any, str]] = {
    "dtype": (np.zeros(2), np.zeros(2, "f4"), r"data has \[\('', '<f4'\)\] \[\] along 0 instead"),
    "shape": (np.zeros((2, 3)), np.zeros((2, 4)), r"data has .*\[4\].* instead of .*\[3\]"),
    "dimensions": (np.zeros((2, 3)), np.zeros(2), "data has "),
    "scalar": (np.zeros(2), np.float64(0), "axis None instead of '0'"),
    "kind": (np.zeros(2), D, "kind 'dataset' instead of 'array'"),
    "labelled": (D["od"], D, "kind 'dataset' instead of 'dataarray'"),
    "objects": (np.array(["a"]), np.array(["a"], object), "data has object"),
    "fields": (records(2), records(2)[["time", "energy"]], "data has "),
    "name": (D["od"], D["od"].rename("x"), "name 'x' instead of 'od'"),
    "variables": (D, D.drop_vars("i0"), "variables .* instead of .*i0"),
    "more variables": (D, D.assign(new=D["i0"]), "variables .*new.* instead of"),
    "dtype of one": (D, D.assign(i0=D["i0"].astype("i8")), "i0 has .*i8"),
    "length": (D, D.isel(x=[0, 1]), r"x|shift|od"),
    "order of dimensions": (D, D.transpose("energy", ...), "od has .* along energy, y, x instead"),
    "coordinate": (D, D.reset_coords("shift"), "shift has "),
    "constant": (D, D.assign(mask=~D["mask"]), "'mask' of chunk 1 .*has other values"),
    "constant coordinate": (D, D.assign_coords(x=D["x"] + 1), "'x' of chunk 1"),
    "constant text": (D, D.assign_coords(note="other"), "'note' of chunk 1"),
}


@pytest.mark.parametrize("merge", [False, True], ids=["one by one", "merged"])
@pytest.mark.parametrize(("one", "other", "said"), DISAGREE.values(), ids=DISAGREE)
def test_chunks_that_disagree_are_refused_and_say_in_what(
    tmp_path: Path, one: Any, other: Any, said: str, merge: bool
) -> None:
    store = directory(tmp_path)
    said = said.replace(" of chunk 1", "") if merge else said
    saver = store.saver(KEY)
    with pytest.raises(FormatError, match=said):
        saver.save_from(iter([one, other]), rechunk=1 << 20 if merge else None, threads=1)
    assert KEY not in store
    broken = store.get_metadata(KEY).exception
    assert broken is not None
    assert "FormatError" in broken


def test_texts_of_different_lengths_agree(store: DataDirectory) -> None:
    store.saver(KEY).save_from([np.array(["a"]), np.array(["bcd", ""]), np.array([], "U1")])
    assert same(np.array(["a", "bcd", ""]), store.load(KEY))


def test_equal_constants_agree_whatever_their_size(store: DataDirectory) -> None:
    """Blosc's own threads lay blocks in any order: equal arrays, other bytes."""
    grid = np.random.default_rng(0).poisson(3, (700, 700)).astype(float)
    with store.saver(KEY) as saver:
        for i in range(8):
            chunk = xr.DataArray(np.zeros((1, 700, 700), "?"), dims=("energy", "y", "x"))
            saver.save(chunk.assign_coords(energy=[i], grid=(("y", "x"), grid)))
    assert store.load(KEY).sizes["energy"] == 8


# -- other programs -------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["lz4", "zstd", "none"])
def test_h5py_reads_the_pieces(tmp_path: Path, compression: str) -> None:
    pytest.importorskip("hdf5plugin")
    store = directory(tmp_path)
    random = np.random.default_rng(0)
    arrays = {
        "floats": random.random((50, 7)),
        "big": random.integers(0, 99, (50, 40)).astype(">i4"),
        "halves": random.random((50, 20)).astype("f2"),
        "truths": random.random((50, 40)) > 0.5,
        "complex": random.random((50, 20)) * 1j,
        "small": np.arange(50, dtype="u1"),
        "records": np.ones(50, [("a", "i4", (3,)), ("b", ">f8"), ("c", "?")]),
        "bytes": np.array([b"ab", b"c"] * 25),
        "wide": np.arange(50 * 300, dtype="u1").reshape(50, 300).view("V300")[:, 0],
        "one": np.arange(3000.0).reshape(1, 3000).repeat(50, 0),
    }
    data = xr.Dataset(
        {name: (("energy", *(f"{name}{i}" for i in range(a.ndim - 1))), a)
         for name, a in arrays.items()},
        coords={"x": ("x", np.arange(1000.0)), "e": ("energy", ["é", "b"] * 25)},
    )  # fmt: skip
    with small_blocks(5000):
        store.save(KEY, data, compression=compression)
    at = folder(store, KEY)
    with h5py.File(at / "000000.h5") as file:
        assert set(file) == {*arrays, "e"}
        for name, array in arrays.items():
            assert same_array(array, np.asarray(file[name][()]).view(array.dtype)), name
            assert (file[name].chunks is not None) == (compression != "none")
        assert file["e"].asstr()[()].tolist() == data["e"].values.tolist()
        times = file["floats"].id.get_create_plist().get_obj_track_times()
        assert not times
    with h5py.File(at / "constants.h5") as file:
        assert same_array(data["x"].values, file["x"][()])
    assert same(data, store.load(KEY))


@settings(max_examples=40)
@given(arrays(min_dims=1), st.sampled_from(["lz4", "zstd", "none"]))
def test_h5py_reads_any_array(store: DataDirectory, array: np.ndarray, compression: str) -> None:
    pytest.importorskip("hdf5plugin")
    with small_blocks(64):
        store.save(KEY, array, compression=compression)
    with h5py.File(folder(store, KEY) / "000000.h5") as file:
        read = file["data"][()]
    if array.dtype.kind == "U":
        found = np.char.decode(read.astype("S"), "utf-8", "surrogatepass")
        assert found.tolist() == array.tolist()
    elif array.dtype.kind in "biufcS" and array.dtype.itemsize:
        assert same_array(array, read)
    elif array.dtype.kind in "mM":
        assert same_array(array.view(f"{array.dtype.byteorder}i8".replace("=", "<")), read)


def test_a_store_can_be_moved(tmp_path: Path) -> None:
    store = directory(tmp_path / "a")
    store.saver(KEY).save_from(pieces(image(6), [2, 4], "energy"))
    shutil.move(tmp_path / "a", tmp_path / "b")
    moved = directory(tmp_path / "b", readonly=True)
    assert same(image(6), moved.load(KEY))
    assert moved.open(KEY).load(Wanted(rows=(0, 2))).sizes["energy"] == 2


def test_chunks_agree_whatever_the_order_of_their_variables(store: DataDirectory) -> None:
    data = image(4)
    other = data[[*reversed(list(data.data_vars))]].assign_coords(x=data["x"])
    assert list(other.variables) != list(data.variables)
    for rechunk in (None, 1 << 20):
        chunks = [data[{"energy": [0, 1]}], other[{"energy": [2, 3]}]]
        store.saver(KEY).save_from(chunks, rechunk=rechunk)
        assert same(data, store.load(KEY))
