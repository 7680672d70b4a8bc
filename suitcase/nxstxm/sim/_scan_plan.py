"""The plan that makes the scan of a request, message by message.

As in pyStxm, a stack is one run per energy, the first run of each entry has the baseline, and every
start document carries the scan's metadata.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any, TypeAlias

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import numpy as np
from bluesky.utils import Msg, RequestAbort, RequestStop

from .._errors import NXstxmStateError
from ._devices import REST, SIMULATOR_STAGE
from ._metadata import start_metadata
from ._microscope import LineCounter, PointCounter, SimulatedMicroscope
from ._program import Run, Step, program
from ._readings import scanned_motors
from ._request import ScanRequest
from ._sample import FloatArray

Plan: TypeAlias = Generator[Msg, Any, Any]

#: What a scan finds centred and in focus, unless it scans it.
_OPTICS = ("osa_x", "osa_y", "detector_x", "detector_y", "zoneplate_z")


class ShutterClosedError(NXstxmStateError):
    """The failure of a scan that was asked to fail."""


def scan_plan(scope: SimulatedMicroscope, request: ScanRequest) -> Plan:
    """Make the scan that a request asks for.

    Parameters
    ----------
    scope : SimulatedMicroscope
        The microscope; its own sample and chance are measured, not the request's.
    request : ScanRequest
        The scan. Its dialect is taken as ``"simulator"``, and its times, uids and counts are those
        of the RunEngine and the microscope. With ``truncate`` the plan itself gives up after so
        many events, as ``truncated_status`` says.

    Yields
    ------
    bluesky.Msg
        Messages for a RunEngine; ``RE(scan_plan(...))`` returns the uids of the runs.

    Raises
    ------
    bluesky.utils.RequestAbort, bluesky.utils.RequestStop
        In the RunEngine, when the request is truncated; it closes the run and stays usable.
    ShutterClosedError
        The request is truncated with status ``"fail"``.
    """
    if request.camera:
        scope.camera.set_shape(request.camera)
    request = replace(request, dialect="simulator", dets=(scope.counter.name,), channels=())
    runs, left = program(request), request.truncate
    for run in runs:
        plan = _run_plan(scope, request, run, runs, left)
        if run.first and request.include_baseline:
            plan = bpp.baseline_wrapper(plan, scope.baseline)  # type: ignore[no-untyped-call]
        yield from plan
        if left is not None:
            left -= len(run.steps)
            if left <= 0:
                return


def _run_plan(
    scope: SimulatedMicroscope,
    request: ScanRequest,
    run: Run,
    runs: list[Run],
    left: int | None,
) -> Plan:
    entry = run.entries[0]
    metadata = {"plan_name": f"{request.kind.name.lower()}_plan"}
    if request.user:
        metadata["user"] = request.user
    metadata |= start_metadata(request, run, runs)

    @bpp.run_decorator(md=metadata)  # type: ignore[untyped-decorator]
    def measure() -> Plan:
        for number, step in enumerate(run.steps):
            if number == left:
                raise _give_up(request)
            yield from bps.checkpoint()
            yield from _step_plan(scope, request, step)

    # before the run opens, so that the baseline tells how it was measured; the optics may still be
    # where an OSA or focus scan left them
    yield from bps.mv(*(part for name in _OPTICS for part in (scope.motors[name], REST[name])))
    yield from bps.mv(scope.energy, request.energies[run.e_idx])
    yield from bps.mv(scope.theta, entry.angle, scope.polarization, entry.polarization.code)
    yield from bps.mv(scope.pol_angle, entry.polarization.angle)
    yield from bps.mv(scope.pol_offset, entry.polarization.offset)
    yield from measure()


def _give_up(request: ScanRequest) -> Exception:
    if request.truncated_status == "abort":
        return RequestAbort()
    if request.truncated_status == "success":
        return RequestStop()
    return ShutterClosedError(
        f"the shutter closed after {request.truncate} events, as the request asks: give no "
        f"`truncate` to measure on"
    )


def _step_plan(scope: SimulatedMicroscope, request: ScanRequest, step: Step) -> Plan:
    """Move to one step of a run, and read."""
    moves: list[Any] = []
    line: dict[str, FloatArray] = {}
    for stage, value in (step.entry.fixed | step.positions()).items():
        motor = scope.motors[SIMULATOR_STAGE.get(stage, stage)]
        if isinstance(value, np.ndarray):
            line[motor.name] = value
        elif motor.position != value:
            moves += [motor, value]
    if moves:
        yield from bps.mv(*moves)
    counter: PointCounter | LineCounter = scope.counter
    if line:
        scope.counter_line.set_line(line)
        counter = scope.counter_line
    counter.dwell_ms = step.dwell_s * 1000.0
    read = [scope.motors[SIMULATOR_STAGE.get(s, s)] for s in scanned_motors(request, step)]
    if request.ring_current == "event":
        read.append(scope.ring_current)
    if request.camera:
        scope.camera.dwell_ms = counter.dwell_ms
        read.append(scope.camera)
    yield from bps.trigger_and_read([counter, *read])
