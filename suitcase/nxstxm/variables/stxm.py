"""Variables for microscopes, ready to be used in a context file.

``nxstxm table init`` writes a context file that imports them. Take what you need, and write your
own beside them::

    from suitcase.nxstxm.variables.stxm import dwell, energy_range, mean_counts, thumbnail
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import analysis
from .._errors import NXstxmError
from ._cell import Cell
from ._errors import Skip
from ._variable import Variable

if TYPE_CHECKING:
    import xarray as xr

    from ._run import ScanRun

#: A part of the points at the detector's limit from which on a cell is red.
_MANY = 0.001
_RED, _YELLOW = "#ff9999", "#ffee99"


@Variable(title="Scan type", tags="scan", version="1")
def scan_type(run: ScanRun) -> str:
    """Say what was scanned."""
    return run.scan_type


@Variable(title="Picture", tags="overview", version="1")
def thumbnail(run: ScanRun) -> Cell:
    """Give the picture of the first detector; of a stack the image in the middle."""
    picture = run.picture()
    if picture.ndim > 2:
        middle = {dim: picture.sizes[dim] // 2 for dim in picture.dims[:-2]}
        shown = picture.isel(middle)
        if not bool(np.isfinite(shown).any()):  # aborted before it came there
            shown = picture.isel(dict.fromkeys(middle, 0))
    else:
        shown = picture
    return Cell(None, preview=shown, units=_units(picture))


@Variable(title="Points", tags="scan", version="1")
def points(run: ScanRun) -> str:
    """Give the length along each dimension: ``61 x 100 x 100``."""
    picture = run.picture()
    missing = int(np.isnan(picture.astype(float)).sum())
    told = " x ".join(str(n) for n in picture.shape) or "1"
    return f"{told}, {missing} missing" if missing else told


@Variable(title="Energies", tags="scan", version="1")
def energy_range(run: ScanRun) -> Cell:
    """Give the first and last energy, and how many there are."""
    values = np.unique(_along(run, "energy"))
    if values.size == 1:
        return Cell(float(values[0]), units="eV")
    told = f"{values[0]:g} to {values[-1]:g} eV ({values.size})"
    return Cell(values, summary_value=told, units="eV")


@Variable(title="Dwell", units="ms", tags="scan", version="1")
def dwell(run: ScanRun) -> Any:
    """Give the time of a point; the mean, where energies have several."""
    values = _along(run, "count_time")
    return float(np.mean(values)) * 1e3


@Variable(title="Duration", units="s", tags="scan", version="2")
def duration(run: ScanRun) -> float:
    """Give the time from the start document of the first run to the stop document of the last."""
    begun, ended = run.start.get("time"), run.last_stop.get("time")
    if begun is None or ended is None:
        raise Skip("the last run of the scan has no stop document")
    return float(ended) - float(begun)


@Variable(title="Overhead", units="%", tags="scan", version="2")
def overhead(run: ScanRun, duration: "var#duration") -> Cell:  # type: ignore[valid-type]  # noqa: F821, UP037
    """Give the part of the time in which nothing was counted."""
    if not duration > 0:
        raise Skip("the scan took no time")
    counted = sum(_counted(run.picture(entry=name)) for name in run.entries)
    part = 100 * (1 - min(counted / float(duration), 1.0))
    return Cell(part, background=_YELLOW if part > 75 else None)


def _counted(picture: xr.DataArray) -> float:
    """Give for how many seconds was counted: at the points that were measured, each its time."""
    measured = np.isfinite(picture.astype(float))
    if not bool(measured.any()):
        return 0.0
    if "count_time" not in picture.coords:
        raise Skip("the scan does not say its count time")
    times = picture.coords["count_time"].astype(float).where(measured)
    if bool((np.isnan(times) & measured).any()):
        raise Skip("the scan does not say the count time of all points that it measured")
    return float(times.sum())


@Variable(title="Mean counts", tags="counts", version="1")
def mean_counts(run: ScanRun) -> Cell:
    """Give the mean over all points of the first detector."""
    picture = run.picture()
    return Cell(float(_known(picture).mean()), units=_units(picture))


@Variable(title="Maximum counts", tags="counts", version="1")
def max_counts(run: ScanRun) -> Cell:
    """Give the maximum over all points of the first detector."""
    picture = run.picture()
    return Cell(float(_known(picture).max()), units=_units(picture))


@Variable(title="Saturated", units="%", tags="counts", version="1")
def saturated(run: ScanRun, limit: "param#saturation" = None) -> Cell:  # type: ignore[valid-type]  # noqa: F821, UP037
    """Give the part of the points at the detector's limit.

    The limit is the parameter ``saturation``; without it that of the integers in which the counts
    were stored.
    """
    node = run.channel()
    if limit is None:
        stored = run.entry()["instrument"].data_vars.get(node.name)
        if stored is None or stored.dtype.kind not in "iu":
            raise Skip("nobody knows at how many counts the detector saturates")
        limit = np.iinfo(stored.dtype).max
    part = 100 * float((_known(run.picture()) >= float(limit)).mean())
    return Cell(part, background=_RED if part > 100 * _MANY else None)


@Variable(title="I0 drift", units="%", tags="counts", version="1")
def i0_drift(run: ScanRun) -> Cell:
    """Give by how much the intensity without sample, or the ring current, changed."""
    node = run.channel()
    try:
        monitor: Any = analysis.placed_list(node, "i0")
    except NXstxmError:
        if "control" not in node.data_vars:
            raise Skip("the scan has neither an I0 nor a ring current") from None
        monitor = node["control"]
    values = _known(monitor)
    if values.size < 2 or not values.mean():
        raise Skip("the intensity was measured once")
    drift = 100 * float(values.max() - values.min()) / float(values.mean())
    return Cell(drift, background=_YELLOW if drift > 10 else None)


@Variable(title="Focus", units="um", tags="analysis", version="2")
def focus(run: ScanRun) -> Cell:
    """Give the position of the zone plate at which a line is sharpest.

    The result has the sharpness, its fit, the position and its uncertainty; the preview shows them.
    """
    picture = run.picture()
    if "zoneplate_z" not in picture.dims:
        raise Skip("it is no focus scan")
    found = analysis.focus_position(picture)
    position = found["position"]
    units = _units(position)
    return Cell(found, summary_value=float(position), preview=_drawn(found, units), units=units)


def _drawn(found: xr.Dataset, units: str | None) -> Any:
    """Draw the sharpness and its fit; without matplotlib the sharpness has to do."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return found["sharpness"]
    made = Figure(figsize=(4.0, 3.0), layout="constrained")
    axes = made.add_subplot()
    z = found["zoneplate_z"].values
    order = np.argsort(z)
    axes.plot(z, found["sharpness"].values, "o", label="measured")
    axes.plot(z[order], found["fit"].values[order], label="fit")
    position, uncertainty = float(found["position"]), float(found["uncertainty"])
    axes.axvline(position, linestyle="--", color="grey")
    axes.set_title(f"{position:.6g} ± {uncertainty:.2g} {units or ''}".rstrip())
    axes.set_xlabel(f"zone plate ({units})" if units else "zone plate")
    axes.set_ylabel("sharpness")
    axes.legend()
    return made


@Variable(title="Drift", units="um", tags="analysis", version="1")
def drift(run: ScanRun) -> Cell:
    """Give how far images of a stack lie apart, as their correlation shows it."""
    picture = run.picture()
    if picture.dims != ("energy", "y", "x") or picture.sizes["energy"] < 2:
        raise Skip("it is no stack")
    whole = np.isfinite(np.asarray(picture)).any(axis=(1, 2))
    known = picture.isel(energy=np.flatnonzero(whole))
    _, shifts = analysis.align_stack(known)
    far = np.hypot(shifts["shift_y"], shifts["shift_x"])
    return Cell(far, summary_value=float(far.max() - far.min()))


@Variable(title="OD spectrum", units="1", tags="analysis", version="1")
def od_spectrum(run: ScanRun) -> xr.DataArray:
    """Give the mean optical density; the brightest twentieth of the points is taken for empty."""
    picture = run.picture()
    if "energy" not in picture.dims or picture.ndim < 2 or picture.sizes["energy"] < 2:
        raise Skip("it has no images, or lines, at several energies")
    density = analysis.optical_density(picture, region=analysis.brightest(picture))
    return analysis.region_spectrum(density)


#: All of them, in the order in which a new context file has them.
ALL = (
    scan_type,
    thumbnail,
    points,
    energy_range,
    dwell,
    duration,
    overhead,
    mean_counts,
    max_counts,
    saturated,
    i0_drift,
    focus,
    drift,
    od_spectrum,
)


def _units(array: xr.DataArray) -> str | None:
    return str(array.attrs.get("units", "")) or None


def _known(array: xr.DataArray) -> np.ndarray[Any, Any]:
    values = np.asarray(array, float)
    known: np.ndarray[Any, Any] = values[np.isfinite(values)]
    if not known.size:
        raise Skip("nothing was measured")
    return known


def _along(run: ScanRun, name: str) -> np.ndarray[Any, Any]:
    picture = run.picture()
    values = np.atleast_1d(np.asarray(picture.coords.get(name, np.nan), float))
    # a file has to have the coordinate, whether it is known or not
    known: np.ndarray[Any, Any] = values[~np.isnan(values)]
    if not known.size:
        raise Skip(f"the scan does not say its {name.replace('_', ' ')}")
    return known
