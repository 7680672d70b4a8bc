"""Whether a run is what EXtra-data, and others who know the format, can rely on."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .._errors import NXstxmError, NXstxmOSError
from .._h5tree import H5_ERRORS, Problem, why
from ._check_file import NAME, CheckedFile, check_file
from ._map import MAP
from ._replay import archive_of, documents


def validate(run: str | Path, *, extra_data: bool = True) -> list[Problem]:
    """Check a run, or one file of it.

    Parameters
    ----------
    run : str or Path
        Folder of a run, or a file.
    extra_data : bool
        Ask EXtra-data too, where it is installed.

    Returns
    -------
    list of Problem
        Empty when nothing is wrong. Paths begin with the name of the file:
        ``RAW-R0001-DA01-S00000.h5/INDEX/trainId``. Damage is a problem, not an exception.

    Raises
    ------
    NXstxmOSError
        There is nothing of that name.

    Notes
    -----
    What EXtra-data itself does not look at: dtypes, attributes, values of the run, equal lengths
    in a group, ids of rows, names, sources that are in several files for the same trains.
    """
    path = Path(run)
    if path.is_file():
        checked = [check_file(path)]
        problems = []
    elif path.is_dir():
        checked = [check_file(each) for each in sorted(path.glob("*.h5"))]
        problems = list(_run_problems(path, checked))
    else:
        raise NXstxmOSError(f"{path} is neither the folder of a run nor a file of one")
    found: dict[Problem, None] = {}
    for each in checked:
        own = list(each.problems)
        if extra_data and not each.is_damaged and find_spec("extra_data") is not None:
            own += _extra_data_problems(each.path)
        for problem in own:
            where = each.path.name + ("" if problem.path == "/" else problem.path)
            found[replace(problem, path=where)] = None
    return [*found, *problems]


def _extra_data_problems(path: Path) -> Iterator[Problem]:
    """Ask EXtra-data about a file."""
    from extra_data.file_access import FileAccess
    from extra_data.validation import FileValidator

    try:
        file = FileAccess(str(path))
        try:
            told: list[dict[str, Any]] = FileValidator(file).run_checks()
        finally:
            file.close()
    except Exception as error:  # noqa: BLE001 - it has errors of its own, and plain ones
        yield Problem("error", "/", f"EXtra-data gave up: {why(error)}")
        return
    for problem in told:
        where = str(problem.get("dataset", "")).lstrip("/")
        yield Problem("error", f"/{where}", f"EXtra-data: {problem['msg']}")


# -- the files together ---------------------------------------------------------------------------


def _run_problems(folder: Path, files: Sequence[CheckedFile]) -> Iterator[Problem]:
    if not files:
        yield Problem("error", folder.name, "has no files *.h5")
        return
    for left in sorted(folder.glob("*-S*.tmp")):
        yield Problem("warning", left.name, "is not complete: the run is being written, or was")
    yield from _sequences(files)
    yield from _numbers(folder, files)
    yield from _overlaps(files)
    yield from _changes(files)
    yield from _map_problems(folder, files)
    yield from _archive_problems(folder)


def _sequences(files: Sequence[CheckedFile]) -> Iterator[Problem]:
    """Find gaps in the numbers of files."""
    found: dict[str, list[int]] = defaultdict(list)
    for file in files:
        named = NAME.fullmatch(file.path.name)
        if named is not None:
            found[f"{named[1]}-R{named[2]}-{named[3]}"].append(int(named[4]))
    for name, numbers in found.items():
        missing = sorted({*range(max(numbers) + 1)} - {*numbers})
        if missing:
            told = ", ".join(f"S{number:05d}" for number in missing[:5])
            yield Problem("error", name, f"has {len(numbers)} files, but not {told}")


def _numbers(folder: Path, files: Sequence[CheckedFile]) -> Iterator[Problem]:
    for name in ("proposalNumber", "runNumber"):
        said = {file.numbers[name] for file in files if name in file.numbers}
        if len(said) > 1:
            yield Problem("error", folder.name, f"its files have {name} {sorted(said)}")
    runs = {file.numbers["runNumber"] for file in files if "runNumber" in file.numbers}
    is_run = folder.name[:1] == "r" and folder.name[1:].isdigit()
    if is_run and runs - {int(folder.name[1:])}:
        yield Problem("error", folder.name, f"its files are of the runs {sorted(runs)}")


def _overlaps(files: Sequence[CheckedFile]) -> Iterator[Problem]:
    """Find trains for which two files have the same source."""
    of_source: dict[str, list[CheckedFile]] = defaultdict(list)
    for file in files:
        for source in {s.path.rsplit("/", s.root == "INSTRUMENT")[0] for s in file.sources}:
            of_source[source].append(file)
    for source, its in of_source.items():
        seen: dict[int, str] = {}
        for file in its:
            for train in () if file.train_ids is None else file.train_ids.tolist():
                other = seen.setdefault(train, file.path.name)
                if other != file.path.name:
                    yield Problem(
                        "error", f"{file.path.name}{source}", f"train {train} is in {other} too"
                    )
                    break


def _changes(files: Sequence[CheckedFile]) -> Iterator[Problem]:
    """Find data whose dtype changes: readers take that of the first file for all."""
    seen: dict[str, tuple[str, str]] = {}
    for file in files:
        for path, form in file.dtypes.items():
            was, other = seen.setdefault(path, (form, file.path.name))
            if form != was:
                yield Problem("error", f"{file.path.name}{path}", f"is {form}, in {other} {was}")


def _map_problems(folder: Path, files: Sequence[CheckedFile]) -> Iterator[Problem]:
    """Compare the map of files with them."""
    path = folder / MAP
    if not path.is_file():
        return
    try:
        entries = {each["filename"]: each for each in json.loads(path.read_text("utf-8"))}
        for file in files:
            entry = entries.pop(file.path.name, None)
            if entry is None or file.is_damaged:
                continue
            stat = file.path.stat()
            if (entry["mtime"], entry["size"]) != (stat.st_mtime, stat.st_size):
                yield Problem(
                    "warning", MAP, f"{file.path.name} was changed after it: readers ignore it"
                )
                continue
            control = {s.name for s in file.sources if s.root == "CONTROL"}
            instrument = {s.name.rsplit("/", 1)[0] for s in file.sources if s.root != "CONTROL"}
            ids = [] if file.train_ids is None else file.train_ids.tolist()
            same = (control, instrument, ids) == (
                {*entry["control_sources"]}, {*entry["instrument_sources"]}, [*entry["train_ids"]]
            )  # fmt: skip
            if not same:
                yield Problem("error", MAP, f"says of {file.path.name} what is not in it")
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield Problem("error", MAP, f"makes no sense ({type(error).__name__}: {error})")
        return
    for name in entries:
        yield Problem("error", MAP, f"knows {name}, which is not there")


def _archive_problems(folder: Path) -> Iterator[Problem]:
    """Read the archive of documents, and all arrays to which it refers."""
    try:
        if archive_of(folder) is None:
            return  # somebody else's run
        for _ in documents(folder):
            pass
    except (NXstxmError, *H5_ERRORS) as error:
        told = f"the documents of the run can not be read: {why(error)}"
        yield Problem("error", folder.name, told)
