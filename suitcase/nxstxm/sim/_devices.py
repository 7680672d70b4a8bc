"""The devices of the simulated beamlines, and what each control program calls them.

The same motor is ``GoniX`` to the pyStxm of 2019, which finds it under ``IOC:m107``, and
``DNM_GONI_X`` to a newer one. Writers must cope with all of it, so the simulation offers it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ._request import Dialect


@dataclass(frozen=True)
class DeviceRow:
    """A device.

    Attributes
    ----------
    stage : str
        What the simulation calls it.
    name, pv : str
        pyStxm's name of 2019, and the name in the control system.
    new_name : str
        pyStxm's newer name.
    units : str
        The true units.
    rest : float
        Its reading when no scan moves it.
    motor : bool
        It has a setpoint.
    """

    stage: str
    name: str
    pv: str
    new_name: str
    units: str
    rest: float
    motor: bool = True


def _reading(stage: str, name: str, pv: str, new: str, units: str, rest: float) -> DeviceRow:
    return DeviceRow(stage, name, pv, new, units, rest, motor=False)


#: Motors first; all of them are in the baseline.
DEVICES: tuple[DeviceRow, ...] = (
    DeviceRow("fine_x", "SampleFineX", "IOC:m100", "DNM_SAMPLE_FINE_X", "um", 0.0),
    DeviceRow("fine_y", "SampleFineY", "IOC:m101", "DNM_SAMPLE_FINE_Y", "um", 0.0),
    DeviceRow("osa_x", "OSA.X", "IOC:m104", "DNM_OSA_X", "um", 0.0),
    DeviceRow("osa_y", "OSA.Y", "IOC:m105", "DNM_OSA_Y", "um", 0.0),
    DeviceRow("goni_x", "GoniX", "IOC:m107", "DNM_GONI_X", "um", 0.5),
    DeviceRow("goni_y", "GoniY", "IOC:m108", "DNM_GONI_Y", "um", -0.5),
    DeviceRow("sample_z", "GoniZ", "IOC:m109", "DNM_GONI_Z", "um", 200.0),
    DeviceRow("theta", "GoniTheta", "IOC:m110", "DNM_GONI_THETA", "deg", 0.0),
    DeviceRow("zoneplate_z", "_ZonePlateZ_base", "IOC:m111", "DNM_ZONEPLATE_Z_BASE", "um", -3802.0),
    DeviceRow("coarse_x", "Coarse.X", "IOC:m112", "DNM_COARSE_X", "um", 0.0),
    DeviceRow("coarse_y", "Coarse.Y", "IOC:m113", "DNM_COARSE_Y", "um", 0.0),
    DeviceRow("detector_x", "Detector.X", "IOC:m114", "DNM_DETECTOR_X", "um", 0.0),
    DeviceRow("detector_y", "Detector.Y", "IOC:m115", "DNM_DETECTOR_Y", "um", 0.0),
    DeviceRow("sample_x", "SampleX", "IOC:m117", "DNM_SAMPLE_X", "um", 0.0),
    DeviceRow("sample_y", "SampleY", "IOC:m118", "DNM_SAMPLE_Y", "um", 0.0),
    DeviceRow("energy", "ENERGY", "BL-MONO:ENERGY", "DNM_ENERGY", "eV", 700.0),
    DeviceRow("pol_angle", "EPUAngle", "BL-EPU:epuAngle", "DNM_EPU_ANGLE", "deg", 0.0),
    DeviceRow("pol_offset", "EPUOffset", "BL-EPU:epuOffset", "DNM_EPU_OFFSET", "mm", 0.0),
    DeviceRow(
        "polarization", "EPUPolarization", "BL-EPU:epuPolarization", "DNM_EPU_POLARIZATION", "", 2.0
    ),
    DeviceRow("gap", "EPUGap", "BL-EPU:epuGap", "DNM_EPU_GAP", "mm", 30.93),
    DeviceRow("harmonic", "EPUHarmonic", "BL-EPU:epuHarmonic", "DNM_EPU_HARMONIC", "", 1.0),
    _reading(
        "ring_current", "StorageRingCurrent", "RING-01:mA:fbk", "DNM_RING_CURRENT", "mA", 220.0
    ),
    _reading("mono_energy", "Mono_ev_fbk", "BL-MONO:energy:fbk", "DNM_MONO_EV_FBK", "eV", 700.0),
    _reading("a0", "A0", "BL-ZP:A0", "DNM_A0", "counts", 1000.0),
    _reading("focal_length", "Focal_Length", "BL-ZP:FL", "DNM_FOCAL_LENGTH", "um", -3802.0),
    _reading("pressure", "CCG-01:vac:p", "CCG-01:vac:p", "DNM_CCG_01_P", "torr", 3.2e-9),
    _reading("chamber", "FRG-01:vac:p", "FRG-01:vac:p", "DNM_FRG_01_P", "torr", 6.5e-3),
    _reading("temperature", "TM-21", "TM-21", "DNM_TM_21", "deg C", 25.5),
    _reading("shutters", "SRStatus_shutters", "RING-01:shutters", "DNM_SHUTTERS", "counts", 0.0),
)

_BY_STAGE = {row.stage: row for row in DEVICES}

#: Stage -> its reading when no scan moves it.
REST = {row.stage: row.rest for row in DEVICES}

#: A second name of the zone plate's motor; it stands in requests that do not scan it.
_VIRTUAL_ZONE_PLATE = {"pystxm2019": ("ZonePlate.Z", "IOC:m111C")} | {
    "pystxm": ("DNM_ZONEPLATE_Z", "IOC:m111C"),
    "simulator": ("ZonePlate.Z", "zoneplate_z_virtual"),
}

#: Stages that the simulated microscope makes one motor of.
SIMULATOR_STAGE = {
    "goni_x": "sample_x",
    "goni_y": "sample_y",
    "fine_x": "sample_x",
    "fine_y": "sample_y",
    "coarse_x": "sample_x",
    "coarse_y": "sample_y",
}


class Names:
    """What one control program calls the devices.

    Parameters
    ----------
    dialect : str
        As in `ScanRequest`.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect

    def device(self, stage: str) -> str:
        """Give the positioner's name in a request; ``"None"`` for no positioner."""
        if stage == "none":
            return "None"
        if self.dialect == "stxm":
            return {"energy": "energy", "goni_x": "SampleX", "goni_y": "SampleY"}.get(stage, stage)
        row = _BY_STAGE[stage]
        return row.new_name if self.dialect == "pystxm" else row.name

    def stem(self, stage: str) -> str:
        """Give the name in the control system, which ``rev_lu_dct`` tells for a device."""
        return SIMULATOR_STAGE.get(stage, stage) if self.plain else _BY_STAGE[stage].pv

    @property
    def plain(self) -> bool:
        """Data keys are the simulation's own names."""
        return self.dialect in ("simulator", "stxm")

    def read_key(self, stage: str) -> str:
        """Give the data key of a device's reading.

        The newer pyStxm names motors after the device and all else after the process variable,
        without the ``_val`` of 2019.
        """
        row = _BY_STAGE[stage]
        if self.dialect == "pystxm":
            return row.new_name if row.motor else row.pv
        suffix = "" if row.motor or self.dialect == "stxm" else "_val"
        return self.stem(stage) + suffix

    def set_key(self, stage: str) -> str:
        """Give the data key of a motor's setpoint."""
        return f"{self.read_key(stage)}_user_setpoint"

    def lookup(self) -> dict[str, str]:
        """Give ``rev_lu_dct``: device name to control-system name, with the odd extra in it."""
        table = {self.device(row.stage): self.stem(row.stage) for row in DEVICES}
        name, pv = _VIRTUAL_ZONE_PLATE[self.dialect]
        return table | {name: pv}

    def virtual_zone_plate(self) -> str:
        """Give the name of the zone plate's motor that follows the energy."""
        return _VIRTUAL_ZONE_PLATE[self.dialect][0]

    def data_key(self, stage: str, which: Literal["RBV", "VAL"] = "RBV") -> dict[str, Any]:
        """Describe a reading or a setpoint as the control program does.

        The energy's unit is wrong (um) with the pyStxm of 2019, as it is in real life: there every
        motor's is.
        """
        row = _BY_STAGE[stage]
        units = "um" if self.dialect == "pystxm2019" and row.motor else row.units
        source = f"PV:{row.pv}.{which if row.motor else 'VAL'}"
        key: dict[str, Any] = {"dtype": "number", "shape": [], "source": source, "units": units}
        if self.dialect == "pystxm2019":
            key |= {"lower_ctrl_limit": -20000.0, "upper_ctrl_limit": 20000.0}
        return key | {"precision": 4}
