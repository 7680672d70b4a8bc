"""The run table: variables of scans, from a context file, and what they gave."""

from ._cell import Cell
from ._context import ContextFile, VariableInfo
from ._errors import CellError, ContextError, DependencyError, GroupError, Problem, Skip
from ._group import Group
from ._variable import Variable

__all__ = [
    "Cell",
    "CellError",
    "ContextError",
    "ContextFile",
    "DependencyError",
    "Group",
    "GroupError",
    "Problem",
    "Skip",
    "Variable",
    "VariableInfo",
]
