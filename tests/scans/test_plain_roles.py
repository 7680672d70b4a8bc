"""Without these, a plan of plain Bluesky would never be more than a generic scan, or a wrong one.

Every plan runs on a real RunEngine, live and exported; the detector's reading says where the motors
stood.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from bluesky import RunEngine
from bluesky import plans as bp
from bluesky.utils import RequestStop
from cycler import cycler
from ophyd import Component, Device, PseudoPositioner, PseudoSingle, Signal, SoftPositioner
from ophyd.pseudopos import pseudo_position_argument, real_position_argument
from ophyd.sim import SynAxis, SynSignal, hw

from suitcase.nxstxm import export_scan
from suitcase.nxstxm.scans import ScanType, read_plan

from .bench import ROLES, Bench, picture

# -- images and stacks ----------------------------------------------------------------------------


@pytest.mark.parametrize("snake", [False, True])
@pytest.mark.parametrize("slow", ["x", "y"])
@pytest.mark.parametrize("relative", [False, True])
def test_a_grid_of_the_sample_is_an_image(
    bench: Bench, run: Any, snake: bool, slow: str, relative: bool
) -> None:
    bench.x.set(3.0)
    x, y = (bench.x, 0, 3, 4), (bench.y, 5, 6, 3)
    grid = bp.rel_grid_scan if relative else bp.grid_scan
    axes = (*y, *x) if slow == "y" else (*x, *y)
    kind, data, about = picture(run(grid([bench.det], *axes, snake), devices=ROLES).path)
    assert (kind, about["axes"]) == ("sample image", ["sample_y", "sample_x"])
    shift = 3.0 if relative else 0.0
    np.testing.assert_allclose(about["sample_x"], np.arange(4) + shift)
    np.testing.assert_allclose(about["sample_y"], [5, 5.5, 6])
    wanted = 7e6 + 100 * about["sample_y"][:, None] + about["sample_x"]
    np.testing.assert_allclose(data, wanted)


@pytest.mark.parametrize("snake", [False, True])
@pytest.mark.parametrize("plan", ["grid", "lists"])
def test_a_plan_that_visits_energies_in_one_run_is_a_stack(
    bench: Bench, run: Any, plan: str, snake: bool
) -> None:
    inner = [bench.x] if snake else False
    if plan == "grid":
        energies, asked = [700.0, 705.0, 710.0], bp.grid_scan(
            [bench.det], bench.energy, 700, 710, 3, bench.y, 5, 6, 3, bench.x, 0, 3, 4,
            snake_axes=inner,
        )  # fmt: skip
    else:
        energies = [700.0, 708.5, 705.0]
        asked = bp.list_grid_scan(
            [bench.det], bench.energy, energies, bench.y, [5, 5.5, 6], bench.x, [0, 1, 2, 3],
            snake_axes=inner,
        )  # fmt: skip
    path = run(asked, devices=ROLES).path
    kind, data, about = picture(path)
    assert (kind, about["axes"]) == ("sample image stack", ["energy", "sample_y", "sample_x"])
    np.testing.assert_allclose(about["energy"], energies)
    wanted = (
        1e4 * about["energy"][:, None, None] + 100 * about["sample_y"][:, None] + about["sample_x"]
    )
    np.testing.assert_allclose(data, wanted)
    with h5py.File(path) as h5:
        np.testing.assert_allclose(
            h5["entry0/instrument/monochromator/energy"], np.repeat(energies, 12)
        )


def test_an_energy_scan_is_a_point_spectrum(bench: Bench, run: Any) -> None:
    bench.x.set(4.0)
    path = run(bp.scan([bench.det, bench.x], bench.energy, 700, 710, 11), devices=ROLES).path
    kind, data, about = picture(path)
    assert (kind, about["axes"]) == ("sample point spectrum", ["energy"])
    np.testing.assert_allclose(about["energy"], np.linspace(700, 710, 11))
    np.testing.assert_allclose(data, 1e4 * about["energy"] + 4)
    assert about["sample_x"].tolist() == [4.0]


def test_a_list_of_energies_keeps_its_order(bench: Bench, run: Any) -> None:
    energies = [700.0, 709.0, 703.0, 700.0]
    kind, data, about = picture(
        run(bp.list_scan([bench.det], bench.energy, energies), devices=ROLES).path
    )
    assert kind == "sample point spectrum"
    assert about["energy"].tolist() == energies
    np.testing.assert_allclose(data, 1e4 * np.array(energies))


def test_the_energy_of_an_image_is_what_was_read(bench: Bench, run: Any) -> None:
    bench.energy.set(707.5)
    plan = bp.grid_scan([bench.det, bench.energy], bench.y, 0, 1, 2, bench.x, 0, 2, 3)
    _, _, about = picture(run(plan, devices=ROLES).path)
    assert about["energy"].tolist() == [707.5]


def test_an_aborted_stack_has_all_its_axes(bench: Bench, tmp_path: Path) -> None:
    documents: list[tuple[str, Any]] = []
    engine = RunEngine({}, context_managers=[], call_returns_result=False)
    engine.subscribe(lambda name, doc: documents.append((name, doc)))
    engine(bp.grid_scan([bench.det], bench.energy, 700, 710, 3, bench.y, 5, 6, 3, bench.x, 0, 3, 4))
    events = [i for i, (name, _) in enumerate(documents) if name == "event"]
    path = export_scan([*documents[: events[17]], documents[-1]], tmp_path, devices=ROLES)
    kind, data, about = picture(path)
    assert kind == "sample image stack"
    assert about["energy"].tolist() == [700.0, 705.0, 710.0]
    assert np.isfinite(data).sum() == 17


# -- whose role is it -----------------------------------------------------------------------------


def test_names_that_everybody_knows_need_no_option(run: Any) -> None:
    x, y = SynAxis(name="sample_x"), SynAxis(name="SampleY")
    det = SynSignal(func=lambda: y.position, name="det")
    kind, _, about = picture(run(bp.grid_scan([det], y, 0, 1, 2, x, 0, 2, 3)).path)
    assert (kind, about["axes"]) == ("sample image", ["sample_y", "sample_x"])


class Hinted(SynAxis):
    """A device that says by its hints what it is."""

    nx_class = ""

    @property
    def hints(self) -> dict[str, Any]:
        return {**super().hints, "NX_class": self.nx_class}


class Mono(Hinted):
    nx_class = "NXmonochromator"


@pytest.mark.parametrize("told", [None, "other"])
def test_hints_tell_roles_unless_the_user_does(told: str | None, run: Any) -> None:
    mono = Mono(name="pgm")
    mono.set(700.0)
    other = SynAxis(name="other")
    det = SynSignal(func=lambda: mono.position, name="det")
    options = {"devices": {"energy": "other"}} if told else {}
    path = run(bp.scan([det, other], mono, 700, 702, 3), **options).path
    kind, data, about = picture(path)
    if told:
        assert (kind, about["axes"]) == ("generic scan", ["pgm"])
        assert about["energy"].tolist() == [0.0]
    else:
        assert (kind, about["axes"]) == ("sample point spectrum", ["energy"])
        np.testing.assert_array_equal(data, [700, 701, 702])


class InUnits(SynAxis):
    """A motor in units of its own."""

    units = ""

    def describe(self) -> Any:
        return {key: {**said, "units": self.units} for key, said in super().describe().items()}


class Millimetres(InUnits):
    units = "mm"


class KiloElectronVolts(InUnits):
    units = "keV"


def test_other_units_become_those_of_the_file(run: Any) -> None:
    x, y, mono = Millimetres(name="sx"), Millimetres(name="sy"), KiloElectronVolts(name="mono")
    det = SynSignal(func=lambda: x.position, name="det")
    plan = bp.grid_scan([det], mono, 0.7, 0.71, 2, y, 0, 0.001, 2, x, 0, 0.002, 3)
    path = run(plan, devices=ROLES).path
    kind, _, about = picture(path)
    assert kind == "sample image stack"
    np.testing.assert_allclose(about["energy"], [700, 710])
    np.testing.assert_allclose(about["sample_x"], [0, 1, 2])
    with h5py.File(path) as h5:
        entry = h5["entry0"]
        assert entry["det/sample_x"].attrs["units"] == "um"
        np.testing.assert_allclose(entry["instrument/sample_x/data"][:3], [0, 1, 2])
        np.testing.assert_allclose(entry["instrument/monochromator/energy"][[0, -1]], [700, 710])


# -- clouds of points, and motors that move together ----------------------------------------------


def cloud(bench: Bench, name: str) -> Any:
    x, y, det = bench.x, bench.y, [bench.det]
    return {
        "spiral": lambda: bp.spiral(det, x, y, 0, 0, 2, 2, 0.5, 8),
        "fermat": lambda: bp.spiral_fermat(det, x, y, 0, 0, 2, 2, 0.5, 2),
        "square": lambda: bp.spiral_square(det, x, y, 0, 0, 2, 2, 5, 5),
        "rel_spiral": lambda: bp.rel_spiral(det, x, y, 2, 2, 0.5, 8),
        "nd": lambda: bp.scan_nd(det, cycler(x, [0, 3, 1]) + cycler(y, [5, 5, 2])),
    }[name]()


@pytest.mark.parametrize("name", ["spiral", "fermat", "square", "rel_spiral", "nd"])
def test_a_cloud_is_a_list_of_points_with_x_and_y(bench: Bench, run: Any, name: str) -> None:
    bench.x.set(1.5)
    path, documents = run(cloud(bench, name), devices=ROLES)
    kind, data, about = picture(path)
    assert (kind, about["axes"]) == ("generic scan", ["point"])
    read = [doc["data"] for what, doc in documents if what == "event"]
    np.testing.assert_array_equal(about["sample_x"], [each["sx"] for each in read])
    np.testing.assert_array_equal(about["sample_y"], [each["sy"] for each in read])
    np.testing.assert_array_equal(data, [each["det"] for each in read])
    with h5py.File(path) as h5:
        assert h5["entry0/det"].attrs["sample_x_indices"] == 0


def test_a_product_of_positions_is_the_image_that_it_is(bench: Bench, run: Any) -> None:
    """``scan_nd`` tells no shape; its points do."""
    points = cycler(bench.x, [0, 3, 1]) * cycler(bench.y, [5, 2])
    kind, data, about = picture(run(bp.scan_nd([bench.det], points), devices=ROLES).path)
    assert (kind, about["axes"]) == ("sample image", ["sample_y", "sample_x"])
    np.testing.assert_array_equal(about["sample_x"], [0, 3, 1])
    np.testing.assert_array_equal(about["sample_y"], [5, 2])
    np.testing.assert_array_equal(data, 7e6 + 100 * np.array([[5], [2]]) + np.array([0, 3, 1]))


@pytest.mark.parametrize("plan", ["scan", "list_scan", "x2x"])
def test_motors_that_move_together(bench: Bench, run: Any, plan: str) -> None:
    x, y, det = bench.x, bench.y, [bench.det]
    asked = {
        "scan": lambda: bp.scan(det, x, 0, 4, y, 0, 2, 5),
        "list_scan": lambda: bp.list_scan(det, x, [0, 5, 2], y, [1, 0, 7]),
        "x2x": lambda: bp.x2x_scan(det, x, y, -1, 1, 5),
    }[plan]()
    path, documents = run(asked, devices=ROLES)
    kind, data, about = picture(path)
    assert (kind, about["axes"]) == ("generic scan", ["sample_x"])
    read = [doc["data"] for what, doc in documents if what == "event"]
    np.testing.assert_allclose(about["sample_x"], [each["sx"] for each in read])
    np.testing.assert_allclose(about["sample_y"], [each["sy"] for each in read])
    np.testing.assert_array_equal(data, [each["det"] for each in read])


# -- plans whose length nobody knows before -------------------------------------------------------


def counting_until(n: int, det: SynSignal) -> Any:
    """Count without an end, until somebody stops it."""
    seen = 0
    plan = bp.count([det], None)
    message = next(plan)
    while True:
        answer = yield message
        seen += message.command == "save"
        try:
            message = plan.throw(RequestStop) if seen == n else plan.send(answer)
        except (StopIteration, RequestStop):
            return


@pytest.mark.parametrize("name", ["count", "endless", "adaptive", "search"])
def test_plans_whose_length_only_the_data_tell(name: str, bench: Bench, run: Any) -> None:
    x, det = bench.x, bench.det
    plan = {
        "count": lambda: bp.count([det], 4),
        "endless": lambda: counting_until(6, det),
        "adaptive": lambda: bp.adaptive_scan([det], "det", x, 0, 10, 0.5, 3, 2, True),
        "search": lambda: bp.tune_centroid([det], "det", x, -2, 2, 0.1, 10, snake=False),
    }[name]()
    path, documents = run(plan, devices=ROLES)
    kind, data, about = picture(path)
    read = [doc["data"] for what, doc in documents if what == "event"]
    assert kind == "generic scan"
    assert len(read) > 3
    np.testing.assert_array_equal(data, [each["det"] for each in read])
    if name in ("adaptive", "search"):
        assert about["axes"] == ["sample_x"]
        np.testing.assert_array_equal(about["sample_x"], [each["sx"] for each in read])
    else:
        assert about["axes"] == ["time"]


def test_a_flyer_without_hints(run: Any) -> None:
    path, documents = run(bp.fly([hw().flyer1]))
    _, data, _ = picture(path)
    [page] = [doc for name, doc in documents if name == "event_page"] or [None]
    wanted = page["data"]["det"] if page else [
        d["data"]["det"] for n, d in documents if n == "event"
    ]  # fmt: skip
    np.testing.assert_array_equal(data, wanted)


# -- what is measured -----------------------------------------------------------------------------


def test_several_detectors_spectra_and_words(bench: Bench, run: Any) -> None:
    x = bench.x
    mca = SynSignal(func=lambda: np.arange(16) * x.position, name="mca")
    camera = SynSignal(func=lambda: np.full((3, 5), x.position), name="camera")
    counter = SynSignal(func=lambda: 2 * x.position, name="counter")
    word = Signal(name="filter", value="Al")
    plan = bp.scan([bench.det, counter, mca, camera, word], x, 0, 3, 4)
    path = run(plan, devices=ROLES).path
    with h5py.File(path) as h5:
        entry = h5["entry0"]
        pictures = {n for n, g in entry.items() if g.attrs.get("NX_class") == "NXdata"}
        assert {"det", "counter", "camera", "mca"} <= pictures
        steps = np.arange(4.0)
        np.testing.assert_array_equal(entry["counter/data"], 2 * steps)
        np.testing.assert_array_equal(entry["camera/data"], 15 * steps)
        np.testing.assert_array_equal(entry["mca/data"], 120 * steps)
        np.testing.assert_array_equal(
            entry["instrument/mca/data"], np.arange(16) * steps[:, np.newaxis]
        )
        assert entry["instrument/camera/data"].shape == (4, 3, 5)
        assert b"Al" in entry["collection/primary/filter/value"][()].tolist() or "Al" in [
            str(v) for v in entry["collection/primary/filter/value"].asstr()[()]
        ]


class Pair(Device):
    """A device with several fields."""

    a = Component(Signal, value=1.0, kind="hinted")
    b = Component(Signal, value=2.0, kind="hinted")


class Rotated(PseudoPositioner):
    """Two pseudo axes over two real ones."""

    along = Component(PseudoSingle)
    across = Component(PseudoSingle)
    left = Component(SoftPositioner, init_pos=0.0)
    right = Component(SoftPositioner, init_pos=0.0)

    @pseudo_position_argument
    def forward(self, pseudo: Any) -> Any:
        return self.RealPosition(
            left=pseudo.along + pseudo.across, right=pseudo.along - pseudo.across
        )

    @real_position_argument
    def inverse(self, real: Any) -> Any:
        return self.PseudoPosition(
            along=(real.left + real.right) / 2, across=(real.left - real.right) / 2
        )


def test_devices_with_several_fields_and_pseudo_positioners(run: Any) -> None:
    pair, rotated = Pair(name="pair"), Rotated(name="rot")
    det = SynSignal(
        func=lambda: 10 * rotated.along.position + rotated.across.position,
        name="det",
        kind="hinted",
    )
    plan = bp.grid_scan([det, pair], rotated.across, 0, 1, 2, rotated.along, 0, 2, 3)
    roles = {"sample_x": "rot_along", "sample_y": "rot_across"}
    path = run(plan, devices=roles).path
    kind, data, about = picture(path)
    assert (kind, about["axes"]) == ("sample image", ["sample_y", "sample_x"])
    np.testing.assert_allclose(data, 10 * about["sample_x"] + about["sample_y"][:, None])
    with h5py.File(path) as h5:
        assert {"pair_a", "pair_b"} <= set(h5["entry0/instrument"])


def test_a_plan_of_start_documents_alone() -> None:
    start = {
        "uid": "a", "time": 0.0, "plan_name": "grid_scan", "shape": [2, 3], "motors": ["u", "v"],
        "extents": [[0, 1], [0, 2]], "snaking": [False, True],
        "hints": {"dimensions": [[["u"], "primary"], [["v"], "primary"]]},
    }  # fmt: skip
    plan = read_plan(start)
    assert plan.scan_type is ScanType.GENERIC_SCAN
    named = plan.with_devices({"sample_x": "u", "sample_y": "v"})
    assert named.scan_type is ScanType.SAMPLE_IMAGE
    assert [axis.name for axis in named.entries[0].axes] == ["sample_y", "sample_x"]
    assert [(loop.axis, loop.snaked) for loop in named.loops] == [
        ("sample_x", False), ("sample_y", True),
    ]  # fmt: skip
    assert plan.with_devices({"sample_x": "u"}).scan_type is ScanType.GENERIC_SCAN
