"""Without these tests only the scans that somebody thought of would be known to come out right.

Random plans, in random pieces and number types, with readings that came twice or not at all: the
file always holds what arrived, where it belongs. The truth is worked out from the plan alone.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from suitcase.nxstxm import sim
from suitcase.nxstxm.documents import difference
from suitcase.nxstxm.exchange import export, export_scan, finish_export
from suitcase.nxstxm.nexus import read_documents, validate
from suitcase.nxstxm.scans import read_plan
from suitcase.nxstxm.sim import Polarization, Region, RequestError, ScanRequest, Span
from suitcase.nxstxm.sim._expected import _event_of_pixel as event_of_pixel
from suitcase.nxstxm.sim._expected import _place_in_event as place_in_event
from suitcase.nxstxm.sim._metadata import detector_key
from suitcase.nxstxm.sim._program import entries

from .documents import Document

quick = settings(
    max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
)  # fmt: skip
thorough = settings(quick, max_examples=500, derandomize=False)

# -- plans ----------------------------------------------------------------------------------------

SIZES = st.integers(1, 6)
POINTS, LINES = (4,), (2, 3, 5)
LEFT, RIGHT, FLAT = Polarization(0), Polarization(1), Polarization(2)
ENERGIES = st.lists(st.sampled_from([690.0, 700.0, 704.5, 708.0, 708.25, 720.0]), min_size=1)


@st.composite
def regions(draw: st.DrawFn, number: int, sp_id: int) -> Region:
    left, bottom = draw(st.integers(-8, 8)) / 2, draw(st.integers(-8, 8)) / 2
    width, height = draw(st.sampled_from([0.5, 2.0, -3.0])), draw(st.sampled_from([0.25, -1.5]))
    n_x, n_y = draw(SIZES), draw(SIZES)
    if number in POINTS:
        n_x = n_y = 1
    if number in LINES:
        n_y = n_x
    ends = [left if n_x == 1 else left + width, bottom if n_y == 1 else bottom + height]
    return Region(sp_id, Span(left, ends[0], n_x), Span(bottom, ends[1], n_y))


@st.composite
def requests(draw: st.DrawFn) -> ScanRequest:
    """Draw any scan that the simulated microscope can make."""
    number = draw(st.integers(0, 14))
    dialect = draw(st.sampled_from(["pystxm2019", "pystxm", "stxm"]))
    if dialect == "stxm":
        number = draw(st.sampled_from([6, 7, 11]))
    several = number in (4, 5, 7, 11, 13)
    energies = tuple(draw(ENERGIES)[:4]) if several else (draw(ENERGIES)[0],)
    n_regions = draw(st.integers(1, 3)) if number in (4, 7, 13) else 1
    ids = draw(st.permutations(range(n_regions)))
    style = draw(st.sampled_from(["points", "lines", "images"]))
    if number in (4, 8, 13, 14):
        style = "points"
    if style == "images" and number in (0, 1, 2, 3, 5):
        style = "lines"
    style = "lines" if dialect == "stxm" else style
    pols = draw(st.sampled_from([(FLAT,), (LEFT, RIGHT), (RIGHT, FLAT, LEFT)]))
    dwells = draw(st.sampled_from([(1.0,), (2.5,), tuple(0.5 + i for i in range(len(energies)))]))
    places = {8: [("goni_x", "none"), ("osa_x", "osa_y")], 14: [("goni_x", "goni_y")]}
    angles = (-20.0, -5.0, 10.0)[: draw(st.integers(1, 3))] if number == 11 else (0.0,)
    two = dialect == "pystxm2019" and draw(st.booleans())
    dets = ("counter0", "i0_counter") if two else ()
    request: dict[str, Any] = {
        "regions": tuple(draw(regions(number, sp_id)) for sp_id in ids),
        "energies": energies,
        "dwells_ms": dwells[:1] if dialect == "stxm" else dwells,
        "polarizations": pols if number in (7, 13) else pols[:1],
        "interleave_polarizations": draw(st.booleans()) and dialect != "stxm",
        "angles": angles,
        "zoneplate": Span(-3812.0, -3792.0, draw(st.integers(2, 6))),
        "style": style,
        "snake": draw(st.booleans()) and style != "images" and dialect != "stxm" and number != 4,
        "dets": dets,
        "dialect": dialect,
        "seed": draw(st.integers(0, 99)),
        "ring_current": draw(st.sampled_from(["event", "baseline", "none"])),
        "motors": draw(st.booleans()) or number in (8, 14),
        "include_baseline": draw(st.booleans()),
        "nested_strings": draw(st.booleans()),
        "positioners": draw(st.sampled_from(places[number])) if number in places else ("", ""),
        "truncate": draw(st.none() | st.none() | st.integers(0, 40)),
        "truncated_status": draw(st.sampled_from(["abort", "success", "fail", "killed"])),
    }  # fmt: skip
    extents = {region[1:] for region in request["regions"]}
    assume(len(extents) == n_regions)  # the stxm block knows regions by where they are
    try:
        return ScanRequest(number, **request)
    except RequestError:
        assume(False)
        raise


# -- what is done to the documents, and to the truth ----------------------------------------------


@dataclass(frozen=True)
class Fate:
    """What happens to a scan on its way: chance decides which of its events are meant."""

    seed: int
    repeated: float
    dropped: float
    dtype: str
    form: str
    order: str
    way: str


#: What counts may come as; they are cut to what the type holds, in documents and truth alike.
DTYPES = (
    "", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16",
    "float32", "float64", "bool", "int", "float", "list",
)  # fmt: skip
fates = st.builds(
    Fate,
    st.integers(0, 2**32),
    st.sampled_from([0.0, 0.0, 0.2]),
    st.sampled_from([0.0, 0.0, 0.2]),
    st.sampled_from(DTYPES),
    st.sampled_from(["event", "event_page", "bulk_events", "mixed"]),
    st.sampled_from(["as made", "backwards", "shuffled"]),
    st.sampled_from(["at once", "one by one"]),
)


def counted(counts: np.ndarray, again: np.ndarray | int, dtype: str) -> np.ndarray:
    """Give what a detector of a type counts where the simulator counts `counts`.

    `again` is how often the point was measured before; each time it counts something else.
    """
    values = np.asarray(counts, np.int64) * 3 + np.asarray(again) * 11
    if dtype == "bool":
        return values % 2 == 1
    if dtype == "float16":
        return (values % 2000).astype(dtype)
    if dtype in ("float", "float32", "float64"):
        return values.astype("float64" if dtype == "float" else dtype) / 4
    if dtype == "int64":
        values = values + 2**53 + 1
    if dtype == "uint64":
        return values.astype("uint64") + np.uint64(2**63 + 2**60 + 1)
    return values.astype(dtype) if "int" in dtype and dtype != "int" else values


def reading(values: np.ndarray, dtype: str) -> Any:
    """Give counts as they stand in an event: plain Python where the type is a plain one."""
    if dtype in ("int", "float", "list"):
        return values.tolist()
    return values[()] if values.ndim == 0 else values


def single_events(run: list[Document]) -> list[Document]:
    """Give a run with the one event of each of its pages."""
    found: list[Document] = []
    for name, doc in run:
        if name == "event_page":
            name, doc = "event", {
                key: {k: v[0] for k, v in value.items()} if isinstance(value, dict)
                else value[0] if isinstance(value, list) else value
                for key, value in doc.items()
            }  # fmt: skip
        found.append((name, doc))
    return found


class Told:
    """The documents of a scan after their fate, and what of it the file must know.

    Attributes
    ----------
    runs : list of list of (str, dict)
        The documents in the order of the scan's runs.
    dropped : set of int
        Events of the scan that did not come.
    again : dict of int to int
        How often an event came again.
    """

    def __init__(self, request: ScanRequest, fate: Fate) -> None:
        self.request, self.fate = request, fate
        self.chance = np.random.default_rng(fate.seed)
        self.keys = {s: detector_key(request, d) for s, d in request.signals.items()}
        self.dropped: set[int] = set()
        self.again: dict[int, int] = {}
        self.n_events = 0
        self.runs = [self.run(single_events(run)) for run in sim.scan_documents(request)]

    def run(self, documents: list[Document]) -> list[Document]:
        measured = {
            doc["uid"] for name, doc in documents
            if name == "descriptor" and doc["name"] == "primary"
        }  # fmt: skip
        found: list[Document] = []
        events: list[dict[str, Any]] = []
        for name, doc in documents:
            if name == "event" and doc["descriptor"] in measured:
                events += self.event(doc)
                continue
            if events:
                found += self.pieces(self.shuffled(events))
                events = []
            found.append((name, doc))
        return found + self.pieces(self.shuffled(events))

    def event(self, doc: dict[str, Any]) -> list[dict[str, Any]]:
        """Give an event as often as it comes."""
        number = self.n_events
        self.n_events += 1
        if self.chance.random() < self.fate.dropped:
            self.dropped.add(number)
            return []
        times = 1 + int(self.chance.random() < self.fate.repeated)
        self.again[number] = times - 1
        found = []
        for again in range(times):
            data = dict(doc["data"])
            for key in self.keys.values():
                counts = counted(np.asarray(data[key]), again, self.fate.dtype)
                data[key] = reading(counts, self.fate.dtype)
            uid = f"{doc['uid'][:-4]}{again:04d}"
            found.append({**doc, "uid": uid, "data": data})
        return found

    def shuffled(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Put what came again behind all others, as a plan does that was rewound."""
        first = [e for e in events if e["uid"].endswith("0000")]
        return [*first, *(e for e in events if not e["uid"].endswith("0000"))]

    def pieces(self, events: list[dict[str, Any]]) -> list[Document]:
        """Split events into documents of the form that was chosen."""
        found: list[Document] = []
        while events:
            n = int(self.chance.integers(1, len(events) + 1))
            part, events = events[:n], events[n:]
            forms = ["event", "event_page", "bulk_events"]
            form = self.fate.form if self.fate.form != "mixed" else str(self.chance.choice(forms))
            if form == "event":
                found += [("event", event) for event in part]
            elif form == "bulk_events":
                found.append(("bulk_events", {"primary": part}))
            else:
                found.append(("event_page", page(part)))
        return found


def page(events: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {k: [e[k] for e in events] for k in ("uid", "time", "seq_num")}
    found["descriptor"] = events[0]["descriptor"]
    for key in ("data", "timestamps"):
        found[key] = {k: [e[key][k] for e in events] for k in events[0][key]}
    return {**found, "filled": {}}


# -- what the file must hold ----------------------------------------------------------------------


def check(path: Path, told: Told) -> None:
    """Assert that a file holds what arrived where it belongs, and nothing else."""
    request = told.request
    expected = sim.expected(request)
    all_stopped = all(run[-1][0] == "stop" for run in told.runs)
    # of a group that says how many runs it has; nobody knows where the others belong
    group = read_plan(told.runs[0][0][1]).group
    lacks_runs = group is not None and len(told.runs) < (group.total or 0)
    with h5py.File(path) as h5:
        assert set(h5) == set(expected)
        for entry in entries(request):
            if entry.name not in expected:
                continue
            wanted, found = expected[entry.name], h5[entry.name]
            event = event_of_pixel(request, entry)
            came = np.isfinite(wanted.data) & ~np.isin(event, list(told.dropped))
            again = np.vectorize(lambda e: told.again.get(int(e), 0), otypes=[int])(event)
            in_time = np.lexsort((place_in_event(request, entry).ravel(), event.ravel()))
            order = in_time[came.ravel()[in_time]]
            for signal in wanted.channels:
                check_signal(found, told, wanted, signal, came, again, order)
            check_surroundings(found, wanted, came, order)
            check_frames(found, wanted, in_time, order)
            if found.attrs["complete"]:
                assert came.all()
            elif all_stopped and not lacks_runs:
                assert not came.all()


def check_signal(
    found: h5py.Group,
    told: Told,
    wanted: sim.ExpectedEntry,
    signal: str,
    came: np.ndarray,
    again: np.ndarray,
    order: np.ndarray,
) -> None:
    whole = np.where(np.isfinite(wanted.channels[signal]), wanted.channels[signal], 0)
    counts = counted(whole.astype(np.int64), again, told.fate.dtype)
    homes = [
        n for n, g in found["instrument"].items() if g.attrs.get("data_key") == told.keys[signal]
    ]
    if not homes:
        assert not len(order)
        assert np.isnan(found[found.attrs["default"]]["data"]).all()
        return
    listed = found["instrument"][homes[0]]["data"]
    kept = counts.astype(np.uint8) if counts.dtype == bool else counts  # NeXus has no booleans
    np.testing.assert_array_equal(listed[()], kept.ravel()[order], strict=len(order) > 0)
    if "i0" not in signal:
        picture = found[homes[0]]
        np.testing.assert_array_equal(picture["data"], np.where(came, counts.astype(float), np.nan))
        assert [axis.decode() for axis in picture.attrs["axes"]] == list(wanted.axes)
        for axis, points in wanted.setpoints.items():
            if not axis.startswith("coarse"):
                np.testing.assert_allclose(picture[axis], points, atol=1e-9)
        np.testing.assert_allclose(picture["count_time"], wanted.count_time)


def check_surroundings(
    found: h5py.Group, wanted: sim.ExpectedEntry, came: np.ndarray, order: np.ndarray
) -> None:
    at = np.zeros(came.shape, int)
    if "energy" in wanted.axes:
        at = np.indices(came.shape)[wanted.axes.index("energy")]
    listed = found["instrument/monochromator/energy"]
    np.testing.assert_allclose(listed[()], wanted.energies[at.ravel()[order]], atol=0.01)
    for name in ("sample_x", "sample_y"):
        if name in found["instrument"]:
            assert len(found["instrument"][name]["data"]) == len(order)
    if wanted.ring_current is not None and (len(order) or "control" in found):
        current = np.where(came, wanted.ring_current, np.nan)
        np.testing.assert_allclose(found["control/data"], current)


def check_frames(
    found: h5py.Group, wanted: sim.ExpectedEntry, in_time: np.ndarray, order: np.ndarray
) -> None:
    """Frames are listed as they came, those that never came left out."""
    if wanted.frames is None or not len(order):
        return
    arrived = np.isfinite(wanted.data).ravel()[in_time]
    number = np.empty(len(in_time), int)
    number[in_time] = np.cumsum(arrived) - 1
    frames = found["instrument/ccd_image/data"]
    np.testing.assert_array_equal(frames[()], wanted.frames[number[order]])


def comes_out_right(request: ScanRequest, fate: Fate) -> None:
    told = Told(request, fate)
    runs = list(told.runs)
    if fate.order == "backwards":
        runs.reverse()
    if fate.order == "shuffled":
        np.random.default_rng(fate.seed).shuffle(runs)  # type: ignore[arg-type]
    first = told.runs[0][0][1]["uid"]
    with tempfile.TemporaryDirectory() as folder:
        if fate.way == "at once":
            path = export_scan(runs, folder)
        else:
            for run in runs:
                export(run, folder, "x", first_uid=first)
            path = finish_export(folder, "x", first)
        check(path, told)
        assert [p for p in validate(path) if p.level == "error"] == []
        documents = [document for run in told.runs for document in run]
        assert difference(documents, read_documents(path)) is None


@quick
@given(requests(), fates)
def test_a_random_scan_is_in_the_file_as_it_arrived(request: ScanRequest, fate: Fate) -> None:
    comes_out_right(request, fate)


@pytest.mark.parametrize("style", ["points", "lines", "images"])
def test_an_image_of_one_point_is_one_number(style: Any) -> None:
    region = Region(0, Span(0.0, 0.0, 1), Span(0.0, 0.0, 1))
    request = ScanRequest(6, regions=(region,), style=style, include_baseline=False, motors=False)
    comes_out_right(request, Fate(0, 0.0, 0.0, "", "event", "as made", "at once"))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@thorough
@given(requests(), fates)
def test_many_random_scans(request: ScanRequest, fate: Fate) -> None:
    comes_out_right(request, fate)
