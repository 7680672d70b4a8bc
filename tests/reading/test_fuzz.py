"""A damaged file must give an error or less data; never a crash, a hang, or an error of ours.

Bytes are changed at seeded places, and the file is read whole, in processes of their own: HDF5 may
end them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from styles import build_style

from suitcase.nxstxm import export_scan, sim

READER = """
import random, sys, warnings
from pathlib import Path
from suitcase.nxstxm import NXstxmError, open_nxstxm
from suitcase.nxstxm.cli._rows import _row_of
from suitcase.nxstxm.nexus import described_runs, read_contents

good, first, last = Path(sys.argv[1]).read_bytes(), int(sys.argv[2]), int(sys.argv[3])
path = Path(sys.argv[1]).with_name(f"damaged-{first}.hdf5")
warnings.simplefilter("ignore")
opened = 0
for seed in range(first, last):
    print(seed, flush=True)
    chance = random.Random(seed)
    bad = bytearray(good)
    kind = chance.randrange(3)
    if kind == 0:
        bad = bad[: chance.randrange(len(bad))]
    else:
        for _ in range(chance.choice((1, 1, 4, 30))):
            at = chance.randrange(len(bad))
            bad[at] = chance.randrange(256) if kind == 1 else bad[at] ^ (1 << chance.randrange(8))
    path.write_bytes(bad)
    try:
        contents = read_contents(path, readings=True)
        for entry in contents.entries.values():
            for channel in (*entry.channels.values(), *entry.processed.values()):
                for variable in channel.variables:
                    if variable.stored.ndim and max(variable.stored.shape) < 10_000:
                        variable.stored.read()
            for each in entry.lists:
                if each.stored.ndim and max(each.stored.shape) < 10_000:
                    each.stored.read()
        opened += 1
    except NXstxmError:
        pass
    try:
        with open_nxstxm(path, baseline=True) as tree:
            repr(tree)
    except NXstxmError:
        pass
    _row_of((path, {"file": "a"}))
    try:
        for run in described_runs(path):
            for number, _ in enumerate(run.documents()):
                if number > 200:
                    break
    except NXstxmError:
        pass
print(f"opened {opened}", flush=True)
"""
#: Processes, and files each of them reads.
BATCHES, FILES = 2, 200


def source(name: str, folder: Path) -> Path:
    if name == "own":
        request = sim.all_requests()["image-motors-and-ring-current-by-line"]
        return export_scan(sim.scan_documents(request), folder)
    return build_style(name, folder)[0]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", ["own", "als-version-3", "pixelator-stack", "cls-line-spectrum"])
def test_damaged_files(name, tmp_path):
    path = source(name, tmp_path)
    opened = 0
    for batch in range(BATCHES):
        done = subprocess.run(
            [sys.executable, "-c", READER, path, str(batch * FILES), str((batch + 1) * FILES)],
            capture_output=True, text=True, timeout=400, check=False,
        )  # fmt: skip
        lines = done.stdout.split("\n")
        assert done.returncode == 0, f"seed {lines[-2]}: {done.stderr[-2000:]}"
        opened += int(lines[-2].split()[1])
    assert opened > BATCHES * FILES // 10, "most damage is in the data, which can be read"
