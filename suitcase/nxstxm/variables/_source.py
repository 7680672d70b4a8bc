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
from pathlib import Path
from typing import Any

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
    code : str
        The code.
    folder : Path, optional
        Where the file is: modules beside it are part of it.

    Raises
    ------
    SyntaxError
        It is no Python.
    """

    def __init__(self, code: str, folder: Path | None = None) -> None:
        self.folder = folder
        self._defined: dict[str, list[ast.stmt]] = {}
        for statement in ast.parse(code).body:
            for name in _names_of(statement):
                self._defined.setdefault(name, []).append(statement)
        self._modules: dict[str, Any] = {}
        self._tables = dict(_tables(symtable.symtable(code, "<context>", "exec")))

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
        seen = {owner}
        if method:
            parts += self._method(owner, method)
            code: list[ast.AST] = [*self._of_method(owner, method), *self._defined.get(owner, ())]
        else:
            code = list(self._chosen(name, line))
            parts += [normalised(node) for node in code]
        waiting = sorted({each for node in code for each in self._used(node, bool(method))})
        while waiting:
            each = waiting.pop(0)
            if each in seen or each not in self._defined:
                continue
            seen.add(each)
            nodes = self._defined[each]
            parts.append([each, [self._with_module(node) for node in nodes]])
            waiting = sorted({*waiting, *(used for node in nodes for used in self._used(node))})
        text = json.dumps(parts, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def _chosen(self, name: str, line: int) -> list[ast.stmt]:
        nodes = self._defined.get(name, [])
        here = [node for node in nodes if line and _begins(node) <= line <= (node.end_lineno or 0)]
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
        table = self._tables.get((node.name, node.lineno))
        used = _globals(table) if table is not None else _loaded(node.body)
        return used | _loaded([*arguments, *decorators])

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
        made = [normalised(node) for node in self._of_method(owner, method)]
        for node in self._defined.get(owner, ()):
            others = [each for each in getattr(node, "body", ()) if not _has_variable(each)]
            made.append([owner, normalised(others), normalised(getattr(node, "bases", []))])
            for base in getattr(node, "bases", ()):
                if isinstance(base, ast.Name) and base.id in self._defined:
                    made += self._method(base.id, "")
        return made

    # -- modules beside the file -------------------------------------------------------------------

    def _with_module(self, node: ast.stmt) -> Any:
        made = normalised(node)
        files = list(self._files(node))
        return [made, [self._module(path) for path in files]] if files else made

    def _files(self, node: ast.stmt) -> Iterator[Path]:
        if self.folder is None or not isinstance(node, (ast.Import, ast.ImportFrom)):
            return
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            names = [node.module or ""]
        for name in names:
            head = name.split(".")[0]
            for path in (self.folder / f"{head}.py", self.folder / head):
                if head and path.is_file():
                    yield path
                elif head and path.is_dir():
                    yield from sorted(path.rglob("*.py"))

    def _module(self, path: Path) -> Any:
        key = str(path)
        if key not in self._modules:
            try:
                tree = ast.parse(path.read_text(encoding="utf-8"))
            except (OSError, SyntaxError, ValueError) as error:
                self._modules[key] = [path.name, type(error).__name__]
            else:
                self._modules[key] = [path.name, normalised(tree)]
        return self._modules[key]


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
