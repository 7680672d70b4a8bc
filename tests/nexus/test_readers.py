"""Without these, our files could follow every rule and still not open where people work.

One file of each label is opened with the programs' own libraries. What Mantis and the loader of
pyStxm ask of a file is written down as assertions, for neither can be a dependency of a test.
"""

from functools import lru_cache

import h5py
import numpy as np
import pytest

from suitcase.nxstxm import sim
from suitcase.nxstxm.exchange import export_scan

#: Label -> a request whose file has it, and its main signal.
FILES = {
    "sample point spectrum": ("pystxm2019-sample_point_spectra-points", "counter0"),
    "sample line spectrum": ("line-spectra-with-motors", "counter0"),
    "sample image": ("image-two-detectors", "counter0"),
    "sample image stack": ("stxm-stack", "pmt"),
    "sample focus": ("pystxm2019-sample_focus-lines", "counter0"),
    "osa image": ("pystxm2019-osa_image-points", "counter0"),
    "osa focus": ("pystxm2019-osa_focus-points", "counter0"),
    "detector image": ("pystxm2019-detector_image-points", "counter0"),
    "generic scan": ("generic-2d", "counter0"),
}
#: Labels that Mantis reads.
MANTIS = ("sample image", "sample image stack", "sample line spectrum")
every_label = pytest.mark.parametrize("label", FILES)


@pytest.fixture(scope="session")
def path_of(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readers")

    @lru_cache
    def get(label):
        request = sim.all_requests()[FILES[label][0]]
        return export_scan(sim.scan_documents(request), folder, file_prefix=label)

    return get


@pytest.fixture(scope="session")
def first_of():
    """Give the expected first entry of a label's file, which is the one that viewers show."""

    @lru_cache
    def get(label):
        entries = sim.expected(sim.all_requests()[FILES[label][0]])
        return entries[min(entries)]

    return get


# -- programs -------------------------------------------------------------------------------------


@every_label
def test_nexusformat_plots_the_first_entry(path_of, first_of, label):
    nexus = pytest.importorskip("nexusformat.nexus")
    wanted = first_of(label)
    with nexus.nxload(path_of(label)).nxfile as file:
        root = file.readfile()
        data = root.plottable_data
        assert data.nxpath == f"/{wanted.name}/{FILES[label][1]}"
        assert data.nxsignal.nxname == "data"
        np.testing.assert_array_equal(data.nxsignal.nxvalue, wanted.data)
        assert [axis.nxname for axis in data.nxaxes] == list(wanted.axes)
        for axis in data.nxaxes:
            np.testing.assert_allclose(axis.nxvalue, wanted.setpoints[axis.nxname])
            assert axis.attrs["units"] == ("eV" if axis.nxname == "energy" else "um")
        assert data.is_plottable()


@every_label
def test_silx_shows_the_first_entry(path_of, first_of, label):
    io = pytest.importorskip("silx.io")
    nxdata = pytest.importorskip("silx.io.nxdata")
    wanted = first_of(label)
    with io.open(str(path_of(label))) as file:
        default = nxdata.get_default(file)
        assert default.is_valid
        assert default.group.name == f"/{wanted.name}/{FILES[label][1]}"
        np.testing.assert_array_equal(default.signal, wanted.data)
        assert list(default.axes_dataset_names) == list(wanted.axes)
        for axis, values in zip(wanted.axes, default.axes, strict=True):
            np.testing.assert_allclose(values, wanted.setpoints[axis])
        assert default.signal_ndim == wanted.data.ndim
        assert all(nxdata.is_valid_nxdata(file[name][FILES[label][1]]) for name in file)


@every_label
def test_xarray_opens_a_picture_with_its_axes(path_of, first_of, label):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    wanted, signal = first_of(label), FILES[label][1]
    group = f"{wanted.name}/{signal}"
    with xarray.open_dataset(
        path_of(label), engine="h5netcdf", group=group, phony_dims="sort"
    ) as dataset:
        found = dataset["data"].load()
        np.testing.assert_array_equal(found, wanted.data)
        assert found.attrs["units"] == "counts"
        axes = [str(axis) for axis in np.ravel(dataset.attrs["axes"])]
        coordinates = {axis: dataset[axis].to_numpy() for axis in axes}
    picture = xarray.DataArray(found.to_numpy(), coordinates, axes)
    corner = {axis: wanted.setpoints[axis][-1] for axis in wanted.axes}
    assert picture.sel(corner) == wanted.data[(-1,) * wanted.data.ndim]


@every_label
def test_h5py_follows_the_defaults_from_the_root_to_the_picture(path_of, first_of, label):
    wanted = first_of(label)
    with h5py.File(path_of(label)) as file:
        entry = file[file.attrs["default"]]
        data = entry[entry.attrs["default"]]
        assert data.name == f"/{wanted.name}/{FILES[label][1]}"
        np.testing.assert_array_equal(data[data.attrs["signal"]], wanted.data)


# -- what programs ask ----------------------------------------------------------------------------


@every_label
def test_the_encoding_is_the_one_that_every_reader_takes(path_of, label):
    with h5py.File(path_of(label)) as file:
        assert isinstance(file.attrs["default"], str)
        for entry in file.values():
            assert isinstance(entry.attrs["default"], str)
            assert entry["definition"].shape == (1,)
            assert entry["definition"].dtype.kind == "S"
            for text in ("title", "start_time", "end_time", "instrument/source/name"):
                assert entry[text].shape == ()
                assert isinstance(entry[text].asstr()[()], str)
            # a monitor's axes are none, or readers look for them
            assert "axes" not in entry.get("control", entry["sample"]).attrs
            for group in entry.values():
                if isinstance(group, h5py.Group):
                    assert isinstance(group.attrs["NX_class"], str)


def pictures(file):
    for entry in file.values():
        for group in entry.values():
            if isinstance(group, h5py.Group) and group.attrs["NX_class"] == "NXdata":
                yield entry, group


@every_label
def test_what_the_loader_of_pystxm_asks(path_of, label):
    with h5py.File(path_of(label)) as file:
        for entry, data in pictures(file):
            assert isinstance(data.attrs["signal"], str)
            assert data.attrs["signal"] in data
            for number, axis in enumerate(data.attrs["axes"]):
                assert data[axis].shape == (data["data"].shape[number],)
            assert len(data.attrs["axes"]) == data["data"].ndim
            assert data["energy"].ndim == data["count_time"].ndim == 1
            assert len(data["energy"]) == len(data["count_time"]) >= 1
            assert np.isfinite(data["energy"][()]).all()
            assert data["stxm_scan_type"][0] == label.encode()
            assert entry["start_time"][()] < entry["end_time"][()]


@pytest.mark.parametrize("label", MANTIS)
def test_what_mantis_asks(path_of, label):
    path = path_of(label)
    assert path.suffix == ".hdf5"
    with h5py.File(path) as file:
        for entry, data in pictures(file):
            assert entry["definition"][0] == b"NXstxm"
            assert isinstance(data["stxm_scan_type"][0], bytes)
            assert data["stxm_scan_type"][0] == label.encode()
            axes = list(data.attrs["axes"])
            assert all(isinstance(axis, bytes) for axis in axes)
            assert set(axes) <= {b"sample_x", b"sample_y", b"energy", b"line_position"}
            for name in ("sample_x", "sample_y", "energy", "count_time"):
                assert data[name].ndim == 1
                assert data[name].dtype.kind == "f"
            assert data.attrs["signal"] == "data"
            # it divides by the monitor when the two have one shape
            if "control" in entry:
                assert entry["control/data"].shape == data["data"].shape


@every_label
def test_every_axes_attribute_names_members_that_are_there(path_of, label):
    def look(_, member):
        for axis in member.attrs.get("axes", ()):
            assert axis in member

    with h5py.File(path_of(label)) as file:
        file.visititems(look)


@every_label
def test_every_number_with_a_unit_says_which(path_of, label):
    with h5py.File(path_of(label)) as file:
        for entry in file.values():
            assert entry["sample/rotation_angle"].attrs["units"] == "deg"
            for _, data in pictures({"entry": entry}):
                bare = {n for n, field in data.items() if "units" not in field.attrs}
                assert bare == {"stxm_scan_type"}
        names = []
        file.visititems(lambda _, member: names.extend(member.attrs))
        assert not {"unit", "NX_units"} & set(names)
