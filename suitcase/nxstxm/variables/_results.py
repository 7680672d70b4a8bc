"""A result in the file of a run: written, and read."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from .._h5write import mark_id, number, text
from ..storage import DataKey, is_a, note_of
from ._cell import Cell
from ._keyed import KEYS, note_key
from ._summary import Summary

#: The attribute that tells what kind of thing a result is, as DAMNIT names it.
OBJECT = "_damnit_objtype"
#: What is NetCDF of that.
LABELS = ("dataarray", "dataset")
#: Attributes by which arrays and their dimensions refer to each other.
_DIMENSIONS, _USERS = "DIMENSION_LIST", "REFERENCE_LIST"
#: Arrays larger than this are compressed.
_LARGE = 16 * 1024
_COMPRESSED: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


@dataclass(frozen=True)
class Result:
    """What is to be written of a variable.

    Attributes
    ----------
    cell : Cell, optional
        The result; None for an error.
    summary : Summary, optional
        Its summary.
    error, error_type : str
        What went wrong.
    key : DataKey, optional
        Under which it can be found as stored data.
    lineage : str
        The hash of how it was made; nothing where nobody knows.
    """

    cell: Cell | None = None
    summary: Summary | None = None
    error: str = ""
    error_type: str = ""
    key: DataKey | None = None
    lineage: str = ""


def write_results(file: h5py.File, results: Mapping[str, Result]) -> dict[str, Result]:
    """Write results, their summaries and previews, or their errors.

    Parameters
    ----------
    file : File
        A file in which nothing is of these names, but the groups beside results are.
    results : Mapping of str to Result
        What to write.

    Returns
    -------
    dict of str to Result
        The errors that were written instead of what could not be; all else is as it was given.
    """
    reduced = file[".reduced"]
    failed: dict[str, Result] = {}
    for name, result in results.items():
        if result.error_type:
            _write_error(file, name, result)
            continue
        try:
            if result.summary is not None and result.summary.value is not None:
                _write_summary(reduced, name, result.summary)
            if result.cell is not None:
                _write_cell(file, name, result.cell, result.key)
        except Exception as error:  # noqa: BLE001 - of any library: there is no end of odd results
            told = f"it can not be stored: {error}"
            failed[name] = replace(
                result,
                cell=None,
                summary=None,
                key=None,
                error=told,
                error_type=type(error).__name__,
            )
            for place in (name, *(f"{inner}/{name}" for inner in (".reduced", ".preview", KEYS))):
                if place in file:
                    del file[place]
            _write_error(file, name, failed[name])
    return failed


def _write_error(file: h5py.File, name: str, result: Result) -> None:
    mark_id(text(file[".errors"], name, result.error), "type", result.error_type)


def _write_cell(file: h5py.File, name: str, cell: Cell, key: DataKey | None) -> None:
    if cell.preview is not None:
        _write_data(file, f".preview/{name}", cell.preview, grouped=False)
    if cell.data is not None:
        note = None if key is None else note_of(key, cell.data, _COMPRESSED["compression"])
        _write_data(file, name, cell.data, grouped=True, checked=note is not None)
        if key is not None and note is not None:
            note_key(file, name, key, note)


def _write_summary(reduced: h5py.Group, name: str, summary: Summary) -> None:
    value = summary.value
    if isinstance(value, str):
        made = text(reduced, name, value)
    elif isinstance(value, bytes):
        made = reduced.create_dataset(name, data=np.frombuffer(value, np.uint8)).id
    elif np.ndim(value):
        made = reduced.create_dataset(name, data=value).id
    else:
        made = number(reduced, name, value)
    marks: dict[str, Any] = {**summary.attributes}
    if summary.method:
        marks["summary_method"] = summary.method
    if summary.type:
        marks["summary_type"] = summary.type
    if summary.max_diff is not None:
        marks["max_diff"] = summary.max_diff
    if "background" in marks:
        marks["background"] = np.asarray(marks["background"], np.uint8)
    for key, each in marks.items():
        if isinstance(each, str):
            mark_id(made, key, each)
        else:
            h5py.Dataset(made).attrs[key] = each


def _write_data(
    file: h5py.File, name: str, data: Any, *, grouped: bool, checked: bool = False
) -> None:
    if is_a(data, "xarray", "DataArray", "Dataset"):
        _write_labelled(file, name, data, checked=checked)
        return
    kind, array = _stored(data)
    parent, own = (file.create_group(name), "data") if grouped else (file, name)
    if not kind and isinstance(array, str):
        text(parent, own, array)
        return
    if not kind and not array.ndim and array.dtype.kind in "biufc":
        number(parent, own, array)
        return
    keywords = {}
    unit = ""
    if isinstance(array, np.ndarray):
        if array.dtype.kind == "U":
            array = np.char.encode(array, "utf-8", "surrogatepass").astype(object)
            keywords["dtype"] = h5py.string_dtype("utf-8")
        elif array.dtype.kind in "mM":
            unit, array = array.dtype.str, array.view(np.int64)
        if array.ndim and array.nbytes > _LARGE and array.dtype.kind != "O":
            keywords |= _COMPRESSED
        if checked and array.ndim and array.size and array.dtype.kind != "O":
            keywords["fletcher32"] = True
    made = parent.create_dataset(own, data=array, **keywords)
    if unit:
        made.attrs["_nxstxm_dtype"] = unit
    if kind:
        (parent if grouped else made).attrs[OBJECT] = kind


def _stored(data: Any) -> tuple[str, Any]:
    """Give what kind of thing something is, and the array or the text that is stored of it."""
    import datetime

    if isinstance(data, datetime.datetime):
        return "timestamp", np.float64(data.timestamp())
    if isinstance(data, str):
        return "", data
    if is_a(data, "matplotlib", "Figure"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        canvas: Any = FigureCanvasAgg(data)
        canvas.draw()
        return "image", np.asarray(canvas.buffer_rgba())
    if is_a(data, "plotly", "Figure"):
        return "PlotlyFigure", np.frombuffer(data.to_json().encode("utf-8"), np.uint8)
    if is_a(data, "pandas", "Series"):
        raw = data.to_frame(name=data.name if data.name is not None else "0").to_parquet(path=None)
        return "series", np.frombuffer(raw, np.uint8)
    if is_a(data, "pandas", "DataFrame"):
        return "dataframe", np.frombuffer(data.to_parquet(path=None), np.uint8)
    return "", np.asarray(data)


def renamed(variable: str) -> str:
    """Give the name under which a variable is written: NetCDF has none with slashes."""
    return variable.replace("/", "_")


def _write_labelled(file: h5py.File, name: str, data: Any, *, checked: bool = False) -> None:
    """Write a DataArray or Dataset as NetCDF, as `xarray.open_dataset(group=...)` reads it.

    Parameters
    ----------
    file : File
        Where to.
    name : str
        The group.
    data : DataArray or Dataset
        What.
    checked : bool
        With HDF5's own checksums.
    """
    import h5netcdf
    from xarray.backends import H5NetCDFStore
    from xarray.backends.api import DATAARRAY_NAME, DATAARRAY_VARIABLE

    kind = "dataset" if is_a(data, "xarray", "Dataset") else "dataarray"
    if kind == "dataarray":
        own = data.name
        clashes = own is None or own in data.coords or own in data.dims
        dataset = data.to_dataset(name=DATAARRAY_VARIABLE if clashes else own)
        if clashes and own is not None:
            dataset.attrs[DATAARRAY_NAME] = own
    else:
        dataset = data
    slashed = {v: renamed(str(v)) for v in dataset.variables if "/" in str(v)}
    # how it was stored in another file, rounded to integers perhaps, does not count here
    dataset = dataset.rename(slashed).drop_encoding()
    encoding = {}
    for each, variable in dataset.variables.items():
        if variable.ndim and variable.size and variable.dtype.kind in "biufc":
            large = each in dataset.data_vars and variable.nbytes > _LARGE
            encoding[each] = {**(_COMPRESSED if large else {}), "fletcher32": checked}
    with h5netcdf.File(file, "a", invalid_netcdf=True) as inner:
        dataset.dump_to_store(H5NetCDFStore(inner, group=name, mode="w"), encoding=encoding)
    file[name].attrs[OBJECT] = kind


# -- reading --------------------------------------------------------------------------------------


def read_plain(dataset: h5py.Dataset, kind: str) -> Any:
    """Read a result that is one array.

    Parameters
    ----------
    dataset : Dataset
        The array.
    kind : str
        What kind of thing it is.
    """
    if kind in ("series", "dataframe"):
        import pandas as pd

        table = pd.read_parquet(io.BytesIO(dataset[()].tobytes()))
        return table.iloc[:, 0] if kind == "series" else table
    if kind == "PlotlyFigure":
        raw = dataset[()].tobytes()
        try:
            import plotly.io
        except ImportError:
            return raw.decode("utf-8")
        return plotly.io.from_json(raw)
    value = dataset[()]
    if kind == "timestamp":
        import datetime

        begin, end = -62135596800.0, 253402300799.99997  # of the years that Python has
        value = min(max(float(value), begin), end)
        return datetime.datetime.fromtimestamp(value, datetime.timezone.utc)
    if h5py.check_string_dtype(dataset.dtype) is not None:
        if dataset.ndim:
            return dataset.asstr("utf-8", "surrogatepass")[()].astype("U")
        return value.decode("utf-8", "surrogatepass")
    unit = dataset.attrs.get("_nxstxm_dtype")
    return value.view(str(unit)) if unit is not None else value


def read_labelled(path: Path, group: str, kind: str) -> Any:
    """Read a DataArray or Dataset of a file that nobody has open for writing."""
    import xarray as xr

    load = xr.load_dataarray if kind == "dataarray" else xr.load_dataset
    made = load(path, group=group, engine="h5netcdf")
    made.attrs = {k: v for k, v in made.attrs.items() if not k.startswith("_damnit_")}
    return made


def attach_dimensions(old: h5py.Group, new: h5py.Group) -> None:
    """Let copied arrays refer to the dimensions beside them: HDF5 copies where those were."""
    scales: dict[str, list[list[str]]] = {}
    for name, node in old.items():
        if _DIMENSIONS in node.attrs:
            scales[name] = [
                [old.file[each].name.rpartition("/")[2] for each in one]
                for one in node.attrs[_DIMENSIONS]
            ]
    for node in new.values():
        for name in (_DIMENSIONS, _USERS):
            if name in node.attrs:
                del node.attrs[name]
    for name, dimensions in scales.items():
        for place, names in enumerate(dimensions):
            for each in names:
                new[name].dims[place].attach_scale(new[each])
