"""The sample in the simulated microscope: shapes of two materials, and how they absorb.

A simulation is only worth testing against when its truth is known, so everything here is a
formula: no random textures, no images on a grid. Any position can be asked for, at any energy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]

#: Where the beam is averaged when it is out of focus: (x, y, weight) in units of the blur.
_BLUR_POINTS: tuple[tuple[float, float, float], ...] = (
    (0.0, 0.0, 0.22),
    *((0.7 * math.cos(a), 0.7 * math.sin(a), 0.08) for a in np.arange(6) * math.pi / 3),
    *((1.4 * math.cos(a), 1.4 * math.sin(a), 0.05) for a in (np.arange(6) + 0.5) * math.pi / 3),
)


@dataclass(frozen=True)
class Resonance:
    """A white line: a Lorentzian in the absorption coefficient.

    Attributes
    ----------
    energy, width : float
        Position and half width, eV.
    height : float
        Absorption coefficient at the top, 1/um.
    dichroism : float
        Relative change between unpolarised and fully polarised light on a magnetised domain.
    """

    energy: float
    height: float
    width: float
    dichroism: float = 0.0


@dataclass(frozen=True)
class Material:
    """How strongly something absorbs, as a function of photon energy.

    Attributes
    ----------
    base : float
        Smooth part of the absorption coefficient at 700 eV, 1/um; it falls with the cube of the
        energy.
    edges : tuple of (float, float)
        Energy (eV) and height (1/um) of the absorption edges.
    resonances : tuple of Resonance
        The white lines.
    """

    base: float
    edges: tuple[tuple[float, float], ...] = ()
    resonances: tuple[Resonance, ...] = ()

    def absorption(self, energy_ev: npt.ArrayLike, dichroism: npt.ArrayLike = 0.0) -> FloatArray:
        """Give the linear absorption coefficient.

        Parameters
        ----------
        energy_ev : array_like
            Photon energies, eV.
        dichroism : array_like
            Helicity times magnetisation, -1..1.

        Returns
        -------
        ndarray
            1/um, in the common shape of the arguments.
        """
        energy = np.asarray(energy_ev, dtype=np.float64)
        sign = np.asarray(dichroism, dtype=np.float64)
        result = self.base * (700.0 / energy) ** 3 + 0.0 * sign
        for position, height in self.edges:
            step = 0.5 + np.arctan((energy - position) / 0.5) / np.pi
            result = result + height * step * (position / energy) ** 3
        for line in self.resonances:
            shape = 1.0 / (1.0 + ((energy - line.energy) / line.width) ** 2)
            result = result + line.height * (1.0 + line.dichroism * sign) * shape
        return result


#: An iron-bearing organic: the carbon K edge, and the iron L doublet with magnetic dichroism.
MATERIAL_A = Material(
    base=0.5,
    edges=((290.0, 4.0), (708.5, 1.2), (721.8, 0.5)),
    resonances=(
        Resonance(285.2, 9.0, 0.5),
        Resonance(288.4, 5.0, 0.6),
        Resonance(708.0, 7.0, 0.9, dichroism=0.3),
        Resonance(721.0, 2.8, 1.2, dichroism=-0.3),
    ),
)

#: A substance without an edge between 280 and 1000 eV.
MATERIAL_B = Material(base=0.8)

MATERIALS: Mapping[str, Material] = {"A": MATERIAL_A, "B": MATERIAL_B}


@dataclass(frozen=True)
class Shape:
    """A body in the sample.

    Attributes
    ----------
    form : {"disc", "bar", "sphere"}
        Discs and bars are flat, a sphere is as thick as it is wide.
    material : {"A", "B"}
        What it is made of.
    x, y, z : float
        Its centre, um; ``z`` is its height above the axis of rotation, along the beam.
    width, height : float
        Full size in x and y, um. A disc and a sphere take their diameter from ``width``.
    thickness : float
        Length of the beam's path through a flat one at 0 degrees, um.
    domain : float
        Magnetisation along the beam, -1..1.
    """

    form: Literal["disc", "bar", "sphere"]
    material: Literal["A", "B"]
    x: float
    y: float
    width: float
    height: float = 0.0
    thickness: float = 0.15
    z: float = 0.0
    domain: float = 0.0

    def path(self, x: FloatArray, y: FloatArray, theta_deg: FloatArray, spot: float) -> FloatArray:
        """Give the length of the beam's path through it, um.

        The axis of rotation is y at x = 0: turning moves a body that lies above the axis, makes
        flat ones narrower and the way through them longer.
        """
        theta = np.radians(theta_deg)
        cos = np.maximum(np.cos(theta), 0.1)
        dx = x - self.x * np.cos(theta) - self.z * np.sin(theta)
        dy = y - self.y
        if self.form == "sphere":
            half = 0.5 * self.width
            return 2.0 * np.sqrt(np.maximum(half**2 - dx**2 - dy**2, 0.0))
        if self.form == "disc":
            inside = soft_edge(np.hypot(dx / cos, dy) - 0.5 * self.width, spot)
        else:
            inside = soft_edge(np.abs(dx / cos) - 0.5 * self.width, spot) * soft_edge(
                np.abs(dy) - 0.5 * self.height, spot
            )
        return self.thickness / cos * inside


def soft_edge(distance: npt.ArrayLike, width: npt.ArrayLike) -> FloatArray:
    """Give 1 well inside an edge (negative distance), 0 well outside, 1/2 on it."""
    return np.asarray(0.5 * (1.0 - np.tanh(np.asarray(distance) / np.asarray(width))))


_PHANTOM = (
    Shape("disc", "A", -2.2, 1.8, 3.0, domain=1.0),
    Shape("disc", "A", 2.4, 2.1, 2.2, thickness=0.25, z=1.5, domain=-1.0),
    Shape("bar", "B", 0.3, -1.2, 7.0, 0.8, thickness=0.3),
    Shape("bar", "A", 3.3, -2.4, 0.5, 3.2, thickness=0.2),
    Shape("sphere", "B", -2.9, -3.1, 1.2),
    Shape("sphere", "A", 0.4, 0.7, 0.6, z=-2.0, domain=1.0),
)


@dataclass(frozen=True)
class Sample:
    """A phantom of some 10 um: discs, bars and particles of two materials.

    Attributes
    ----------
    shapes : tuple of Shape
        What lies in the beam.
    spot_um : float
        Width of the beam in focus, which softens every edge, um.
    name : str
        What the scientist calls it.
    """

    shapes: tuple[Shape, ...] = _PHANTOM
    spot_um: float = 0.04
    name: str = "phantom"

    def optical_density(
        self,
        energy_ev: npt.ArrayLike,
        x_um: npt.ArrayLike,
        y_um: npt.ArrayLike,
        theta_deg: npt.ArrayLike = 0.0,
        polarization: npt.ArrayLike = 0.0,
    ) -> FloatArray:
        """Give the optical density, in the common shape of the arguments (see `transmission`)."""
        x, y, theta, helicity = (
            np.asarray(v, dtype=np.float64) for v in (x_um, y_um, theta_deg, polarization)
        )
        total = np.zeros(np.broadcast_shapes(np.shape(energy_ev), x.shape, y.shape, theta.shape))
        for shape in self.shapes:
            mu = MATERIALS[shape.material].absorption(energy_ev, helicity * shape.domain)
            total = total + mu * shape.path(x, y, theta, self.spot_um)
        return total

    def transmission(
        self,
        energy_ev: npt.ArrayLike,
        x_um: npt.ArrayLike,
        y_um: npt.ArrayLike,
        theta_deg: npt.ArrayLike = 0.0,
        polarization: npt.ArrayLike = 0.0,
        *,
        blur_um: npt.ArrayLike = 0.0,
    ) -> FloatArray:
        """Give the fraction of the light that comes through.

        Parameters
        ----------
        energy_ev : array_like
            Photon energies, eV.
        x_um, y_um : array_like
            Positions of the beam on the sample, um.
        theta_deg : array_like
            Rotation about the y axis, degrees.
        polarization : array_like
            Helicity: +1 circular right, -1 circular left, 0 linear.
        blur_um : array_like
            Radius of the beam that comes from being out of focus, um.

        Returns
        -------
        ndarray
            0..1, in the common shape of the arguments, which are broadcast against each other.
        """
        blur = np.asarray(blur_um, dtype=np.float64)
        if not np.any(blur > 0):
            density = self.optical_density(energy_ev, x_um, y_um, theta_deg, polarization)
            return np.asarray(np.exp(-density))
        x, y = np.asarray(x_um, dtype=np.float64), np.asarray(y_um, dtype=np.float64)
        parts = [
            weight
            * np.exp(
                -self.optical_density(
                    energy_ev, x + blur * dx, y + blur * dy, theta_deg, polarization
                )
            )
            for dx, dy, weight in _BLUR_POINTS
        ]
        return np.asarray(sum(parts[1:], parts[0]))
