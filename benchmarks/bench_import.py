"""How long the imports take, and that an export loads nothing it has no use for.

Nobody waits for pictures to be drawn or schemas to be compiled before a scan is written.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from statistics import median

from _pairs import arguments, leave, machine, table

STATEMENTS = (
    "pass",
    "import suitcase.nxstxm",
    "import numpy, h5py",
    "import event_model",
    "import suitcase.nxstxm.exchange",
)
#: Packages that belong to drawing, to checking by schemas and to the extras.
UNWANTED = ("matplotlib", "jsonschema", "rich", "bluesky", "ophyd", "xarray")
_EXPORT = """
import json, sys, tempfile
sys.path.insert(0, {folder!r})
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
from _documents import scalars
from suitcase.nxstxm import export_scan
with tempfile.TemporaryDirectory() as folder:
    export_scan([list(scalars(10))], folder)
schemas = [p for p in opened if p.endswith((".json", ".xsd", ".nxdl.xml"))]
print(json.dumps([sorted({{m.partition(".")[0] for m in sys.modules}}), schemas]))
"""


def seconds(statement: str) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - begin


def slowest(statement: str, n: int) -> list[list[str]]:
    """List the modules that take longest by themselves, as ``-X importtime`` tells it."""
    command = [sys.executable, "-X", "importtime", "-c", statement]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    found = []
    for line in told.splitlines():
        own, _, rest = line.removeprefix("import time:").partition("|")
        total, _, name = rest.partition("|")
        if own.strip().isdigit():
            found.append((int(own), int(total), name.strip()))
    found.sort(reverse=True)
    return [[name, f"{own / 1e3:.1f}", f"{total / 1e3:.1f}"] for own, total, name in found[:n]]


def main() -> int:
    options = arguments(__doc__).parse_args()
    machine()
    rounds = options.rounds or (3 if options.quick else 9)
    times = [[seconds(statement) for statement in STATEMENTS] for _ in range(rounds)]
    rows = []
    for i, statement in enumerate(STATEMENTS):
        whole = median(each[i] for each in times)
        more = median(each[i] - each[0] for each in times)
        rows.append([statement, f"{1e3 * whole:.0f}", f"{1e3 * more:.0f}"])
    table(("statement", "process ms", "over 'pass' ms"), rows)
    print()
    table(("slowest modules of exchange", "own ms", "with imports ms"), slowest(STATEMENTS[-1], 8))
    print()
    script = _EXPORT.format(folder=sys.path[0])
    command = [sys.executable, "-c", script]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    modules, schemas = json.loads(told.stdout)
    unwanted = [name for name in UNWANTED if name in modules]
    print(f"exporting a scan imports of {', '.join(UNWANTED)}: {', '.join(unwanted) or 'none'}")
    owners = Counter(_owner(path) for path in schemas)
    read = [f"{n} of {owner}" for owner, n in owners.items()]
    print(f"schema files it opens: {', '.join(read) or 'none'}")
    missed = [f"an export imports {name}" for name in unwanted]
    missed += [f"an export opens schema files, {text}" for text in read]
    return leave(missed, options.check)


def _owner(path: str) -> str:
    """Name the package that a file belongs to."""
    parts = Path(path).parts
    at = parts.index("site-packages") + 1 if "site-packages" in parts else -2
    return parts[at]


if __name__ == "__main__":
    sys.exit(main())
