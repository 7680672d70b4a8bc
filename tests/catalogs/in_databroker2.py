"""Run with databroker 2: a catalog to fill and to export from; see `calls`.

Argument: the stored scans.
"""

from __future__ import annotations

from collections.abc import Mapping

import databroker
import databroker.v2
from calls import Calls, Way, serve

CATALOG = databroker.v2.temp()
BROKER = databroker.Broker(CATALOG)
WAYS: Mapping[str, Way] = {
    "`db`": lambda uids: (BROKER, {"uids": uids}),
    "`db`, the first uid": lambda uids: (BROKER, {"uids": uids[0]}),
    "`db[uid]`": lambda uids: ([BROKER[uid] for uid in uids], {}),
    "`db[uid].documents()`": lambda uids: ([BROKER[uid].documents() for uid in uids], {}),
    "`db[uid].documents(fill=True)`": lambda uids: (
        [BROKER[uid].documents(fill=True) for uid in uids],
        {},
    ),
    "`catalog`": lambda uids: (CATALOG, {"uids": uids}),
    "`catalog`, the first uid": lambda uids: (CATALOG, {"uids": uids[0]}),
    "`catalog[uid]`": lambda uids: ([CATALOG[uid] for uid in uids], {}),
    "`catalog[uid].documents()`": lambda uids: ([CATALOG[uid].documents() for uid in uids], {}),
}

if __name__ == "__main__":
    serve(Calls({"temp": BROKER.insert}, {"temp": WAYS}))
