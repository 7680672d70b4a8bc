"""Documents to a file of their own: an archive that is whole as soon as it has its name."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal

from suitcase.nxstxm._errors import NXstxmFileExistsError, NXstxmOSError
from suitcase.nxstxm._publish import publish
from suitcase.nxstxm.documents._archive import ArchiveWriter

SUFFIX = ".nxdocs"


def write_archive(
    docs: Iterable[tuple[str, Mapping[str, Any]]],
    path_or_file: str | os.PathLike[str] | BinaryIO,
    *,
    compression: Literal["zlib", "none"] = "zlib",
    level: int = 1,
) -> Path | None:
    """
    Write documents as an archive.

    Parameters
    ----------
    docs : iterable of (name, document)
        Of one run or many, in the order in which they shall be read again.
    path_or_file : path or binary file
        A path without a suffix gets ``.nxdocs``. The archive is written under a temporary name
        in the same folder and gets its own when it is complete and on the disk. A file is
        written from where it stands and stays open.
    compression, level
        As for `ArchiveWriter`.

    Returns
    -------
    Path or None
        Where the archive is; None for a file.

    Raises
    ------
    NXstxmFileExistsError
        When the path is taken; nothing is overwritten.
    NXstxmOSError
        When it can not be written there.
    NXstxmTypeError, NXstxmValueError
        When a document can not be stored. No file is left behind then.
    """
    if not isinstance(path_or_file, (str, os.PathLike)):
        _write(docs, path_or_file, compression, level)
        return None
    path = Path(path_or_file)
    path = path if path.suffix else path.with_suffix(SUFFIX)
    if path.exists():  # before the work; `publish` makes sure
        raise _taken(path)
    # Its own name may be as long as the file system allows.
    temporary = path.with_name(f".{path.stem[:40]}.{secrets.token_hex(4)}.tmp")
    try:
        try:
            with temporary.open("xb") as file:
                _write(docs, file, compression, level)
            publish(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except NXstxmOSError:
        raise
    except FileExistsError as error:
        raise _taken(path) from error
    except OSError as error:
        raise NXstxmOSError(f"{path} can not be written: {error}") from error
    return path


def _taken(path: Path) -> NXstxmFileExistsError:
    return NXstxmFileExistsError(f"{path} exists and is not overwritten; choose another name")


def _write(
    docs: Iterable[tuple[str, Mapping[str, Any]]],
    file: BinaryIO,
    compression: Literal["zlib", "none"],
    level: int,
) -> None:
    writer = ArchiveWriter(file.write, compression=compression, level=level)
    for name, doc in docs:
        writer.append(name, doc)
    writer.close()
