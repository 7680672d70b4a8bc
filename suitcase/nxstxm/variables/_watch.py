"""Following folders: scans are processed as they are finished."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .._errors import NXstxmError, NXstxmOSError, OptionError
from .._log import logger
from ..storage import SUFFIXES
from ._process import Processor
from ._processed import Processed
from ._scans import FoundScan, file_scan, found_scans


def watch(
    processor: Processor,
    places: Iterable[str | os.PathLike[str]],
    *,
    stop: threading.Event | None = None,
    ready: Callable[[], object] | None = None,
    poll: bool = False,
    params: Mapping[str, Any] | None = None,
) -> Iterator[Processed]:
    """Process what is there, and then whatever comes or changes, until somebody stops it.

    A change of the context file, or of a module beside it, has all scans looked at again.

    Parameters
    ----------
    processor : Processor
        Fills the table.
    places : iterable of path-like
        Folders of files, or of EuXFEL proposals.
    stop : threading.Event, optional
        Ends it when it is set, after the scan that is being processed.
    ready : callable, optional
        Called when what was there has been processed and changes are waited for.
    poll : bool
        Look every now and then, on network disks that tell of no changes.
    params : Mapping, optional
        Parameters, ``"param#..."``, as of `Processor.process`.

    Yields
    ------
    Processed
        Of each scan of which something was computed, or could not be.

    Raises
    ------
    OptionError
        watchfiles is not installed.
    NXstxmOSError
        A folder is not there.
    """
    try:
        from watchfiles import watch as changes_in
    except ImportError as error:
        raise OptionError(
            f"to watch folders needs watchfiles ({error}): pip install 'suitcase-nxstxm[variables]'"
        ) from error
    folders = [Path(each) for each in places]
    for folder in folders:
        if not folder.is_dir():
            raise NXstxmOSError(f"there is no folder {folder} to watch")
    context = processor.table.context_path
    # asked first, so that nothing is missed that comes while the others are processed
    coming = changes_in(
        *folders,
        context.parent,
        recursive=True,
        stop_event=stop,
        rust_timeout=200,
        yield_on_timeout=True,
        debounce=200,
        step=20,
        force_polling=poll or None,
    )
    stop = stop or threading.Event()
    next(coming, None)
    yield from _told(processor, found_scans(folders), stop, params)
    if ready is not None and not stop.is_set():
        ready()
    for changes in coming:
        paths = {Path(path) for _, path in changes}
        if any(_is_context(path.absolute(), context.absolute()) for path in paths):
            yield from _told(processor, found_scans(folders), stop, params)
        else:
            yield from _told(processor, list(_changed(paths, folders)), stop, params)
        if stop.is_set():
            return


def _is_context(path: Path, context: Path) -> bool:
    """Tell whether a file is the context file, or may be a module beside it."""
    return path == context or (path.suffix == ".py" and context.parent in path.parents)


def _changed(paths: Iterable[Path], folders: Iterable[Path]) -> Iterator[FoundScan]:
    """Find the scans in files that have changed."""
    homes = [folder.absolute() for folder in folders]
    runs: set[Path] = set()
    for path in sorted(paths):
        absolute = path.absolute()
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        if not any(home in absolute.parents for home in homes) or not path.exists():
            continue
        if path.parent.parent.name == "raw" and path.parent.name[:1] == "r":
            runs.add(path.parent.parent)
            continue
        try:
            yield file_scan(path)
        except (NXstxmError, OSError) as error:
            logger.debug("%s is no scan: %s", path, error)
    if runs:
        yield from found_scans(sorted(runs))


def _told(
    processor: Processor,
    scans: list[FoundScan],
    stop: threading.Event,
    params: Mapping[str, Any] | None,
) -> Iterator[Processed]:
    """Process scans; nothing is told of those of which nothing had to be computed."""
    try:
        for done in processor.process(scans, params=params) if scans else ():
            if done.computed or done.failure:
                yield done
            if stop.is_set():
                return
    except (NXstxmError, OSError) as error:  # which may be gone at the next change
        logger.error("nothing is computed: %s", error)
