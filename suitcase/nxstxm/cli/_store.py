"""Stored data: listed, shown, verified, copied and cleaned."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from suitcase.nxstxm._errors import NXstxmError, NXstxmKeyError, NXstxmOSError
from suitcase.nxstxm.cli._telling import complain, say
from suitcase.nxstxm.storage import (
    DataCorrupted,
    DataDirectory,
    DataNotAvailable,
    FsspecDirectory,
    Lineage,
    Location,
    RunMetadataNotAvailable,
    StorageFrontend,
    StoredMetadata,
    compared,
    copied,
    merged,
)


@dataclass(frozen=True)
class Item:
    """Something in a store.

    Attributes
    ----------
    at : Location
        Where it is.
    metadata : StoredMetadata, optional
        What is known of it; None where that is damaged.
    problem : str
        What is wrong with it.
    """

    at: Location
    metadata: StoredMetadata | None
    problem: str = ""

    @property
    def name(self) -> str:
        """Its key, or where it is."""
        return str(self.at) if self.metadata is None else str(self.metadata.key)

    @property
    def state(self) -> str:
        """Whether it is whole."""
        if self.metadata is None:
            return "damaged"
        if self.metadata.exception is not None:
            return "broken"
        return "whole" if self.metadata.is_whole else "unfinished"


def open_store(place: str, **options: Any) -> StorageFrontend:
    """Open a folder of data, that of a run table, or an address that fsspec knows.

    Raises
    ------
    NXstxmOSError
        There is no such folder.
    """
    if "://" in place or "::" in place:
        return FsspecDirectory(place, **options)
    if (Path(place) / "runs.sqlite").is_file():
        from suitcase.nxstxm.variables import RunFiles, RunTable

        return RunFiles(RunTable(place, readonly=not options), **options)
    if not Path(place).is_dir() and not options:
        raise NXstxmOSError(f"there is no folder {place}")
    return DataDirectory(place, **options)


def items(
    store: StorageFrontend, run: str | None = None, data_type: str | None = None
) -> Iterator[Item]:
    """Go through what is stored, damaged or not."""
    for at in store.locations(run, data_type):
        try:
            yield Item(at, at.backend.get_metadata(at.backend_key))
        except (DataCorrupted, DataNotAvailable) as error:
            yield Item(at, None, str(error))


def chosen(store: StorageFrontend, keys: Sequence[str]) -> list[Item]:
    """Choose by keys, their beginnings, or beginnings of their hashes; all without any.

    Raises
    ------
    NXstxmKeyError
        One fits nothing.
    """
    found = list(items(store))
    if not keys:
        return found
    wanted: dict[str, Item] = {}
    for key in keys:
        fitting = [item for item in found if _fits(item, key)]
        if not fitting:
            raise NXstxmKeyError(f"{key} fits nothing in {store}; `nxstxm store ls` lists it")
        wanted.update({str(item.at): item for item in fitting})
    return list(wanted.values())


def _fits(item: Item, key: str) -> bool:
    name = item.name
    return name.startswith(key) or name.rpartition("-")[2].startswith(key)


def one(store: StorageFrontend, key: str) -> Item:
    """Choose one.

    Raises
    ------
    NXstxmKeyError
        None fits, or several do.
    """
    found = chosen(store, [key])
    exact = [item for item in found if item.name == key]
    if len(exact or found) > 1:
        raise NXstxmKeyError(
            f"{key} fits {len(found)}: {', '.join(item.name for item in found[:10])}; say which"
        )
    return (exact or found)[0]


# -- what the commands do --------------------------------------------------------------------------


def list_store(
    console: Console, store: StorageFrontend, run: str | None, data_type: str | None
) -> None:
    """Print a line for each piece of data."""
    table = Table(box=None, pad_edge=False)
    for title in ("run", "type", "hash", "made", "rows", "size", "chunks", ""):
        right = title in ("rows", "size", "chunks")
        table.add_column(title, justify="right" if right else "left", overflow="fold")
    damaged = []
    for item in items(store, run, data_type):
        about = item.metadata
        if about is None:
            damaged.append(item)
            continue
        when = about.writing_ended or about.writing_started
        table.add_row(
            about.run_id,
            about.data_type,
            about.lineage.hash[:16],
            "" if when is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(when)),
            str(about.rows),
            size(about.nbytes),
            str(about.n_chunks),
            "" if item.state == "whole" else Text(item.state, "bold red"),
        )
    if table.row_count:
        console.print(table)
    for item in damaged:
        complain(item.problem)


def size(nbytes: int) -> str:
    """Write a size."""
    value, unit = float(nbytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.3g} {unit}"


def show(console: Console, store: StorageFrontend, key: str, other: str | None) -> None:
    """Print how data were made, and how others of the same kind differ."""
    item = one(store, key)
    about = item.metadata
    if about is None:
        raise DataCorrupted(item.problem)
    console.print(Text.assemble((item.name, "bold"), f"  {item.state}"), soft_wrap=True)
    facts = Table(box=None, show_header=False, pad_edge=False)
    for name, value in _facts(item, about):
        facts.add_row(Text(name, "cyan"), value)
    console.print(facts)
    console.print(_tree(about.lineage, about.data_type))
    if about.exception:
        console.print(Text(about.exception.rstrip(), "red"), soft_wrap=True)
    if other is not None:
        second = one(store, other)
        if second.metadata is None:
            raise DataCorrupted(second.problem)
        told = compared(about.lineage, second.metadata.lineage)
        console.print(f"{second.name}: {told}", soft_wrap=True)


def _facts(item: Item, about: StoredMetadata) -> Iterator[tuple[str, str]]:
    yield "where", str(item.at)
    yield "run", about.run_id
    for name, when in (("begun", about.writing_started), ("finished", about.writing_ended)):
        if when is not None:
            yield name, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))
    yield "size", f"{size(about.nbytes)} in {about.n_chunks} chunks, {about.compression}"
    if about.schema is not None:
        yield "kind", about.schema.kind
        yield "axis", f"{about.schema.axis}, length {about.rows}"
        for variable in about.schema.variables:
            yield "", f"{variable.name}: {variable.dtype} along {', '.join(variable.dims) or '-'}"
    for key, value in about.extra.items():
        yield str(key), str(value)


def _tree(lineage: Lineage, data_type: str) -> Tree:
    tree = Tree(Text("made by", "cyan"))
    for name, step in lineage.items():
        branch = tree.add(
            Text.assemble((name, "bold" if name == data_type else ""), f"  {step.name} ",
                          f"version {step.version}")
        )  # fmt: skip
        for option, value in step.options.items():
            branch.add(Text(f"{option} = {_short(value)}"))
    return tree


def _short(value: Any) -> str:
    text = repr(dict(value)) if isinstance(value, Mapping) else repr(value)
    return text if len(text) <= 200 else f"{text[:197]}..."


def verify(console: Console, store: StorageFrontend, keys: Sequence[str]) -> bool:
    """Read data and compare every checksum; tell whether all are good."""
    good = True
    found = chosen(store, keys)
    total = sum(item.metadata.nbytes for item in found if item.metadata is not None)
    done = 0
    with _bar(console, "verifying", total, len(found) > 0) as tell:
        for item in found:
            if item.metadata is not None and not item.metadata.is_whole:
                console.print(
                    Text.assemble((item.state, "yellow"), f"  {item.name}"), soft_wrap=True
                )
                continue
            before = done

            def progress(read: int, whole: int, *, before: int = before, item: Item = item) -> None:
                size_of = item.metadata.nbytes if item.metadata is not None else 0
                tell(before + (size_of * read // whole if whole else size_of))

            try:
                if item.metadata is None:
                    raise DataCorrupted(item.problem)
                item.at.backend.open(item.at.backend_key).verify(progress)
            except NXstxmError as error:
                good = False
                console.print(Text.assemble(("bad", "bold red"), f"  {item.name}"), soft_wrap=True)
                complain(error)
            else:
                console.print(Text.assemble(("good", "green"), f"  {item.name}"), soft_wrap=True)
            done += item.metadata.nbytes if item.metadata is not None else 0
    runs = {item.metadata.run_id for item in found if item.metadata is not None}
    for run in store.runs():
        if run in runs or not keys:
            try:
                store.run_metadata(run)
            except NXstxmError as error:
                good = False
                told = Text.assemble(("bad", "bold red"), f"  what is known of run {run}")
                console.print(told, soft_wrap=True)
                complain(error)
    return good


def copy(
    console: Console,
    store: StorageFrontend,
    to: StorageFrontend,
    keys: Sequence[str],
    *,
    rechunk: int | None,
    compression: str | None,
) -> bool:
    """Copy data, and what is known of their runs; tell whether all went well."""
    good = True
    options = {} if compression is None else {"compression": compression}
    found = chosen(store, keys)
    for item in found:
        if item.metadata is None:
            good = False
            complain(DataCorrupted(item.problem), item.name)
            continue
        if not item.metadata.is_whole:
            say(f"{item.name} is {item.state}, and not copied", "note", "yellow")
            continue
        try:
            copied(item.at.backend.open(item.at.backend_key), to, rechunk=rechunk, **options)
        except NXstxmError as error:
            good = False
            complain(error, item.name)
        else:
            console.print(Text.assemble(("copied", "green"), f"  {item.name}"), soft_wrap=True)
    wanted = {item.metadata.run_id for item in found if item.metadata is not None}
    for run in store.runs():
        if run in wanted or not keys:
            try:
                _copy_notes(store, to, run)
            except NXstxmError as error:
                good = False
                complain(error, f"what is known of run {run}")
    return good


def _copy_notes(store: StorageFrontend, to: StorageFrontend, run: str) -> None:
    """Copy what is known of a run; what is known there counts more, unless it is to be replaced."""
    known = store.run_metadata(run)
    if to.overwrite != "always":
        with suppress(RunMetadataNotAvailable):
            known = merged(to.run_metadata(run), known)
    to.write_run_metadata(run, known)


def clean(console: Console, found: Iterable[Any], *, dry_run: bool) -> None:
    """Say what was cleaned."""
    for each in found:
        console.print(f"{'would clean' if dry_run else 'cleaned'}  {each}", soft_wrap=True)


class _bar:  # noqa: N801 - used as a context like a function
    """A bar of bytes, on a terminal."""

    def __init__(self, console: Console, what: str, total: int, shown: bool) -> None:
        columns = (TextColumn(what), BarColumn(), DownloadColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, console=console, transient=True)
        self._task = self._bar.add_task(what, total=total)
        self._shown = shown and console.is_terminal

    def __enter__(self) -> Any:
        """Show it."""
        if self._shown:
            self._bar.start()
        return lambda done: self._bar.update(self._task, completed=done)

    def __exit__(self, *_: object) -> None:
        """Take it away."""
        if self._shown:
            self._bar.stop()
