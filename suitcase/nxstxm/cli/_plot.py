"""The picture that a microscopist expects of a scan, drawn without a display.

Only `matplotlib.figure.Figure` is used: it brings its own Agg canvas, and leaves no state behind
as `pyplot` would.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from suitcase.nxstxm._errors import NXstxmFileExistsError, NXstxmOSError, NXstxmValueError
from suitcase.nxstxm.cli._csv import write_csv
from suitcase.nxstxm.cli._density import density_of
from suitcase.nxstxm.cli._drawing import (
    cloud_of,
    draw_cloud,
    draw_map,
    draw_mean_image,
    draw_mean_spectrum,
    draw_spectra,
    is_square,
    mean_of,
    plain,
)
from suitcase.nxstxm.cli._extras import require
from suitcase.nxstxm.cli._pictures import Along, Picture, load_pictures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: More panels than this would be too small to see anything.
MOST_PANELS = 9
_DPI = 150


def plot_file(
    path: str | os.PathLike[str],
    png: str | os.PathLike[str],
    *,
    entry: str | None = None,
    channel: str | None = None,
    energy: float | None = None,
    density: bool = False,
    i0: str | None = None,
    csv: str | os.PathLike[str] | None = None,
) -> Path:
    """Draw what an NXstxm file holds.

    Images are drawn with square pixels and a scale bar, stacks as mean image and mean spectrum,
    spectra of all entries in one diagram, line spectra and focus scans as maps. Several entries
    become a grid of up to `MOST_PANELS` panels.

    Parameters
    ----------
    path : path-like
        The file.
    png : path-like
        The picture to write; a file of that name is replaced, unless it is HDF5. Other endings
        that matplotlib knows, such as .pdf and .svg, give that format.
    entry : str, optional
        Only this NXentry.
    channel : str, optional
        Another channel than the one that the file shows first.
    energy : float, optional
        Of stacks and line spectra, only what was measured nearest to this photon energy, eV.
    density : bool
        Draw the optical density.
    i0 : str, optional
        The intensity without sample, for the optical density: the name or role of a list of the
        file, or another file; by default the brightest twentieth of the points is taken for empty.
    csv : path-like, optional
        Write what is drawn into this file, too; one of that name is replaced, unless it is HDF5.

    Returns
    -------
    Path
        Of the picture.

    Raises
    ------
    MissingExtraError
        When matplotlib is not installed.
    NXstxmKeyError
        When there is no such entry or channel.
    NXstxmFileExistsError
        When the picture or the table would replace a file of HDF5.
    NXstxmOSError, NXstxmValueError
        When the file can not be read or drawn, or the picture can not be written.
    """
    require("matplotlib", "plot", "plotting")
    target = Path(png)
    ending = _format_of(target)
    _spare_data(target, "picture")
    if csv is not None:
        _spare_data(Path(csv), "table")
        if Path(csv).absolute() == target.absolute():
            raise NXstxmValueError(f"{target} can not be picture and table; give two names")
    change = density_of(i0) if density or i0 is not None else None
    pictures, left_out = load_pictures(
        path, entry=entry, channel=channel, energy=energy, change=change, most=MOST_PANELS
    )
    figure = _figure(pictures)
    if left_out:
        note = f"and {left_out} more entr{'y' if left_out == 1 else 'ies'}, not shown"
        figure.supxlabel(note, fontsize=10)
    kinds = sorted({picture.scan_type for picture in pictures})
    figure.suptitle(plain(f"{', '.join(kinds)}  ·  {Path(path).name}"), fontsize=12)

    if csv is not None:
        write_csv(pictures, Path(csv))
    try:
        # The layout is found before images get their aspect: "tight" keeps every label whole.
        figure.savefig(target, dpi=_DPI, format=ending, bbox_inches="tight", pad_inches=0.12)
    except OSError as error:
        raise NXstxmOSError(f"{target} can not be written: {error.strerror or error}") from error
    return target


def _format_of(target: Path) -> str:
    """Give the format of a picture by the ending of its name."""
    from matplotlib.backend_bases import FigureCanvasBase

    ending = target.suffix.lstrip(".").lower()
    known = FigureCanvasBase.get_supported_filetypes()
    if ending not in known:
        raise NXstxmValueError(
            f"{target} does not end in the name of a picture format; use one of: "
            f"{', '.join(f'.{name}' for name in sorted(known))}"
        )
    return ending


def _spare_data(target: Path, what: str) -> None:
    """Refuse to write over measurements, and into a folder that is not there."""
    if not target.parent.is_dir():
        raise NXstxmOSError(f"{target} can not be written: there is no folder {target.parent}")
    if target.is_file() and h5py.is_hdf5(target):
        raise NXstxmFileExistsError(
            f"{target} is a file of HDF5, and the {what} would replace it; give another name"
        )


def _figure(pictures: Sequence[Picture]) -> Figure:
    """Choose the arrangement by what there is to draw."""
    if all(picture.data.ndim == 1 and cloud_of(picture) is None for picture in pictures):
        return _spectra(pictures)
    if len(pictures) > 1:
        return _grid(pictures)
    along = pictures[0].along
    return _single(pictures[0]) if along is None else _stack(pictures[0], along)


def _new(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _spectra(pictures: Sequence[Picture]) -> Figure:
    figure = _new(8, 5)
    draw_spectra(figure.add_subplot(), pictures)
    return figure


def _height(picture: Picture, width: float) -> float:
    """Give the height in inches that an image of this width needs, within reason."""
    lines = (picture.axes[-1], picture.axes[-2]) if is_square(picture) else cloud_of(picture)
    if lines is None:
        return 0.75 * width
    across, up = (float(np.ptp(line.values)) or 1.0 for line in lines)
    return float(np.clip(width * up / across, 0.3 * width, 1.6 * width))


def _single(picture: Picture) -> Figure:
    figure = _new(6.8, _height(picture, 5.0) + 1.1)
    axes = figure.add_subplot()
    _draw_panel(axes, picture)
    axes.set_title(picture.note, fontsize=10)
    return figure


def _stack(picture: Picture, along: Along) -> Figure:
    figure = _new(11.5, 5)
    left, right = figure.subplots(1, 2)
    draw_mean_image(left, picture)
    left.set_title(_told(picture), fontsize=10)
    draw_mean_spectrum(right, picture, along)
    return figure


def _grid(pictures: Sequence[Picture]) -> Figure:
    count = len(pictures)
    columns = count if count <= 3 else int(np.ceil(np.sqrt(count)))
    rows = int(np.ceil(count / columns))
    height = max(_height(picture, 2.8) for picture in pictures)
    turned = len({picture.rotation_angle for picture in pictures}) > 1
    figure = _new(4.2 * columns, (height + 0.9) * rows + 0.6)
    for number, picture in enumerate(pictures, start=1):
        axes = figure.add_subplot(rows, columns, number)
        _draw_panel(axes, picture)
        axes.set_title(plain(_caption(picture, turned)), fontsize=10)
    return figure


def _draw_panel(axes: Axes, picture: Picture) -> None:
    """Draw one picture: a map, points that lie anywhere, or a curve."""
    cloud = cloud_of(picture)
    if cloud is not None:
        draw_cloud(axes, picture, *cloud)
    elif picture.data.ndim == 1:
        draw_spectra(axes, [picture])
    else:
        draw_map(axes, picture)


def _caption(picture: Picture, turned: bool) -> str:
    parts = [picture.entry]
    if turned and picture.rotation_angle is not None:
        parts.append(f"{picture.rotation_angle:.4g}°")
    if _told(picture):
        parts.append(_told(picture))
    return ",  ".join(parts)


def _told(picture: Picture) -> str:
    """Tell what a picture is of: which images, and at which energy."""
    return ",  ".join(dict.fromkeys(each for each in (mean_of(picture), picture.note) if each))
