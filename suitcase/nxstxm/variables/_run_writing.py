"""The file of a run is made whole under another name, and then renamed; none is ever changed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import h5py
import numpy as np

from .._errors import NXstxmError, NXstxmOSError
from .._h5write import text
from .._locks import lock_file
from .._log import logger
from .._publish import publish
from ..nexus import H5_ERRORS, why
from ..storage import Kept, sealed_run, write_kept
from ._errors import CellError, VariableError
from ._keyed import mark
from ._results import LABELS, OBJECT, Result, attach_dimensions, write_results
from ._run_layout import (
    DAMNITS,
    DATA,
    MADE,
    TOKENS,
    TOLD,
    lineages_in,
    opened_file,
    places_but,
    stamp_of,
    tokens_in,
)

_WRITING = ".writing.h5"
_DAMAGED = ".damaged"


@dataclass(frozen=True)
class Written:
    """A file that was written.

    Attributes
    ----------
    stamp : str
        What tells it from others that had its name.
    token : str
        What tells this writing from others.
    failed : Mapping of str to Result
        The errors that it has instead of results that could not be written.
    before : str
        The stamp of the file in whose place it is; nothing where there was none.
    """

    stamp: str
    token: str
    failed: Mapping[str, Result]
    before: str


class _Damaged(Exception):
    """The file that was there can not be read."""


def check_names(results: Iterable[str]) -> None:
    """Raise an error where a name is none that a result can have in a file.

    Raises
    ------
    VariableError
        It is none.
    """
    for name in results:
        if "/" in name or name.startswith("."):
            raise VariableError(
                f"{name!r:.60} can not be the name of a result: in HDF5 a '/' separates "
                f"groups, and names that begin with '.' are taken; give it another one"
            )


def write_file(
    path: Path,
    results: Mapping[str, Result],
    *,
    keep: Mapping[str, Kept],
    drop: Iterable[str],
    told: Mapping[str, Any] | None,
    strict: bool,
    then: Callable[[Written], object] | None,
) -> Written:
    """Write the file of a run; see `RunFile.write`."""
    check_names(results)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NXstxmOSError(f"{path.parent} can not be made ({error})") from error
    new = _New(results, {f"{DATA}/{name}": each for name, each in keep.items()}, frozenset(drop))
    known = None if told is None else sealed_run(path.stem, told)
    temporary = path.with_name(f".{path.stem}.{uuid4().hex[:8]}{_WRITING}")
    with lock_file(path.parent, path.name):
        for left in path.parent.glob(f".{path.stem}.*{_WRITING}"):
            with contextlib.suppress(OSError):  # of who died
                left.unlink()
        before = stamp_of(path) if path.exists() else ""
        try:
            try:
                image, failed = _made(path, new, known, strict)
            except _Damaged as error:
                _set_aside(path, str(error))
                image, failed = _made(path, new, known, strict)
            temporary.write_bytes(image)
            stamp = stamp_of(temporary)
            publish(temporary, path, overwrite=True)
        except NXstxmError:
            raise
        except H5_ERRORS as error:
            raise NXstxmOSError(f"{path} can not be written: {why(error)}") from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()
        written = Written(stamp, new.token, failed, before)
        if then is not None:
            then(written)
        return written


class _New:
    """What is new in a file."""

    def __init__(
        self, results: Mapping[str, Result], others: Mapping[str, Kept], drop: frozenset[str]
    ) -> None:
        self.results, self.others = results, others
        self.gone = {*results, *others, *drop}
        self.token = uuid4().hex[:12]


def _made(
    path: Path, new: _New, known: bytes | None, strict: bool
) -> tuple[bytes, dict[str, Result]]:
    """Make a file of what is new, and of the old one what stays; give its bytes."""
    # in memory: HDF5 crashes, at once or later, where it can not write to a disk
    with h5py.File(
        f"{path.stem}-{new.token}",
        "w",
        driver="core",
        backing_store=False,
        libver=("earliest", "v110"),
    ) as file:
        made, tokens = _kept_of_old(path, file, new.gone | ({TOLD} if known is not None else set()))
        made |= {name: each.lineage for name, each in new.results.items() if each.lineage}
        text(file, MADE, json.dumps(made))
        text(file, TOKENS, json.dumps(tokens | dict.fromkeys(new.results, new.token)))
        if known is not None:
            file.create_dataset(TOLD, data=np.frombuffer(known, np.uint8))
        failed = write_results(file, new.results)
        for name, each in failed.items() if strict else ():
            raise CellError(f"{name!r:.60}: {each.error}")
        for place, kept in new.others.items():
            group = file.create_group(place)
            mark(group, kept.metadata.key)
            write_kept(group, kept)
        file.flush()
        return file.id.get_file_image(), failed


def _kept_of_old(
    path: Path, file: h5py.File, gone: set[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Copy what stays; give the lineages of that, and the tokens.

    Raises
    ------
    _Damaged
        The old file can not be read, and never will be.
    """
    for inner in DAMNITS:
        file.create_group(inner)
    if not path.exists():
        return {}, {}
    try:
        with opened_file(path) as old:
            for place in places_but(old, gone):
                file.require_group(place.rpartition("/")[0] or "/")
                old.copy(old[place], file, place)
                if old[place].attrs.get(OBJECT, "") in LABELS:
                    attach_dimensions(old[place], file[place])
            return tuple(  # type: ignore[return-value]
                {name: each for name, each in found.items() if name not in gone}
                for found in (lineages_in(old), tokens_in(old))
            )
    except MemoryError:
        raise
    except H5_ERRORS as error:
        if getattr(error, "errno", None) is not None:
            raise  # of the system: it may not be read now, by us
        raise _Damaged(why(error)) from error


def _set_aside(path: Path, told: str) -> None:
    """Give a file that can not be read another name: somebody may save something of it."""
    number, aside = 1, path.with_name(f"{path.name}{_DAMAGED}")
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}{_DAMAGED}-{number}")
    path.rename(aside)
    logger.error(
        "%s can not be read (%s); it is %s now, and what was submitted is in no other file",
        path, told, aside.name,
    )  # fmt: skip
