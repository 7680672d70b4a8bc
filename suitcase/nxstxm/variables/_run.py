"""The run that a variable's function gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .._errors import NXstxmKeyError, NXstxmValueError
from ..nexus import open_nxstxm, runs_in_file
from ..storage import channel_of, chosen_run, told_by, value_at

if TYPE_CHECKING:
    import xarray as xr

    from ..storage import Store

_MISSING = object()


@dataclass(frozen=True)
class RunRef:
    """Which scan, and where it is: enough to open it in another process.

    Attributes
    ----------
    uid : str
        Its ``first_uid``.
    kind : "nxstxm" or "euxfel"
        What it is stored as.
    paths : tuple of str
        The file, or the folders of its EuXFEL runs.
    proposal, number : int
        Under which the table has it.
    start_time : float, optional
        When it began, seconds since the epoch.
    proposal_path : str
        The folder of the proposal; of files that in which they are.
    """

    uid: str
    kind: Literal["nxstxm", "euxfel"]
    paths: tuple[str, ...]
    proposal: int = 0
    number: int = 0
    start_time: float | None = None
    proposal_path: str = ""


@dataclass
class ScanRun:
    """A scan, as the functions of variables see it; nothing is read before it is asked for.

    Attributes
    ----------
    path : str
        The file.
    uid : str
        Its ``first_uid``.
    number, proposal : int
        Under which the table has it.
    """

    path: str
    uid: str
    number: int = 0
    proposal: int = 0

    @cached_property
    def tree(self) -> xr.DataTree:
        """The file, as `open_nxstxm` gives it."""
        return open_nxstxm(self.path)

    @cached_property
    def baseline(self) -> xr.DataTree:
        """The file with the readings of the beamline."""
        return open_nxstxm(self.path, baseline=True)

    @cached_property
    def _run(self) -> Any:
        return chosen_run(runs_in_file(self.path), self.uid)

    @cached_property
    def _told(self) -> Mapping[str, Any]:
        return told_by([self._run], self.uid) or {}

    @property
    def start(self) -> Mapping[str, Any]:
        """The start document of the first run; no other document is read for it."""
        found: Mapping[str, Any] = self._run.start
        return found

    @property
    def stop(self) -> Mapping[str, Any]:
        """The stop document of the first run; empty where there is none."""
        found: Mapping[str, Any] = self._told.get("stop", {})
        return found

    @cached_property
    def last_stop(self) -> Mapping[str, Any]:
        """The stop document of the last run of the scan; empty where there is none."""
        runs: Sequence[Any] = runs_in_file(self.path)
        last = max(runs, key=lambda run: float(run.start.get("time", 0.0)))
        told = told_by([last], str(last.start.get("uid"))) or {}
        found: Mapping[str, Any] = told.get("stop", {})
        return found

    @property
    def entries(self) -> tuple[str, ...]:
        """Names of the entries: regions, polarizations, angles."""
        return tuple(self.tree.children)

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the detectors of the first entry."""
        node = self.tree[self.entries[0]]
        return tuple(n for n, child in node.children.items() if "data" in child.data_vars)

    @property
    def scan_type(self) -> str:
        """What was scanned: ``"sample image stack"``."""
        return str(self.entry().attrs.get("scan_type", ""))

    def entry(self, name: str | None = None) -> xr.DataTree:
        """Give an entry; by default the one that the file shows first.

        Raises
        ------
        NXstxmKeyError
            There is no such entry.
        """
        name = name or str(self.tree.attrs.get("default") or next(iter(self.entries), ""))
        if name not in self.tree.children:
            raise NXstxmKeyError(
                f"the scan has no entry {name!r}; it has {', '.join(self.entries) or 'none'}"
            )
        node: Any = self.tree[name]
        return node  # type: ignore[no-any-return]

    def channel(self, channel: str | None = None, entry: str | None = None) -> xr.DataTree:
        """Give what is known of each point of a detector: ``data``, ``control``, ``quality``.

        Parameters
        ----------
        channel, entry : str, optional
            By default those that the file shows first.

        Raises
        ------
        NXstxmKeyError
            There is no such detector or entry.
        """
        node: xr.DataTree = channel_of(self.tree, entry, channel)
        return node

    def picture(self, channel: str | None = None, entry: str | None = None) -> xr.DataArray:
        """Give the counts of a detector: a stack, an image, spectra; see `channel`."""
        found: Any = self.channel(channel, entry)["data"]
        return found  # type: ignore[no-any-return]

    def __getitem__(self, place: str) -> Any:
        """Give a part of the tree: ``run["entry0/instrument"]["energy"]``."""
        return self.tree[place]

    def close(self) -> None:
        """Close the file."""
        for name in ("tree", "baseline"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()


def open_ref(ref: RunRef) -> Any:
    """Open a scan for the functions of variables.

    Returns
    -------
    ScanRun, or EXtra-data's DataCollection
        Of EuXFEL runs what EXtra-data's `open_run` would give, all runs of the scan together.

    Raises
    ------
    NXstxmValueError
        It is stored in a way that nobody knows.
    """
    if ref.kind == "nxstxm":
        return ScanRun(ref.paths[0], ref.uid, ref.number, ref.proposal)
    if ref.kind == "euxfel":
        from importlib import import_module

        extra_data: Any = import_module("extra_data")
        first, *others = (extra_data.RunDirectory(path) for path in ref.paths)
        return first.union(*others) if others else first
    raise NXstxmValueError(f"run {ref.uid} is stored as {ref.kind!r}, which nobody can open")


def documents_of(ref: RunRef) -> Mapping[str, Any]:
    """Give the start and stop documents of a scan."""
    if ref.kind == "nxstxm":
        runs: Sequence[Any] = runs_in_file(ref.paths[0])
    else:
        from ..euxfel import StoredRun

        runs = [StoredRun(Path(path)) for path in ref.paths]
    return told_by(runs, ref.uid) or {}


def store_of(path: str, folder: str) -> Store:
    """Give the store that variables take data of a scan from.

    Parameters
    ----------
    path : str
        The scan's file.
    folder : str
        Where derived data are.
    """
    from ..storage import DataDirectory, NXstxmDirectory, Store

    scans = NXstxmDirectory(Path(path).parent, recursive=False)
    return Store([scans, DataDirectory(folder)])


def told(documents: Mapping[str, Any], name: str) -> Any:
    """Give what documents say under a dotted name.

    Raises
    ------
    NXstxmKeyError
        They say nothing of it.
    """
    found = value_at(documents, name, _MISSING)
    if found is _MISSING:
        raise NXstxmKeyError(f"the scan's documents have no {name!r}")
    return found
