"""Without these tests this would only be called a suitcase: the fixtures that suitcase-utils gives
to all of them run here, with no case left out.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import event_model
import h5py
import numpy as np
import pytest
from suitcase.utils import MemoryBuffersManager, MultiFileManager

from suitcase.nxstxm import Serializer, export
from suitcase.nxstxm._errors import NXstxmFileExistsError, NXstxmTypeError
from suitcase.nxstxm.documents import difference, unpack_documents
from suitcase.nxstxm.nexus import read_documents, validate

from ..documents import plain_run
from ..same import same_file

Documents = list[tuple[str, dict[str, Any]]]


def readings(docs: Documents) -> dict[tuple[str, str], list[Any]]:
    """Gather the values of every stream and key, as the documents give them."""
    found: dict[tuple[str, str], list[Any]] = defaultdict(list)
    streams = {doc["uid"]: doc["name"] for name, doc in docs if name == "descriptor"}
    for name, doc in unpack_documents(docs):
        if name == "event":
            for key, value in doc["data"].items():
                found[streams[doc["descriptor"]], key].append(value)
    return found


def check(path: Path, docs: Documents) -> None:
    """Assert that a file is right and holds exactly what the documents say."""
    assert [p for p in validate(path) if p.level == "error"] == []
    assert difference(docs, read_documents(path)) is None
    with h5py.File(path) as h5:
        entry = h5[h5.attrs["default"]]
        detectors = {
            group.attrs["data_key"]: group["data"][()]
            for group in entry["instrument"].values()
            if group.attrs.get("NX_class") == "NXdetector" and "data_key" in group.attrs
        }
        expected = readings(docs)
        for (stream, key), values in expected.items():
            array = np.asarray(values)
            if stream == "primary" and key in detectors:
                found = detectors.pop(key)
                if array.ndim == 1:
                    np.testing.assert_array_equal(entry[f"{key}/data"][()], array.astype(float))
            else:  # of two devices of one name, the hints name the readings of one only
                found = entry[f"collection/{stream}/{key}/value"][()]
            assert found.dtype == array.dtype
            np.testing.assert_array_equal(found, array)
        if any(stream == "primary" for stream, _ in expected):
            assert detectors == {}


def test_a_run_becomes_one_file_or_one_buffer_with_all_its_readings(
    tmp_path: Path, example_data: Callable[[], Documents]
) -> None:
    docs = example_data()
    artifacts = export(docs, tmp_path)
    [path] = artifacts["stream_data"]
    assert [path] == list(tmp_path.iterdir())
    assert path.name == f"{docs[0][1]['uid']}.hdf5"
    check(path, docs)

    manager = MemoryBuffersManager()
    artifacts = export(docs, manager, "test-")
    [buffer] = artifacts["stream_data"]
    assert artifacts == manager.artifacts
    assert isinstance(buffer, io.BytesIO)
    manager.close()
    (tmp_path / "from memory").write_bytes(buffer.getvalue())
    same_file(path, tmp_path / "from memory")


# -- what does not depend on the kind of run ------------------------------------------------------


@pytest.fixture
def docs() -> Documents:
    keys: dict[str, tuple[int, ...]] = {"det": (), "direct_img": (10, 10)}
    return list(plain_run(5, keys, lambda i, key: np.full(keys[key], float(i))))


def test_prefixes_are_formatted(
    tmp_path: Path, docs: Documents, file_prefix_list: Callable[[], str]
) -> None:
    prefix = file_prefix_list()
    export(docs, str(tmp_path), file_prefix=prefix)
    [path] = tmp_path.iterdir()
    assert path.name == prefix.format(start=docs[0][1]).rstrip("-") + ".hdf5"
    check(path, docs)


def test_every_document_goes_through_its_own_method_too(tmp_path: Path, docs: Documents) -> None:
    external = [
        ("resource", {"uid": "r", "resource_kwargs": {}}),
        ("datum", {"datum_id": "r/0", "resource": "r", "datum_kwargs": {}}),
        ("datum_page", {"datum_id": ["r/1"], "resource": "r", "datum_kwargs": {}}),
        ("bulk_datum", {"resource": "r", "datum_ids": ["r/2"], "datum_kwarg_list": [{}]}),
        ("stream_resource", {"uid": "s", "uri": "file://localhost/x", "parameters": {}}),
        ("stream_datum", {"uid": "s/0", "stream_resource": "s", "descriptor": "d"}),
    ]
    docs = [*docs[:-1], *external, docs[-1]]
    serializer = Serializer(tmp_path, "x")
    for name, doc in docs:
        getattr(serializer, name)(doc)
    check(tmp_path / "x.hdf5", docs)


def test_h5py_opens_the_buffer_of_a_memory_manager(docs: Documents) -> None:
    [buffer] = export(docs, MemoryBuffersManager(), "test-")["stream_data"]
    with h5py.File(buffer) as h5:
        assert h5[h5.attrs["default"]].attrs["NX_class"] == "NXentry"


def test_a_file_manager_gets_one_finished_file(tmp_path: Path, docs: Documents) -> None:
    manager = MultiFileManager(tmp_path / "new")
    artifacts = export(docs, manager, "{uid}-")
    [path] = artifacts["stream_data"]
    assert artifacts == manager.artifacts
    assert list((tmp_path / "new").iterdir()) == [path]
    check(path, docs)
    manager.close()


def test_a_file_manager_never_replaces_a_file(tmp_path: Path, docs: Documents) -> None:
    (tmp_path / "x.hdf5").write_text("older")
    with pytest.raises(NXstxmFileExistsError, match=r"x\.hdf5 exists already"):
        export(docs, MultiFileManager(tmp_path), "x")
    assert [path.name for path in tmp_path.iterdir()] == ["x.hdf5"]
    assert (tmp_path / "x.hdf5").read_text() == "older"


def test_close_may_be_called_twice_and_changes_nothing(tmp_path: Path, docs: Documents) -> None:
    serializer = Serializer(tmp_path, "x")
    for name, doc in docs:
        serializer(name, doc)
    before = (tmp_path / "x.hdf5").read_bytes()
    serializer.close()
    serializer.close()
    assert (tmp_path / "x.hdf5").read_bytes() == before
    never_begun = Serializer(tmp_path / "never")
    never_begun.close()
    never_begun.close()
    assert never_begun.artifacts == {}
    assert not (tmp_path / "never").exists()


def test_a_serializer_is_a_context_manager(tmp_path: Path, docs: Documents) -> None:
    with Serializer(tmp_path, "x") as serializer:
        for name, doc in docs:
            assert serializer(name, doc) == (name, doc)
    check(tmp_path / "x.hdf5", docs)


def test_documents_are_validated_when_asked(tmp_path: Path, docs: Documents) -> None:
    serializer = Serializer(tmp_path, "x")
    for name, doc in docs:
        serializer(name, doc, validate=True)
    with pytest.raises(Exception, match="is a required property"):
        Serializer(tmp_path, "y")("start", {"time": 1.0}, validate=True)


def test_it_is_a_document_router(tmp_path: Path) -> None:
    assert isinstance(Serializer(tmp_path), event_model.DocumentRouter)


@pytest.mark.parametrize("directory", [None, 5, object(), ["a"]])
def test_what_is_neither_folder_nor_manager_is_refused(directory: object) -> None:
    with pytest.raises(NXstxmTypeError, match="give a folder or a suitcase manager"):
        Serializer(directory)


def test_runs_can_not_be_joined_in_a_manager() -> None:
    with pytest.raises(NXstxmTypeError, match="first_uid"):
        Serializer(MemoryBuffersManager(), first_uid="abc")
