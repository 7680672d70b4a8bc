"""Scans to process, and what context files of tests have in common."""

from __future__ import annotations

from pathlib import Path

from suitcase.nxstxm import export_scan
from suitcase.nxstxm.sim import all_requests, scan_documents
from suitcase.nxstxm.variables import FoundScan, RunTable, found_scans

IMAGE, STACK = "pystxm2019-sample_image-points", "pystxm2019-sample_image_stack-lines"
#: In a context file: lets functions note that they were called.
NOTE = """
from pathlib import Path

def note(name):
    with open(Path(__file__).parent / "calls.txt", "a") as file:
        file.write(name + "\\n")
"""


def scan_in(folder: Path, name: str = IMAGE) -> FoundScan:
    """Make the file of a simulated scan."""
    (found,) = found_scans([export_scan(scan_documents(all_requests()[name]), folder)])
    return found


def calls(table: RunTable) -> list[str]:
    """Say which functions noted that they were called since one asked last, in their order."""
    file = table.path / "calls.txt"
    found = file.read_text().split() if file.exists() else []
    file.unlink(missing_ok=True)
    return found
