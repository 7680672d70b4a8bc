"""What a context file of DAMNIT imports as ``damnit_ctx``."""

from ._cell import Cell
from ._errors import GroupError, Skip
from ._group import Group
from ._variable import Variable

__all__ = ["Cell", "Group", "GroupError", "Skip", "Variable"]
