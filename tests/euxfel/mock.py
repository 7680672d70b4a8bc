"""A run as others write it: EXtra-data's own mock devices, as a detector's program leaves them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np


def mock_run(folder: Path) -> Path:
    """Write a run with motors, a gas monitor with pulses, and a camera that misses trains."""
    from extra_data.tests.mockdata import write_file
    from extra_data.tests.mockdata.basler_camera import BaslerCamera
    from extra_data.tests.mockdata.motor import Motor
    from extra_data.tests.mockdata.xgm import XGM

    folder.mkdir(parents=True)
    devices = [Motor("SM/MOTOR/X"), Motor("SM/MOTOR/Y"), XGM("SM/XGM/DOOCS"),
               BaslerCamera("SM/CAM/1:daqOutput", sensor_size=(8, 6), nsamples=0)]  # fmt: skip
    path = folder / "RAW-R0005-DA01-S00000.h5"
    write_file(str(path), devices, 20, chunksize=10, format_version="1.2")
    with h5py.File(path, "r+") as h5:
        x = h5["CONTROL/SM/MOTOR/X/actualPosition/value"]
        x[:20] = np.tile(np.arange(5.0), 4)
        h5["CONTROL/SM/MOTOR/Y/actualPosition/value"][:20] = np.repeat(np.arange(4.0), 5)
        x.parent.attrs["unitSymbol"], x.parent.attrs["metricPrefixSymbol"] = "m", "u"
    return folder
