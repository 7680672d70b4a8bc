"""All frontends keep the same promises; each has some of its own besides.

Without these tests what works on one kind of storage would not on another, and who moves data from
a disk to an object store would find out there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest

from suitcase.nxstxm.storage import (
    DataDirectory,
    FsspecDirectory,
    MemoryFrontend,
    SQLiteFrontend,
    StorageFrontend,
)
from suitcase.nxstxm.storage.testing import FrontendContract


@pytest.fixture
def bucket() -> Iterator[str]:
    name = f"memory://{uuid4().hex}"
    yield name
    fs = fsspec.filesystem("memory")
    if fs.exists(name):
        fs.rm(name, recursive=True)


class TestDataDirectory(FrontendContract):
    @pytest.fixture
    def frontend(self, tmp_path: Path) -> StorageFrontend:
        return DataDirectory(tmp_path / "store", durable=False)


class TestMemoryFrontend(FrontendContract):
    @pytest.fixture
    def frontend(self) -> StorageFrontend:
        return MemoryFrontend()


class TestFsspecDirectoryInMemory(FrontendContract):
    shows_unfinished = False

    @pytest.fixture
    def frontend(self, bucket: str) -> StorageFrontend:
        return FsspecDirectory(bucket)


class TestFsspecDirectoryOnDisk(FrontendContract):
    shows_unfinished = False

    @pytest.fixture
    def frontend(self, tmp_path: Path) -> StorageFrontend:
        return FsspecDirectory(f"file://{tmp_path}/store")


class TestSQLiteFrontend(FrontendContract):
    @pytest.fixture
    def frontend(self, tmp_path: Path, bucket: str) -> Iterator[StorageFrontend]:
        backends = {
            "disk": DataDirectory(tmp_path / "store", durable=False),
            "bucket": FsspecDirectory(bucket),
        }
        frontend = SQLiteFrontend(tmp_path / "store.sqlite", backends)
        yield frontend
        frontend.close()


class TestSQLiteFrontendOverABucket(FrontendContract):
    shows_unfinished = False

    @pytest.fixture
    def frontend(self, tmp_path: Path, bucket: str) -> Iterator[StorageFrontend]:
        backends = {
            "disk": DataDirectory(tmp_path / "store", durable=False),
            "bucket": FsspecDirectory(bucket),
        }
        frontend = SQLiteFrontend(tmp_path / "store.sqlite", backends, write_to="bucket")
        yield frontend
        frontend.close()
