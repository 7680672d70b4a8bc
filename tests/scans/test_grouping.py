"""Without these, runs of two scans could end in one file, or one scan in two."""

import random
from dataclasses import replace

import pytest

from suitcase.nxstxm import sim
from suitcase.nxstxm.scans import group_runs, is_part, read_plan

from .starts import start

REQUESTS = sim.all_requests()
HOUR = 3600.0


def plans_of(request):
    return [read_plan(run[0][1]) for run in sim.scan_documents(request)]


def later(request, seconds, **changes):
    """Give the same scan again, at another time and with other uids."""
    return replace(request, start_time=request.start_time + seconds, **changes)


def shuffled(plans, seed=0):
    return random.Random(seed).sample(plans, len(plans))


def runs(scans):
    return [[plan.run for plan in scan] for scan in scans]


@pytest.mark.parametrize("name", REQUESTS)
def test_the_runs_of_a_scan_are_found_in_any_order(name):
    plans = plans_of(REQUESTS[name])
    expected = [[plan.run for plan in plans]]
    for seed in range(3):
        assert runs(group_runs(shuffled(plans, seed))) == expected


def test_all_scans_of_a_long_night_are_told_apart():
    # every other hour a scan; ones of the same plan follow each other
    scans = [plans_of(later(r, 2 * HOUR * i)) for i, r in enumerate(REQUESTS.values())]
    expected = [[plan.run for plan in scan] for scan in scans]
    every = [plan for scan in scans for plan in scan]
    assert runs(group_runs(shuffled(every))) == expected


@pytest.mark.parametrize(
    "name",
    [
        "pystxm2019-sample_image_stack-lines",
        "pystxm2019-tomography_scan-lines",
        "stack-interleaved-polarizations",
        "stack-two-regions",
        "stack-one-energy",
        "pystxm-without-optional-keys",
        "stxm-stack-group",
    ],
)
def test_two_equal_scans_one_after_another_are_two(name):
    request = REQUESTS[name]
    first, second = plans_of(request), plans_of(later(request, HOUR))
    expected = [[plan.run for plan in scan] for scan in (first, second)]
    assert runs(group_runs(shuffled(first + second))) == expected


def test_a_scan_that_was_broken_off_and_begun_again_is_two():
    request = REQUESTS["stack-aborted-between-energies"]
    whole = later(replace(request, truncate=None), HOUR)
    first, second = plans_of(request), plans_of(whole)
    assert (len(first), len(second)) == (2, 3)
    assert runs(group_runs(shuffled(first + second))) == [
        [plan.run for plan in first],
        [plan.run for plan in second],
    ]


def test_another_scan_in_between_ends_nothing():
    stack = plans_of(REQUESTS["pystxm2019-sample_image_stack-lines"])
    image = REQUESTS["pystxm2019-sample_image-lines"]
    between = plans_of(later(image, stack[1].time + 0.01 - stack[0].time))
    assert stack[1].time < between[0].time < stack[2].time
    grouped = runs(group_runs(shuffled(stack + between)))
    assert grouped == [[plan.run for plan in stack], [plan.run for plan in between]]


def test_two_stacks_that_take_turns_are_two():
    one = REQUESTS["pystxm2019-sample_image_stack-lines"]
    other = replace(one, energies=(280.0, 285.0, 290.0))
    first, second = plans_of(one), plans_of(later(other, 0.001))
    grouped = runs(group_runs(shuffled(first + second)))
    assert grouped == [[plan.run for plan in first], [plan.run for plan in second]]


def test_a_gap_in_time_does_not_matter():
    plans = plans_of(REQUESTS["pystxm2019-sample_image_stack-lines"])
    plans = [replace(plan, time=plan.time + 5 * HOUR * i) for i, plan in enumerate(plans)]
    assert len(group_runs(plans)) == 1


def test_runs_that_are_whole_scans_stay_alone():
    image = REQUESTS["pystxm2019-sample_image-lines"]
    plans = plans_of(image) + plans_of(later(image, HOUR))
    plain = [read_plan({**start(), "uid": f"plain{i}"}) for i in range(2)]
    assert [len(scan) for scan in group_runs(plans + plain)] == [1, 1, 1, 1]
    assert not any(is_part(plan) for plan in plans + plain)


def test_runs_of_a_scan_group_are_one_scan_whatever_they_are():
    plans = [
        read_plan({**start(scan_group={"id": "g", "index": i}), "uid": f"r{i}", "time": t})
        for i, t in enumerate([5.0, 1e6, 3.0])
    ]
    other = read_plan({**start(scan_group="h"), "uid": "other", "time": 4.0})
    assert runs(group_runs([*plans, other])) == [["r2", "r0", "r1"], ["other"]]
    assert all(is_part(plan) for plan in plans)


def test_a_group_goes_before_all_other_rules():
    # two whole stacks that the plan calls one scan
    request = REQUESTS["pystxm2019-sample_image_stack-lines"]
    documents = [*sim.scan_documents(request), *sim.scan_documents(later(request, HOUR))]
    plans = [read_plan({**run[0][1], "scan_group": "both"}) for run in documents]
    assert len(group_runs(shuffled(plans))) == 1


def test_no_runs_are_no_scans():
    assert group_runs([]) == []
