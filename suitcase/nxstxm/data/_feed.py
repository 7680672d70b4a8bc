"""From a RunEngine to a handler, without any file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..scans import ScanPlan, points_per_event, read_plan
from ._handler import DataHandler
from ._storage import as_array
from ._where import where

Document = Mapping[str, Any]


class FrameFeed:
    """Give a handler a frame for each detector of each event: ``RE.subscribe(FrameFeed(handler))``.

    The coordinates of a frame are the indices at which all of its points stand: a line of an image
    of a stack has ``energy`` and ``sample_y``, the ``sample_x`` along it being a dimension of the
    data. Where the plan has several entries they have ``region``, where it has several detectors
    ``channel``.

    Parameters
    ----------
    handler : DataHandler
        Takes the frames. It is not finished: several runs may go through it.
    keys : sequence of str, optional
        Data keys that make frames; unless given, those of the plan's detectors.

    Notes
    -----
    ``put`` waits when the handler's queue is full, and with it the RunEngine; an error that the
    handler has to tell is raised into it.
    """

    def __init__(self, handler: DataHandler, keys: Sequence[str] | None = None) -> None:
        self._handler = handler
        self._keys = None if keys is None else tuple(keys)
        self._plans: dict[str, ScanPlan] = {}  # by run
        self._streams: dict[str, str] = {}  # run, by descriptor of a measurement

    def __call__(self, name: str, doc: Document) -> None:
        """Take a document of any run."""
        if name == "start":
            self._plans[doc["uid"]] = read_plan(doc)
        elif name == "descriptor" and doc.get("name") != "baseline":
            run = doc["run_start"]
            if run in self._plans:
                self._plans[run] = self._plans[run].bind(doc)
                self._streams[doc["uid"]] = run
        elif name == "event" and doc["descriptor"] in self._streams:
            self._feed(self._plans[self._streams[doc["descriptor"]]], doc)
        elif name == "event_page" and doc["descriptor"] in self._streams:
            for i, seq_num in enumerate(doc["seq_num"]):
                row = {key: column[i] for key, column in doc["data"].items()}
                event = {"seq_num": seq_num, "time": doc["time"][i], "data": row}
                self._feed(self._plans[self._streams[doc["descriptor"]]], event)
        elif name == "stop":
            run = doc["run_start"]
            self._plans.pop(run, None)
            self._streams = {uid: of for uid, of in self._streams.items() if of != run}

    def _feed(self, plan: ScanPlan, event: Document) -> None:
        per = {d.data_key: d.per for d in plan.detectors if d.role != "other"}
        keys = [key for key in self._keys or per if key in event["data"]]
        for key in keys:
            data = as_array(event["data"][key])
            if data.dtype.kind not in "biufc":
                continue  # a datum of a file, or text
            covers = per.get(key)
            if covers is None and (data.ndim > 1 or plan.dialect == "plain"):
                covers = "point"  # a camera's frame; a plan of Bluesky's own has an event a point
            seq_num = int(event["seq_num"])
            coords = where(plan, seq_num, points_per_event(plan, data.size, seq_num, covers))
            if len(keys) > 1:
                coords["channel"] = str(key)
            metadata = {"data_key": key, "time": event["time"], "run": plan.run}
            self._handler.put(coords, data, metadata)
