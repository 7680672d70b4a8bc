"""File systems as others have them: far away, counted, or with little that they know."""

from __future__ import annotations

import threading
from typing import Any

from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.spec import AbstractFileSystem


class Remote(MemoryFileSystem):
    """An object store: it is counted what goes over the line, which may be dead."""

    protocol = "remote"
    cachable = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.store: dict[str, Any] = {}
        self.pseudo_dirs = [""]
        self.fetched: list[tuple[str, int]] = []
        self.together: threading.Barrier | None = None
        self.broken = False
        self.knows_ranges = True

    def cat_file(self, path, start=None, end=None, **kwargs):
        together = self.together
        if together is not None and start is not None:
            together.wait(30)
            self.together = None
        if self.broken:
            raise TimeoutError("the line is dead")
        if not self.knows_ranges:
            start = end = None
        found = super().cat_file(path, start, end, **kwargs)
        if start is not None and not found:
            raise RuntimeError("416 Range Not Satisfiable")  # as servers say it
        self.fetched.append((path.rpartition("/")[2], len(found)))
        return found

    def _open(self, path, mode="rb", **kwargs):
        if "r" in mode:
            raise AssertionError("whole files are not read")
        return super()._open(path, mode, **kwargs)

    def pipe_file(self, path, value, mode="overwrite", **kwargs):
        if self.broken:
            raise TimeoutError("the line is dead")
        super().pipe_file(path, value, mode=mode, **kwargs)


class Plain(AbstractFileSystem):
    """A file system that knows nothing but to open, to list and to remove: an old server."""

    protocol = "plain"
    cachable = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.disk = LocalFileSystem()
        self.opened: list[str] = []

    @classmethod
    def _strip_protocol(cls, path):
        return LocalFileSystem._strip_protocol(str(path).removeprefix("plain://"))

    def ls(self, path, detail=True, **kwargs):
        return self.disk.ls(path, detail=detail, **kwargs)

    def info(self, path, **kwargs):
        return self.disk.info(path, **kwargs)

    def makedirs(self, path, exist_ok=False):
        self.disk.makedirs(path, exist_ok=exist_ok)

    def rmdir(self, path):
        self.disk.rmdir(path)

    def _rm(self, path):
        self.disk.rm_file(path)

    def _open(self, path, mode="rb", **kwargs):
        if "cache_type" in kwargs:
            raise TypeError("it does not know that")
        self.opened.append(path)
        return self.disk.open(path, mode)
