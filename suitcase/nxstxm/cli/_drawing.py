"""One diagram at a time: maps, images, mean spectra, and how their axes are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from suitcase.nxstxm.cli._pictures import Along, Floats, Line, Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

Colour: TypeAlias = str | tuple[float, float, float, float]

_CMAP = "gray"
#: Where nothing was measured: no grey, so that it is never taken for data.
_NOT_MEASURED = "#e8b36b"
#: Between points that lie anywhere: black and white dots are seen on it.
_NO_POINT = "#c9d6e3"

#: Lengths in micrometres; axes in these units can have a scale bar.
_MICROMETRES: Mapping[str, float] = {
    "nm": 1e-3,
    "um": 1.0,
    "µm": 1.0,
    "μm": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "mm": 1e3,
    "m": 1e6,
}
_TITLES: Mapping[str, str] = {
    "energy": "photon energy",
    "line_position": "position along the line",
    "zoneplate_z": "zone plate z",
    "osa_x": "OSA x",
    "osa_y": "OSA y",
}
_SYMBOLS: Mapping[str, str] = {"um": "µm", "deg": "°", "degree": "°", "1": ""}

#: A legend of more entries than this would cover the curves.
_MOST_INSIDE = 6

#: Scans whose first axis is drawn to the right: spectra are read from low to high energy.
_FIRST_AXIS_ACROSS = ("sample line spectrum",)


def plain(text: str) -> str:
    """Keep matplotlib from taking dollar signs in a name for mathematics."""
    return text.replace("$", r"\$")


def is_square(picture: Picture) -> bool:
    """Whether the last two axes are lengths in space, so that the pixels are drawn to scale."""
    return picture.data.ndim > 1 and _are_lengths(*picture.axes[-2:])


def cloud_of(picture: Picture) -> tuple[Line, Line] | None:
    """Give the positions of points that lie anywhere on the sample: across, and up.

    None of what is a curve: points of a scan that moved along something, or along a straight line.
    """
    across, up = (picture.positions.get(name) for name in ("sample_x", "sample_y"))
    if picture.data.ndim != 1 or picture.axes[0].name != "point" or across is None or up is None:
        return None
    are_points = across.values.size == up.values.size == picture.data.size > 2
    if not are_points or not _are_lengths(across, up):
        return None
    moved = np.stack([across.values, up.values])
    spread = np.linalg.svd(moved - moved.mean(axis=1, keepdims=True), compute_uv=False)
    return (across, up) if spread[1] > 1e-6 * spread[0] else None


def _are_lengths(first: Line, second: Line) -> bool:
    # A zone plate's travel against a line on the sample would give a strip 50 times as high.
    named = {first.name, second.name}
    return {first.units, second.units} <= _MICROMETRES.keys() and "line_position" not in named


def draw_map(axes: Axes, picture: Picture) -> None:
    """Draw data of rank 2: an image with square pixels, or a map of two unlike axes."""
    across, up = picture.axes[1], picture.axes[0]
    data = picture.data
    if picture.scan_type in _FIRST_AXIS_ACROSS:
        across, up, data = up, across, data.T
    _draw(axes, data, across, up, _quantity(picture))


def draw_cloud(axes: Axes, picture: Picture, across: Line, up: Line) -> None:
    """Draw points where they lie, each as a dot."""
    across, up = _in_micrometres(across), _in_micrometres(up)
    values = np.ma.masked_invalid(picture.data)
    missing = np.ma.getmaskarray(values)
    size = float(np.clip(2e4 / values.size, 4, 150))
    axes.scatter(across.values[missing], up.values[missing], s=size, color=_NOT_MEASURED)
    drawn = axes.scatter(
        across.values[~missing],
        up.values[~missing],
        c=values.compressed(),
        s=size,
        edgecolors="0.4",
        linewidths=0.4,
        rasterized=True,
        **_greys(values),
    )
    axes.set_facecolor(_NO_POINT)
    _finish(axes, drawn, picture.data, across, up, _quantity(picture))


def draw_mean_image(axes: Axes, picture: Picture) -> None:
    """Draw the mean image of a stack."""
    draw_map(axes, picture)
    axes.set_title(mean_of(picture), fontsize=10)


def mean_of(picture: Picture) -> str:
    """Tell how many images of a stack a mean is over: those of which anything was measured."""
    along = picture.along
    if along is None:
        return picture.note
    whole = "" if along.measured == along.n_images else f" of {along.n_images}"
    return f"mean of {along.measured}{whole} images"


def draw_mean_spectrum(axes: Axes, picture: Picture, along: Along) -> None:
    """Draw the mean of every image of a stack against the first axis."""
    line, values, partly = along.line, along.values, along.partly
    _curve(axes, line, values, label=None, colour="C0")
    if partly.any():
        # The mean over half an image is no point of the spectrum of the whole.
        axes.plot(
            line.values[partly],
            values[partly],
            linestyle="",
            marker="o",
            color="C0",
            markerfacecolor=_NOT_MEASURED,
            label="image partly measured",
        )
        axes.legend(fontsize=8)
    axes.set_xlabel(plain(_labelled(line)))
    axes.set_ylabel(plain(f"mean {_quantity(picture)}"))
    axes.set_title("mean over the image", fontsize=10)
    _note_nothing(axes, values)


def draw_spectra(axes: Axes, pictures: Sequence[Picture]) -> None:
    """Draw data of rank 1, a curve for each entry."""
    from matplotlib import colormaps

    many = len(pictures) > 10  # the colour cycle has ten colours
    for number, picture in enumerate(pictures):
        colour = colormaps["viridis"](number / (len(pictures) - 1)) if many else f"C{number}"
        label = plain(_where(picture)) if len(pictures) > 1 else None
        _curve(axes, picture.axes[0], picture.data, label, colour)
    first = pictures[0]
    axes.set_xlabel(plain(_labelled(first.axes[0])))
    axes.set_ylabel(plain(_quantity(first)))
    if len(pictures) > _MOST_INSIDE:
        columns = 1 + (len(pictures) - 1) // 24
        axes.legend(fontsize=8, ncols=columns, loc="center left", bbox_to_anchor=(1.01, 0.5))
    elif len(pictures) > 1:
        axes.legend(fontsize=8)
    _note_nothing(axes, np.concatenate([picture.data for picture in pictures]))


def _curve(axes: Axes, line: Line, values: Floats, label: str | None, colour: Colour) -> None:
    order = np.argsort(line.values, kind="stable")
    few = line.values.size <= 200
    axes.plot(
        line.values[order],
        values[order],
        marker="o" if few else "",
        markersize=3.5,
        linewidth=1.2,
        label=label,
        color=colour,
    )
    axes.grid(True, alpha=0.3)


def _draw(axes: Axes, data: Floats, across: Line, up: Line, quantity: str) -> None:
    square = _are_lengths(across, up)
    if square:
        across, up = _in_micrometres(across), _in_micrometres(up)
    _finish(axes, _cells(axes, data, across, up), data, across, up, quantity)


def _finish(
    axes: Axes, drawn: ScalarMappable, data: Floats, across: Line, up: Line, quantity: str
) -> None:
    """Say what was drawn: axes, colours, scale, and what is missing."""
    square = _are_lengths(across, up)
    axes.set_aspect("equal" if square else "auto")
    axes.set_xlabel(plain(_labelled(across)))
    axes.set_ylabel(plain(_labelled(up)))
    figure = axes.get_figure()
    if figure is not None:
        # Inside the axes' own frame the bar is as high as the image, whatever its aspect.
        place = axes.inset_axes((1.03, 0.0, 0.045, 1.0))
        figure.colorbar(drawn, cax=place, label=plain(quantity))
    if square:
        _scale_bar(axes)
    if not np.isfinite(data).all():
        from matplotlib.patches import Patch

        patch = Patch(facecolor=_NOT_MEASURED, edgecolor="0.3", label="not measured")
        axes.legend(handles=[patch], loc="upper right", fontsize=8, framealpha=0.9)
    _note_nothing(axes, data)


def _cells(axes: Axes, data: Floats, across: Line, up: Line) -> ScalarMappable:
    """Draw each value as a cell around its position; positions may be uneven or descending."""
    x_order, x_edges = _edges(across.values, like=up.values)
    y_order, y_edges = _edges(up.values, like=across.values)
    cells = np.ma.masked_invalid(data[np.ix_(y_order, x_order)])
    drawn = axes.pcolormesh(x_edges, y_edges, cells, rasterized=True, **_greys(cells))
    axes.set_facecolor(_NOT_MEASURED)
    axes.set_xlim(x_edges[0], x_edges[-1])
    axes.set_ylim(y_edges[0], y_edges[-1])
    return drawn


def _greys(values: np.ma.MaskedArray[Any, Any]) -> dict[str, Any]:
    """Give the scale of greys that values are drawn in."""
    from matplotlib import colormaps

    low, high = (values.min(), values.max()) if values.count() else (0.0, 1.0)
    # what is the same everywhere would have no scale at all
    most = float(high) if high > low else float(low) + 1.0
    return {"cmap": colormaps[_CMAP], "vmin": float(low), "vmax": most}


def _edges(positions: Floats, like: Floats) -> tuple[npt.NDArray[np.intp], Floats]:
    """Give the ascending order of positions and the borders halfway between them.

    Repeated positions have no borders between them: then the points are counted instead. A
    single position gets the width of a step of the axis `like`.
    """
    order = np.argsort(positions, kind="stable")
    ascending = positions[order]
    if ascending.size > 1 and not (np.diff(ascending) > 0).all():
        order = np.arange(positions.size)
        ascending = order.astype(float)
    if ascending.size == 1:
        steps = np.abs(np.diff(like))
        half = float(steps.mean()) / 2 if steps.size and steps.mean() > 0 else 0.5
        return order, np.array([ascending[0] - half, ascending[0] + half])
    middles = (ascending[1:] + ascending[:-1]) / 2
    first = ascending[0] - (middles[0] - ascending[0])
    last = ascending[-1] + (ascending[-1] - middles[-1])
    return order, np.concatenate([[first], middles, [last]])


def _scale_bar(axes: Axes) -> None:
    """Draw a bar of 1, 2 or 5 times a power of ten micrometres, about a quarter of the width."""
    from matplotlib.font_manager import FontProperties
    from mpl_toolkits.axes_grid1.anchored_artists import (  # type: ignore[import-untyped]
        AnchoredSizeBar,
    )

    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    aim = abs(right - left) / 4
    power = 10.0 ** np.floor(np.log10(aim))
    length = power * max(step for step in (1, 2, 5) if step * power <= aim * 1.0001)
    axes.add_artist(
        AnchoredSizeBar(
            axes.transData,
            float(length),
            f"{length:g} µm",
            "lower left",
            pad=0.4,
            borderpad=0.6,
            sep=4,
            size_vertical=abs(top - bottom) / 80,
            fontproperties=FontProperties(size=9),
        )
    )


def _note_nothing(axes: Axes, data: Floats) -> None:
    if not np.isfinite(data).any():
        axes.text(
            0.5, 0.5, "nothing was measured", transform=axes.transAxes, ha="center", va="center"
        )


def _in_micrometres(line: Line) -> Line:
    return Line(line.name, line.values * _MICROMETRES[line.units], "um")


def _title(line: Line) -> str:
    return _TITLES.get(line.name, line.name.replace("_", " "))


def _labelled(line: Line) -> str:
    units = _SYMBOLS.get(line.units, line.units)
    title = _title(line)
    title = title[:1].upper() + title[1:]
    return f"{title} ({units})" if units else title


def _quantity(picture: Picture) -> str:
    units = _SYMBOLS.get(picture.units, picture.units)
    return f"{picture.name} ({units})" if units else picture.name


def _where(picture: Picture) -> str:
    """Name an entry, with the place where its spectrum was taken if that is known."""
    places = [picture.positions.get(name) for name in ("sample_x", "sample_y")]
    known = [p for p in places if p is not None and p.values.size == 1 and np.isfinite(p.values[0])]
    if len(known) < 2:
        return picture.entry
    # Rounded first, and 0 added, so that nothing is called -0.00.
    x, y = (round(place.values[0], 2) + 0.0 for place in known)
    units = _SYMBOLS.get(known[0].units, known[0].units)
    return f"{picture.entry}  ({x:.2f}, {y:.2f}) {units}"
