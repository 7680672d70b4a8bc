"""EuXFEL runs: any run of Bluesky as EXtra-data opens it, and its documents back."""

from .._h5tree import Problem as Problem
from ._check_file import is_file_of_run
from ._component import STXMScan
from ._options import RunOptions
from ._recover import begin_again, is_of_run, recover_run
from ._replay import documents
from ._run import RunWriter
from ._serializer import Serializer, export
from ._stored import StoredRun, runs_in
from ._validate import validate
from ._writer import EuXFELWriter

__all__ = [
    "EuXFELWriter",
    "RunOptions",
    "RunWriter",
    "STXMScan",
    "Serializer",
    "StoredRun",
    "begin_again",
    "documents",
    "export",
    "is_file_of_run",
    "is_of_run",
    "recover_run",
    "runs_in",
    "validate",
]
