"""The final name of a scan's file, and what is told when it can not have it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from .._errors import NXstxmFileExistsError, NXstxmOSError
from .._publish import publish as publish_file

if TYPE_CHECKING:
    from ._scanfile import ScanFile


def name_taken(final: Path, kept: ScanFile | None = None) -> NXstxmFileExistsError:
    """Make the error that says that a file is in the way, and where the scan is."""
    where = f"; nothing is lost, the scan is in {_shared_name(kept)}" if _stays(kept) else ""
    return NXstxmFileExistsError(
        f"{final} exists already{where}. Choose another prefix, move the old file, or say "
        f"overwrite=True"
    )


def _stays(kept: ScanFile | None) -> TypeGuard[ScanFile]:
    """Tell whether a file is kept; one that is written alone goes, its scan is in a journal."""
    return kept is not None and not kept.alone


def _shared_name(kept: ScanFile) -> str:
    kept.share()
    return Path(str(kept.target)).name


def publish(temporary: Path, final: Path, *, overwrite: bool, kept: ScanFile | None) -> Path:
    """Give a complete file its final name, at once and never over another.

    Parameters
    ----------
    temporary, final : Path
        The names, in one folder.
    overwrite : bool
        Replace an existing file.
    kept : ScanFile or None
        The file that stays when this fails: it is shared, and the message names it.

    Returns
    -------
    Path
        The final name.

    Raises
    ------
    NXstxmFileExistsError
        The name is taken.
    NXstxmOSError
        The file can not be flushed or have the name.
    """
    try:
        publish_file(temporary, final, overwrite=overwrite)
    except FileExistsError as error:
        raise name_taken(final, kept) from error
    except OSError as error:
        where = f"; the scan is in {_shared_name(kept)}" if _stays(kept) else ""
        raise NXstxmOSError(f"{final} can not be written ({error}){where}") from error
    return final
