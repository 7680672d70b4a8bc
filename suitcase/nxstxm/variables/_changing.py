"""Statements that change what a name stands for, and give it no new value.

``LIMITS["a"] = 1``, ``PEAKS.append(1)``, ``helper.cache = {}``, ``fill(LIMITS)``; or a call of a
function of the file, also as a decorator, that does so.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (*_FUNCTIONS, ast.Lambda, ast.ClassDef)


def changing(
    tree: ast.Module,
    defined: Mapping[str, list[ast.stmt]],
    globals_of: Callable[[_Function], set[str]],
) -> dict[str, list[ast.stmt]]:
    """Give the statements of a file that change things, by the names of these.

    Parameters
    ----------
    tree : Module
        The file.
    defined : Mapping
        The statements that give each name its value; they are not among those that are given.
    globals_of : callable
        Gives the names of the file that a function looks up.
    """
    changes = _Changes(defined, globals_of)
    found: dict[str, list[ast.stmt]] = {}
    for statement in tree.body:
        for name in dict.fromkeys(changes.of(statement)):
            if statement not in defined.get(name, ()):
                found.setdefault(name, []).append(statement)
    return found


class _Changes:
    def __init__(
        self,
        defined: Mapping[str, list[ast.stmt]],
        globals_of: Callable[[_Function], set[str]],
    ) -> None:
        self._defined = defined
        self._globals_of = globals_of
        self._of_functions: dict[str, set[str]] = {}

    def of(self, statement: ast.stmt) -> Iterator[str]:
        """Name what a statement of the file changes."""
        for node in _without_inner([statement]):
            if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
                for decorator in node.decorator_list:
                    yield from self._of_call(decorator)
            else:
                yield from self._of_node(node)

    def _of_node(self, node: ast.AST) -> Iterator[str]:
        if isinstance(node, (ast.Attribute, ast.Subscript)):
            if not isinstance(node.ctx, ast.Load):
                yield from _root(node)
        elif isinstance(node, ast.Call):
            yield from self._of_call(node.func)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            # its result is thrown away: it is there for what it does to what it is given
            call = node.value
            yield from _root(call.func)
            for argument in (*call.args, *(each.value for each in call.keywords)):
                yield from _root(argument)

    def _of_call(self, called: ast.expr) -> Iterator[str]:
        called = called.func if isinstance(called, ast.Call) else called
        for name in _root(called):
            if isinstance(called, ast.Name):
                yield from self._of_function(name)
            elif not self._is_imported(name):  # np.arange(3) leaves np as it is
                yield name

    def _of_function(self, name: str) -> set[str]:
        """Name what a function of the file changes of the file, when it is called."""
        if name in self._of_functions:
            return self._of_functions[name]
        found = self._of_functions[name] = set()  # it may call itself
        for function in self._defined.get(name, ()):
            if not isinstance(function, _FUNCTIONS):
                continue
            seen = self._globals_of(function)
            for node in ast.walk(function):
                if isinstance(node, ast.Global):
                    found |= set(node.names)
                elif node is not function:
                    found |= seen.intersection(self._of_node(node))
        return found

    def _is_imported(self, name: str) -> bool:
        statements = self._defined.get(name, ())
        return any(isinstance(each, (ast.Import, ast.ImportFrom)) for each in statements)


def _without_inner(nodes: list[ast.stmt]) -> Iterator[ast.AST]:
    """Give all parts of statements, but not what functions and classes have inside."""
    waiting: list[ast.AST] = [*nodes]
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, _SCOPES):
            waiting += ast.iter_child_nodes(node)


def _root(node: ast.expr) -> Iterator[str]:
    """Name what ``name.a[0].b`` is a part of."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id
