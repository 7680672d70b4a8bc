"""What stands between the source and the counts: zone plate, OSA, detector, photon noise.

The OSA (order sorting aperture) lets only focused light through; a detector image shows the
hollow cone behind the zone plate with the shadow of its central stop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._sample import FloatArray, Sample, soft_edge

#: Helicity of the light by pyStxm's number of the undulator's polarization; others are linear.
_HELICITY = {0: -1.0, 1: 1.0}


@dataclass(frozen=True)
class Optics:
    """The microscope's optics.

    Attributes
    ----------
    flux : float
        Counts per second without a sample, all optics centred.
    focus_um : float
        Position of the zone plate at which the sample is in focus, um.
    zone_plate_um, central_stop_um : float
        Diameters, um.
    outer_zone_nm : float
        Width of the outermost zone, nm.
    osa_um : float
        Diameter of the aperture, um.
    cone_um, shadow_um : float
        Radii of the light cone and of the stop's shadow at the detector, um.
    """

    flux: float = 1.0e6
    focus_um: float = -3802.0
    zone_plate_um: float = 250.0
    central_stop_um: float = 100.0
    outer_zone_nm: float = 25.0
    osa_um: float = 40.0
    cone_um: float = 200.0
    shadow_um: float = 80.0

    def blur(self, zoneplate_z_um: npt.ArrayLike) -> FloatArray:
        """Give the radius of the beam that comes from being out of focus, um."""
        away = np.abs(np.asarray(zoneplate_z_um, dtype=np.float64) - self.focus_um)
        return np.asarray(away * 0.5 * self.zone_plate_um / abs(self.focus_um))

    def osa(
        self, x_um: npt.ArrayLike, y_um: npt.ArrayLike, zoneplate_z_um: npt.ArrayLike | None = None
    ) -> FloatArray:
        """Give the fraction that the OSA lets through; its edge softens away from focus."""
        z = self.focus_um if zoneplate_z_um is None else zoneplate_z_um
        distance = np.hypot(np.asarray(x_um), np.asarray(y_um)) - 0.5 * self.osa_um
        return soft_edge(distance, 1.0 + 20.0 * self.blur(z))

    def detector(self, x_um: npt.ArrayLike, y_um: npt.ArrayLike) -> FloatArray:
        """Give the fraction that the detector sees, 1 on the axis.

        A detector that is large against the cone still shows the stop's shadow as a dent.
        """
        radius = np.hypot(np.asarray(x_um), np.asarray(y_um))
        dent = 1.0 - 0.4 * soft_edge(radius - self.shadow_um, 12.0)
        return np.asarray(soft_edge(radius - self.cone_um, 15.0) * dent / 0.6)

    def beam(self, at: Mapping[str, npt.ArrayLike]) -> FloatArray:
        """Give the counts per second without a sample, with the motors at `at` (see `rate`)."""
        osa = self.osa(at.get("osa_x", 0.0), at.get("osa_y", 0.0), at.get("zoneplate_z"))
        seen = self.detector(at.get("detector_x", 0.0), at.get("detector_y", 0.0))
        return np.asarray(self.flux * osa * seen)

    def rate(self, sample: Sample, at: Mapping[str, npt.ArrayLike]) -> FloatArray:
        """Give the counts per second with the sample in the beam.

        Parameters
        ----------
        sample : Sample
            What is in the beam.
        at : Mapping
            Positions by name, arrays that broadcast: ``energy`` (eV), ``sample_x``, ``sample_y``,
            ``osa_x``, ``osa_y``, ``detector_x``, ``detector_y``, ``zoneplate_z`` (um), ``theta``
            (deg), ``polarization`` (pyStxm's number). What is missing is centred, in focus.

        Returns
        -------
        ndarray
            In the common shape of the positions.
        """
        through = sample.transmission(
            at.get("energy", 700.0),
            at.get("sample_x", 0.0),
            at.get("sample_y", 0.0),
            at.get("theta", 0.0),
            helicity(at.get("polarization", -1)),
            blur_um=self.blur(at.get("zoneplate_z", self.focus_um)),
        )
        return np.asarray(self.beam(at) * through)


def spot(shape: tuple[int, int]) -> FloatArray:
    """Give the part of the counted photons that each pixel of a camera sees.

    Parameters
    ----------
    shape : (int, int)
        Height and width of a frame.
    """
    height, width = shape
    y, x = np.mgrid[:height, :width]
    return np.asarray(np.exp(-((y - (height - 1) / 2) ** 2) - (x - (width - 1) / 2) ** 2 / 2) / 10)


def helicity(code: npt.ArrayLike) -> FloatArray:
    """Give the helicity (-1, 0, +1) that belongs to pyStxm's polarization numbers."""
    numbers = np.asarray(code, dtype=np.float64)
    result = np.zeros(numbers.shape)
    for number, sign in _HELICITY.items():
        result = np.where(numbers == number, sign, result)
    return result


def counts(rate: npt.ArrayLike, rng: np.random.Generator) -> npt.NDArray[np.int64] | int:
    """Count photons.

    Parameters
    ----------
    rate : array_like
        Expected counts.
    rng : numpy.random.Generator
        Where chance comes from; seed it, and the counts repeat.

    Returns
    -------
    ndarray of int64, or int for a scalar
        Poisson distributed counts.
    """
    drawn = np.asarray(rng.poisson(np.asarray(rate, dtype=np.float64)), dtype=np.int64)
    return int(drawn) if drawn.ndim == 0 else drawn
