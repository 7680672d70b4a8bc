"""The run table: variables of scans, from a context file, and what they gave."""

from ._cell import Cell
from ._context import ContextFile, VariableInfo
from ._errors import (
    CellError,
    ContextError,
    DependencyError,
    GroupError,
    MissingValueError,
    Problem,
    Skip,
    TableError,
    TableFormatError,
    UnknownError,
    VariableError,
)
from ._export import export_table, shown_value
from ._group import Group
from ._import_v0 import import_v0
from ._messages import CallbackSink, KafkaSink, Message, Sink, Sinks, ZmqSink, sink_of
from ._parts import ScanPart
from ._process import Processor
from ._processed import Processed
from ._run import RunRef, ScanRun
from ._run_files import RunFiles
from ._scans import FoundScan, found_scans
from ._table import RunTable
from ._table_row import TableCell, TableRun
from ._variable import Variable
from ._watch import watch

__all__ = [
    "CallbackSink",
    "Cell",
    "CellError",
    "ContextError",
    "ContextFile",
    "DependencyError",
    "FoundScan",
    "Group",
    "GroupError",
    "KafkaSink",
    "Message",
    "MissingValueError",
    "Problem",
    "Processed",
    "Processor",
    "RunFiles",
    "RunRef",
    "RunTable",
    "ScanPart",
    "ScanRun",
    "Sink",
    "Sinks",
    "Skip",
    "TableCell",
    "TableError",
    "TableFormatError",
    "TableRun",
    "UnknownError",
    "Variable",
    "VariableError",
    "VariableInfo",
    "ZmqSink",
    "export_table",
    "found_scans",
    "import_v0",
    "shown_value",
    "sink_of",
    "watch",
]
