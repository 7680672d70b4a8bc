"""One saver for several frontends: what fails in one does not spoil the others."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

from .._errors import NXstxmError
from .._log import logger
from ._errors import FormatError
from ._saver import Saver


class Fan:
    """Saves the same chunks with several savers.

    An error of one is logged, and it drops out; the data are still saved by the others. An error
    of whoever makes the chunks is recorded by all.

    Parameters
    ----------
    savers : list of Saver
        The savers; none is allowed.
    errors : list of Exception
        Those of frontends that could not even begin.
    """

    def __init__(self, savers: list[Saver], errors: list[Exception] | None = None) -> None:
        self._savers = savers
        self.errors = list(errors or ())

    def save(self, data: Any) -> None:
        """Save a chunk with each."""
        self._each(lambda saver: saver.save(data))

    def _each(self, work: Callable[[Saver], Any]) -> None:
        for saver in list(self._savers):
            try:
                work(saver)
            except FormatError:
                raise  # no frontend could store it: whoever made it has to know
            except (NXstxmError, OSError) as error:
                logger.error("%s can not be saved: %s", saver.metadata.key, error)
                self.errors.append(error)
                self._savers.remove(saver)
                saver.fail(error)

    def __enter__(self) -> Fan:
        """Give it itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close all."""
        if error is None:
            self._each(lambda saver: saver.close())
        else:
            for saver in self._savers:
                saver.fail(error)
