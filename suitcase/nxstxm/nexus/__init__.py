"""The NXstxm file: writing it run by run, checking it, reading its archive back."""

from .._errors import OptionError
from .._h5tree import H5_ERRORS, Field, Group, as_text, open_file, snapshot, why
from ._archived import ArchivedRun, archived_runs, read_documents, runs_of_file
from ._assemble import finish_file, finish_staged
from ._checks import Problem, nexusformat_problems, validate
from ._entry import EntryWriter
from ._journalled import JournalledRun
from ._options import Facility, WriterOptions
from ._publish import publish
from ._reading import (
    COUNTED,
    Channel,
    Contents,
    Coordinate,
    DescribedRun,
    Entry,
    MissingXarrayError,
    RefusedError,
    Stored,
    described_runs,
    draw,
    open_nxstxm,
    read_contents,
    runs_in_file,
    thumbnail,
)
from ._record import RunRecord
from ._scanfile import (
    OWN,
    SUFFIX,
    ScanFile,
    check_uid,
    existing_file,
    new_temporary_file,
    temporary_file,
)
from ._staging import RunStage
from ._storage import NXstxmStorage

__all__ = [
    "COUNTED",
    "H5_ERRORS",
    "OWN",
    "SUFFIX",
    "ArchivedRun",
    "Channel",
    "Contents",
    "Coordinate",
    "DescribedRun",
    "Entry",
    "EntryWriter",
    "Facility",
    "Field",
    "Group",
    "JournalledRun",
    "MissingXarrayError",
    "NXstxmStorage",
    "OptionError",
    "Problem",
    "RefusedError",
    "RunRecord",
    "RunStage",
    "ScanFile",
    "Stored",
    "WriterOptions",
    "archived_runs",
    "as_text",
    "check_uid",
    "described_runs",
    "draw",
    "existing_file",
    "finish_file",
    "finish_staged",
    "new_temporary_file",
    "nexusformat_problems",
    "open_file",
    "open_nxstxm",
    "publish",
    "read_contents",
    "read_documents",
    "runs_in_file",
    "runs_of_file",
    "snapshot",
    "temporary_file",
    "thumbnail",
    "validate",
    "why",
]
