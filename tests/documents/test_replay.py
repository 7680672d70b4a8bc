"""Without these, what people stored with other tools could not be read, or only half of it."""

import contextlib
import errno
import gzip
import itertools
import json
import os
import pickle
import random
from pathlib import Path

import msgpack
import msgpack_numpy
import numpy as np
import pytest
import suitcase.jsonl
import suitcase.msgpack
from bluesky import RunEngine
from bluesky import plans as bp
from event_model import NumpyEncoder, RunRouter, compose_run, pack_event_page
from ophyd.sim import DirectImage, SynAxis, SynSignal

from suitcase.nxstxm._errors import (
    NXstxmError,
    NXstxmFileExistsError,
    NXstxmOSError,
    NXstxmTypeError,
    NXstxmValueError,
)
from suitcase.nxstxm.documents import (
    ArchiveError,
    ArrayRef,
    difference,
    replay,
    stored_runs,
    write_archive,
)
from suitcase.nxstxm.documents._equal import value_difference

RECORDED = Path(
    os.environ.get("NXSTXM_RECORDED")
    or Path(__file__).resolve().parents[2].parent / "shared" / "recorded"
)


@pytest.fixture(scope="module")
def scanned():
    """Give the documents of two real runs: scalars, strings, images, a baseline."""
    motor = SynAxis(name="motor")
    detector = SynSignal(func=lambda: motor.position**2, name="det")
    label = SynSignal(func=lambda: "text", name="label")
    camera = DirectImage(func=lambda: np.full((3, 4), motor.position), name="camera")
    docs = []
    engine = RunEngine({}, call_returns_result=False)
    engine.subscribe(lambda name, doc: docs.append((name, doc)))
    scan = bp.scan([detector, label, camera], motor, 0, 1, 4, md={"nan": float("nan")})
    engine(scan)
    engine(bp.count([detector], 3, md={"shape": (3,), "nothing": None, "text": "µ\u2028\n"}))
    engine.loop.call_soon_threadsafe(engine.loop.stop)
    return docs


def by_run(docs):
    """Split documents that come one run after the other."""
    runs = []
    for name, doc in docs:
        if name == "start":
            runs.append([])
        runs[-1].append((name, doc))
    return runs


def woven(scanned):
    """Mix the documents of two runs, each in its own order."""
    pairs = itertools.zip_longest(*by_run(scanned))
    return [document for pair in pairs for document in pair if document is not None]


def as_json_lines(docs):
    return "".join(json.dumps(pair, cls=NumpyEncoder) + "\n" for pair in docs).encode()


def as_named_json_lines(docs):
    return as_json_lines({"name": name, "doc": doc} for name, doc in docs)


def as_recorded_list(docs):
    return json.dumps(json.dumps(docs, cls=NumpyEncoder)).encode()


def as_recorded(docs):
    runs = {run[0][1]["uid"]: run for run in reversed(by_run(docs))}
    return json.dumps(json.dumps(runs, indent=4, cls=NumpyEncoder)).encode()


def as_msgpack(docs):
    return b"".join(msgpack.packb(pair, default=msgpack_numpy.encode) for pair in docs)


def as_named_msgpack(docs):
    named = ({"name": name, "doc": doc} for name, doc in docs)
    return b"".join(msgpack.packb(doc, default=msgpack_numpy.encode) for doc in named)


def as_archive(docs):
    blocks = []

    class File:
        write = blocks.append

    write_archive(docs, File)
    return b"".join(blocks)


STREAMS = [as_json_lines, as_named_json_lines, as_msgpack, as_named_msgpack, as_archive]


# -- real files of other tools --------------------------------------------------------------------


@pytest.mark.parametrize("suitcase_module", [suitcase.jsonl, suitcase.msgpack])
def test_what_other_suitcases_export_comes_back(tmp_path, scanned, suitcase_module):
    for run in by_run(scanned):
        start = run[0][1]
        (path,) = suitcase_module.export(run, tmp_path)["all"]
        (stored,) = stored_runs(path)
        assert stored.uid == start["uid"]
        assert stored.source == str(path)
        assert stored.source_kind == suitcase_module.__name__.rpartition(".")[2]
        assert value_difference(stored.start, start) is None
        assert difference(stored.documents(), run) is None
        assert difference(stored.documents(), run) is None
        assert difference(replay(path), run) is None


@pytest.mark.parametrize("path", sorted(RECORDED.glob("*.json")), ids=lambda path: path.stem)
def test_recorded_scans_are_read(path):
    value = path.read_text()
    while isinstance(value, str):
        value = json.loads(value)
    runs = stored_runs(path)
    assert {run.uid for run in runs} == set(value)
    assert [run.start["time"] for run in runs] == sorted(run.start["time"] for run in runs)
    for run in runs:
        assert run.source_kind == "recorded-json"
        assert isinstance(run.start["metadata"], str)
        assert difference(run.documents(), value[run.uid]) is None
    assert difference(replay(path), (pair for run in runs for pair in run.documents())) is None


def test_there_are_recorded_scans():
    if not RECORDED.is_dir():
        pytest.skip(f"no recorded scans in {RECORDED}; set NXSTXM_RECORDED")
    assert list(RECORDED.glob("*.json"))


# -- formats --------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [*STREAMS, as_recorded, as_recorded_list])
@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_every_format_is_known_by_its_content(tmp_path, scanned, pack, compress):
    path = tmp_path / "data.wrong_suffix"
    path.write_bytes(compress(pack(scanned)))
    assert difference(replay(path), scanned) is None
    runs = stored_runs(path)
    assert len(runs) == 2
    for run, documents in zip(runs, by_run(scanned), strict=True):
        assert difference(run.documents(), documents) is None


@pytest.mark.parametrize("pack", [*STREAMS, as_recorded_list])
def test_runs_that_are_woven_into_each_other_are_told_apart(tmp_path, scanned, pack):
    path = tmp_path / "woven"
    path.write_bytes(pack(woven(scanned)))
    if pack is not as_recorded_list:
        assert difference(replay(path), woven(scanned)) is None
    for run, documents in zip(stored_runs(path), by_run(scanned), strict=True):
        assert difference(run.documents(), documents) is None


@pytest.mark.parametrize("pack", [*STREAMS, as_recorded])
def test_a_reader_may_change_what_it_got(tmp_path, scanned, pack):
    path = tmp_path / "docs"
    path.write_bytes(pack(scanned))
    run = stored_runs(path)[0]
    for _, doc in run.documents():
        doc.clear()
    assert difference(run.documents(), by_run(scanned)[0]) is None


@pytest.mark.parametrize("pack", [*STREAMS, as_recorded])
def test_runs_can_be_sent_to_other_processes(tmp_path, scanned, pack):
    path = tmp_path / "docs"
    path.write_bytes(pack(scanned))
    runs = pickle.loads(pickle.dumps(stored_runs(path)))
    assert difference(runs[1].documents(), by_run(scanned)[1]) is None


def test_records_and_runs_may_be_strings_of_json(tmp_path, scanned):
    def text(value):
        return json.dumps(value, cls=NumpyEncoder)

    runs = {
        run[0][1]["uid"]: text(text([text([name, text(doc)]) for name, doc in run]))
        for run in by_run(scanned)
    }
    path = tmp_path / "docs"
    path.write_bytes(text(text(runs)).encode("utf-8-sig"))
    assert difference(replay(path), scanned) is None


def test_arrays_of_msgpack_numpy_come_back_with_their_dtype(tmp_path):
    values = {
        "f4": np.arange(6, dtype=">f4").reshape(2, 3),
        "empty": np.zeros((0, 2)),
        "bool": np.array([True, False]),
        "text": np.array(["ab", "c"]),
        "records": np.array([(1, [2.0, 3.0])], dtype=[("a", "i2"), ("b", "f8", 2)]),
        "padded": np.zeros(2, dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True)),
        "scalar": np.float32(0.1),
        "complex": 1 - 2j,
    }
    path = tmp_path / "docs"
    path.write_bytes(as_msgpack([("start", {"uid": "s", "time": 0.0, **values})]))
    ((_, doc),) = replay(path)
    assert value_difference({"uid": "s", "time": 0.0, **values}, doc) is None
    assert doc["f4"].dtype == np.dtype(">f4")
    assert doc["records"].dtype == values["records"].dtype


def test_pickled_arrays_are_not_opened(tmp_path):
    path = tmp_path / "docs"
    path.write_bytes(as_msgpack([("start", {"uid": "s", "x": np.array([None, 1])})]))
    with pytest.raises(NXstxmValueError, match="pickled, which is not safe"):
        stored_runs(path)


# -- links ----------------------------------------------------------------------------------------


def external(uid, time, *, linked=True):
    """Make a run with old and new external data and every kind of page."""
    run = compose_run(uid=uid, time=time)
    run_start = run.start_doc["uid"]
    keys = {
        "det": {"source": "s", "dtype": "array", "shape": [2], "external": "FILESTORE:"},
        "fly": {"source": "s", "dtype": "array", "shape": [2], "external": "STREAM:"},
    }
    descriptor, event, _ = run.compose_descriptor(name="primary", data_keys=keys)
    resource, datum, _ = run.compose_resource(
        spec="X", root="/", resource_path="p", resource_kwargs={}
    )
    if not linked:
        del resource["run_start"]
    datums = [datum(datum_kwargs={"i": i}) for i in range(3)]
    stream, stream_datum = run.compose_stream_resource(
        mimetype="a/b", uri="file://localhost/p", data_key="fly", parameters={}
    )
    events = [
        event(data={"det": d["datum_id"]}, timestamps={"det": 0.0}, filled={"det": False})
        for d in datums
    ]
    return [
        ("start", run.start_doc),
        ("descriptor", descriptor),
        ("resource", resource),
        ("datum", datums[0]),
        (
            "datum_page",
            {
                "resource": resource["uid"],
                "datum_id": [d["datum_id"] for d in datums[1:]],
                "datum_kwargs": {"i": [1, 2]},
            },
        ),
        ("stream_resource", {**stream, "run_start": run_start}),
        (
            "stream_datum",
            stream_datum(
                indices={"start": 0, "stop": 3},
                seq_nums={"start": 1, "stop": 4},
                descriptor=descriptor,
            ),
        ),
        ("event", events[0]),
        ("event_page", pack_event_page(*events[1:])),
        ("stop", run.compose_stop()),
    ]


def test_external_data_goes_with_its_run(tmp_path):
    first, second = external("one", 1.0), external("two", 2.0)
    mixed = [pair for pairs in zip(first, second, strict=True) for pair in pairs]
    path = tmp_path / "docs"
    for pack in (as_json_lines, as_msgpack, as_archive, as_recorded_list):
        path.write_bytes(pack(mixed))
        one, two = stored_runs(path)
        assert difference(one.documents(), first) is None
        assert difference(two.documents(), second) is None


def test_a_resource_that_names_no_run_goes_to_all_that_are_open(tmp_path):
    alone, other = external("one", 1.0, linked=False), external("two", 2.0)
    path = tmp_path / "docs"
    path.write_bytes(as_json_lines([*alone, *other]))
    assert difference(stored_runs(path)[0].documents(), alone) is None
    assert difference(stored_runs(path)[1].documents(), other) is None
    path.write_bytes(as_json_lines([alone[0], *other[:2], *alone[1:], *other[2:]]))
    one, two = stored_runs(path)
    assert difference(one.documents(), alone) is None
    orphans = [alone[i] for i in (2, 3, 4)]
    assert difference(two.documents(), [*other[:2], *orphans, *other[2:]]) is None


def test_bulk_events_of_two_runs_are_parted(tmp_path):
    def event(descriptor):
        return {"uid": f"e{descriptor}", "descriptor": descriptor, "seq_num": 1}

    docs = []
    for uid, descriptor in (("one", "d1"), ("two", "d2")):
        docs.append(("start", {"uid": uid, "time": 1.0}))
        docs.append(("descriptor", {"uid": descriptor, "run_start": uid}))
    docs.append(("bulk_events", {"primary": [event("d1"), event("d2")], "x": [event("d2")]}))
    path = tmp_path / "docs"
    path.write_bytes(as_json_lines(docs))
    (*_, (_, first)), (*_, (_, second)) = (run.documents() for run in stored_runs(path))
    assert first == {"primary": [event("d1")], "x": []}
    assert second == {"primary": [event("d2")], "x": [event("d2")]}


def test_runs_come_in_the_order_of_their_start_times(tmp_path):
    times = {"b": 2.0, "a": 2.0, "c": 1.0, "none": None, "nan": float("nan")}
    docs = [("start", {"uid": uid, "time": time}) for uid, time in times.items()]
    path = tmp_path / "docs"
    path.write_bytes(as_recorded(docs))
    assert [run.uid for run in stored_runs(path)] == ["c", "a", "b", "nan", "none"]
    path.write_bytes(as_json_lines(docs))  # here the order in the file says more than the uid
    assert [run.uid for run in stored_runs(path)] == ["c", "b", "a", "none", "nan"]


def test_a_run_router_takes_the_documents(tmp_path):
    path = tmp_path / "docs"
    path.write_bytes(as_msgpack(external("one", 1.0)))
    names = []

    def callback(name, _doc):
        names.append(name)

    router = RunRouter([lambda _name, _doc: ([callback], [])])
    for name, doc in replay(path):
        router(name, doc)
    assert names[0] == "start"
    assert names[-1] == "stop"


# -- damage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (b"  \n", "which no format does"),
        (b"hello", "begins with b'hello', which no format does"),
        (b"\x89HDF\r\n\x1a\n....", "is an HDF5 file"),
        (b"PK\x03\x04....", "is a zip file"),
        (b"\x1f\x8b....", "gzip compression is damaged"),
        (
            gzip.compress(b'["start", {"uid": "s"}]' * 9, mtime=0)[:-9],
            "gzip compression is damaged",
        ),
        (b"{}", "holds no run"),
        (b"[]", "holds no run"),
        (b"{", "is not recorded JSON"),
        (b'"{"', "is not recorded JSON"),
        (b'{"a": 1}', "a int stands where a list"),
        (b'{"a": [1]}', r"1 is not \[name, document\]"),
        (b'{"a": [["start", 1]]}', r"is not \[name, document\]"),
        (b'{"a": [["stop", {}]]}', "run 'a' has no start document"),
        (b'"' + b"1" * 5000 + b'"', "is not recorded JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'["start", ' + b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' * 100_000, "nested too deeply"),
        (b'["start", {"uid": "s"}]\n["event", {', "the line at byte 24 is no document"),
        (b'["start", {"uid": "s"}]\n\xff\xfe', "the line at byte 24 is no document"),
        (b'["start", {}]', "has the uid None"),
        (b'["start", {"uid": "s"}]\n["start", {"uid": "s"}]', "run s starts twice"),
        (b'["event", {"descriptor": "d"}]', "event document at 0 belongs to no run"),
        (b'["event", {"descriptor": []}]', "event document at 0 belongs to no run"),
        (b'["nonsense", {}]', "nonsense document at 0 belongs to no run"),
        (b"\x92\xa5start", "ends in the middle of the document at byte 0"),
        (b"\x92\xa5start\xc1", "no document can be read at byte 0"),
        (b"\x92\xa5start\xdd\xff\xff\xff\xff", "no document can be read at byte 0"),
        (b"\x92\xa5start\x81\x91\x01\x02", "no document can be read at byte 0"),
        (b"\x92" * 5000, "no document can be read at byte 0"),
        (b"\x92\x01\x02", "no document can be read at byte 0"),
        (msgpack.packb(("start", {b"nd": True})), "no document can be read at byte 0"),
        (as_archive([])[:-1], "the header of block 0 at byte 8 is cut short"),
        (as_archive([]), "holds no run"),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else "",
)
def test_a_file_that_can_not_be_replayed_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "docs.json"
    path.write_bytes(content)
    with pytest.raises(NXstxmValueError, match=message) as caught:
        stored_runs(path)
    assert str(path) in str(caught.value)


def test_a_folder_and_a_missing_file_are_refused(tmp_path):
    for call in (stored_runs, replay):
        with pytest.raises(NXstxmOSError, match=r"is a folder.*recorded JSON"):
            call(tmp_path)
        with pytest.raises(NXstxmOSError, match=r"gone does not exist.*recorded JSON"):
            call(tmp_path / "gone")


def test_a_run_whose_file_is_gone_says_so(tmp_path, scanned):
    path = tmp_path / "docs"
    path.write_bytes(as_json_lines(scanned))
    run = stored_runs(path)[0]
    path.unlink()
    with pytest.raises(NXstxmOSError, match="does not exist"):
        list(run.documents())


@pytest.mark.parametrize("pack", STREAMS)
@pytest.mark.parametrize(
    # the last 8 bytes of gzip are no data; few of those before them are many of an archive's end
    ("compress", "cut"), [(bytes, 25), (gzip.compress, 12)], ids=["plain", "gzip"]
)  # fmt: skip
def test_a_cut_file_is_an_error_or_gives_what_is_whole(tmp_path, scanned, pack, compress, cut):
    path = tmp_path / "docs"
    whole = compress(pack(scanned))
    path.write_bytes(whole[: len(whole) - cut])
    with pytest.raises(NXstxmValueError):
        stored_runs(path)
    damage = []
    runs = stored_runs(path, on_damage="skip", damage=damage)
    assert damage
    assert str(path) in damage[0]
    count = len(damage)
    assert difference(runs[0].documents(), by_run(scanned)[0]) is None
    assert len(damage) == count


def test_lines_that_are_no_documents_are_left_out_when_damage_is_skipped(tmp_path, scanned):
    lines = as_json_lines(scanned).splitlines(keepends=True)
    lines[3] = b"nonsense\n"
    path = tmp_path / "docs"
    path.write_bytes(b"".join(lines))
    damage = []
    runs = stored_runs(path, on_damage="skip", damage=damage)
    assert len(damage) == 1
    expected = [pair for i, pair in enumerate(by_run(scanned)[0]) if i != 3]
    assert difference(runs[0].documents(), expected) is None


def test_arrays_are_asked_for_when_a_run_is_read(tmp_path):
    docs = [("start", {"uid": "s", "x": ArrayRef("s", "p", "k", 0, 0)})]
    path = tmp_path / "docs"
    path.write_bytes(as_archive(docs))
    damage = []
    (run,) = stored_runs(path, on_damage="skip", damage=damage, resolve={}.__getitem__)
    assert damage == []
    assert difference(run.documents(), docs) is None
    assert len(damage) == 1
    with pytest.raises(NXstxmValueError, match="no array for row 0 of 'k'"):
        list(replay(path, resolve={}.__getitem__))


@pytest.mark.parametrize("pack", [*STREAMS, as_recorded, as_recorded_list])
def test_damaged_files_only_raise_errors_of_this_package(tmp_path, scanned, pack):
    rng = random.Random(pack.__name__)
    whole = pack(scanned)
    path = tmp_path / "docs"
    for i in range(60):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 3, 30))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        if i % 3 == 0:
            del data[rng.randrange(len(data)) :]
        path.write_bytes(gzip.compress(data, 1) if i % 2 else data)
        for on_damage in ("raise", "skip"):
            with contextlib.suppress(NXstxmError):
                for run in stored_runs(path, on_damage=on_damage, damage=[]):
                    list(run.documents())


# -- an archive as a file -------------------------------------------------------------------------


def test_an_archive_file_is_written_and_read(tmp_path, scanned):
    path = write_archive(scanned, tmp_path / "scan")
    assert path == tmp_path / "scan.nxdocs"
    assert write_archive(scanned, tmp_path / "other.bin") == tmp_path / "other.bin"
    assert stored_runs(path)[0].source_kind == "archive"
    assert difference(replay(path), scanned) is None
    assert {item.name for item in tmp_path.iterdir()} == {"scan.nxdocs", "other.bin"}


def test_an_archive_file_overwrites_nothing(tmp_path, scanned):
    path = tmp_path / "scan.nxdocs"

    def documents_while_somebody_takes_the_name():
        yield from scanned
        path.write_text("precious")

    for docs in (documents_while_somebody_takes_the_name(), scanned):
        with pytest.raises(NXstxmFileExistsError, match="is not overwritten"):
            write_archive(docs, path)
        assert path.read_text() == "precious"
        assert list(tmp_path.iterdir()) == [path]


def test_an_archive_file_needs_no_hard_links(tmp_path, scanned, monkeypatch):
    def refuse(_source, _target):
        raise PermissionError(errno.EPERM, "this file system has no hard links")

    monkeypatch.setattr(os, "link", refuse)
    path = write_archive(scanned, tmp_path / "scan")
    assert difference(replay(path), scanned) is None

    def somebody_takes_the_name():
        yield from scanned
        (tmp_path / "other").with_suffix(".nxdocs").write_text("precious")

    with pytest.raises(NXstxmFileExistsError, match="is not overwritten"):
        write_archive(somebody_takes_the_name(), tmp_path / "other")
    assert (tmp_path / "other.nxdocs").read_text() == "precious"
    assert len(list(tmp_path.iterdir())) == 2


def test_an_archive_file_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(NXstxmTypeError, match="start document s: x is a"):
        write_archive([("start", {"uid": "s", "x": object()})], tmp_path / "scan")
    with pytest.raises(NXstxmOSError, match="can not be written"):
        write_archive([], tmp_path / "no folder" / "scan")
    assert list(tmp_path.iterdir()) == []


def test_a_cut_archive_file_is_an_archive_error(tmp_path, scanned):
    path = write_archive(scanned, tmp_path / "scan")
    path.write_bytes(path.read_bytes()[:-1])
    documents = replay(path)
    assert next(documents)[0] == "start"
    with pytest.raises(ArchiveError, match=r"scan\.nxdocs: the header of block"):
        list(documents)
