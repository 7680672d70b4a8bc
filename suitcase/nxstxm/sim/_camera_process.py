"""What a camera's own computer does: it writes frames into an HDF5 file that others may read.

``python -m suitcase.nxstxm.sim._camera_process FILE ROWS COLUMNS RATE`` makes the file and says so;
each line on the standard input is a JSON list of intensities, and a frame is written of each, so
many a second. After each frame it says how many there are. It closes the file when the input ends.
"""

from __future__ import annotations

import json
import sys
import time

import h5py
import numpy as np
import numpy.typing as npt

#: Where area detectors put their frames.
DATASET = "/entry/data/data"
#: Photons in a frame of full intensity.
PHOTONS = 20_000.0


def pattern(rows: int, columns: int) -> npt.NDArray[np.float64]:
    """Give the cone of light behind a zone plate, a ring around a dark middle; its sum is 1."""
    y, x = np.indices((rows, columns), float)
    radius = np.hypot((y - (rows - 1) / 2) / rows, (x - (columns - 1) / 2) / columns)
    ring: npt.NDArray[np.float64] = np.exp(-(((radius - 0.28) / 0.07) ** 2))
    ring /= ring.sum()
    return ring


def main() -> None:
    """Write until the input ends."""
    path, rows, columns, rate = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    light, chance = PHOTONS * pattern(rows, columns), np.random.default_rng(1)
    with h5py.File(path, "w", libver="latest") as h5:
        data = h5.create_dataset(
            DATASET, (0, rows, columns), "u2",
            maxshape=(None, rows, columns), chunks=(1, rows, columns),
        )  # fmt: skip
        h5.swmr_mode = True
        _say("ready")
        for line in sys.stdin:
            begin = time.monotonic()
            for i, intensity in enumerate(json.loads(line), 1):
                n = len(data)
                data.resize(n + 1, 0)
                data[n] = chance.poisson(light * intensity)
                data.flush()
                time.sleep(max(begin + i / rate - time.monotonic(), 0.0))
                _say(str(n + 1))


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
