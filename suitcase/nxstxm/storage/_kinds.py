"""What can be stored: arrays, labelled arrays, tables; taken apart for pieces and put together."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .._errors import NXstxmError
from ._attributes import of_json, to_json
from ._dtypes import AnyArray, as_array, concatenated
from ._errors import DataCorrupted, FormatError
from ._schema import Parts, Schema, Variable

if TYPE_CHECKING:
    import xarray as xr

#: The only array of an unlabelled one, and of a DataArray without a name.
DATA = "data"
#: Dimensions that chunks are made along, where nobody chose one.
_AXES = ("energy", "time", "y", "line")
_ARROW = "arrow"


class MissingArrowError(NXstxmError, ImportError):
    """A table can only be stored and read with pyarrow."""


# -- taking apart ---------------------------------------------------------------------------------


def taken_apart(data: Any, axis: str | None = None) -> Parts:
    """Take a chunk apart.

    Parameters
    ----------
    data : ndarray, DataArray, Dataset, table
        The chunk; a table is pyarrow's, or anything that gives its columns to Arrow, as pandas'
        and polars' do.
    axis : str, optional
        The dimension that chunks follow each other along.

    Raises
    ------
    FormatError
        It is of another kind, has no such dimension, or holds what can not be stored.
    """
    if is_a(data, "xarray", "Dataset"):
        return _dataset(data, axis)
    if is_a(data, "xarray", "DataArray"):
        return _data_array(data, axis)
    if is_a(data, "pandas", "Series"):
        raise FormatError("a Series can not be stored; make a table of it: series.to_frame()")
    if _is_table(data):
        return _table(data)
    if isinstance(data, Framed):
        schema = Schema("frame", "0", variables=(Variable(DATA, ("0",)),))
        return Parts(schema, {DATA: as_array(data.data, "the frame")}, {}, 1)
    if isinstance(data, (np.ndarray, np.generic, int, float, complex, list, tuple)):
        array = as_array(data, "the array")
        rows = len(array) if array.ndim else 1
        where = "arrays" if array.ndim else "constants"
        parts: dict[str, Any] = {"arrays": {}, "constants": {}, where: {DATA: array}}
        described = Variable(DATA, ("0",) if array.ndim else (), dtype=_alike(array))
        schema = Schema("array", "0" if array.ndim else None, variables=(described,))
        return Parts(schema, parts["arrays"], parts["constants"], rows)
    raise FormatError(
        f"a {type(data).__name__} can not be stored; give an array of numpy, a DataArray or a "
        f"Dataset of xarray, or a table of Arrow or pandas"
    )


@dataclass(frozen=True)
class Framed:
    """A chunk that is one array, of a shape and dtype of its own.

    Attributes
    ----------
    data : ndarray
        The array.
    """

    data: AnyArray


def _alike(array: AnyArray) -> str:
    """Give what arrays of several chunks must agree in: dtype and all lengths but the first."""
    kind = array.dtype.kind
    text = {"U": "text", "T": "string", "O": "object"}.get(kind, str(array.dtype.descr))
    return f"{text} {list(array.shape[1:])}"


def is_a(data: object, package: str, *names: str) -> bool:
    """Tell whether an object is of a class of a package, which is not imported for that."""
    return any(
        cls.__name__ in names and cls.__module__.partition(".")[0] == package
        for cls in type(data).__mro__
    )


def _axis_of(sizes: Mapping[Any, int], dims: Sequence[Any], axis: str | None) -> str | None:
    if axis is not None:
        if axis not in sizes:
            raise FormatError(
                f"the data have no dimension {axis!r} to make chunks along; they have "
                f"{', '.join(map(str, sizes)) or 'none'}"
            )
        return axis
    known = [name for name in _AXES if name in sizes]
    return known[0] if known else (str(dims[0]) if dims else None)


def _dataset(data: xr.Dataset, axis: str | None) -> Parts:
    first = next((v.dims for v in data.data_vars.values() if v.dims), tuple(data.sizes))
    for dim in data.sizes:
        if not isinstance(dim, str):
            raise FormatError(f"a dimension is named {dim!r}; names are text")
    axis = _axis_of(data.sizes, first, axis)
    variables, arrays, constants = [], {}, {}
    for name, variable in data.variables.items():
        if not isinstance(name, str):
            raise FormatError(f"a variable is named {name!r}; names are text")
        values = as_array(variable.values, name)
        dims = tuple(str(dim) for dim in variable.dims)
        if axis in dims:
            arrays[name] = values = np.moveaxis(values, dims.index(axis), 0)
        else:
            constants[name] = values
        # chunks may differ in how long the axis is, not in another dimension
        attrs = to_json(dict(variable.attrs), f"attributes of {name}")
        variables.append(Variable(name, dims, name in data.coords, attrs, _alike(values)))
    schema = Schema(
        "dataset", axis, None, tuple(variables), to_json(dict(data.attrs), "attributes")
    )
    return Parts(schema, arrays, constants, data.sizes[axis] if axis is not None else 1)


def _data_array(data: xr.DataArray, axis: str | None) -> Parts:
    if data.name is not None and not isinstance(data.name, str):
        raise FormatError(f"the array is named {data.name!r}; names are text")
    axis = _axis_of(data.sizes, data.dims, axis)
    for dim in data.sizes:
        if not isinstance(dim, str):
            raise FormatError(f"a dimension is named {dim!r}; names are text")
    own = _own_name(data)
    parts = _dataset(data.to_dataset(name=own), axis)
    return replace(parts, schema=replace(parts.schema, kind="dataarray", name=data.name))


def _own_name(data: xr.DataArray) -> str:
    """Name the array among its coordinates and dimensions, of which one may have that name."""
    own = DATA
    while own in data.coords or own in data.dims:
        own = f"_{own}"
    return own


def _table(data: Any) -> Parts:
    pa, table = _arrow(), _as_arrow(data)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    stream = np.frombuffer(sink.getbuffer(), np.uint8)
    described = Variable(_ARROW, ("0",), dtype=str(table.schema.remove_metadata()))
    return Parts(Schema("table", "0", variables=(described,)), {_ARROW: stream}, {}, table.num_rows)


def _is_table(data: Any) -> bool:
    """Tell whether something is a table; those of pandas do not give their columns before 2.2."""
    return hasattr(data, "__arrow_c_stream__") or is_a(data, "pandas", "DataFrame")


def _as_arrow(data: Any) -> Any:
    """Give a table as one of Arrow, which knows the index that it has in pandas."""
    pa = _arrow()
    if isinstance(data, pa.Table):
        return data
    return pa.Table.from_pandas(data) if is_a(data, "pandas", "DataFrame") else pa.table(data)


def _arrow() -> Any:
    try:
        import pyarrow as pa
        import pyarrow.ipc
    except ImportError as error:
        raise MissingArrowError(
            f"tables are stored and read with pyarrow ({error}): pip install pyarrow"
        ) from error
    return pa


# -- putting together -----------------------------------------------------------------------------


def put_together(
    schema: Schema, arrays: Mapping[str, AnyArray], constants: Mapping[str, AnyArray]
) -> Any:
    """Make data of their arrays, those with the axis in full length.

    Raises
    ------
    DataCorrupted
        An array is missing.
    """
    try:
        if schema.kind == "array":
            return {**arrays, **constants}[DATA]
        if schema.kind == "table":
            return _as_table(arrays[_ARROW])
        if schema.kind == "frame":
            return Framed(arrays[DATA])
        return _labelled(schema, arrays, constants)
    except KeyError as error:
        raise DataCorrupted(f"the array {error} is not among what was stored") from error


def _labelled(schema: Schema, arrays: Mapping[str, Any], constants: Mapping[str, AnyArray]) -> Any:
    import xarray as xr

    coords: dict[str, xr.Variable] = {}
    variables: dict[str, xr.Variable] = {}
    for v in schema.variables:
        values = arrays[v.name] if schema.axis in v.dims else constants[v.name]
        dims = list(v.dims)
        if schema.axis in dims:
            dims.remove(schema.axis)
            dims.insert(0, schema.axis)
        made = xr.Variable(dims, values, attrs=of_json(v.attrs)).transpose(*v.dims)
        (coords if v.is_coord else variables)[v.name] = made
    dataset = xr.Dataset(variables, coords, of_json(schema.attrs))
    if schema.kind == "dataset":
        return dataset
    (own,) = variables
    return dataset[own].rename(schema.name)


def _as_table(stream: AnyArray) -> Any:
    pa = _arrow()
    return pa.ipc.open_stream(pa.py_buffer(stream)).read_all()


def joined(schema: Schema, chunks: Sequence[Any]) -> Any:
    """Join chunks of one schema.

    Raises
    ------
    FormatError
        There are none.
    """
    if not chunks:
        raise FormatError("there is nothing to join")
    if len(chunks) == 1:
        return chunks[0]
    if schema.kind == "array":
        return concatenated(chunks)
    if schema.kind == "table":
        return _arrow().concat_tables([_as_arrow(each) for each in chunks])
    if schema.kind == "frame":
        return list(chunks)
    import xarray as xr

    made = xr.concat(
        chunks,
        dim=schema.axis,
        data_vars="all" if schema.kind == "dataarray" else "minimal",
        coords="minimal",
        compat="override",
        join="override",
        combine_attrs="override",
    )
    return made


def _labels(data: Any, axis: str | None) -> str | None:
    """Choose the axis of labelled data that were not taken apart."""
    dims = getattr(data, "dims", ())
    if is_a(data, "xarray", "Dataset"):
        dims = next((v.dims for v in data.data_vars.values() if v.dims), tuple(data.sizes))
    return _axis_of(data.sizes, list(dims), axis)


def _is_labelled(data: Any) -> bool:
    return is_a(data, "xarray", "Dataset", "DataArray")


def length(data: Any, axis: str | None = None) -> tuple[int, int]:
    """Give rows and bytes of data that were not taken apart, lazy ones included."""
    if _is_labelled(data):
        axis = _labels(data, axis)
        return (data.sizes[axis] if axis is not None else 1), int(data.nbytes)
    if _is_table(data):
        table = _as_arrow(data)
        return table.num_rows, int(table.nbytes)
    array = as_array(data, "the array")
    return (len(array) if array.ndim else 1), array.nbytes


def part(data: Any, begin: int, end: int, axis: str | None = None) -> Any:
    """Give some rows of data, as lazy as they are."""
    if _is_labelled(data):
        axis = _labels(data, axis)
        return data if axis is None else data.isel({axis: slice(begin, end)})
    if _is_table(data):
        table = _as_arrow(data)
        return table.slice(begin, end - begin)
    array = np.asarray(data)
    return array[begin:end] if array.ndim else array


def split(data: Any, rows: int, axis: str | None = None) -> Iterator[Any]:
    """Cut data into chunks of some rows."""
    total, _ = length(data, axis)
    if total <= rows:
        yield data
        return
    for begin in range(0, total, rows):
        yield part(data, begin, min(begin + rows, total), axis)
