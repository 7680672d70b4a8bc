"""What another process does while a test watches; run as a script, one JSON line in and out a call.

Calls: ``["workflow", folder, prefix, scan]`` exports a scan run by run and finishes it,
``["lone", folder, prefix, scan]`` exports its first run as a file of its own, ``["die", folder,
prefix, scan, n]`` is killed after n documents of the first run, ``["die locked", folder, uid]``
while it holds the lock of a scan. The answer is ``["done", path]`` or ``["failed", error,
message]``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

from suitcase.nxstxm import NXstxmError, export, finish_export
from suitcase.nxstxm.sim import all_requests, scan_documents


def workflow(folder: str, prefix: str, scan: str) -> str:
    runs = scan_documents(all_requests()[scan])
    u = runs[0][0][1]["uid"]
    for docs in runs:
        export(docs, folder, prefix, first_uid=u)
    return str(finish_export(folder, prefix, u))


def lone(folder: str, prefix: str, scan: str) -> str:
    return str(export(scan_documents(all_requests()[scan])[0], folder, prefix)["stream_data"][0])


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed(documents: list[Any], n: int) -> Iterator[Any]:
    yield from documents[:n]
    die()


def main() -> None:
    for line in sys.stdin:
        what, *arguments = json.loads(line)
        try:
            if what == "die":
                folder, prefix, scan, n = arguments
                documents = scan_documents(all_requests()[scan])[0]
                uid = documents[0][1]["uid"]
                export(killed(documents, n), folder, prefix, first_uid=uid)
            elif what == "die locked":
                from pathlib import Path

                from suitcase.nxstxm.nexus import existing_file

                with existing_file(Path(arguments[0]), arguments[1]).locked():
                    die()
            answer = ["done", {"workflow": workflow, "lone": lone}[what](*arguments)]
        except NXstxmError as error:
            answer = ["failed", type(error).__name__, str(error)]
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
