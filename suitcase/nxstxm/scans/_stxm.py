"""The dialect of the ``stxm`` block: one mapping in the start document describes the scan.

Keys of contract version 1: ``shape`` [nE, nY, nX], ``energies`` (eV), ``dwell_ms``, ``x_extent``,
``y_extent`` (micrometres; descending is legal), ``x_motor``, ``y_motor``, ``energy_motor``,
``data_field``. Optional: ``scan_type``, ``sample``, ``polarization``, ``rotation_angle``,
``detectors``, ``scan_group``. One event carries one line; row = seq_num - 1 = iE * nY + iY.

Single line-by-line images of the same programs have no block: ``shape`` [nY, nX], ``x_extent`` and
``y_extent`` stand in the start document itself, and neither energy nor dwell is told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from ._metadata import (
    MetadataError,
    as_json,
    count,
    mapping,
    numbers,
    optional_number,
    short,
    stated,
    text_or_none,
    texts,
)
from ._plan import Axis, Detector, Device, EntryPlan, Loop, Polarization, ScanPlan
from ._roles import DETECTOR_ROLES, ROLE_NAMES, ROLE_UNITS, axis_name, polarization_from_any
from ._start import common_fields, run_uid, scan_group
from ._types import ScanType, scan_type

_KEYS = ("shape", "energies", "x_extent", "y_extent")


def speaks(start: Mapping[str, Any]) -> bool:
    """Tell whether a start document is written in this dialect."""
    return isinstance(start.get("stxm"), (Mapping, str)) or _is_bare_raster(start)


def _is_bare_raster(start: Mapping[str, Any]) -> bool:
    """Tell an image whose shape and extents stand in the start document itself."""
    shape = start.get("shape")
    extents = start.get("x_extent"), start.get("y_extent")
    return (
        isinstance(shape, (list, tuple))
        and len(shape) == 2
        and all(isinstance(e, (list, tuple)) and len(e) == 2 for e in extents)
    )


def _bare_raster(start: Mapping[str, Any]) -> dict[str, Any]:
    """Make a block of such a start document."""
    motors, detectors = texts(start.get("motors")), texts(start.get("detectors"))
    block = {
        "shape": [1, *start["shape"]],
        "x_extent": start["x_extent"],
        "y_extent": start["y_extent"],
        "energies": (),
    }
    if motors:
        block["y_motor"] = motors[-1]
    if detectors:
        block["data_field"] = detectors[0]
    return block


def read(start: Mapping[str, Any]) -> ScanPlan:
    """Read a start document with an ``stxm`` block.

    Parameters
    ----------
    start : Mapping
        A start document with the key ``stxm``.

    Returns
    -------
    ScanPlan
        The plan of this run.

    Raises
    ------
    MetadataError
        The block lacks a key, or a value makes no sense.
    """
    run = run_uid(start)
    what = f"the stxm block of run {run:.8}"
    bare = "stxm" not in start
    block = _bare_raster(start) if bare else mapping(start["stxm"], what)
    missing = [key for key in _KEYS if block.get(key) is None]
    if missing:
        raise MetadataError(
            f"{what} has no {', '.join(missing)}; make it with stxm_metadata(shape=..., "
            f"energies=..., x_extent=..., y_extent=...)"
        )
    shape = tuple(count(n, f"shape of {what}") for n in _sequence(block["shape"], what))
    if len(shape) != 3 or 0 in shape:
        raise MetadataError(f"shape of {what} is {list(shape)}; it must be [nE, nY, nX], all >= 1")
    energies = numbers(block["energies"], f"energies of {what}")
    if len(energies) != shape[0] and not bare:
        raise MetadataError(f"{what}: shape says {shape[0]} energies, the list has {len(energies)}")

    kind, messages = _kind(block, shape, run)
    devices = _devices(block)
    dwells = _dwells(block, len(energies), what)
    polarizations = _polarizations(block, shape[0], what)
    axes, positions = _spatial(kind, shape, block, what)
    angle = optional_number(block.get("rotation_angle", start.get("rotation_angle")))

    entries = []
    visits: list[tuple[int, int]] = []
    distinct = list(dict.fromkeys(polarizations))
    for polarization in distinct:
        own = [i for i, p in enumerate(polarizations) if p == polarization and i < len(energies)]
        own_energies = tuple(energies[i] for i in own)
        all_axes = axes
        if "energy" in kind.layout.axes:
            all_axes = (Axis("energy", own_energies, "eV", role="energy"), *axes)
        entries.append(
            EntryPlan(
                None,
                all_axes,
                own_energies,
                tuple(dwells[i] for i in own),
                positions,
                polarization=polarization,
                rotation_angle=angle,
            )
        )
    if len(distinct) > 1:
        seen = [0] * len(distinct)
        for polarization in polarizations:
            e = distinct.index(polarization)
            visits.append((e, seen[e]))
            seen[e] += 1
    loops: tuple[Loop, ...] = tuple(Loop(axis.name, axis.size) for axis in entries[0].axes)
    if visits:
        loops = (Loop("visit", len(visits)), *(x for x in loops if x.axis != "energy"))

    common = common_fields(start)
    if block.get("sample") is not None:
        sample = block["sample"]
        common["sample"] = text_or_none(
            sample.get("name") if isinstance(sample, Mapping) else sample
        )
    if block.get("scan_group") is not None:
        common["group"] = scan_group(block["scan_group"], run)
    group = common["group"]
    return ScanPlan(
        run=run,
        dialect="stxm",
        scan_type=kind,
        entries=tuple(entries),
        loops=loops,
        visits=tuple(visits),
        detectors=_detectors(block),
        devices=devices,
        request=as_json(dict(block)),
        signature=_signature(block, kind),
        expected_runs=group.total if group is not None else 1,
        messages=tuple(messages),
        **common,
    )


def _sequence(value: Any, what: str) -> Sequence[Any]:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if not isinstance(value, (list, tuple)):
        raise MetadataError(f"shape of {what} is {short(value)}, not [nE, nY, nX]")
    return value


def _kind(block: Mapping[str, Any], shape: tuple[int, ...], run: str) -> tuple[ScanType, list[str]]:
    """Give the scan type; a block without one is an image or a stack, as its shape says."""
    given = block.get("scan_type")
    if given is None:
        one = shape[0] == 1
        return (ScanType.SAMPLE_IMAGE if one else ScanType.SAMPLE_IMAGE_STACK), []
    kind = scan_type(given, run)
    axes = kind.layout.axes
    if "zoneplate_z" in axes:
        raise MetadataError(
            f"the stxm block of run {run:.8} asks for a {kind.label}, but the block has no zone "
            f"plate positions; describe focus scans with make_standard_metadata"
        )
    if shape[0] > 1 and "energy" not in axes:
        return ScanType.SAMPLE_IMAGE_STACK, [
            f"scan type {kind.name} has no energy axis but the run has {shape[0]} energies; "
            f"written as {ScanType.SAMPLE_IMAGE_STACK.name}"
        ]
    return kind, []


def _spatial(
    kind: ScanType, shape: tuple[int, ...], block: Mapping[str, Any], what: str
) -> tuple[tuple[Axis, ...], tuple[Axis, ...]]:
    """Axes but energy, slowest first, and the positions that are no axis."""
    n_y, n_x = shape[1:]
    layout = kind.layout
    x_name, y_name = _position_names(kind, block)
    if layout.axes == ("energy",):
        if (n_y, n_x) != (1, 1):
            raise MetadataError(f"{what}: a {kind.label} has shape [nE, 1, 1], not {list(shape)}")
        x = _spread(block["x_extent"], 1, f"x_extent of {what}")
        y = _spread(block["y_extent"], 1, f"y_extent of {what}")
        return (), (_axis(x_name, x), _axis(y_name, y))
    if "line_position" in layout.axes:
        n = n_y * n_x
        if 1 not in (n_y, n_x):
            raise MetadataError(f"{what}: a line is [nE, 1, nX], not {list(shape)}")
        x = _spread(block["x_extent"], n, f"x_extent of {what}")
        y = _spread(block["y_extent"], n, f"y_extent of {what}")
        along = tuple(((a - x[0]) ** 2 + (b - y[0]) ** 2) ** 0.5 for a, b in zip(x, y, strict=True))
        return (Axis("line_position", along, "um"),), (_axis(x_name, x), _axis(y_name, y))
    x = _spread(block["x_extent"], n_x, f"x_extent of {what}")
    y = _spread(block["y_extent"], n_y, f"y_extent of {what}")
    return (_axis(y_name, y), _axis(x_name, x)), ()


def _position_names(kind: ScanType, block: Mapping[str, Any]) -> tuple[str, str]:
    axes = kind.layout.axes
    if len(axes) >= 2 and axes[-1].endswith("_x"):
        return axes[-1], axes[-2]
    if kind.layout.axes == ():
        x, y = (axis_name(text_or_none(block.get(k)) or k) for k in ("x_motor", "y_motor"))
        return x, y if y != x else f"{y}_2"
    return "sample_x", "sample_y"


def _axis(name: str, setpoints: tuple[float, ...]) -> Axis:
    return Axis(name, setpoints, ROLE_UNITS.get(name, "um"), role=name)


def _spread(extent: Any, n: int, what: str) -> tuple[float, ...]:
    ends = numbers(extent, what)
    if len(ends) not in (1, 2):
        raise MetadataError(f"{what} is {list(ends)}; it must be [first, last]")
    first, last = ends[0], ends[-1]
    if n == 1:
        return (first,) if first == last else ((first + last) / 2,)
    return tuple(first + (last - first) * i / (n - 1) for i in range(n))


def _dwells(block: Mapping[str, Any], n: int, what: str) -> tuple[float, ...]:
    """Read dwell times in seconds: one for all energies, or one for each."""
    given = block.get("dwell_ms")
    listed = numbers(0.0 if given is None else given, f"dwell_ms of {what}")
    if len(listed) == 1:
        listed = listed * n
    if len(listed) != n:
        raise MetadataError(f"{what}: {len(listed)} dwell_ms for {n} energies; give one or {n}")
    return tuple(d / 1000 for d in listed)


def _polarizations(block: Mapping[str, Any], n: int, what: str) -> tuple[Polarization | None, ...]:
    """Read one polarization for the run, or one for each energy (they may interleave)."""
    given: Any = block.get("polarization")
    if hasattr(given, "tolist"):
        given = given.tolist()
    listed = given if isinstance(given, (list, tuple)) else [given]
    stokes = len(listed) == 4 and all(optional_number(v) is not None for v in listed)
    if stokes and n != 4:
        listed = [given]
    if len(listed) not in (1, n):
        raise MetadataError(
            f"{what}: {len(listed)} polarizations for {n} energies; give one, or {n}"
        )
    try:
        found = tuple(polarization_from_any(p) for p in listed)
    except ValueError as error:
        raise MetadataError(
            f"polarization of {what} is {short(given)}; give a name such as 'LH', an angle in "
            f"degrees, a Stokes vector of four numbers, or one of these for each energy"
        ) from error
    return found if len(found) == n else found * n


def _devices(block: Mapping[str, Any]) -> dict[str, Device]:
    """Take the devices the block names, and the well-known names for the others."""
    devices = {
        role: Device(role, names[0], names, units=ROLE_UNITS.get(role, ""))
        for role, names in ROLE_NAMES.items()
    }
    for role, key in (
        ("sample_x", "x_motor"),
        ("sample_y", "y_motor"),
        ("energy", "energy_motor"),
    ):
        name = block.get(key)
        if isinstance(name, str) and name:
            if key != "energy_motor" and not _is_sample(block):
                role = axis_name(name)
            devices[role] = Device(role, name, (name,), units=ROLE_UNITS.get(role, "um"))
    return devices


def _is_sample(block: Mapping[str, Any]) -> bool:
    given = block.get("scan_type")
    if given is None:
        return True
    axes = ScanType(given).layout.axes
    return bool(axes) and axes[-1] in ("sample_x", "energy", "line_position")


def _detectors(block: Mapping[str, Any]) -> tuple[Detector, ...]:
    """Read ``data_field`` and ``detectors``: names, role to name, or mappings with a role."""
    found = {name: Detector(name, "signal", per="line") for name in texts(block.get("data_field"))}
    listed = stated(block, "detectors", ())
    if isinstance(listed, Mapping):
        listed = [
            {"role": role, "name": name} for role, names in listed.items() for name in texts(names)
        ]
    for item in listed if isinstance(listed, (list, tuple)) else (listed,):
        said: Mapping[str, Any] = item if isinstance(item, Mapping) else {"name": item}
        name = stated(said, "data_key", said.get("name"))
        if not isinstance(name, str) or not name:
            raise MetadataError(f"a detector of the stxm block is {short(item)}; give a data key")
        role = DETECTOR_ROLES.get(text_or_none(said.get("role")) or "", "signal")
        label = text_or_none(said.get("name")) or name
        units = text_or_none(said.get("units")) or "counts"
        # frames of a camera belong to a point; anything else comes line by line
        per = None if role == "camera" else found[name].per if name in found else "line"
        found[name] = Detector(label, role, name, units, per)
    return tuple(found.values())


def _signature(block: Mapping[str, Any], kind: ScanType) -> str:
    common = {k: block.get(k) for k in ("x_extent", "y_extent", "x_motor", "y_motor", "data_field")}
    text = as_json([kind, common], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
