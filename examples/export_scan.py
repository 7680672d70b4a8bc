"""Export a stack of images, one run for each energy, into one file, and look into it."""

import h5py

from suitcase.nxstxm import ScanType, export_scan
from suitcase.nxstxm.sim import ScanRequest, scan_documents

request = ScanRequest(ScanType.SAMPLE_IMAGE_STACK, energies=(700.0, 705.5, 708.0, 712.0))
runs = scan_documents(request)  # from a real microscope: the runs that a catalog holds
print(f"{len(runs)} runs, {sum(len(run) for run in runs)} documents")

path = export_scan(runs, "exported")
print(f"exported to {path}")

with h5py.File(path) as file:
    entry = file[file.attrs["default"]]
    data = entry[entry.attrs["default"]]
    axes = [name.decode() for name in data.attrs["axes"]]
    shape = dict(zip(axes, data["data"].shape, strict=True))
    print(f"{data['stxm_scan_type'][0].decode()}: {shape}")
    print(f"energies: {data['energy'][:]} {data['energy'].attrs['units']}")
