"""The NXstxm file: writing it run by run, checking it, reading its archive back."""

from ._archived import ArchivedRun, archived_runs, read_documents, runs_of_file
from ._assemble import finish_file
from ._checks import Problem, nexusformat_problems, validate
from ._entry import EntryWriter
from ._options import Facility, OptionError, WriterOptions
from ._record import RunRecord
from ._scanfile import (
    SUFFIX,
    ScanFile,
    existing_file,
    new_temporary_file,
    temporary_file,
)
from ._staging import RunStage, has_run, staged_records

__all__ = [
    "SUFFIX",
    "ArchivedRun",
    "EntryWriter",
    "Facility",
    "OptionError",
    "Problem",
    "RunRecord",
    "RunStage",
    "ScanFile",
    "WriterOptions",
    "archived_runs",
    "existing_file",
    "finish_file",
    "has_run",
    "new_temporary_file",
    "nexusformat_problems",
    "read_documents",
    "runs_of_file",
    "staged_records",
    "temporary_file",
    "validate",
]
