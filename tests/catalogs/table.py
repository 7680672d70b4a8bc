"""The table of the reference: which source gives which kind of documents, and what it loses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .outcomes import Outcome, Outcomes, Source
from .scans import AREA, FILES, FLOWN, KINDS, PLAIN_FRAMES, RECORDINGS, TIFF, Scan


@dataclass(frozen=True)
class Note:
    """Something that a source loses or refuses, and by which differences or errors it shows.

    Attributes
    ----------
    source, kind, told : str
        Expressions that match the whole of the source's row, the kind, and what is told.
    words : str
        What users are told.
    comes : bool
        Whether there is a file worth having all the same.
    """

    source: str
    kind: str
    told: str
    words: str
    comes: bool = True

    def explains(self, source: Source, kind: str, told: str) -> bool:
        """Tell whether this is the reason for something that is not as it should be."""
        parts = ((self.source, str(source)), (self.kind, kind), (self.told, told))
        return all(re.fullmatch(pattern, text, re.DOTALL) for pattern, text in parts)


NOTES = (
    Note(
        r".*Tiled.*",
        "channels",
        r"not stored: .*Server error.*",
        "Tiled's writer can not store readings that are dicts, as those of a scaler with several "
        "channels are.",
    ),
    Note(
        r".* without dtype",
        PLAIN_FRAMES,
        r".*: \(.*\) int64 is not \(.*\) float64",
        "Tiled makes floats of the whole numbers in arrays of more than 16 values when their data "
        "key declares no `dtype_numpy`. For all other rows of Tiled it was added to the documents "
        "before they were written.",
    ),
    Note(
        r"databroker 2: .*\(fill=True\)`",
        ".*",
        r"NotImplementedError: Only fill=False is implemented.*",
        "Databroker 2 has no `fill=True`. Leave it out: the readings are brought by the export.",
    ),
    Note(
        r"databroker 1: .*fill=.*",
        f"{AREA}|{TIFF}",
        r"UndefinedAssetSpecification: .*",
        "Databroker, told to fill, needs handlers for the files of area detectors: `pip install "
        "area-detector-handlers`. Or give the run itself, which needs none.",
    ),
    Note(
        r"databroker .*|file: suitcase-msgpack",
        FLOWN,
        r".*@complete: np.True_ is not np.False_|/entry0/(camera|collection/messages|instrument).*"
        r"|/entry/data/data.*|documents: .*",
        "Stream documents are not kept: neither by databroker nor by suitcase-msgpack. The entry "
        "says that it is not complete.",
        comes=False,
    ),
    Note(
        r".*Tiled.* event by event",
        FLOWN,
        r"not stored: KeyError: .*",
        "Tiled's writer with `batch_size=1` can not store a run without events.",
    ),
    Note(
        r".*Tiled.*",
        TIFF,
        r"/entry0/instrument/camera_image(@source_.*|/data: \(6, 6, 5\) uint16 is not .*)",
        "Frames of TIFF come from the server, in the dtype that it has for them, and nothing tells "
        "of the files that they were in.",
    ),
    Note(
        r"Tiled: .*\.documents\(\)`",
        ".*",
        r"ClientError: 406: .*",
        "A run has no `documents()` when its server has no exporter for them. Give the run itself.",
    ),
    Note(
        r"Tiled with exporter: .*\.documents\(\)`",
        f"{FILES}|{TIFF}",
        r"/entry0/collection/primary: camera is only in the first|"
        r"/entry0(/instrument)?: camera_image is only in the first|/entry0@default: .*|"
        r".*/collection: messages is only in the second",
        "The exporter's documents only name the files, or the first of them. Give the run itself: "
        "then the server reads them.",
    ),
    Note(
        r"Tiled with exporter: .*\.documents\(\)`",
        RECORDINGS,
        r".*",
        "The exporter fails where an event has an array of times, and its documents just end; the "
        "entry says that it is not complete. Give the run itself: then the export reads the rest.",
    ),
)


def notes_of(source: Source, kind: str, outcome: Outcome) -> set[int]:
    """Give the numbers of the notes that explain an outcome.

    Raises
    ------
    AssertionError
        There is something that none explains.
    """
    found = set()
    for told in outcome.told:
        numbers = [n for n, note in enumerate(NOTES) if note.explains(source, kind, told)]
        assert numbers, f"{source}, {kind}: {told}"
        found.update(numbers)
    return found


def lines(outcomes: Mapping[str, Outcomes], scans: Iterable[Scan]) -> list[str]:
    """Write the table and its notes; rows of a group that say the same are one."""
    kinds = {scan.name: scan.kind for scan in scans}
    used: list[int] = []

    def cell(source: Source, kind: str, seen: dict[str, Outcome]) -> str:
        mine = [outcome for name, outcome in seen.items() if kinds[name] == kind]
        numbers = sorted(set().union(*(notes_of(source, kind, outcome) for outcome in mine)))
        used.extend(n for n in numbers if n not in used)
        said = "".join(f" [{used.index(n) + 1}]" for n in numbers)
        comes = all(NOTES[n].comes for n in numbers) and not any(each.error for each in mine)
        return f"yes{said}" if comes else f"no{said}"

    rows: dict[tuple[str, ...], list[str]] = {}
    for group, found in outcomes.items():
        for source, seen in found.items():
            cells = tuple(cell(source, kind, seen) for kind in KINDS)
            rows.setdefault((group, *cells), []).append(source.given)
    assert sorted(used) == list(range(len(NOTES))), "there is a note that nothing needs any more"
    table = [("from", "given", *KINDS), ("---",) * (2 + len(KINDS))]
    table += [(group, "; ".join(given), *cells) for (group, *cells), given in rows.items()]
    notes = [f"{n}. {NOTES[number].words}" for n, number in enumerate(used, 1)]
    return [*(f"| {' | '.join(row)} |" for row in table), "", *notes]
