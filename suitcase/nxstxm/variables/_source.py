"""What the code of a variable is, apart from how it is written: its identity.

The syntax tree counts, without comments, formatting, docstrings, annotations of types and words of
decorators; of the variable, and of everything in the context file that it uses. The same on every
version of Python: what a newer one adds to the tree does not count as long as it is empty.
"""

from __future__ import annotations

import ast
import hashlib
import json
import symtable
from collections.abc import Iterable, Iterator
from importlib.util import decode_source
from pathlib import Path
from typing import Any

from ._beside import Beside
from ._changing import changing

#: Fields of the tree that say nothing of what code does.
_SILENT = frozenset(("ctx", "type_comment", "kind", "type_ignores", "returns"))
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITIONS = (*_FUNCTIONS, ast.ClassDef)


def normalised(node: Any) -> Any:
    """Give a tree as lists and values, without what does not matter."""
    if isinstance(node, list):
        return [normalised(each) for each in node]
    if not isinstance(node, ast.AST):
        # a number and a text may look alike, as may 1, 1.0 and True
        return [type(node).__name__, repr(node)]
    made: list[Any] = [type(node).__name__]
    for name, value in ast.iter_fields(node):
        if name in _SILENT or value is None or value == []:
            continue
        if name == "body" and isinstance(node, (*_DEFINITIONS, ast.Module)):
            value = _without_docstring(value)
        if isinstance(node, ast.JoinedStr):  # Python 3.12 adds empty texts
            value = [each for each in value if getattr(each, "value", None) != ""]
        if name == "decorator_list":
            value = [each for each in value if not _is_variable(each)]
            if not value:
                continue
        if name == "annotation" and isinstance(node, ast.arg) and not _says_what(value):
            continue
        made.append([name, normalised(value)])
    return made


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    is_text = (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
    return body[1:] if is_text else body


def _is_variable(decorator: ast.expr) -> bool:
    """Tell whether a decorator is ``Variable``, whose words count elsewhere where they matter."""
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return name == "Variable"


def _says_what(annotation: Any) -> bool:
    """Tell whether an annotation says what an argument gets, not of which type it is."""
    value = getattr(annotation, "value", None)
    return isinstance(annotation, ast.Constant) and isinstance(value, str) and "#" in value


class Source:
    """The code of a context file.

    Parameters
    ----------
    code : str or bytes
        The code.
    beside : Beside, optional
        The modules beside it, which are part of it.

    Raises
    ------
    SyntaxError
        It is no Python.
    """

    def __init__(self, code: str | bytes, beside: Beside | None = None) -> None:
        self.beside = beside or Beside(None)
        tree = ast.parse(code)
        self.beside.imported(tree)  # all are read now
        self._statements = tree.body
        self._defined: dict[str, list[ast.stmt]] = {}
        for statement in tree.body:
            for name in _names_of(statement):
                self._defined.setdefault(name, []).append(statement)
        text = code if isinstance(code, str) else decode_source(code)
        self._tables = dict(_tables(symtable.symtable(text, "<context>", "exec")))
        self._lambdas = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
        self._changing = changing(tree, self._defined, self._globals_of)

    def fingerprint(self, name: str, line: int = 0) -> str:
        """Give a hash of the code of a name and of all that it uses.

        Parameters
        ----------
        name : str
            A function, a class, or ``Class.method``.
        line : int
            Where it begins, where several have that name.
        """
        owner, _, method = name.partition(".")
        parts: list[Any] = []
        if method:
            parts += self._method(owner, method)
            code: list[ast.AST] = [*self._of_method(owner, method), *self._defined.get(owner, ())]
        else:
            code = list(self._chosen(name, line))
            parts += [self._with_modules(node) for node in code]
        code += self._changing.get(owner, ())
        parts += [self._with_modules(node) for node in self._changing.get(owner, ())]
        used = {each for node in code for each in self._used(node, bool(method))}
        return self._hash(parts, {owner}, used)

    def fingerprint_of_lambda(self, line: int) -> str:
        """Give a hash of the functions without a name in a line, and of all that they use."""
        nodes = [node for node in self._lambdas if node.lineno == line]
        parts = [self._with_modules(node) for node in nodes]
        return self._hash(parts, set(), _loaded(nodes))

    def _hash(self, parts: list[Any], seen: set[str], used: set[str]) -> str:
        # what a star brings nobody knows
        waiting = sorted({*used, "*"})
        while waiting:
            each = waiting.pop(0)
            if each in seen or each not in self._defined:
                continue
            seen.add(each)
            nodes = [*self._defined[each], *self._changing.get(each, ())]
            parts.append([each, [self._with_modules(node) for node in nodes]])
            waiting = sorted({*waiting, *(used for node in nodes for used in self._used(node))})
        text = json.dumps(parts, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def line_of(self, *names: str) -> int:
        """Say where the first of some names that is there is defined; 0 where none is."""
        return next((self._defined[n][-1].lineno for n in names if n in self._defined), 0)

    def _chosen(self, name: str, line: int) -> list[ast.stmt]:
        nodes = self._defined.get(name, [])
        # one that another function has made is a part of that
        here = [
            node
            for node in nodes or self._statements
            if line and _begins(node) <= line <= (node.end_lineno or 0)
        ]
        return here or nodes[-1:]

    def repeated(self) -> Iterator[tuple[str, int]]:
        """Give variables that another one of the same name has replaced, and where they are."""
        for name, nodes in self._defined.items():
            variables = [node for node in nodes if _has_variable(node)]
            yield from ((name, node.lineno) for node in variables[:-1])

    def _used(self, node: ast.AST, as_group: bool = False) -> set[str]:
        """Give the names of the file that code uses; of a group's class those of no variable."""
        if isinstance(node, ast.ClassDef):
            body = [each for each in node.body if not (as_group and _has_variable(each))]
            return _loaded([*node.bases, *node.decorator_list]).union(*map(self._used, body))
        if not isinstance(node, _FUNCTIONS):
            return _loaded([node])
        arguments = [*node.args.defaults, *(each for each in node.args.kw_defaults if each)]
        decorators = [each for each in node.decorator_list if not _is_variable(each)]
        used = self._globals_of(node)
        return used | _loaded([*arguments, *decorators])

    def _globals_of(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
        table = self._tables.get((node.name, node.lineno))
        return _globals(table) if table is not None else _loaded(node.body)

    # -- methods of groups -------------------------------------------------------------------------

    def _of_method(self, owner: str, method: str) -> list[ast.AST]:
        found: list[ast.AST] = []
        for node in self._defined.get(owner, ()):
            for each in getattr(node, "body", ()):
                if isinstance(each, _FUNCTIONS) and each.name == method:
                    found.append(each)
        if found:
            return found
        for node in self._defined.get(owner, ()):  # of a class that it is made from
            for base in getattr(node, "bases", ()):
                if isinstance(base, ast.Name):
                    found += self._of_method(base.id, method)
        return found

    def _method(self, owner: str, method: str) -> list[Any]:
        """Give a method, and all of its class but the variables."""
        made = [self._with_modules(node) for node in self._of_method(owner, method)]
        for node in self._defined.get(owner, ()):
            others = [each for each in getattr(node, "body", ()) if not _has_variable(each)]
            told = [self._with_modules(each) for each in others]
            made.append([owner, told, normalised(getattr(node, "bases", []))])
            for base in getattr(node, "bases", ()):
                if isinstance(base, ast.Name) and base.id in self._defined:
                    made += self._method(base.id, "")
        return made

    # -- modules beside the file -------------------------------------------------------------------

    def _with_modules(self, node: ast.AST) -> Any:
        """Give code, and that of all modules beside the file that it imports."""
        made = normalised(node)
        files = self.beside.imported(node)
        return [made, [self._module(path) for path in files]] if files else made

    def _module(self, path: Path) -> Any:
        tree = self.beside.tree(path)
        told = type(tree).__name__ if isinstance(tree, Exception) else normalised(tree)
        return [path.name, told]


def _begins(node: ast.stmt) -> int:
    lines: list[int] = [each.lineno for each in getattr(node, "decorator_list", ())]
    return min([node.lineno, *lines])


def _has_variable(node: Any) -> bool:
    return any(_is_variable(each) for each in getattr(node, "decorator_list", ()))


def _names_of(statement: ast.stmt) -> Iterable[str]:
    """Give the names that a statement of a file defines."""
    if isinstance(statement, _DEFINITIONS):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                yield alias.asname or alias.name.split(".")[0]
        elif isinstance(node, _DEFINITIONS):
            yield node.name


def _loaded(nodes: Iterable[ast.AST]) -> set[str]:
    """Give the names that expressions look up."""
    return {
        each.id
        for node in nodes
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)
    }


def _globals(table: symtable.SymbolTable) -> set[str]:
    """Give the names of the file that a function, and all in it, look up."""
    found = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global()}
    for child in table.get_children():
        found |= _globals(child)
    return found


def _tables(table: symtable.SymbolTable) -> Iterator[tuple[tuple[str, int], symtable.SymbolTable]]:
    for child in table.get_children():
        yield (child.get_name(), child.get_lineno()), child
        yield from _tables(child)
