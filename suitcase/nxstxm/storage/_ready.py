"""The analysis of this package as producers, ready to be asked for.

==============  ==============  ===================================================================
type            made from       what it is
==============  ==============  ===================================================================
``picture``     ``scan``        the counts of one detector; not stored, for the scan is
``normalised``  ``scan``        the same, divided by the ring current, bad points left out
``od``          ``scan``        the optical density
``focus``       ``scan``        where the focus is, of a focus scan
``xmcd``        ``scan``        sum and difference of two polarizations of one scan
``aligned``     ``od``          the optical density, its images moved onto each other
``shifted``     ``od``          the optical density on a corrected energy axis
``spectrum``    ``od``          the spectrum of a region
``svd``         ``od``          spectra and maps of a singular value decomposition
==============  ==============  ===================================================================

Those from ``od`` may be made from others: ``SVD.but(provides="svd of aligned",
depends_on="aligned")``.
"""

from __future__ import annotations

from typing import Any

from .. import analysis
from .._errors import NXstxmKeyError
from ._producer import Producer, derived


def channel_of(scan: Any, entry: str | None = None, channel: str | None = None) -> Any:
    """Give the node of a detector.

    Parameters
    ----------
    scan : DataTree
        As `open_nxstxm` gives it.
    entry, channel : str, optional
        By default those that the file shows first.

    Raises
    ------
    NXstxmKeyError
        There is no such entry or detector.
    """
    entry = entry or str(scan.attrs.get("default") or next(iter(scan.children), ""))
    if entry not in scan.children:
        raise NXstxmKeyError(
            f"the scan has no entry {entry!r}; it has {', '.join(scan.children) or 'none'}"
        )
    node = scan[entry]
    channels = [name for name, child in node.children.items() if "data" in child.data_vars]
    channel = channel or str(node.attrs.get("default") or next(iter(channels), ""))
    if channel not in channels:
        raise NXstxmKeyError(
            f"entry {entry!r} has no channel {channel!r}; it has {', '.join(channels) or 'none'}"
        )
    return node[channel]


@derived(provides="picture", depends_on="scan", version="1", save=False)
def picture(scan: Any, *, entry: str | None = None, channel: str | None = None) -> Any:
    """Give the counts of a detector, and what else is known of each point."""
    return channel_of(scan, entry, channel).to_dataset()


@derived(provides="normalised", depends_on="scan", version="1")
def normalised(
    scan: Any,
    *,
    by: str | None = "control",
    mask: bool | int = True,
    entry: str | None = None,
    channel: str | None = None,
) -> Any:
    """Divide the counts by the ring current; see `suitcase.nxstxm.analysis.normalise`."""
    return analysis.normalise(channel_of(scan, entry, channel), by, mask=mask)


@derived(provides="od", depends_on="scan", version="1")
def optical_density(
    scan: Any,
    *,
    i0: Any = None,
    i0_region: Any = None,
    dark: Any = 0.0,
    brightest: float = 0.05,
    entry: str | None = None,
    channel: str | None = None,
) -> Any:
    """Give the optical density; see `suitcase.nxstxm.analysis.optical_density`.

    Without `i0` and `i0_region` the brightest part of the picture is taken for empty.
    """
    node = channel_of(scan, entry, channel)
    if i0 is None and i0_region is None:
        i0_region = analysis.brightest(node.to_dataset(), brightest)
    return analysis.optical_density(node, i0, region=i0_region, dark=dark)


@derived(provides="focus", depends_on="scan", version="1")
def focus(scan: Any, *, entry: str | None = None, channel: str | None = None) -> Any:
    """Find the focus; see `suitcase.nxstxm.analysis.focus_position`."""
    return analysis.focus_position(channel_of(scan, entry, channel).to_dataset())


@derived(provides="xmcd", depends_on="scan", version="1")
def xmcd(
    scan: Any, *, left: str, right: str, channel: str | None = None, interpolate: bool = False
) -> Any:
    """Compare two entries; see `suitcase.nxstxm.analysis.xmcd`."""
    pictures = [channel_of(scan, entry, channel)["data"] for entry in (left, right)]
    return analysis.xmcd(*pictures, interpolate=interpolate)


@derived(provides="aligned", depends_on="od", version="1")
def aligned(
    od: Any,
    *,
    reference: str | int = "previous",
    method: str = "correlation",
    precision: float = 0.1,
    align_region: Any = None,
    crop: bool = False,
) -> Any:
    """Move images onto each other; see `suitcase.nxstxm.analysis.align_stack`.

    The shifts are coordinates of the result: ``shift_y`` and ``shift_x``.
    """
    moved, shifts = analysis.align_stack(
        od,
        reference=reference,  # type: ignore[arg-type]
        method=method,  # type: ignore[arg-type]
        precision=precision,
        region=align_region,
        crop=crop,
    )
    return moved.assign_coords(shifts.data_vars)


@derived(provides="shifted", depends_on="od", version="1")
def shifted(od: Any, *, by: Any = 0.0) -> Any:
    """Correct the energies; see `suitcase.nxstxm.analysis.shift_energy`."""
    return analysis.shift_energy(od, tuple(by) if isinstance(by, (list, tuple)) else by)


@derived(provides="spectrum", depends_on="od", version="1")
def spectrum(od: Any, *, region: Any = None) -> Any:
    """Give the spectrum of a region; see `suitcase.nxstxm.analysis.region_spectrum`."""
    return analysis.region_spectrum(od, region)


@derived(provides="svd", depends_on="od", version="1")
def svd(od: Any, *, n: int | None = None) -> Any:
    """Decompose a stack; see `suitcase.nxstxm.analysis.svd`."""
    return analysis.svd(od, n)


#: All of them.
READY: tuple[Producer, ...] = (
    picture,
    normalised,
    optical_density,
    focus,
    xmcd,
    aligned,
    shifted,
    spectrum,
    svd,
)
