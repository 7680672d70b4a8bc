"""Open a file of images at several energies, and find out what is in the sample.

Takes the path of any file of a scanning X-ray microscope; without one, the simulated microscope
measures a stack first. Needs the extra `analysis`.
"""

import sys

import numpy as np

from suitcase.nxstxm import export_scan, open_nxstxm
from suitcase.nxstxm.analysis import brightest, optical_density, region_spectrum, svd
from suitcase.nxstxm.sim import Region, ScanRequest, Span, scan_documents


def simulated() -> str:
    """Measure iron in a field of 8 x 6 micrometres."""
    region = Region(0, x=Span(-4, 4, 40), y=Span(-3, 3, 30))
    energies = tuple(np.arange(700.0, 712.0, 0.5))
    request = ScanRequest(scan_type=7, energies=energies, regions=(region,))
    return str(export_scan(scan_documents(request), "files", overwrite=True))


path = sys.argv[1] if len(sys.argv) > 1 else simulated()
with open_nxstxm(path) as tree:
    entry = tree[tree.attrs["default"]]
    stack = entry[entry.attrs["default"]]["data"]
    for guess in entry[entry.attrs["default"]].attrs.get("guessed", ()):
        print("guessed:", guess)

    # where most light comes through there is no sample
    density = optical_density(stack, region=brightest(stack, 0.05))
    spectrum = region_spectrum(density)
    peak = float(spectrum["energy"][int(spectrum.argmax())])
    print(f"{path}: {dict(stack.sizes)}")
    print(f"the mean optical density is highest at {peak:g} eV, {float(spectrum.max()):.3f}")

    parts = svd(density, 3)["explained"].values
    print("three components explain", ", ".join(f"{part:.1%}" for part in parts))
