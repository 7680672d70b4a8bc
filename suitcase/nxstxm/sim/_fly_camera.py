"""A camera that writes its own file in another process, while the sample flies through the beam.

It tells of its frames as detectors of ophyd-async do: with stream resources and stream datums, and
no events. It needs nothing but bluesky and ophyd.
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import bluesky.plan_stubs as bps
import numpy as np
from ophyd.status import Status

from ._camera_process import DATASET
from ._sample import Sample

#: The sample is at these places one after the other: energy (eV), x and y (um), shape (n, 3).
Places = Any


class FlyCamera:
    """A camera behind the sample.

    Parameters
    ----------
    folder : str or Path
        Where it writes its files, one each time it is staged.
    sample : Sample, optional
        What is in the beam.
    shape : tuple of int
        Of a frame.
    rate : float
        Frames a second.
    name : str
        Its name, and the data key of its frames.

    Examples
    --------
    >>> from bluesky import RunEngine
    >>> from suitcase.nxstxm import NXstxmWriter
    >>> RE = RunEngine({}, context_managers=[], call_returns_result=False)
    >>> camera = FlyCamera("raw", shape=(16, 16))
    >>> with NXstxmWriter("flown", devices={"camera": "camera"}) as writer:
    ...     token = RE.subscribe(writer)
    ...     uids = RE(fly_image_plan(camera, (-2, 2, 5), (-2, 2, 4)))
    >>> len(writer.paths)
    1
    """

    parent = None

    def __init__(
        self,
        folder: str | Path,
        sample: Sample | None = None,
        *,
        shape: tuple[int, int] = (64, 64),
        rate: float = 500.0,
        name: str = "camera",
    ) -> None:
        self.name = name
        self.folder = Path(folder).absolute()
        self.files: list[Path] = []
        self._sample = Sample() if sample is None else sample
        self._shape, self._rate = shape, rate
        self._process: subprocess.Popen[str] | None = None
        self._intensities: list[float] = []
        self._written = self._told = self._wanted = 0
        self._complete = Status()
        self._resource = ""

    # -- what a RunEngine calls -------------------------------------------------------------------

    def stage(self) -> list[Any]:
        """Begin a file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.name}-{uuid.uuid4().hex[:8]}.h5"
        self.files.append(path)
        rows, columns = self._shape
        self._process = subprocess.Popen(
            [sys.executable, "-m", "suitcase.nxstxm.sim._camera_process", str(path), str(rows),
             str(columns), str(self._rate)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        if self._process.stdout is None or self._process.stdout.readline() != "ready\n":
            raise RuntimeError(f"the camera can not write {path}")
        self._written = self._told = self._wanted = 0
        self._resource = ""
        Thread(target=self._listen, args=(self._process,), daemon=True).start()
        return [self]

    def unstage(self) -> list[Any]:
        """Close the file."""
        process, self._process = self._process, None
        if process is not None:
            with process:
                if process.stdin is not None:
                    process.stdin.close()
                process.wait(30)
        return [self]

    def prepare(self, places: Places) -> Status:
        """Take where the sample will be at each frame."""
        energy, x, y = np.asarray(places, float).T
        transmitted = self._sample.transmission(energy, x, y)
        self._intensities = [float(value) for value in transmitted]
        return _finished()

    def kickoff(self) -> Status:
        """Begin to write frames."""
        if self._process is None or self._process.stdin is None:
            raise RuntimeError(f"stage {self.name} before it is kicked off")
        self._wanted += len(self._intensities)
        self._complete = Status()
        self._process.stdin.write(f"{json.dumps(self._intensities)}\n")
        self._process.stdin.flush()
        return _finished()

    def complete(self) -> Status:
        """Wait until all frames are written."""
        if self._written >= self._wanted and not self._complete.done:
            self._complete.set_finished()
        return self._complete

    def describe_collect(self) -> dict[str, Any]:
        """Describe the frames."""
        shape = [1, *self._shape]
        return {
            self.name: {
                "source": f"file://localhost{self.files[-1].as_posix()}", "dtype": "array",
                "dtype_numpy": "<u2", "shape": shape, "external": "STREAM:",
            }
        }  # fmt: skip

    @property
    def hints(self) -> dict[str, Any]:
        """Tell what is worth a picture."""
        return {"fields": [self.name]}

    def get_index(self) -> int:
        """Count the frames that are written."""
        return self._written

    def collect_asset_docs(self, index: int | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Tell of frames that were not told of yet."""
        last = self._written if index is None else min(index, self._written)
        if not self._resource:
            self._resource = str(uuid.uuid4())
            yield (
                "stream_resource",
                {
                    "uid": self._resource,
                    "data_key": self.name,
                    "mimetype": "application/x-hdf5",
                    "uri": f"file://localhost/{self.files[-1].as_posix().lstrip('/')}",
                    "parameters": {"dataset": DATASET, "chunk_shape": [1, *self._shape]},
                },
            )
        if last > self._told:
            indices = {"start": self._told, "stop": last}
            uid = f"{self._resource}/{self._told}"
            self._told = last
            yield (
                "stream_datum",
                {
                    "uid": uid, "stream_resource": self._resource, "descriptor": "",
                    "indices": indices, "seq_nums": {"start": 0, "stop": 0},
                },
            )  # fmt: skip

    # -- the other process ------------------------------------------------------------------------

    def _listen(self, process: subprocess.Popen[str]) -> None:
        """Note what the process says it has written."""
        for line in process.stdout or ():
            self._written = int(line)
            if self._written >= self._wanted and not self._complete.done:
                self._complete.set_finished()


def fly_image_plan(
    camera: FlyCamera,
    x: tuple[float, float, int],
    y: tuple[float, float, int],
    energy: float = 700.0,
    *,
    snake: bool = True,
    md: dict[str, Any] | None = None,
) -> Generator[Any, Any, Any]:
    """Fly over the sample line by line; the camera writes a frame at each point.

    Parameters
    ----------
    camera : FlyCamera
        The camera.
    x, y : (float, float, int)
        First and last position (um), and number of points.
    energy : float
        Photon energy, eV.
    snake : bool
        Every second line backwards.
    md : dict, optional
        Added to the start document.
    """
    about = {
        "plan_name": "fly_image",
        "motors": ["sample_y", "sample_x"],
        "shape": [y[2], x[2]],
        "extents": [list(y[:2]), list(x[:2])],
        "snaking": [False, snake],
        "num_points": x[2] * y[2],
        **(md or {}),
    }
    yield from bps.stage(camera)
    try:
        yield from bps.open_run(about)
        yield from bps.prepare(camera, _raster(x, y, energy, snake=snake), wait=True)
        yield from bps.declare_stream(camera, name="primary", collect=True)
        yield from bps.kickoff(camera, wait=True)
        yield from bps.collect_while_completing(
            [camera], [camera], flush_period=0.05, stream_name="primary"
        )
        yield from bps.close_run()
    finally:
        yield from bps.unstage(camera)


def _raster(
    x: Sequence[float], y: Sequence[float], energy: float, *, snake: bool
) -> np.ndarray[Any, Any]:
    """Give the places of a raster in the order in which it is flown."""
    columns, rows = np.linspace(x[0], x[1], int(x[2])), np.linspace(y[0], y[1], int(y[2]))
    places = [
        (energy, column, row)
        for i, row in enumerate(rows)
        for column in (columns[::-1] if snake and i % 2 else columns)
    ]
    return np.array(places)


def _finished() -> Status:
    status = Status()
    status.set_finished()
    return status
