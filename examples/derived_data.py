"""Keep what is computed of scans, and know a year later how it was made.

Takes a folder with files of scans; without one, the simulated microscope measures a stack first.
Needs the extra `storage`.
"""

import sys

import numpy as np

from suitcase.nxstxm import export_scan
from suitcase.nxstxm.sim import Region, ScanRequest, Span, scan_documents
from suitcase.nxstxm.storage import DataDirectory, NXstxmDirectory, Store, derived


def simulated() -> str:
    """Measure iron in a field of 8 x 6 micrometres."""
    region = Region(0, x=Span(-4, 4, 40), y=Span(-3, 3, 30))
    energies = tuple(np.arange(700.0, 712.0, 0.5))
    request = ScanRequest(scan_type=7, energies=energies, regions=(region,))
    return str(export_scan(scan_documents(request), "files", overwrite=True).parent)


@derived(provides="edge jump", depends_on="od", version="1.0")
def edge_jump(od, *, below=705.0, above=708.0):
    """Give by how much the absorption rises, pixel by pixel."""
    before = od.sel(energy=slice(None, below)).mean("energy")
    return od.sel(energy=slice(above, None)).mean("energy") - before


scans = NXstxmDirectory(sys.argv[1] if len(sys.argv) > 1 else simulated())
store = Store([scans, DataDirectory("results")], producers=[edge_jump])
for run in scans.runs():
    jump = store.get(run, "edge jump")
    print(f"{store.key(run, 'edge jump')}: {float(jump.mean()):.3f} on average")
    # another option is another key; the optical density, which both need, is loaded
    store.get(run, "edge jump", above=710.0)
    for line in store.why_not(run, "edge jump", below=700.0):
        print("  stored:", line.partition(": ")[2])
