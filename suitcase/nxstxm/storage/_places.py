"""What frontends share whose backend keys are names of folders, in a file system or not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from .._log import logger
from ._backend import StorageBackend
from ._errors import DataCorrupted, DataExistsError, DataNotAvailable, NewerFormatError
from ._key import HASH_LETTERS, DataKey, run_name, type_name

#: What is behind the name of data that are being written, and of those that could not be.
TEMP, BROKEN = "_temp", "_broken"


def run_folder(run_id: str) -> str:
    """Give the folder of a run: 256 folders share the runs, for those of many are slow."""
    fan = hashlib.sha256(run_id.encode("utf-8", "surrogatepass")).hexdigest()[:2]
    return f"{fan}/{run_name(run_id)}"


def place_of(key: DataKey) -> str:
    """Name the folder of data: ``3f/<run>/od-fudrzdymyykct3ca``."""
    return f"{run_folder(key.run_id)}/{key.name}"


def bases(names: Iterable[str], data_type: str | None) -> Iterator[str]:
    """Find data among the names in a run's folder, each once, whatever state they are in.

    Parameters
    ----------
    names : iterable of str
        What is in the folder.
    data_type : str, optional
        Only data of this type.
    """
    wanted = None if data_type is None else type_name(data_type)
    seen = set()
    for name in sorted(names):
        kind, _, mark = name.rpartition("-")
        letters, state = mark[:HASH_LETTERS], mark[HASH_LETTERS:]
        if not kind or len(letters) < HASH_LETTERS or state not in ("", TEMP, BROKEN):
            continue
        base = f"{kind}-{letters}"
        if wanted in (None, kind) and base not in seen:
            seen.add(base)
            yield base


def check_overwrite(backend: StorageBackend, backend_key: str, overwrite: str) -> None:
    """Refuse to replace whole data that are protected.

    Parameters
    ----------
    backend : StorageBackend
        Where they are.
    backend_key : str
        What they are called there.
    overwrite : "never", "if_broken" or "always"
        What protects them.

    Raises
    ------
    DataExistsError
        They are not to be replaced.
    """
    if overwrite == "always":
        return
    if overwrite == "if_broken":
        try:
            backend.open(backend_key).verify()
        except NewerFormatError:
            raise  # they are good, for who has that version
        except (DataCorrupted, DataNotAvailable) as error:
            logger.warning("broken data will be replaced: %s", error)
            return
    where = backend.describe(backend_key)
    raise DataExistsError(
        f"{where} is there already, and overwrite={overwrite!r} protects it", where
    )
