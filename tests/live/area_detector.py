"""Cameras that write files as area detectors of EPICS do, and tell of them in resources."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import h5py
import numpy as np
import tifffile
from ophyd import Device
from ophyd.status import Status

SHAPE = (6, 5)


class AreaDetector(Device):
    """Writes HDF5, a file each time it is staged, `frames` of them at each point."""

    spec = "AD_HDF5"

    def __init__(self, folder: Path, name: str = "camera", frames: int = 1) -> None:
        super().__init__(name=name)
        self.folder, self.frames = folder, frames
        self.taken: list[Any] = []
        self._n_staged = 0
        self._assets: deque[tuple[str, dict[str, Any]]] = deque()

    def open(self, name: str) -> tuple[str, dict[str, Any]]:
        """Give where the resource is, under the folder, and how it is read."""
        path = self.folder / f"{name}.h5"
        self._h5 = h5py.File(path, "w", libver="latest")
        self._data = self._h5.create_dataset(
            "entry/data/data", (0, *SHAPE), "u2", maxshape=(None, *SHAPE), chunks=(1, *SHAPE)
        )
        self._h5.swmr_mode = True
        return path.name, {}

    def write(self, number: int, frame: Any) -> None:
        self._data.resize(number + 1, 0)
        self._data[number] = frame
        self._data.flush()

    def close(self) -> None:
        self._h5.close()

    def stage(self) -> list[Any]:
        name = f"{self.name}_{self._n_staged:03d}"
        self._n_staged += 1
        where, how = self.open(name)
        self._resource, self._point, self._n_written = str(uuid4()), 0, 0
        self._assets.append(
            ("resource", {"uid": self._resource, "spec": self.spec, "root": str(self.folder.parent),
                          "resource_path": f"{self.folder.name}/{where}",
                          "resource_kwargs": {"frame_per_point": self.frames, **how},
                          "path_semantics": "posix"})
        )  # fmt: skip
        return super().stage()

    def unstage(self) -> list[Any]:
        self.close()
        return super().unstage()

    def trigger(self) -> Status:
        for _ in range(self.frames):
            frame = np.arange(30, dtype=np.uint16).reshape(SHAPE) + 100 * self._n_written
            self.write(self._n_written, frame)
            self.taken.append(frame)
            self._n_written += 1
        self._datum = f"{self._resource}/{self._point}"
        self._assets.append(
            ("datum", {"datum_id": self._datum, "resource": self._resource,
                       "datum_kwargs": {"point_number": self._point}})
        )  # fmt: skip
        self._point += 1
        status = Status()
        status.set_finished()
        return status

    def collect_asset_docs(self) -> Iterator[tuple[str, dict[str, Any]]]:
        while self._assets:
            yield self._assets.popleft()

    def describe(self) -> dict[str, Any]:
        shape = [self.frames, *SHAPE]
        return {f"{self.name}_image": {"source": f"PV:{self.name}", "dtype": "array",
                                       "shape": shape, "external": "FILESTORE:"}}  # fmt: skip

    def read(self) -> dict[str, Any]:
        return {f"{self.name}_image": {"value": self._datum, "timestamp": 1.0}}

    @property
    def hints(self) -> dict[str, Any]:
        return {"fields": [f"{self.name}_image"]}


class TiffDetector(AreaDetector):
    """Writes each frame into a TIFF file; the resource is their folder."""

    spec = "AD_TIFF"
    template = "%s%s_%6.6d.tiff"

    def open(self, name: str) -> tuple[str, dict[str, Any]]:
        self._begin = name
        return "", {"template": self.template, "filename": name}

    def write(self, number: int, frame: Any) -> None:
        tifffile.imwrite(self.template % (f"{self.folder}/", self._begin, number), frame)

    def close(self) -> None:
        pass
