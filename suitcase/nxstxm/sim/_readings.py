"""What an event reads, and how its descriptor declares it: data keys and values of one step."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from ._devices import DEVICES, REST, Names
from ._measurement import measure, ring_current, take_frames
from ._metadata import EXTRA_POINTS, channel_key, detector_key
from ._program import Run, Step
from ._request import ScanRequest

Values: TypeAlias = dict[str, Any]

#: Scatter of a motor about its setpoint, um.
_SCATTER = 0.002


def scanned_motors(request: ScanRequest, step: Step) -> list[str]:
    """List the stages that are read with an event, slowest first."""
    if request.dialect == "stxm":
        return [request.stages[1], request.stages[0]]
    if not request.motors:
        return []
    scanned = [stage for stage, at in step.positions().items() if isinstance(at, float)]
    # what is stepped from run to run stands still within one
    return [stage for stage in scanned if not (request.kind.by_run and stage == request.kind.outer)]


def declare_primary(request: ScanRequest, run: Run) -> tuple[Values, dict[str, list[str]]]:
    """Describe the readings of a run's primary events.

    Returns
    -------
    dict, dict
        ``data_keys`` and ``object_keys`` of the descriptor.
    """
    names = Names(request.dialect)
    keys: dict[str, Values] = {}
    objects: dict[str, list[str]] = {}
    for stage in scanned_motors(request, run.steps[0]):
        read, put = names.read_key(stage), names.set_key(stage)
        if request.dialect == "stxm":
            keys |= _stxm_motor(request, run, stage)
            continue
        keys |= {read: names.data_key(stage), put: names.data_key(stage, "VAL")}
        objects[names.stem(stage)] = [read, put]
    if request.ring_current == "event":
        read = names.read_key("ring_current")
        keys[read] = names.data_key("ring_current")
        objects[names.stem("ring_current")] = [read]
    for detector in request.detectors:
        read = detector_key(request, detector)
        keys[read] = _detector_data_key(request, run, detector)
        objects[detector] = [read]
    if request.camera:
        keys["ccd_image"] = {"dtype": "array", "shape": list(request.camera)}
        keys["ccd_image"] |= {"source": "PV:CCD:image:ArrayData", "units": "counts"}
        objects["ccd"] = ["ccd_image"]
    return _named(keys, objects), objects


def _named(keys: dict[str, Values], objects: dict[str, list[str]]) -> dict[str, Values]:
    """Write into each data key whose it is, as the RunEngine does."""
    owner = {read: device for device, reads in objects.items() for read in reads}
    return {
        read: {**key, "object_name": owner[read]} if read in owner else key
        for read, key in keys.items()
    }


def _stxm_motor(request: ScanRequest, run: Run, stage: str) -> Values:
    fast = stage == request.stages[0]
    shape = [run.entries[0].shape[-1]] if fast else []
    name = Names("stxm").device(stage)
    return {name: {"dtype": "array" if fast else "number", "shape": shape, "source": f"SIM:{name}"}}


def _detector_data_key(request: ScanRequest, run: Run, detector: str) -> Values:
    shape = list(run.entries[0].shape)
    inner = {"points": [], "lines": shape[-1:], "images": shape[-2:]}[request.arrival]
    key: Values = {"dtype": "array" if inner else "integer", "shape": inner}
    key |= {"source": f"PV:{detector}:{detector_key(request, detector)}", "units": "counts"}
    if request.dialect == "stxm":
        del key["units"]
    elif "SIS3820" in detector and request.channels:
        rows, columns = ([1, 1, *inner])[-2:]
        key |= {"dtype": "number", "shape": [rows, columns], "source": "PVNAME"}
        key |= {"chan_nms": list(request.channels), "chan_nums": [*range(len(request.channels))]}
    elif request.arrival == "lines":
        key |= {"shape": [inner[0] + EXTRA_POINTS], "units": ""}
    return key


def read_step(request: ScanRequest, step: Step, event: int) -> Values:
    """Give the data of one primary event.

    Parameters
    ----------
    request : ScanRequest
        The scan.
    step : Step
        The step of its program.
    event : int
        The event's number within the whole scan, from 0.
    """
    names, at = Names(request.dialect), step.positions()
    data: Values = {}
    scatter = request.rng(3, event).uniform(-_SCATTER, _SCATTER, 8)
    for number, stage in enumerate(scanned_motors(request, step)):
        if request.dialect == "stxm":
            data[names.device(stage)] = at[stage]
            continue
        target = at[stage]
        reached = REST[stage] if request.stuck_motors else target + scatter[number]
        data |= {names.read_key(stage): float(reached), names.set_key(stage): target}
    if request.ring_current == "event":
        data[names.read_key("ring_current")] = float(ring_current(event))
    for detector in request.detectors:
        data[detector_key(request, detector)] = _read_detector(request, step, detector)
    if request.camera:
        data["ccd_image"] = np.array(take_frames(request)[step.entry.index][step.index])
    return data


def _read_detector(request: ScanRequest, step: Step, detector: str) -> Any:
    found: dict[str, Any] = {}
    for signal, owner in request.signals.items():
        if owner != detector:
            continue
        counted = measure(request)[step.entry.index][signal][step.index]
        if counted.ndim == 0:
            found[signal] = int(counted)
        else:
            found[signal] = np.array(counted[::-1] if step.backwards else counted)
    if not (request.channels and "SIS3820" in detector):
        return found[detector]
    region = step.entry.region
    return {channel_key(request, k, region): np.atleast_1d(v) for k, v in found.items()}


def declare_baseline(request: ScanRequest) -> tuple[Values, dict[str, list[str]]]:
    """Describe the readings of the baseline; returns ``data_keys`` and ``object_keys``."""
    names = Names(request.dialect)
    keys: dict[str, Values] = {}
    objects: dict[str, list[str]] = {}
    for stage in baseline_devices(request):
        read = names.read_key(stage)
        keys[read] = names.data_key(stage)
        objects[names.stem(stage)] = [read]
        if _is_motor(stage):
            keys[names.set_key(stage)] = names.data_key(stage, "VAL")
            objects[names.stem(stage)].append(names.set_key(stage))
    return _named(keys, objects), objects


def baseline_devices(request: ScanRequest) -> list[str]:
    """List the stages in the baseline, each device of the control system once."""
    names = Names(request.dialect)
    seen: dict[str, str] = {}
    for row in DEVICES:
        if row.stage == "ring_current" and request.ring_current == "none":
            continue
        seen.setdefault(names.stem(row.stage), row.stage)
    return list(seen.values())


def read_baseline(request: ScanRequest, run: Run, event: int) -> Values:
    """Give the data of a baseline event, as things stand at a primary event's number."""
    names, entry = Names(request.dialect), run.entries[0]
    state = REST | {
        "energy": request.energies[run.e_idx],
        "mono_energy": request.energies[run.e_idx],
        "theta": entry.angle,
        "polarization": entry.polarization.code,
        "pol_angle": entry.polarization.angle,
        "pol_offset": entry.polarization.offset,
        "ring_current": float(ring_current(event)),
    }
    data: Values = {}
    for stage in baseline_devices(request):
        data[names.read_key(stage)] = float(state[stage])
        if _is_motor(stage):
            data[names.set_key(stage)] = float(state[stage])
    return data


def _is_motor(stage: str) -> bool:
    return any(row.motor for row in DEVICES if row.stage == stage)
