"""EuXFEL runs that are written beside an NXstxm file, from one pass over the documents."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .._errors import NXstxmError, NXstxmTypeError, OptionError
from .._log import logger
from ..euxfel import RunOptions, RunWriter, begin_again
from ..nexus import WriterOptions


class RunBeside:
    """One run on its way into a EuXFEL run.

    Parameters
    ----------
    writer : RunWriter
        Writes it.
    raises : bool
        Whether what goes wrong is raised; else it is logged, and the rest of the run is left.
    """

    def __init__(self, writer: RunWriter, *, raises: bool) -> None:
        self._writer = writer
        self._raises = raises
        self.error: Exception | None = None

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self._writer.place.folder

    def take(self, name: str, doc: Mapping[str, Any]) -> None:
        """Take a document."""
        if self.error is None:
            self._attempt(lambda: self._writer.take(name, doc))

    def end(self, messages: list[str]) -> None:
        """Complete the run with what came, as the NXstxm file is; again is harmless."""
        if self.error is None:
            self._writer.leaves_out_held = True  # the file has waited for them
            self._attempt(lambda: self._writer.close(messages))

    def abandon(self) -> None:
        """Let go of what is not complete: a journal has it, or a source of which it was."""
        if self.error is None and not self._writer.is_closed:
            self._let_go()

    def _let_go(self) -> None:
        with suppress(NXstxmError, OSError):
            if self._raises:
                self._writer.remove()
            else:
                self._writer.abandon()

    def _attempt(self, do: Any) -> None:
        try:
            do()
        except Exception as error:
            self.error = error
            self._let_go()
            if self._raises:
                raise
            logger.error(
                "the EuXFEL run in %s could not be written (%s: %s); export it again",
                self.folder, type(error).__name__, error,
            )  # fmt: skip


class RunsBeside:
    """Writes EuXFEL runs of the runs of a scan, where the option ``euxfel`` says so.

    Parameters
    ----------
    options : WriterOptions
        The writer's options.
    raises : bool
        Whether what goes wrong with a run is raised; else it is logged.
    again : bool
        Whether the runs may have been begun by a process that died.

    Raises
    ------
    OptionError, NXstxmTypeError
        An option of the EuXFEL runs makes no sense.
    """

    def __init__(self, options: WriterOptions, *, raises: bool = True, again: bool = False) -> None:
        self._raises, self._again = raises, again
        self._directory: Path | None = None
        self._options = RunOptions()
        given = options.euxfel
        if given is None:
            return
        told = {"directory": given} if isinstance(given, (str, Path)) else given
        if not isinstance(told, Mapping):
            raise NXstxmTypeError(
                f"euxfel is a {type(given).__name__}; give a folder, or a mapping with a directory "
                f"and options of EuXFEL runs"
            )
        directory = told.get("directory")
        if not isinstance(directory, (str, Path)):
            raise OptionError(f"euxfel={given!r} names no directory")
        common = {
            "handler_registry": options.handler_registry, "root_map": options.root_map,
            "fill_or_fail": options.fill_or_fail,
        }  # fmt: skip
        own = {name: value for name, value in told.items() if name != "directory"}
        self._directory = Path(directory).expanduser().absolute()
        self._options = RunOptions.of(**{**common, **own})

    def run(
        self, start: Mapping[str, Any], roots: Mapping[str, str] | None = None
    ) -> RunBeside | None:
        """Begin a run; None where there is none to write, or it is there."""
        if self._directory is None:
            return None
        try:
            if self._again:
                writer = begin_again(self._directory, start, self._options)
            else:
                writer = RunWriter(self._directory, start, self._options)
        except NXstxmError as error:
            if self._raises:
                raise
            logger.error("no EuXFEL run can be written (%s)", error)
            return None
        if writer is None:
            return None
        writer.roots.update(roots or {})
        return RunBeside(writer, raises=self._raises)
