"""Run with Tiled's client: catalogs of a server to fill and to export from; see `calls`.

Arguments: the stored scans, and the server's address; empty for a `SimpleTiledServer` that is
started. Then the ways in which scans are exported; all unless any is named.

Tiled makes floats of arrays of more than 16 values when their data key declares no ``dtype_numpy``,
which many microscopes do not. So the documents are completed before they are written, but for those
of the catalog ``undeclared``.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from bluesky_tiled_plugins import TiledWriter
from calls import Calls, Way, serve
from tiled.client import from_uri
from tiled.server import SimpleTiledServer
from tiled.structures.core import Spec

RUNS = Spec("CatalogOfBlueskyRuns", version="3.0")
#: Of Tiled's and databroker's catalogs, in the folder that the environment names.
PROFILE = "microscope"


def ways(address: str) -> dict[str, Way]:
    """Give the ways of getting at a catalog of runs."""
    client = from_uri(address)
    return {
        "`client`": lambda uids: (client, {"uids": uids}),
        "`client`, the first uid": lambda uids: (client, {"uids": uids[0]}),
        "`client[uid]`": lambda uids: ([client[uid] for uid in uids], {}),
        "`client[uid].documents()`": lambda uids: ([client[uid].documents() for uid in uids], {}),
        '`"tiled:ADDRESS"`': lambda uids: (f"tiled:{address}", {"uids": uids}),
        '`"tiled:PROFILE"`': lambda uids: (f"tiled:{PROFILE}", {"uids": uids}),
        '`"databroker:PROFILE"`': lambda uids: (f"databroker:{PROFILE}", {"uids": uids}),
    }


class Declared:
    """Completes descriptors by what the first event of their stream holds.

    So these are passed on with the first event, or at the end of their run.
    """

    def __init__(self, writer: TiledWriter) -> None:
        self._writer = writer
        self._held: dict[str, dict[str, Any]] = {}

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
        if name == "descriptor":
            self._held[doc["uid"]] = doc
            return
        if name in ("event", "event_page"):
            descriptor = self._held.pop(doc["descriptor"], None)
            if descriptor is not None:
                data = doc["data"]
                if name == "event_page":
                    data = {key: column[0] for key, column in data.items()}
                self._writer("descriptor", declared(descriptor, data))
        if name == "stop":
            for uid, descriptor in list(self._held.items()):
                if descriptor["run_start"] == doc["run_start"]:
                    self._writer("descriptor", self._held.pop(uid))
        self._writer(name, doc)


def declared(descriptor: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """Give a descriptor that says of which dtype its arrays are."""
    data_keys = {}
    for key, said in descriptor["data_keys"].items():
        dtype = np.asarray(data[key]).dtype
        known = said["dtype"] != "array" or "external" in said or dtype.kind not in "biuf"
        data_keys[key] = said if known else {"dtype_numpy": dtype.str, **said}
    return {**descriptor, "data_keys": data_keys}


def calls(address: str, names: list[str]) -> Calls:
    """Make catalogs on a server; what goes into ``live`` is there with every event."""
    root = from_uri(address)
    homes = {
        "stored": root.create_container("stored", specs=[RUNS]),
        "live": root.create_container("live"),
        "undeclared": root.create_container("undeclared"),
    }
    inserts = {
        "stored": Declared(TiledWriter(homes["stored"])),
        "live": Declared(TiledWriter(homes["live"], batch_size=1)),
        "undeclared": TiledWriter(homes["undeclared"]),
    }
    found: dict[str, dict[str, Way]] = {}
    for name, home in homes.items():
        all_ways = ways(f"{home.uri.rstrip('/')}?api_key={root.context.api_key}")
        wanted = (names or list(all_ways)) if name == "stored" else list(all_ways)[:1]
        found[name] = {way: all_ways[way] for way in wanted}
    return Calls(inserts, found)


if __name__ == "__main__":
    scans, address, *names = sys.argv[1:]
    with ExitStack() as stack:
        if not address:
            files = Path(scans).parent
            address = stack.enter_context(SimpleTiledServer(readable_storage=files)).uri
        serve(calls(address, names))
