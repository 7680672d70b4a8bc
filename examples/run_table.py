"""A table of scans: a row for each, a column for each function of a context file.

Takes a folder with files of scans; without one, the simulated microscope measures some first.
Needs the extra `variables`.
"""

import sys

from suitcase.nxstxm import export_scan
from suitcase.nxstxm.sim import all_requests, scan_documents
from suitcase.nxstxm.variables import Processor, RunTable, export_table, found_scans


def simulated() -> str:
    """Measure an image, a stack and a focus scan."""
    requests = all_requests()
    for name in ("sample_image-points", "sample_image_stack-lines", "sample_focus-lines"):
        export_scan(scan_documents(requests[f"pystxm2019-{name}"]), "scans", overwrite=True)
    return "scans"


def main() -> None:
    """Make a table, fill it, and write it to a page."""
    folder = sys.argv[1] if len(sys.argv) > 1 else simulated()
    with RunTable.create("table", proposal=900001) as table:
        with Processor(table, jobs=2) as processor:
            for done in processor.process(found_scans([folder])):
                print(f"run {done.run}: {len(done.computed)} computed, {len(done.errors)} failed")
        for info in table.runs():
            row = table[info.first_uid]
            counts = row["Mean counts"]
            print(
                f"run {info.run}: {row['Scan type'].read()}, {counts.summary():.4g} {counts.units}"
            )
        print("all of it:", export_table(table, "table.html", overwrite=True))


if __name__ == "__main__":
    main()
