"""The file of a run: results in DAMNIT's layout, made whole and renamed.

::

    /<name>             group: ``data``, or a DataArray or Dataset as NetCDF has them
    /.reduced/<name>    the summary, with how it is shown
    /.preview/<name>    what to show when somebody looks closer
    /.errors/<name>     the text of an error; attribute ``type``

A file is never changed. A new one has what is new, and of the old one what stays.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import h5py
import numpy as np

from .._errors import NXstxmError, NXstxmOSError
from .._locks import lock_file
from .._publish import publish
from ..nexus import H5_ERRORS, why
from ._cell import Cell, comes_from
from ._errors import MissingValueError
from ._summary import Summary

OBJECT = "_damnit_objtype"
_INNER = (".reduced", ".preview", ".errors")
#: Arrays larger than this are compressed.
_LARGE = 16 * 1024
_COMPRESSED = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


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
    """

    cell: Cell | None = None
    summary: Summary | None = None
    error: str = ""
    error_type: str = ""


class RunFile:
    """The file of a run.

    Parameters
    ----------
    path : Path
        The file, which does not have to be there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    # -- reading -----------------------------------------------------------------------------------

    @contextmanager
    def _opened(self) -> Iterator[h5py.File]:
        try:
            with h5py.File(self.path, "r", locking=False) as file:
                yield file
        except NXstxmError:
            raise
        except FileNotFoundError as error:
            raise MissingValueError(f"there is no file {self.path}") from error
        except H5_ERRORS as error:
            raise NXstxmOSError(f"{self.path} can not be read: {why(error)}") from error

    def names(self) -> list[str]:
        """Name the variables that have data; none where there is no file."""
        if not self.path.exists():
            return []
        with self._opened() as file:
            return [name for name in file if not name.startswith(".")]

    def read(self, name: str) -> Any:
        """Read the result of a variable.

        Raises
        ------
        MissingValueError
            There is none.
        NXstxmOSError
            The file can not be read.
        """
        with self._opened() as file:
            if name.startswith(".") or name not in file:
                raise MissingValueError(f"variable {name!r} has no data in {self.path}")
            kind = file[name].attrs.get(OBJECT, "")
            if kind not in ("dataarray", "dataset"):
                return _plain(file[name]["data"], kind)
        return _netcdf(self.path, name, kind)

    def preview(self, name: str) -> Any:
        """Read the preview of a variable; None where it has none."""
        with self._opened() as file:
            found = file.get(f".preview/{name}")
            if found is None:
                return None
            kind = found.attrs.get(OBJECT, "")
            if kind != "dataarray":
                return _plain(found, kind)
        return _netcdf(self.path, f".preview/{name}", "dataarray")

    # -- writing -----------------------------------------------------------------------------------

    def write(
        self, results: Mapping[str, Result], *, drop: Iterator[str] | tuple[str, ...] = ()
    ) -> None:
        """Put results into the file, in place of those of the same names.

        Parameters
        ----------
        results : Mapping of str to Result
            What is new.
        drop : iterable of str
            Names that are to go.

        Raises
        ------
        NXstxmOSError
            It can not be written; the old file is as it was.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NXstxmOSError(f"{self.path.parent} can not be made ({error})") from error
        temporary = self.path.with_name(f".{self.path.stem}.{uuid4().hex[:8]}.writing.h5")
        with lock_file(self.path.parent, self.path.name):
            try:
                with h5py.File(temporary, "x", libver=("earliest", "v110")) as file:
                    self._keep_old(file, {*results, *drop})
                    for name, result in results.items():
                        _write(file, name, result)
                publish(temporary, self.path, overwrite=True)
            except H5_ERRORS as error:
                raise NXstxmOSError(f"{self.path} can not be written: {why(error)}") from error
            finally:
                with contextlib.suppress(OSError):
                    temporary.unlink()

    def _keep_old(self, file: h5py.File, new: set[str]) -> None:
        for inner in _INNER:
            file.create_group(inner)
        if not self.path.exists():
            return
        labelled = []
        with h5py.File(self.path, "r", locking=False) as old:
            for name in old:
                if name not in _INNER and name not in new:
                    if old[name].attrs.get(OBJECT, "") in ("dataarray", "dataset"):
                        labelled.append(name)
                    else:
                        old.copy(old[name], file, name)
            for inner in _INNER:
                for name in old.get(inner, ()):
                    if name in new:
                        continue
                    if old[inner][name].attrs.get(OBJECT, "") == "dataarray":
                        labelled.append(f"{inner}/{name}")
                    else:
                        old.copy(old[inner][name], file[inner], name)
        for name in labelled:  # HDF5 copies references of dimensions to where they were
            with h5py.File(self.path, "r", locking=False) as old:
                kind = str(old[name].attrs[OBJECT])
            _write_labelled(file, name, _netcdf(self.path, name, kind))


def _plain(dataset: h5py.Dataset, kind: str) -> Any:
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

        return datetime.datetime.fromtimestamp(float(value), datetime.timezone.utc)
    if h5py.check_string_dtype(dataset.dtype) is not None:
        if dataset.ndim:
            return dataset.asstr("utf-8", "surrogateescape")[()].astype("U")
        return value.decode("utf-8", "surrogateescape")
    unit = dataset.attrs.get("_nxstxm_dtype")
    return value.view(str(unit)) if unit is not None else value


def _netcdf(path: Path, group: str, kind: str) -> Any:
    import xarray as xr

    load = xr.load_dataarray if kind == "dataarray" else xr.load_dataset
    made = load(path, group=group, engine="h5netcdf")
    made.attrs = {k: v for k, v in made.attrs.items() if not k.startswith("_damnit_")}
    return made


# -- writing --------------------------------------------------------------------------------------


def _write(file: h5py.File, name: str, result: Result) -> None:
    if result.error or result.error_type:
        error = file.create_dataset(f".errors/{name}", data=_text(result.error))
        error.attrs["type"] = result.error_type
        return
    cell, summary = result.cell, result.summary
    if summary is not None and summary.value is not None:
        value = summary.value
        if isinstance(value, bytes):
            value = np.frombuffer(value, np.uint8)
        elif isinstance(value, str):
            value = _text(value)
        reduced = file.create_dataset(f".reduced/{name}", data=value)
        _mark(reduced, summary)
    if cell is None:
        return
    if cell.preview is not None:
        _write_data(file, f".preview/{name}", cell.preview, grouped=False)
    if cell.data is not None:
        _write_data(file, name, cell.data, grouped=True)


def _mark(reduced: h5py.Dataset, summary: Summary) -> None:
    marks: dict[str, Any] = {**summary.attributes}
    if summary.method:
        marks["summary_method"] = summary.method
    if summary.type:
        marks["summary_type"] = summary.type
    if summary.max_diff is not None:
        marks["max_diff"] = summary.max_diff
    if "background" in marks:
        marks["background"] = np.asarray(marks["background"], np.uint8)
    for key, value in marks.items():
        reduced.attrs[key] = _text(value) if isinstance(value, str) else value


def _write_data(file: h5py.File, name: str, data: Any, *, grouped: bool) -> None:
    if comes_from(data, "xarray", "DataArray", "Dataset"):
        _write_labelled(file, name, data)
        return
    kind, array = _stored(data)
    place = f"{name}/data" if grouped else name
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
    made = file.create_dataset(place, data=array, **keywords)
    if unit:
        made.attrs["_nxstxm_dtype"] = unit
    if kind:
        (file[name] if grouped else made).attrs[OBJECT] = kind


def _stored(data: Any) -> tuple[str, Any]:
    """Give what kind of thing something is, and the array or the text that is stored of it."""
    import datetime

    if isinstance(data, datetime.datetime):
        return "timestamp", np.float64(data.timestamp())
    if isinstance(data, str):
        return "", _text(data)
    if comes_from(data, "matplotlib", "Figure"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        canvas: Any = FigureCanvasAgg(data)
        canvas.draw()
        return "image", np.asarray(canvas.buffer_rgba())
    if comes_from(data, "plotly", "Figure"):
        return "PlotlyFigure", np.frombuffer(data.to_json().encode("utf-8"), np.uint8)
    if comes_from(data, "pandas", "Series"):
        raw = data.to_frame(name=data.name if data.name is not None else "0").to_parquet(path=None)
        return "series", np.frombuffer(raw, np.uint8)
    if comes_from(data, "pandas", "DataFrame"):
        return "dataframe", np.frombuffer(data.to_parquet(path=None), np.uint8)
    return "", np.asarray(data)


def _text(text: str) -> str:
    """Make text that HDF5 can hold."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _write_labelled(file: h5py.File, name: str, data: Any) -> None:
    """Write a DataArray or Dataset as NetCDF, as `xarray.open_dataset(group=...)` reads it."""
    import h5netcdf
    from xarray.backends import H5NetCDFStore
    from xarray.backends.api import DATAARRAY_NAME, DATAARRAY_VARIABLE

    kind = "dataset" if comes_from(data, "xarray", "Dataset") else "dataarray"
    if kind == "dataarray":
        own = data.name
        clashes = own is None or own in data.coords or own in data.dims
        dataset = data.to_dataset(name=DATAARRAY_VARIABLE if clashes else own)
        if clashes and own is not None:
            dataset.attrs[DATAARRAY_NAME] = own
    else:
        dataset = data
    slashed = {v: str(v).replace("/", "_") for v in dataset.variables if "/" in str(v)}
    dataset = dataset.rename(slashed)
    large = {v: _COMPRESSED for v in dataset.data_vars if dataset[v].nbytes > _LARGE}
    large = {v: k for v, k in large.items() if dataset[v].dtype.kind in "biufc" and dataset[v].ndim}
    with h5netcdf.File(file, "a", invalid_netcdf=True) as inner:
        dataset.dump_to_store(H5NetCDFStore(inner, group=name, mode="w"), encoding=large)
    file[name].attrs[OBJECT] = kind


def file_of(directory: Path, proposal: int, run: int) -> RunFile:
    """Give the file of a run of a table."""
    return RunFile(directory / "extracted_data" / f"p{proposal}_r{run}.h5")


__all__ = ["Result", "RunFile", "file_of"]
