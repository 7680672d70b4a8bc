"""The contract of a `StorageFrontend` as tests, to be run through by any that can be written to.

Subclass `FrontendContract` in a test module of yours and give it a fixture or a method
``frontend``, an empty one for each test::

    class TestMyFrontend(FrontendContract):
        @pytest.fixture
        def frontend(self, tmp_path):
            return MyFrontend(tmp_path)
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from .._errors import NXstxmKeyError, OptionError
from ._errors import (
    AmbiguousKeyError,
    DataExistsError,
    DataLockedError,
    DataNotAvailable,
    FormatError,
    RunMetadataNotAvailable,
    SaverError,
)
from ._frontend import StorageFrontend
from ._key import DataKey

if TYPE_CHECKING:
    import xarray as xr


def _refused(kind: type[Exception], work: Any, *arguments: Any, **options: Any) -> str:
    """See that an error is raised; give its message."""
    try:
        work(*arguments, **options)
    except kind as error:
        return str(error)
    raise AssertionError(f"{work} with {arguments} and {options} was not refused")


class FrontendContract:
    """Tests of what every frontend promises that can be written to.

    Attributes
    ----------
    shows_unfinished : bool
        Whether data can be looked at, with ``allow_incomplete``, while they are written.
    """

    shows_unfinished = True

    def key(self, run: str = "a1b2", data_type: str = "od", **options: Any) -> DataKey:
        """Make a key that differs from others in its options."""
        lineage = {"scan": ("scan", "1", {}), data_type: ("optical_density", "1.0", options)}
        return DataKey(run, data_type, lineage)

    def stack(self, images: int = 6) -> xr.DataArray:
        """Make a stack with coordinates along its axis, and others that all images share."""
        import xarray as xr

        return xr.DataArray(
            np.random.default_rng(3).random((images, 5, 4)),
            dims=("energy", "y", "x"),
            coords={
                "energy": ("energy", 700.0 + np.arange(images), {"units": "eV"}),
                "y": [0.0, 0.5, 1.0, 1.5, 2.0],
                "x": [1, 2, 3, 4],
                "dark": 3.5,
            },
            name="od",
            attrs={"units": "1", "offsets": np.array([1.0, np.nan])},
        )

    def save(self, frontend: StorageFrontend, key: DataKey, data: Any, rows: int = 2) -> None:
        """Save data in chunks of some rows, each with a label."""
        with frontend.saver(key, {"who": "somebody"}) as saver:
            for first in range(0, len(data), rows):
                saver.save(data[first : first + rows], label={"first": first})

    def break_off(self, frontend: StorageFrontend, key: DataKey, data: Any) -> None:
        """Save two chunks of two rows, and fail."""
        with frontend.saver(key) as saver:
            saver.save(data[:2])
            saver.save(data[2:4])
            raise ZeroDivisionError("the source broke")

    # -- finding -----------------------------------------------------------------------------------

    def test_what_is_missing_is_an_error_that_names_it(self, frontend: StorageFrontend) -> None:
        """Nothing is found where nothing was saved, nor under a key that is only like it."""
        self.save(frontend, self.key(dark=1.0), np.arange(4))
        for key in (self.key(dark=1), self.key("other", dark=1.0), self.key(data_type="x")):
            assert key not in frontend
            for work in (frontend.find, frontend.load, frontend.get_metadata, frontend.remove):
                assert str(key) in _refused(DataNotAvailable, work, key)
        found = frontend.find_several([self.key(dark=1), self.key(dark=1.0)])
        assert found[0] is None
        assert found[1] == frontend.find(self.key(dark=1.0))

    def test_loose_matches_and_ambiguous_ones(self, frontend: StorageFrontend) -> None:
        """An exact one comes first; of several others none is chosen."""
        self.save(frontend, self.key(dark=1.0, i0="left"), np.arange(4))
        self.save(frontend, self.key("other", dark=1.0, i0="left"), np.arange(9))
        wanted = self.key(dark=2.0, i0="left")
        _refused(DataNotAvailable, frontend.find, wanted, fuzzy_for_options=["i0"])
        assert frontend.load(wanted, fuzzy_for_options=["dark"]).tolist() == [0, 1, 2, 3]
        assert frontend.load(wanted, fuzzy_for=["od"]).tolist() == [0, 1, 2, 3]
        self.save(frontend, self.key(dark=3.0, i0="left"), np.arange(5))
        error = _refused(AmbiguousKeyError, frontend.load, wanted, fuzzy_for_options=["dark"])
        for dark in (1.0, 3.0):
            assert str(self.key(dark=dark, i0="left")) in error
        self.save(frontend, wanted, np.arange(6))
        assert len(frontend.load(wanted, fuzzy_for_options=["dark"])) == 6
        _refused(OptionError, frontend.find, self.key(), fuzzy_for="od")

    def test_types_that_are_not_taken(self, frontend: StorageFrontend) -> None:
        """They are neither saved nor found."""
        self.save(frontend, self.key(), np.arange(4))
        frontend.exclude = frozenset({"od"})
        assert self.key() not in frontend
        _refused(DataNotAvailable, frontend.saver, self.key(n=2))
        frontend.exclude, frontend.take_only = frozenset(), frozenset({"od"})
        assert self.key() in frontend
        _refused(DataNotAvailable, frontend.saver, self.key(data_type="x"))

    def test_what_is_there_is_listed(self, frontend: StorageFrontend) -> None:
        """All, those of a run, those of a type; names are those that were given."""
        keys = [self.key(run, kind) for run in ("a1b2", "2024-1 ü/x") for kind in ("od", "a-b.c")]
        assert list(frontend.list()) == []
        for key in keys:
            self.save(frontend, key, np.arange(4))
            assert frontend.load(key).tolist() == [0, 1, 2, 3]
        assert {str(m.key) for m in frontend.list()} == set(map(str, keys))
        assert {m.key for m in frontend.list("2024-1 ü/x")} == set(keys[2:])
        assert {m.key for m in frontend.list(data_type="a-b.c")} == {keys[1], keys[3]}
        assert [m.key for m in frontend.list("a1b2", "a-b.c")] == [keys[1]]
        assert len(list(frontend.locations())) == 4

    # -- saving and loading ------------------------------------------------------------------------

    def test_data_are_there_when_the_saver_was_closed(self, frontend: StorageFrontend) -> None:
        """Not before; only the saver gives chunks back meanwhile."""
        key, data = self.key(), self.stack()
        with frontend.saver(key) as saver:
            for first in (0, 2, 4):
                saver.save(data[first : first + 2])
                assert saver.read_back(first // 2).identical(data[first : first + 2])
            assert key not in frontend
            _refused(DataNotAvailable, frontend.load, key)
            _refused(NXstxmKeyError, saver.read_back, 3)
            if self.shows_unfinished:
                assert frontend.load(key, allow_incomplete=True).identical(data)
                assert not frontend.get_metadata(key).is_whole
        assert key in frontend
        assert saver.read_back(1).identical(data[2:4])
        assert frontend.load(key).identical(data)
        _refused(SaverError, saver.save, data)
        saver.close()

    def test_parts_are_loaded(self, frontend: StorageFrontend) -> None:
        """Rows, what is between bounds, chunks with their labels, and other chunks."""
        key, data = self.key(), self.stack()
        self.save(frontend, key, data)
        chunks = list(frontend.loader(key))
        assert [(c.index, c.start, c.stop) for c in chunks] == [(0, 0, 2), (1, 2, 4), (2, 4, 6)]
        assert [chunk.label for chunk in chunks] == [{"first": 0}, {"first": 2}, {"first": 4}]
        for chunk in chunks:
            assert chunk.data.identical(data[chunk.start : chunk.stop])
        assert frontend.load(key, rows=(1, 3)).identical(data[1:3])
        assert frontend.load(key, between={"energy": (701.5, 704.0)}).identical(data[2:5])
        assert frontend.load(key, chunk_number=[0, 2]).identical(data[[0, 1, 4, 5]])
        assert [c.index for c in frontend.loader(key, chunk_number=1)] == [1]
        assert len(frontend.load(key, rows=(6, 9))) == 0
        rechunked = list(frontend.loader(key, rechunk=10**6))
        assert len(rechunked) == 1
        assert rechunked[0].data.identical(data)
        _refused(NXstxmKeyError, frontend.load, key, between={"x": (1, 2)})
        _refused(NXstxmKeyError, frontend.load, key, chunk_number=3)

    def test_arrays_of_all_kinds_come_back(self, frontend: StorageFrontend) -> None:
        """With their dtypes and shapes: numbers, text, records, dates, empty ones."""
        arrays = [
            np.array(5.5),
            np.zeros((0, 3), np.uint16),
            np.arange(6, dtype=">i4").reshape(2, 3),
            np.array([1 + 2j, np.nan]),
            np.array(["a", "ü€", ""]),
            np.array(["text", "of objects"], object),
            np.array(["2024-01-01", "NaT"], "datetime64[s]"),
            np.array([(1.5, 2), (2.5, 3)], [("time", "f8"), ("counts", "i4")]),
        ]
        for number, array in enumerate(arrays):
            frontend.save(self.key(n=number), array)
        for number, array in enumerate(arrays):
            np.testing.assert_array_equal(frontend.load(self.key(n=number)), array, strict=True)
        found = frontend.load(self.key(n=len(arrays) - 1), between={"time": (2, 3)})
        assert found.tolist() == [(2.5, 3)]
        _refused(FormatError, frontend.save, self.key(n=99), object())
        assert self.key(n=99) not in frontend

    def test_a_dataset_comes_back(self, frontend: StorageFrontend) -> None:
        """Variables without the axis are stored once, and have to agree."""
        key, data = (
            self.key(),
            self.stack().to_dataset().assign(mask=("y", [True, False] * 2 + [True])),
        )
        with frontend.saver(key, axis="energy") as saver:
            saver.save(data.isel(energy=slice(0, 4)))
            saver.save(data.isel(energy=slice(4, 6)))
        assert frontend.load(key).identical(data)
        assert frontend.load(key, rows=(3, 5)).identical(data.isel(energy=slice(3, 5)))
        saver = frontend.saver(self.key(n=2), axis="energy")
        saver.save(data)
        _refused(FormatError, saver.save, data.assign(mask=~data["mask"]))
        _refused(FormatError, saver.save, data["od"])
        saver.discard()
        _refused(DataNotAvailable, frontend.get_metadata, self.key(n=2))

    def test_who_saved_may_change_the_array(self, frontend: StorageFrontend) -> None:
        """And the label; what else was to be known is there as well."""
        key, data, label = self.key(), np.arange(4.0), {"list": [3]}
        with frontend.saver(key, {"sample": {"name": "diatom", "where": (1, 2.5)}}) as saver:
            saver.save(data, label=label)
            data[:] = -1
            label["list"].append(4)
        assert frontend.load(key).tolist() == [0.0, 1.0, 2.0, 3.0]
        assert frontend.get_metadata(key).extra["sample"] == {"name": "diatom", "where": [1, 2.5]}
        (chunk,) = frontend.loader(key)
        assert chunk.label == {"list": [3]}

    def test_threads_save_chunks_by_their_numbers(self, frontend: StorageFrontend) -> None:
        """In any order; a number that is missing, or comes twice, is told."""
        key = self.key()
        with frontend.saver(key) as saver, ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: saver.save(np.full((2, 3), n), n), reversed(range(12))))
        assert frontend.load(key)[:, 0].tolist() == [n for n in range(12) for _ in range(2)]
        assert frontend.verify(key) > 0
        saver = frontend.saver(self.key(n=2))
        saver.save(np.zeros(3), 2)
        _refused(SaverError, saver.save, np.zeros(3), 2)
        assert "chunk 0, 1" in _refused(SaverError, saver.close)
        _refused(SaverError, frontend.saver(self.key(n=3)).close)
        assert self.key(n=2) not in frontend
        assert self.key(n=3) not in frontend

    # -- what goes wrong ---------------------------------------------------------------------------

    def test_a_source_that_breaks_leaves_its_error(self, frontend: StorageFrontend) -> None:
        """The data are not found, but can be looked at, and be made anew."""
        key, data = self.key(), self.stack()
        _refused(ZeroDivisionError, self.break_off, frontend, key, data)
        assert key not in frontend
        assert "the source broke" in _refused(DataNotAvailable, frontend.load, key)
        metadata = frontend.get_metadata(key)
        assert "ZeroDivisionError: the source broke" in (metadata.exception or "")
        assert metadata.key == key
        assert not metadata.is_whole
        assert frontend.load(key, allow_incomplete=True).identical(data[:4])
        frontend.overwrite = "never"  # there is nothing to be protected
        frontend.saver(key).save_from(data[n : n + 1] for n in range(6))
        assert frontend.load(key).identical(data)
        assert frontend.get_metadata(key).exception is None
        source = (1 // each for each in (1, 0))
        _refused(ZeroDivisionError, frontend.saver(self.key(n=2)).save_from, source)
        assert self.key(n=2) not in frontend

    def test_what_overwrite_protects(self, frontend: StorageFrontend) -> None:
        """Whole data are only replaced when that is wanted, and only by whole ones."""
        key = self.key()
        self.save(frontend, key, np.arange(4))
        for policy in ("never", "if_broken"):
            frontend.overwrite = policy
            _refused(DataExistsError, frontend.saver, key)
        frontend.overwrite = "always"
        _refused(ZeroDivisionError, self.break_off, frontend, key, np.arange(8))
        assert frontend.load(key).tolist() == [0, 1, 2, 3]
        frontend.saver(key).discard()
        with frontend.saver(key) as saver:
            saver.save(np.arange(9))
            assert frontend.load(key).tolist() == [0, 1, 2, 3]
        assert frontend.load(key).tolist() == list(range(9))
        assert len(list(frontend.list())) == 1

    def test_there_is_one_writer(self, frontend: StorageFrontend) -> None:
        """Others are refused, or wait until it is done; those of other keys are not concerned."""
        key = self.key()
        saver = frontend.saver(key)
        assert "wait=" in _refused(DataLockedError, frontend.saver, key)
        self.save(frontend, self.key(n=2), np.arange(4))
        if self.shows_unfinished:
            _refused(DataLockedError, frontend.remove, key)
        began = time.monotonic()
        late = threading.Timer(0.2, saver.fail, [ValueError("given up")])
        late.start()
        with frontend.saver(key, wait=30) as second:
            second.save(np.arange(5))
        late.join()
        assert 0.15 < time.monotonic() - began < 20
        assert len(frontend.load(key)) == 5
        frontend.saver(self.key(n=3)).discard()
        frontend.saver(self.key(n=3)).discard()

    def test_what_is_removed_is_gone(self, frontend: StorageFrontend) -> None:
        """Whole or broken; others stay."""
        whole, broken, other = self.key(n=1), self.key(n=2), self.key(n=3)
        self.save(frontend, whole, np.arange(4))
        self.save(frontend, other, np.arange(4))
        _refused(ZeroDivisionError, self.break_off, frontend, broken, np.arange(8))
        for key in (whole, broken):
            frontend.remove(key)
            _refused(DataNotAvailable, frontend.get_metadata, key)
        assert [metadata.key for metadata in frontend.list()] == [other]
        self.save(frontend, whole, np.arange(3))
        assert len(frontend.load(whole)) == 3

    def test_nothing_is_changed_that_is_read_only(self, frontend: StorageFrontend) -> None:
        """Neither data nor what is known of runs."""
        self.save(frontend, self.key(), np.arange(4))
        frontend.readonly = True
        _refused(OptionError, frontend.saver, self.key(n=2))
        _refused(OptionError, frontend.remove, self.key())
        _refused(OptionError, frontend.write_run_metadata, "a1b2", {})
        assert len(frontend.load(self.key())) == 4

    # -- runs --------------------------------------------------------------------------------------

    def test_what_is_known_of_runs(self, frontend: StorageFrontend) -> None:
        """All of it, or by dotted names; a later note takes the place of an earlier."""
        known: dict[str, Any] = {
            "start": {"sample": {"name": "diatom"}, "motors": ["x", "y"], "b.c": np.arange(3)},
            "stop": {"exit_status": "success"},
        }
        _refused(RunMetadataNotAvailable, frontend.run_metadata, "2024/1")
        frontend.write_run_metadata("2024/1", {"start": {"old": 1}})
        frontend.write_run_metadata("2024/1", known)
        frontend.write_run_metadata("a1b2", {"start": {}})
        known["stop"]["exit_status"] = "changed afterwards"
        found = frontend.run_metadata("2024/1")
        assert found["start"]["sample"] == {"name": "diatom"}
        assert found["start"]["b.c"].tolist() == [0, 1, 2]
        assert frontend.run_metadata("2024/1", "stop.exit_status") == "success"
        assert frontend.run_metadata("2024/1", "start.motors.1") == "y"
        wanted = ["start.sample.name", "start.old"]
        assert frontend.run_metadata("2024/1", wanted) == {"start.sample.name": "diatom"}
        _refused(RunMetadataNotAvailable, frontend.run_metadata, "2024/1", "start.old")
        assert sorted(frontend.runs()) == ["2024/1", "a1b2"]
        _refused(FormatError, frontend.write_run_metadata, "a1b2", {"start": object()})
