"""The NXstxm file: writing it run by run, checking it, reading its archive back."""

from ._assemble import archived_runs, finish_file, read_documents
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
    "staged_records",
    "temporary_file",
    "validate",
]
