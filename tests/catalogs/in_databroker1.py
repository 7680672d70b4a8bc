"""Run with databroker 1: catalogs to fill and to export from; see `calls`.

Argument: the stored scans.
"""

from __future__ import annotations

import databroker.v2
import mongomock
from calls import Calls, Way, serve
from databroker._drivers.mongo_normalized import BlueskyMongoCatalog
from databroker.core import discover_handlers

MSGPACK = databroker.v2.temp()
_CLIENT = mongomock.MongoClient()
MONGO = BlueskyMongoCatalog(
    _CLIENT["metadata"], _CLIENT["assets"], name="mongo", handler_registry=discover_handlers()
)


def ways(catalog: BlueskyMongoCatalog) -> dict[str, Way]:
    """Give the ways of getting at the runs of a catalog, in both of databroker's interfaces."""
    db = catalog.v1
    return {
        "`db`": lambda uids: (db, {"uids": uids}),
        "`db`, the first uid": lambda uids: (db, {"uids": uids[0]}),
        "`db[uid]`": lambda uids: ([db[uid] for uid in uids], {}),
        "`db[uid].documents(fill=True)`": lambda uids: (
            [db[uid].documents(fill=True) for uid in uids],
            {},
        ),
        "`catalog`": lambda uids: (catalog, {"uids": uids}),
        "`catalog`, the first uid": lambda uids: (catalog, {"uids": uids[0]}),
        "`catalog[uid]`": lambda uids: ([catalog[uid] for uid in uids], {}),
        '`catalog[uid].canonical(fill="yes")`': lambda uids: (
            [catalog[uid].canonical(fill="yes") for uid in uids],
            {},
        ),
    }


#: Found by `databroker.catalog`, in the folder that the environment names.
BY_NAME: dict[str, Way] = {'`"databroker:NAME"`': lambda uids: ("databroker:lines", {"uids": uids})}

if __name__ == "__main__":
    inserts = {"mongo": MONGO.v1.insert, "msgpack": MSGPACK.v1.insert}
    serve(Calls(inserts, {"mongo": ways(MONGO), "msgpack": ways(MSGPACK), "lines": BY_NAME}))
