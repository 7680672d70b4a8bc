"""The text files of STXM_Control (ALS, MAXYMUS, PolLux): a header, and numbers for each image.

Readers take the header line by line: blanks, tabs and line ends are where the original has them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import numpy as np

from ..._errors import NXstxmValueError
from ...nexus import Channel, Entry
from ._stack import Floats, Stack, dwells_of, energies_of, places_of

_LARGEST = 2**31 - 1
#: Each image must have a time.
_SOME_TIME = "2000 January 01 00:00:00"


def write_xim(stack: Stack, folder: Path, name: str) -> list[Path]:
    """Write an image or a stack as NAME.hdr and NAME_a.xim, or NAME_a000.xim and so on.

    Raises
    ------
    NXstxmValueError
        Its values are no counts.
    """
    one = stack.energies.size == 1
    written = []
    for number, image in enumerate(stack.images()):
        path = folder / (f"{name}_a.xim" if one else f"{name}_a{number:03d}.xim")
        _write_numbers(path, image, stack.channel)
        written.append(path)
    header = _Header(stack.entry, stack.channel.name, name, _one_dwell(stack.dwells, stack.notes))
    stack.notes.append("the ring current is not looked for: 0 mA was written")
    if not header.time:
        stack.notes.append(f"when it began is not known: {_SOME_TIME} was written")
    kind = ("Image Scan", "Image") if one else ("NEXAFS Image Scan", "Image Stack")
    text = header.scan(
        *kind,
        [
            _axis("PAxis", "Sample X", "um", stack.across),
            _axis("QAxis", "Sample Y", "um", stack.down),
        ],
        _axis("StackAxis", "Energy", "eV", stack.energies, indent=1),
    )
    text += header.image_scan(stack)
    written.append(_write(folder / f"{name}.hdr", text))
    return written


def write_xim_line(
    channel: Channel, entry: Entry, folder: Path, name: str
) -> tuple[list[Path], list[str]]:
    """Write a line spectrum: columns are energies, rows are positions along the line."""
    values = np.asarray(channel.data.stored.read(), dtype=np.float64)
    if not np.isfinite(values).all():
        raise NXstxmValueError(
            f"{channel.name} of {entry.name} is not whole, and the format has no place for what "
            f"was not measured"
        )
    notes: list[str] = []
    n = values.shape[0]
    energies = energies_of(channel, n, notes, range(n))
    places = places_of(channel, "line", notes)
    dwell = _one_dwell(dwells_of(channel, n, notes, range(n)), notes)
    image = folder / f"{name}_a.xim"
    _write_numbers(image, values.T, channel)
    header = _Header(entry, channel.name, name, dwell)
    text = header.scan(
        "NEXAFS Line Scan",
        "Image",
        [
            _axis("PAxis", "Energy", "eV", energies),
            _axis("QAxis", "Sample", "um", np.abs(places - places[0])),
        ],
        _axis("StackAxis", "Energy", "eV", energies, indent=1),
    )
    return [image, _write(folder / f"{name}.hdr", text)], notes


def _one_dwell(dwells: Floats, notes: list[str]) -> float:
    """Give the dwell that the header has, ms."""
    if np.unique(dwells).size > 1:
        notes.append(
            f"its dwells are {dwells.min():g} to {dwells.max():g} ms, and the format has one: "
            f"{dwells[0]:g} ms was written"
        )
    return float(dwells[0])


def _write(path: Path, text: str) -> Path:
    path.write_text(text.encode("ascii", "replace").decode(), encoding="ascii", newline="")
    return path


def _write_numbers(path: Path, image: Floats, channel: Channel) -> None:
    counts = np.rint(image)
    if np.abs(image - counts).max() > 1e-6 * max(np.abs(image).max(), 1) or counts.max() > _LARGEST:
        raise NXstxmValueError(
            f"a .xim holds whole numbers up to {_LARGEST}, and {channel.name} has others; "
            f"`--to ncb` keeps three digits of them, `--to tiff` all"
        )
    # a tab after each number, for one reader drops what is behind the last tab
    rows = ("".join(f"{value}\t" for value in row) for row in counts.astype(np.int64).tolist())
    path.write_text("\n".join(rows) + "\n", encoding="ascii", newline="")


class _Header:
    """The parts of a header."""

    def __init__(self, entry: Entry, channel: str, name: str, dwell: float) -> None:
        self._channel, self._name, self._dwell = _plain(channel), _plain(name), dwell
        self.time = _time(str(entry.attrs.get("start_time", "")))

    def scan(self, kind: str, flags: str, axes: Iterable[str], stack_axis: str) -> str:
        """Give what was scanned."""
        regions = "\n".join(axes)
        time = f' Time = "{self.time}";' if self.time else ""
        return (
            f'\nScanDefinition = {{ Label = "{self._name}.hdr"; Type = "{kind}"; '
            f'Flags = "{flags}"; Dwell = {self._dwell:g};\n\tRegions = (1,\n{{\n{regions}}});\n\n'
            f"{stack_axis}\n\tChannels = (1,\n"
            f'{{ Name = "{self._channel}"; Unit = "counts";}});\n}};\n'
            f"{time} BeamFeedback = false; ShutterAutomatic = true;\n"
            f'Channels = (1,\n{{ ID = 0; Type = 0; Name = "{self._channel}"; Controller = 0; '
            f'DeviceNumber = 0; UnitName = "counts"; LinearCoefficient = 1; '
            f'ConstantCoefficient = 0; ProcessString = "I";}});\n\n'
        )

    def image_scan(self, stack: Stack) -> str:
        """Give where the region of an image was, and a line for each image."""
        x, y, energies = stack.across, stack.down, stack.energies
        steps = [float(np.diff(p).mean()) if p.size > 1 else 0.0 for p in (x, y)]
        # a range is one step more than from the first point to the last
        ranges = [step * places.size for step, places in zip(steps, (x, y), strict=True)]
        step = float(np.diff(energies).mean()) if energies.size > 1 else 0.0
        first, last = float(energies[0]), float(energies[-1])
        single = "true" if energies.size == 1 else "false"
        text = (
            f'ImageScan = {{ ScanType = "Image (Line - unidirection)"; Stage = "Automatic"; '
            f'Shutter = "Automatic"; Interferometry = "On"; SingleEnergy = {single};\n'
            f"\tEnergyRegions = (1,\n{{ StartEnergy = {first:g}; EndEnergy = {last:g}; "
            f"Range = {last - first:g}; Step = {step:g}; Points = {energies.size}; "
            f"DwellTime = {self._dwell:g};}});\n PointDelay = 0; LineDelay = 0; AccelDist = 0; "
            f"MultipleRegions = false;\n\tSpatialRegions = (1,\n"
            f"{{ CentreXPos = {(x[0] + x[-1]) / 2:.4f}; CentreYPos = {(y[0] + y[-1]) / 2:.4f}; "
            f"XRange = {ranges[0]:.4f}; YRange = {ranges[1]:.4f}; XStep = {steps[0]:.6f}; "
            f"YStep = {steps[1]:.6f}; XPoints = {x.size}; YPoints = {y.size}; "
            f"SquareRegion = false; SquarePixels = false;}});\n}};\n"
        )
        time = self.time or _SOME_TIME
        for number, energy in enumerate(energies):
            name = "Image0" if energies.size == 1 else f"Image{number:03d}_0"
            text += (
                f"{name} = {{StorageRingCurrent = 0.00; Energy = {energy:.2f}; "
                f'Time = "{time}";}};\n'
            )
        return text


def _axis(key: str, name: str, unit: str, points: Floats, *, indent: int = 3) -> str:
    tabs = "\t" * indent
    listed = ", ".join(f"{value:.4f}" for value in points)
    return (
        f'{tabs}{key} = {{ Name = "{name}"; Unit = "{unit}"; Min = {points[0]:.4f}; '
        f"Max = {points[-1]:.4f}; Dir = 1;\n{tabs}\tPoints = ({points.size}, {listed});\n}};\n"
    )


def _plain(text: str) -> str:
    return text.replace('"', "'").replace(";", " ").replace("{", "(").replace("}", ")")


def _time(said: str) -> str:
    try:
        return datetime.fromisoformat(said.replace("Z", "+00:00")).strftime("%Y %B %d %H:%M:%S")
    except ValueError:
        return ""
