"""A camera that writes HDF5 as an area detector of EPICS does, and tells of it in resources."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import h5py
import numpy as np
from ophyd import Device
from ophyd.status import Status

SHAPE = (6, 5)


class AreaDetector(Device):
    """Writes a file each time it is staged, `frames` of them at each point."""

    def __init__(self, folder: Path, name: str = "camera", frames: int = 1, **more: Any) -> None:
        super().__init__(name=name)
        self.folder, self.frames = folder, frames
        self.files: list[Path] = []
        self._assets: deque[tuple[str, dict[str, Any]]] = deque()
        self._more = more

    def stage(self) -> list[Any]:
        path = self.folder / f"{self.name}_{len(self.files):03d}.h5"
        self.files.append(path)
        self._h5 = h5py.File(path, "w", libver="latest")
        self._data = self._h5.create_dataset(
            "entry/data/data", (0, *SHAPE), "u2", maxshape=(None, *SHAPE), chunks=(1, *SHAPE)
        )
        self._h5.swmr_mode = True
        self._resource = str(uuid4())
        self._point = 0
        self._assets.append(
            ("resource", {"uid": self._resource, "spec": "AD_HDF5", "root": str(self.folder.parent),
                          "resource_path": f"{self.folder.name}/{path.name}",
                          "resource_kwargs": {"frame_per_point": self.frames},
                          "path_semantics": "posix", **self._more})
        )  # fmt: skip
        return super().stage()

    def unstage(self) -> list[Any]:
        self._h5.close()
        return super().unstage()

    def trigger(self) -> Status:
        for _ in range(self.frames):
            n = len(self._data)
            self._data.resize(n + 1, 0)
            self._data[n] = np.arange(30).reshape(SHAPE) + 100 * n
        self._data.flush()
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
