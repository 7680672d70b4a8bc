"""Without these tests readings that lie in files of a detector could be missing from a scan without
a word, or an export could depend on packages and files that it does not need.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from bluesky import RunEngine
from bluesky.plans import scan as move_and_read
from event_model import pack_event_page
from ophyd.sim import NumpySeqHandler, SynAxis, SynSignalWithRegistry

from suitcase.nxstxm import NXstxmError, export, export_scan, finish_export
from suitcase.nxstxm.documents import Filling, UnfilledError, difference
from suitcase.nxstxm.nexus import WriterOptions, read_documents, validate

Document = tuple[str, dict[str, Any]]
FRAMES = [np.arange(12.0).reshape(3, 4) + 100 * i for i in range(5)]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Document], Path]:
    """Give a scan of 5 points whose camera wrote its frames into files, and their folder."""
    folder = tmp_path_factory.mktemp("camera")
    frames = iter([FRAMES[0], *FRAMES])  # the device reads once when it is made
    camera = SynSignalWithRegistry(name="camera", func=lambda: next(frames), save_path=str(folder))
    documents: list[Document] = []
    motor = SynAxis(name="x", labels={"motors"})
    engine = RunEngine({}, call_returns_result=False)
    engine.subscribe(lambda name, doc: documents.append((name, dict(doc))))
    engine(move_and_read([camera], motor, 0, 4, 5))
    return documents, folder


def frames_in(path: Path) -> list[np.ndarray]:
    assert [p for p in validate(path) if p.level == "error"] == []
    with h5py.File(path) as h5:
        entry = h5[h5.attrs["default"]]
        return list(entry["instrument/camera/data"][()])


def test_the_documents_refer_to_files(measured: tuple[list[Document], Path]) -> None:
    documents, folder = measured
    assert {"resource", "datum"} <= {name for name, _ in documents}
    assert all(isinstance(d["data"]["camera"], str) for n, d in documents if n == "event")
    assert len(list(folder.glob("*.npy"))) == 5


@pytest.mark.parametrize("form", ["events", "page", "joined", "scan"])
def test_frames_come_from_files_into_the_scan(
    form: str, measured: tuple[list[Document], Path], tmp_path: Path
) -> None:
    """By a handler that an installed package announces; nobody names it."""
    documents, _ = measured
    if form == "page":
        page = pack_event_page(*(doc for name, doc in documents if name == "event"))
        at = next(i for i, (name, _) in enumerate(documents) if name == "event")
        rest = [document for document in documents if document[0] != "event"]
        documents = [*rest[:-1], ("event_page", page), rest[-1]]
        assert at < len(documents)
    if form == "joined":
        uid = documents[0][1]["uid"]
        export(documents, tmp_path, "x", first_uid=uid)
        path = finish_export(tmp_path, "x", uid)
    elif form == "scan":
        path = export_scan([documents], tmp_path)
    else:
        [path] = export(documents, tmp_path)["stream_data"]
    np.testing.assert_array_equal(frames_in(path), FRAMES)
    with h5py.File(path) as h5:
        picture = h5[h5.attrs["default"]]["camera/data"][()]
    np.testing.assert_allclose(picture.ravel(), [frame.sum() for frame in FRAMES])


def test_the_archive_needs_the_files_no_more(
    measured: tuple[list[Document], Path], tmp_path: Path
) -> None:
    documents, _ = measured
    [path] = export(documents, tmp_path / "a")["stream_data"]
    archived = list(read_documents(path))
    assert [name for name, _ in archived] == [name for name, _ in documents]
    datums = [doc["data"]["camera"] for name, doc in documents if name == "event"]
    events = [doc for name, doc in archived if name == "event"]
    assert [doc["filled"]["camera"] for doc in events] == datums
    np.testing.assert_array_equal([doc["data"]["camera"] for doc in events], FRAMES)
    # and it can be exported where they are not
    options = {"root_map": {documents_root(documents): str(tmp_path / "nowhere")}}
    [again] = export(archived, tmp_path / "b", **options)["stream_data"]
    np.testing.assert_array_equal(frames_in(again), FRAMES)
    assert difference(read_documents(again), archived) is None


def documents_root(documents: list[Document]) -> str:
    return next(str(doc["root"]) for name, doc in documents if name == "resource")


def test_files_that_were_moved_are_found_by_root_map(
    measured: tuple[list[Document], Path], tmp_path: Path
) -> None:
    documents, folder = measured
    root = documents_root(documents)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(folder, elsewhere)
    moved = [
        (name, {**doc, "root": "/no/such/place"} if name == "resource" else doc)
        for name, doc in documents
    ]
    assert Path(root) == folder
    with pytest.raises(UnfilledError, match="root_map"):
        export(moved, tmp_path / "a", fill_or_fail=True)
    options = {"root_map": {"/no/such/place": str(elsewhere)}, "fill_or_fail": True}
    [path] = export(moved, tmp_path / "b", **options)["stream_data"]
    np.testing.assert_array_equal(frames_in(path), FRAMES)


def of_spec(spec: str, documents: list[Document]) -> Iterator[Document]:
    for name, doc in documents:
        yield name, {**doc, "spec": spec} if name == "resource" else doc


def test_a_handler_that_the_user_gives_comes_first(
    measured: tuple[list[Document], Path], tmp_path: Path
) -> None:
    documents, _ = measured

    class Doubled(NumpySeqHandler):  # type: ignore[misc]
        def __call__(self, index: int) -> Any:
            return 2 * super().__call__(index)

    handlers = {"NPY_SEQ": Doubled}
    [path] = export(documents, tmp_path / "a", handler_registry=handlers)["stream_data"]
    np.testing.assert_array_equal(frames_in(path), [2 * frame for frame in FRAMES])
    handlers = {"OURS": NumpySeqHandler}
    own = of_spec("OURS", documents)
    [path] = export(own, tmp_path / "b", handler_registry=handlers)["stream_data"]
    np.testing.assert_array_equal(frames_in(path), FRAMES)


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("no handler", r"camera: no handler is known for files of the kind 'NOBODYS'.*handler_reg"),
        ("no file", r"camera: '.*' \('NPY_SEQ'\) can not be read \(FileNotFoundError"),
        ("no resource", "camera: no resource document came for datum"),
        ("no array", "camera: its handler gave a str, no array"),
        ("raises", r"can not be read \(ZeroDivisionError"),
    ],
)
def test_what_can_not_be_read_is_told(
    what: str,
    told: str,
    measured: tuple[list[Document], Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    documents, _ = measured
    options: dict[str, Any] = {}
    if what == "no handler":
        documents = list(of_spec("NOBODYS", documents))
    elif what == "no file":
        options["root_map"] = {documents_root(documents): str(tmp_path / "nowhere")}
    elif what == "no resource":
        documents = [document for document in documents if document[0] != "resource"]
    elif what == "no array":
        options["handler_registry"] = {"NPY_SEQ": lambda *_, **__: lambda **_: "text"}
    else:
        options["handler_registry"] = {"NPY_SEQ": lambda *_, **__: lambda **_: 1 // 0}
    with pytest.raises(UnfilledError, match=told) as caught:
        export(documents, tmp_path / "a", fill_or_fail=True, **options)
    assert isinstance(caught.value, NXstxmError)
    assert not list(tmp_path.glob("a/*.hdf5"))
    with caplog.at_level(logging.WARNING, "suitcase.nxstxm"):
        [path] = export(documents, tmp_path / "b", **options)["stream_data"]
    # once, not for every point
    assert len(caplog.records) == 1
    assert "left out" in caplog.text
    with h5py.File(path) as h5:
        entry = h5[h5.attrs["default"]]
        messages = [m.decode() for m in entry["collection/messages"][()]]
        assert any(message.startswith("camera: ") for message in messages)
        assert len(entry["instrument/x/value"]) == 5  # all else is there


def test_a_scan_without_files_asks_for_no_handlers() -> None:
    filling = Filling()
    documents = [
        ("descriptor", {"uid": "d", "data_keys": {"a": {"dtype": "number"}}}),
        ("event", {"descriptor": "d", "data": {"a": "some/text"}}),
    ]
    assert [each for document in documents for each in filling(*document)] == documents
    assert filling._filler is None
    filling.close()


@pytest.mark.parametrize("name", ["handler_registry", "root_map"])
@pytest.mark.parametrize("value", [[1], "text", {1: 2}])
def test_wrong_options_are_refused(name: str, value: Any) -> None:
    with pytest.raises(NXstxmError, match=f"{name} is .*; give a mapping"):
        WriterOptions.of(**{name: value})
