"""Without these tests what is read back while a scan runs could be another's, or half of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from bluesky import RunEngine
from event_model import RunRouter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suitcase.nxstxm import Serializer, export_scan, finish_export
from suitcase.nxstxm._errors import NXstxmKeyError, NXstxmOSError, NXstxmStateError
from suitcase.nxstxm.data import DataCoordinates, DataProcessor, DataStorage
from suitcase.nxstxm.data.processors import dead_time, mask, normalise
from suitcase.nxstxm.data.testing import StorageContract
from suitcase.nxstxm.nexus import NXstxmStorage
from suitcase.nxstxm.nexus._storage import RunStorage
from suitcase.nxstxm.sim import SimulatedMicroscope, all_requests, scan_documents, stack_plan

from ..sim.monitors import with_monitor

REQUESTS = all_requests()
LINES = "pystxm2019-sample_image-lines"
STACK = "pystxm2019-sample_image_stack-lines"
REGIONS = "stack-two-regions"
CAMERA = "pystxm2019-ptychography_scan-points"
#: Runs of each kind of order: points, lines, images, snakes, several entries, rewinds.
RUNNING = (
    LINES,
    CAMERA,
    REGIONS,
    "pystxm2019-sample_image-points",
    "pystxm2019-sample_image-images",
    "image-snake-points",
    "image-snake-lines",
    "image-two-detectors",
    "image-aborted-snake",
    "pystxm2019-sample_point_spectra-points",
    "pystxm-channels-point-spectra",
    "stack-interleaved-polarizations",
    "pystxm2019-generic_scan-points",
    "stxm-stack",
)


def double(coords: Any, data: Any, metadata: Any) -> Any:
    return coords, data * 2.0, metadata


# -- the contract ---------------------------------------------------------------------------------


class TestInMemory(StorageContract):
    """Over a run whose frames are held."""

    @pytest.fixture
    def storage(self, tmp_path: Path) -> Iterator[DataStorage]:
        serializer = Serializer(tmp_path)
        serializer(*scan_documents(REQUESTS[LINES])[0][0])
        yield serializer.storage
        serializer.close()


class ToDisk(RunStorage):
    """Moves each frame into the temporary file at once, as a large run does with many."""

    def put(self, coords: DataCoordinates, data: Any, metadata: Any) -> bool:
        replaced = super().put(coords, data, metadata)
        self._stage._drain()
        self._stage.spill()
        return replaced


class TestOnDisk(StorageContract):
    """Over a run whose frames are in the temporary file."""

    @pytest.fixture
    def storage(self, tmp_path: Path) -> Iterator[DataStorage]:
        serializer = Serializer(tmp_path)
        serializer(*scan_documents(REQUESTS[LINES])[0][0])
        stage = serializer._run.stage
        yield ToDisk(stage)
        assert any(isinstance(p.values, str) for p in stage.record.columns["#processed", "data"])
        serializer.close()


# -- a run that goes on ---------------------------------------------------------------------------


def random_part(draw: st.DrawFn, serializer: Serializer) -> DataCoordinates:
    plan = serializer._run.stage.record.plan
    entry = draw(st.sampled_from(plan.entries))
    found: dict[str, Any] = {}
    if len(plan.entries) > 1:
        found["region"] = entry.name or entry.region or str(plan.entries.index(entry))
    for axis in entry.axes:
        if draw(st.booleans()):
            found[axis.name] = draw(st.integers(0, (axis.size or 1) - 1))
    return DataCoordinates(found)


@pytest.mark.parametrize("processors", [None, [double]], ids=["raw", "processed"])
@pytest.mark.parametrize("name", RUNNING)
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_read_meanwhile_is_what_the_file_holds_in_the_end(
    name: str, processors: Any, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Any part at any time: what has come is as it stays, and what has not is NaN or missing."""
    run = scan_documents(REQUESTS[name])[0]
    draw = data.draw
    serializer = Serializer(tmp_path_factory.mktemp("x"), processors=processors)
    asked: list[tuple[bool, DataCoordinates, Any]] = []
    moments = draw(st.sets(st.integers(3, len(run) - 2), min_size=1, max_size=3))
    body = run[:-1] if run[-1][0] == "stop" else run
    for i, document in enumerate(body):
        serializer(*document)
        for _ in range(3 if i in moments or i == len(body) - 1 else 0):
            coords = random_part(draw, serializer)
            try:
                part = serializer.storage[coords]
            except NXstxmKeyError:
                part = None
            asked.append((processors is None and i == len(body) - 1, coords, part))
    if body is run:
        serializer.close()
    else:
        serializer(*run[-1])
    [path] = serializer.artifacts["stream_data"]
    with NXstxmStorage(path) as finished:
        for is_last, coords, part in asked:
            if part is None:
                assert not is_last or coords not in finished
                continue
            whole = finished[coords]
            if whole.ndim != part.ndim:
                assert name == CAMERA  # the frame of a point; of the finished file its sum
                continue
            came = ~np.isnan(np.asarray(part, float))
            assert came.any()
            np.testing.assert_array_equal(part[came], whole[came], err_msg=str(coords))
            if is_last:
                np.testing.assert_array_equal(part, whole, err_msg=str(coords))
            # the same storage, which now reads the file
            np.testing.assert_array_equal(serializer.storage[coords], whole)
    serializer.storage.close()


def test_a_stack_is_corrected_and_read_back_while_a_run_engine_measures_it(
    tmp_path: Path,
) -> None:
    """Three processors; another thread waits for lines, and reads images that grow."""
    energies = (700.0, 705.5, 708.0)
    bad = np.zeros(9, bool)
    bad[4] = True
    steps = [
        dead_time(1e-7, only={"role": "signal"}),
        normalise(reference=200.0, only={"role": "signal"}),
        mask(bad, only={"role": "signal"}),
    ]
    writers: list[Serializer] = []
    begun = threading.Condition()

    uids: list[str] = []

    def factory(_name: str, start: Any) -> Any:
        with begun:
            uids.append(start["uid"])
            writers.append(Serializer(tmp_path, "stack", first_uid=uids[0], processors=steps))
            begun.notify_all()
        return [writers[-1]], []

    lines: dict[tuple[int, int], Any] = {}
    grown: list[int] = []

    def watch() -> None:
        for number in range(len(energies)):
            with begun:
                assert begun.wait_for(lambda n=number: len(writers) > n, 30)
                writer = writers[number]
            while True:
                try:
                    handler = writer.handler
                    break
                except NXstxmStateError:  # its start document is on the way
                    continue
            for y in range(7):
                coords = {"energy": number, "sample_y": y}
                lines[number, y] = handler.await_data(coords, 30, processed=True)
            grown.append(int(np.isfinite(writer.storage[{"energy": number}]).sum()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    engine = RunEngine({}, call_returns_result=False)
    engine.subscribe(RunRouter([factory]))
    scope = SimulatedMicroscope()
    engine(stack_plan(scope, energies, (-2, 2, 9), (-1, 1, 7), motors=False))
    watcher.join(60)
    assert not watcher.is_alive()
    assert len(lines) == 21
    # eight good points a line; the last lines may be on their way into the storage
    assert all(n % 8 == 0 and 0 < n <= 56 for n in grown)

    path = finish_export(tmp_path, "stack", uids[0])
    with h5py.File(path) as h5:
        entry = h5["entry0"]
        name = entry.attrs["default"]
        picture, control = entry[name]["data"][()], entry["control/data"][()]
        raw = entry[f"instrument/{name}/data"][()].reshape(3, 7, 9)
        alive = raw / (1 - raw * 1e-7 / entry[name]["count_time"][0])
        assert np.isnan(picture[..., 4]).all()
        keep = ~bad
        np.testing.assert_allclose(
            picture[..., keep], (alive * 200 / control)[..., keep], rtol=0.02
        )
        names = [
            (group["sequence_index"][()], group["program"].asstr()[()])
            for group in entry.values()
            if group.attrs.get("NX_class") == "NXprocess"
        ]
        assert sorted(names) == [(1, "dead_time"), (2, "normalise"), (3, "mask")]
    with NXstxmStorage(path) as storage:
        for (energy, y), (data, metadata) in lines.items():
            np.testing.assert_array_equal(storage[{"energy": energy, "sample_y": y}], data)
            assert metadata["energy"] == energies[energy]


@pytest.mark.parametrize("processors", [None, [double]], ids=["raw", "processed"])
@pytest.mark.parametrize("name", [LINES, "pystxm2019-sample_image-points", STACK])
def test_what_is_monitored_is_in_no_picture_meanwhile(
    name: str, processors: Any, tmp_path: Path
) -> None:
    run = scan_documents(REQUESTS[name])[0]
    run = with_monitor(run, "watched", first=True)
    serializer = Serializer(tmp_path, "one", processors=processors)
    for document in run[:-1]:
        serializer(*document)
    if processors:
        serializer.handler.finish()
    meanwhile = serializer.storage[{}]
    serializer.close()
    assert np.isfinite(meanwhile).any()
    assert (meanwhile[np.isfinite(meanwhile)] >= 0).all()


def test_processed_and_raw_are_never_mixed(tmp_path: Path) -> None:
    """Before the processors gave a line it is not there, though its first points came."""
    serializer = Serializer(tmp_path, processors=[double])
    run = scan_documents(REQUESTS["pystxm2019-sample_image-points"])[0]
    events = [i for i, (name, _) in enumerate(run) if name == "event"]
    for document in run[: events[2]]:
        serializer(*document)
    with pytest.raises(NXstxmKeyError):
        serializer.storage[{"sample_y": 0}]
    serializer.close()


@pytest.mark.parametrize(
    "times", [3, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])]
)
@pytest.mark.parametrize("processors", [None, [double]], ids=["raw", "processed"])
def test_many_readers_never_hang_nor_see_what_is_not_there(
    processors: Any, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first document until the file has its name, all of it on disk at any time."""
    monkeypatch.setattr("suitcase.nxstxm.nexus._staging.SPILL_BYTES", 2000)
    monkeypatch.setattr("suitcase.nxstxm.documents._stream.BLOCK_ROWS", 3)
    name = "pystxm2019-coarse_image_scan-lines"
    [run] = scan_documents(REQUESTS[name])
    direct = export_scan([run], tmp_path / "direct", processors=processors)
    with h5py.File(direct) as h5:
        wanted = h5["entry0/counter0/data"][()]
    for number in range(times):
        serializer = Serializer(tmp_path / str(number), processors=processors)
        serializer(*run[0])
        ended = threading.Event()
        wrong: list[Any] = []
        found = [0]

        def read(
            seed: int,
            serializer: Serializer = serializer,
            ended: threading.Event = ended,
            wrong: list[Any] = wrong,
            found: list[int] = found,
        ) -> None:
            chance = np.random.default_rng(seed)
            try:
                while not ended.is_set():
                    y = int(chance.integers(len(wanted)))
                    coords = DataCoordinates({} if chance.random() < 0.3 else {"sample_y": y})
                    try:
                        part = serializer.storage[coords]
                    except NXstxmKeyError:
                        continue
                    whole = wanted[y] if coords else wanted
                    came = ~np.isnan(part)
                    if not np.array_equal(part[came], whole[came]) or not came.any():
                        wrong.append((coords, part))
                    found[0] += 1
            except Exception as error:  # noqa: BLE001 - the test tells it
                wrong.append(error)

        readers = [threading.Thread(target=read, args=(seed,)) for seed in range(3)]
        for reader in readers:
            reader.start()
        for document in run[1:]:
            serializer(*document)
        np.testing.assert_array_equal(serializer.storage[{}], wanted)
        ended.set()
        for reader in readers:
            reader.join(60)
            assert not reader.is_alive()
        assert wrong == []
        assert found[0]
        serializer.storage.close()


# -- a finished file ------------------------------------------------------------------------------


def test_a_finished_file_gives_parts(tmp_path: Path) -> None:
    path = export_scan(scan_documents(REQUESTS[STACK]), tmp_path)
    with h5py.File(path) as h5:
        picture = h5["entry0/counter0/data"][()]
    with NXstxmStorage(path) as storage:
        np.testing.assert_array_equal(storage[{}], picture)
        np.testing.assert_array_equal(storage[{"energy": 1}], picture[1])
        np.testing.assert_array_equal(storage[{"sample_x": 0, "energy": 2}], picture[2, :, 0])
        assert storage[{"energy": 0, "sample_y": 1, "sample_x": 2}] == picture[0, 1, 2]
        about = storage.get_metadata(DataCoordinates(energy=1))
        assert about == {
            "channel": "counter0", "units": "counts", "role": "signal",
            "data_key": about["data_key"],
        }  # fmt: skip
        for wrong in ({"energy": 99}, {"energy": -1}, {"energy": 0.5}, {"z": 0}, {"channel": "x"}):
            assert DataCoordinates(wrong) not in storage
            with pytest.raises(NXstxmKeyError, match=f"{next(iter(wrong))}="):
                storage[wrong]
        with pytest.raises(NXstxmStateError, match="the file is finished"):
            storage.put(DataCoordinates(energy=0), picture[0], {})
    with pytest.raises(NXstxmStateError, match="closed"):
        storage[{}]


def test_entries_are_told_apart_by_their_region(tmp_path: Path) -> None:
    path = export_scan(scan_documents(REQUESTS[REGIONS]), tmp_path)
    with h5py.File(path) as h5, NXstxmStorage(path) as storage:
        names = list(h5)
        assert len(names) == 2
        with pytest.raises(NXstxmKeyError, match=r"2 entries; say which one .* region='entry"):
            storage[{"energy": 0}]
        for name in names:
            data = h5[name]["counter0/data"][()]
            np.testing.assert_array_equal(storage[{"region": name, "energy": 1}], data[1])
            region = h5[name].attrs["region"]
            np.testing.assert_array_equal(storage[{"region": region, "energy": 1}], data[1])
        with pytest.raises(NXstxmKeyError, match="entry9"):
            storage[{"region": "entry9"}]


def test_frames_that_fit_no_picture_are_found_by_their_coordinates(tmp_path: Path) -> None:
    def ends(coords: Any, data: Any, metadata: Any) -> Any:
        return [
            (coords.replace(channel="ends"), data[[0, -1]], metadata),
            ({"name": f"at {coords.sample_y}"}, data[:3], metadata),
        ]

    path = export_scan(scan_documents(REQUESTS[LINES]), tmp_path, processors=[ends])
    with NXstxmStorage(path) as storage, h5py.File(path) as h5:
        raw = h5["entry0/counter0/data"][()]
        for y, line in enumerate(raw):
            ends_of = storage[{"channel": "ends", "sample_y": y}]
            np.testing.assert_array_equal(ends_of, line[[0, -1]])
            np.testing.assert_array_equal(storage[{"name": f"at {y}"}], line[:3])
        assert DataCoordinates(name="at 99") not in storage


@pytest.mark.parametrize("sparse", [False, True])
def test_coordinates_may_have_any_name_and_frames_any_numbers(sparse: bool, tmp_path: Path) -> None:
    names = ("data", "a b/c", "\N{GREEK SMALL LETTER THETA}", "dim_0", "energy ")

    def odd(coords: Any, data: Any, metadata: Any) -> Any:
        y = coords.sample_y
        place = {name: 1000 * y + i if sparse else 0 for i, name in enumerate(names)}
        place["channel"] = "odd/\N{GREEK SMALL LETTER THETA}"
        return place | {"data": y}, data[:2] > data[0], metadata

    path = export_scan(scan_documents(REQUESTS[LINES]), tmp_path, processors=[odd])
    with NXstxmStorage(path) as storage, h5py.File(path) as h5:
        raw = h5["entry0/counter0/data"][()]
        for y, line in enumerate(raw):
            coords, _, _ = odd(DataCoordinates(sample_y=y), line, {})
            np.testing.assert_array_equal(storage[coords], line[:2] > line[0])


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(NXstxmOSError, match="is not a file"):
        NXstxmStorage(tmp_path / "nothing.hdf5")
    with pytest.raises(TypeError, match="over the path of a file, not a int; of a run"):
        NXstxmStorage(3)  # type: ignore[arg-type]


def test_a_serializer_without_a_run_or_processors_says_so(tmp_path: Path) -> None:
    serializer = Serializer(tmp_path)
    with pytest.raises(NXstxmStateError, match="no run has begun"):
        _ = serializer.storage
    serializer(*scan_documents(REQUESTS[LINES])[0][0])
    with pytest.raises(NXstxmStateError, match="without processors"):
        _ = serializer.handler
    serializer.close()


def test_frames_of_text_are_refused(tmp_path: Path) -> None:
    def text(coords: Any, data: Any, metadata: Any) -> Any:
        return coords, data.astype(str), metadata

    with pytest.raises(TypeError, match="frames in a file are of numbers"):
        export_scan(
            scan_documents(REQUESTS[LINES]), tmp_path, processors=[DataProcessor(text, name="t")]
        )
