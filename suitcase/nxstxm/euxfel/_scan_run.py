"""One run of a scan, as EXtra-data reads it: where its readings are, and which points they are."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from .._errors import NXstxmError, NXstxmKeyError, NXstxmValueError
from ..scans import (
    BASELINE,
    Detector,
    ScanPlan,
    by_order,
    by_region,
    detector_columns,
    place,
    points_per_event,
    read_plan,
)
from ._columns import AnyArray
from ._devices import KEY, SPLIT, STREAM
from ._foreign import opened_run
from ._replay import archive_of, documents


@dataclass(frozen=True)
class Where:
    """Where the readings of a data key are, in EXtra-data's words; whether each row is a pulse."""

    source: str
    key: str
    is_split: bool = False


@dataclass(frozen=True, eq=False)
class Events:
    """The events of a stream that measures.

    Attributes
    ----------
    train_ids : ndarray of uint64, shape (n,)
        Their trains.
    seq_nums : ndarray of int64, shape (n,)
        Their sequence numbers; of equal ones only the last is here.
    """

    train_ids: AnyArray
    seq_nums: AnyArray


class ScanRun:
    """One run of a scan.

    Parameters
    ----------
    run : str, Path or DataCollection
        Folder of a run that was written here and completed, or what EXtra-data made of it.

    Attributes
    ----------
    plan : ScanPlan
        Its plan, bound.
    detectors : dict of str to Detector
        Detectors by name.
    """

    def __init__(self, run: Any) -> None:
        folder = _folder_of(run)
        if archive_of(folder) is None:
            raise NXstxmValueError(
                f"{folder} was not written by suitcase.nxstxm, or not completed: nothing says what "
                f"was scanned"
            )
        self.data: Any = opened_run(run)
        plan, self._stream = _plan_of(folder)
        self.plan: ScanPlan = plan
        self._where = _places(folder)
        keys = [key for stream, key in self._where if stream == self._stream]
        found = {name: (key, d) for key, name, d in detector_columns(plan, keys)}
        self.detectors: dict[str, Detector] = {name: d for name, (_, d) in found.items()}
        self._key_of = {name: key for name, (key, _) in found.items()}
        self._events: Events | None = None
        self._covered: dict[str, int] = {}

    @property
    def events(self) -> Events:
        """The events of the stream that measures."""
        if self._events is None:
            where = self._where[self._stream, "#seq_num"]
            data = self.data[where.source, where.key]
            seq_nums = data.ndarray().astype(np.int64)
            ids = np.asarray(data.train_id_coordinates(), np.uint64)
            # of what was measured again the last: unique keeps the first, so from behind
            _, last = np.unique(seq_nums[::-1], return_index=True)
            keep = np.sort(len(seq_nums) - 1 - last)
            self._events = Events(ids[keep], seq_nums[keep])
        return self._events

    def covered(self, name: str) -> int:
        """Tell how many points of the plan one event of a detector covers."""
        if name not in self._covered:
            self._covered[name] = self._points_of_event(name)
        return self._covered[name]

    def _points_of_event(self, name: str) -> int:
        where, detector = self._of(name)
        data = self.data[where.source, where.key]
        n_values = prod(data.entry_shape)
        if where.is_split and not data.entry_shape:
            counts = np.asarray(data.data_counts(labelled=False))
            n_values = int(counts.max(initial=0))
        n_events = int(self.events.seq_nums.max(initial=0))
        return points_per_event(self.plan, n_values, n_events, detector.covers)

    def points(self, name: str, entry: int) -> tuple[AnyArray, dict[str, AnyArray]]:
        """Place what a detector measured.

        Returns
        -------
        belongs : ndarray of bool, shape (n events, points of each)
            Whether they are of the entry.
        axes : dict of str to ndarray of int64, of the same shape
            Index along each axis.
        """
        n, events = self.covered(name), self.events
        ordinals = ((events.seq_nums - 1) * n)[:, np.newaxis] + np.arange(n)
        placed = place(self.plan, ordinals.ravel())
        region = self._where.get((self._stream, "#region"))
        if region is not None and len(self.plan.entries) > 1:
            from extra_data import by_id

            data = self.data[region.source, region.key][by_id[events.train_ids.tolist()]]
            placed = by_region(self.plan, placed, np.repeat(data.ndarray().astype(np.int64), n))
        shape = ordinals.shape
        belongs = (placed.entry == entry).reshape(shape)
        return belongs, {axis: index.reshape(shape) for axis, index in placed.axes.items()}

    def values(self, name: str, train_ids: AnyArray) -> AnyArray:
        """Read what a detector measured in some trains.

        Returns
        -------
        ndarray of float64, shape (n trains, points of each)
            NaN where nothing came. Frames are summed.
        """
        from extra_data import by_id

        where, n = self._of(name)[0], self.covered(name)
        data = self.data[where.source, where.key][by_id[train_ids.tolist()]]
        out = np.full((len(train_ids), n), np.nan)
        counts = np.asarray(data.data_counts(labelled=False)).astype(np.int64)
        order = np.searchsorted(train_ids, np.asarray(data.train_ids, np.uint64))
        train = np.repeat(order, counts)
        values = data.ndarray()
        if not len(values):
            return out
        if n > 1 and values.ndim > 1:
            flat = values.reshape(len(values), -1)
            out[train] = flat if flat.shape[1] == n else by_order(flat, n)
            return out
        pulse = np.arange(len(values)) - np.repeat(np.cumsum(counts) - counts, counts)
        if n > 1:
            fits = pulse < n
            out[train[fits], pulse[fits]] = values[fits]
            return out
        out[train, 0] = 0.0
        np.add.at(out[:, 0], train, values.reshape(len(values), -1).sum(axis=1, dtype=float))
        return out

    def _of(self, name: str) -> tuple[Where, Detector]:
        if name not in self.detectors:
            raise NXstxmKeyError(
                f"there is no detector {name!r}; there are {', '.join(self.detectors)}"
            )
        return self._where[self._stream, self._key_of[name]], self.detectors[name]


def _folder_of(run: Any) -> Path:
    if isinstance(run, (str, Path)):
        return Path(run)
    files = [Path(each.filename) for each in getattr(run, "files", ())]
    if not files:
        raise NXstxmValueError(f"a {type(run).__name__} is no run; give its folder")
    return files[0].parent


def _plan_of(folder: Path) -> tuple[ScanPlan, str]:
    """Read the plan of a run, and which stream measures: that with most detectors."""
    plan: ScanPlan | None = None
    found: list[tuple[int, ScanPlan, str]] = []
    measuring: set[str] = set()
    with closing(documents(folder)) as read:
        for name, doc in read:
            if name == "start":
                plan = read_plan(doc)
            elif name == "descriptor" and plan is not None:
                plan = plan.bind(doc)
                stream = str(doc.get("name", "primary"))
                keys = doc.get("data_keys") or {}
                n = sum(d.data_key in keys for d in plan.detectors if d.role != "other")
                if stream != BASELINE:
                    found.append((n, plan, stream))
                    measuring |= {str(doc["uid"])} if n else set()
            elif name == "event" and doc["descriptor"] in measuring:
                break
    if plan is None or not found:
        raise NXstxmValueError(f"{folder} has no stream that measures")
    _, _, stream = max(found, key=lambda each: each[0])
    return plan, stream


def _places(folder: Path) -> dict[tuple[str, str], Where]:
    """Find the readings of each stream and data key in the files of a run."""
    found: dict[tuple[str, str], Where] = {}

    def note(name: str, node: Any) -> None:
        attrs = node.attrs
        if STREAM not in attrs or KEY not in attrs:
            return
        where = attrs[STREAM], attrs[KEY]
        if isinstance(node, h5py.Dataset):
            source, group, key = name.rsplit("/", 2)
            found[where] = Where(source, f"{group}.{key}", SPLIT in attrs)
        else:
            source, key = name.rsplit("/", 1)
            found.setdefault(where, Where(source, f"{key}.value"))

    seen: set[bytes] = set()
    for path in sorted(folder.glob("*-S[0-9]*.h5")):
        try:
            with h5py.File(path, "r") as h5:
                sources = set(h5["METADATA/dataSources/dataSourceId"][()].tolist())
                if sources <= seen:
                    continue
                seen |= sources
                for root in ("CONTROL", "INSTRUMENT"):
                    h5[root].visititems(note)
        except (OSError, KeyError) as error:
            raise NXstxmError(f"{path} can not be read ({error})") from error
    return found
