"""Modules beside a context file: they are part of it, read once, and imported as they were read.

What a hash was made of has to be what runs. So Python's own import gets the text from here: a file
that changes later, or one of Python's caches, can not come in between.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

#: Not beside a file: this package, even where the file is in the folder of its sources.
_OWN = __name__.partition(".")[0]
#: What `from damnit_ctx import ...` finds.
SHIM = "damnit_ctx"
#: Modules that context files have imported from beside them.
_loaded: set[str] = set()


class Beside:
    """The modules beside a context file, as they were when they were first asked for.

    Parameters
    ----------
    folder : Path, optional
        Where the file is; without one there are none.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._texts: dict[Path, bytes | OSError] = {}
        self._trees: dict[Path, ast.Module | Exception] = {}
        self._next: dict[Path, list[Path]] = {}

    def imported(self, code: ast.AST) -> list[Path]:
        """Give the files that code imports, in functions too, and those that these import."""
        found: dict[Path, None] = {}
        waiting = self._files(code)
        while waiting:
            path = waiting.pop(0)
            if path in found:
                continue
            found[path] = None
            if path not in self._next:
                tree = self.tree(path)
                self._next[path] = [] if isinstance(tree, Exception) else self._files(tree)
            waiting += self._next[path]
        return list(found)

    def tree(self, path: Path) -> ast.Module | Exception:
        """Give the syntax tree of a file, or why it has none."""
        if path not in self._trees:
            try:
                self._trees[path] = ast.parse(self.text(path))
            except (OSError, SyntaxError, ValueError) as error:
                self._trees[path] = error
        return self._trees[path]

    def text(self, path: Path) -> bytes:
        """Give what is in a file.

        Raises
        ------
        OSError
            It can not be read.
        """
        if path not in self._texts:
            try:
                self._texts[path] = path.read_bytes()
            except OSError as error:
                self._texts[path] = error
        found = self._texts[path]
        if isinstance(found, OSError):
            raise found
        return found

    def has(self, path: Path) -> bool:
        """Tell whether a file was read, or tried."""
        return path in self._texts

    def state(self) -> dict[str, str]:
        """Give hashes of all files that were read, by their paths."""
        return {
            str(path): "" if isinstance(text, OSError) else hashlib.sha256(text).hexdigest()
            for path, text in self._texts.items()
        }

    def _files(self, code: ast.AST) -> list[Path]:
        if self.folder is None:
            return []
        found: dict[Path, None] = {}
        for head in _heads(code):
            if not head or head == _OWN:
                continue
            file, package = self.folder / f"{head}.py", self.folder / head
            if file.is_file() and not (package / "__init__.py").is_file():
                found[file] = None
            elif package.is_dir():
                found |= dict.fromkeys(sorted(package.rglob("*.py")))
        return list(found)

    # -- importing ---------------------------------------------------------------------------------

    @contextmanager
    def importable(self) -> Iterator[None]:
        """Let modules beside the file be imported, and what DAMNIT calls its own."""
        from . import _shim

        missing = object()
        shim = sys.modules.get(SHIM, missing)
        if shim is missing:
            sys.modules[SHIM] = _shim
        finder = _Finder(self)
        place = sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else 0
        sys.meta_path.insert(place, finder)
        cached, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        if self.folder is not None:  # of what is imported in other ways than by statements
            sys.path.insert(0, str(self.folder))
        before = set(sys.modules)
        try:
            yield
        finally:
            _loaded.update(name for name in set(sys.modules) - before if self._has(name))
            sys.dont_write_bytecode = cached
            sys.meta_path.remove(finder)
            if self.folder is not None and str(self.folder) in sys.path:
                sys.path.remove(str(self.folder))
            if shim is missing:
                sys.modules.pop(SHIM, None)

    def _has(self, name: str) -> bool:
        """Tell whether a module that was imported is one beside the file."""
        head = name.partition(".")[0]
        file = getattr(sys.modules[name], "__file__", None)
        if self.folder is None or head == _OWN:
            return False
        if file is None:  # a folder without __init__.py
            places = getattr(sys.modules[name], "__path__", ())
            return any(Path(place) == self.folder / head for place in places)
        parents = Path(file).parents
        return Path(file) == self.folder / f"{head}.py" or self.folder / head in parents


@contextmanager
def anew() -> Iterator[None]:
    """Forget the modules that context files have imported from beside them; keep them on errors."""
    old = {name: sys.modules.pop(name) for name in _loaded if name in sys.modules}
    known = set(_loaded)
    _loaded.clear()
    importlib.invalidate_caches()
    try:
        yield
    except BaseException:
        for name in _loaded - set(old):
            sys.modules.pop(name, None)
        sys.modules.update(old)
        _loaded.clear()
        _loaded.update(known)
        raise


def state_of(code: str, folder: Path) -> dict[str, str]:
    """Say what the modules are like that a context file imports from beside it.

    Parameters
    ----------
    code : str
        Its text.
    folder : Path
        Where it is.

    Returns
    -------
    dict of str to str
        Hashes of the files, by their paths.
    """
    beside = Beside(folder.absolute())
    try:
        beside.imported(ast.parse(code))
    except (SyntaxError, ValueError):
        return {}
    return beside.state()


def _heads(code: ast.AST) -> Iterator[str]:
    for node in ast.walk(code):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


class _Finder(MetaPathFinder):
    """Finds modules of which the text was read."""

    def __init__(self, beside: Beside) -> None:
        self._beside = beside

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - Python gives them
        target: types.ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Say how a module is loaded; None where it is no file that was read."""
        folder = self._beside.folder
        if folder is None:
            return None
        file = folder.joinpath(*fullname.split("."))
        for place in (file / "__init__.py", file.with_name(f"{file.name}.py")):
            if not self._beside.has(place):
                continue
            return importlib.util.spec_from_file_location(
                fullname,
                place,
                loader=_Loader(self._beside, place),
                submodule_search_locations=[str(file)] if place.parent == file else None,
            )
        return None


class _Loader(InspectLoader):
    """Gives the text that was read."""

    def __init__(self, beside: Beside, path: Path) -> None:
        self._beside = beside
        self._path = path

    def get_source(self, fullname: str) -> str:  # noqa: ARG002
        """Give the text."""
        return importlib.util.decode_source(self._beside.text(self._path))

    def get_code(self, fullname: str) -> types.CodeType:  # noqa: ARG002
        """Compile it, as the file that it is."""
        return self.source_to_code(self._beside.text(self._path), str(self._path))

    def is_package(self, fullname: str) -> bool:  # noqa: ARG002
        """Tell whether it is that of a package."""
        return self._path.name == "__init__.py"
