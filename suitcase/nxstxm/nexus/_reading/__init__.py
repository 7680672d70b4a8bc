"""Files of this and of other programs, read as plain descriptions and as xarray."""

from ._contents import Channel, Contents, Coordinate, Entry, Variable
from ._documents import DescribedRun, described_runs, runs_in_file
from ._open import MissingXarrayError, open_nxstxm
from ._reach import RefusedError
from ._read import read_contents
from ._stored import Stored
from ._thumbnail import draw, thumbnail
from ._words import COUNTED

__all__ = [
    "COUNTED",
    "Channel",
    "Contents",
    "Coordinate",
    "DescribedRun",
    "Entry",
    "MissingXarrayError",
    "RefusedError",
    "Stored",
    "Variable",
    "described_runs",
    "draw",
    "open_nxstxm",
    "read_contents",
    "runs_in_file",
    "thumbnail",
]
