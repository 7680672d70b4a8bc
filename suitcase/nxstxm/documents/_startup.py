"""What an earlier process left, made good in a thread as soon as there is a writer."""

from __future__ import annotations

import atexit
import weakref
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from .._errors import NXstxmError
from .._log import logger
from ._leftovers import RecoverError

# What is registered later runs earlier when Python ends. The finalizers of all objects, which close
# open files, are registered with the first one: now, so that writers finish before that.
weakref.finalize(NXstxmError, int).detach()


class Startup:
    """Recovers what is in a folder, beside everything else.

    It keeps nothing else alive, and Python waits for it when it ends: a thread that is cut off
    within HDF5 would leave it locked.

    Parameters
    ----------
    directory : Path
        The folder.
    recover : callable
        Makes the files of what an earlier process left in it, and gives them.
    """

    def __init__(self, directory: Path, recover: Callable[[Path], list[Path]]) -> None:
        def work() -> None:
            try:
                _recover(directory, recover)
            except BaseException:  # noqa: BLE001 - nobody is there to catch it
                logger.exception("%s could not be looked through", directory)
            finally:
                atexit.unregister(self.wait)

        # not the thread that writes files: a process that is forked before its first scan has none
        self._thread = Thread(target=work, name="nxstxm-recover", daemon=True)
        atexit.register(self.wait)
        self._thread.start()

    def wait(self) -> None:
        """Wait until it is done; a process that was forked has nothing to wait for."""
        self._thread.join()


def _recover(directory: Path, recover: Callable[[Path], list[Path]]) -> None:
    try:
        paths = recover(directory)
    except RecoverError as error:
        logger.error("%s", error)
        paths = error.paths
    except (NXstxmError, OSError) as error:
        logger.error("%s could not be looked through: %s", directory, error)
        return
    for path in paths:
        logger.warning("%s was recovered from the journal of an earlier process", path)
