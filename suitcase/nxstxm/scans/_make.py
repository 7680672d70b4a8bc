"""Writing the metadata that the dialects read, for people who write plans."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .._errors import NXstxmTypeError
from ._metadata import MetadataError, count, numbers, short
from ._types import ScanType, scan_type

#: Keys of pyStxm's metadata that hold JSON text within the JSON text.
_JSON_KEYS = ("wdg_com", "img_idx_map", "sequence_map", "sis3820_data_map")
#: Parts of a region that a reader may expect.
_ROI_PARTS = ("X", "Y", "Z")


def make_standard_metadata(
    entry_name: str,
    scan_type: int | str | ScanType,
    primary_det: str | Sequence[str],
    override_xy_posner_nms: bool = False,
    **keywords: Any,
) -> str:
    """Make the value of ``metadata`` that a STXM plan puts into its start document.

    Parameters
    ----------
    entry_name : str
        Name of the NXentry this run belongs to, such as ``"entry0"``.
    scan_type : int, str or ScanType
        What is scanned.
    primary_det : str or list of str
        The detectors whose counts are the picture: data keys or beginnings of them.
    override_xy_posner_nms : bool
        Say that X and Y of every region are moved by the sample stage, whatever ``POSITIONER``
        they name (they become ``SampleX`` and ``SampleY``).
    **keywords
        The other documented keys: ``rois`` {region: {"X": {...}, "Y": {...}, "EV_ROIS": [...]}},
        ``sp_id_lst`` (default: the keys of `rois`), ``dwell`` (milliseconds, default 1),
        ``zp_def``, ``wdg_com``, ``img_idx_map`` ({"e_idx", "entry", "pol_idx", "sp_id",
        "sp_idx"}), ``rev_lu_dct`` {device name: control-system name}; later ones
        (``default_det``, ``rotation_angle``, ``sequence_map``) and your own are kept as given.

    Returns
    -------
    str
        JSON text, for ``RE(plan, metadata=...)`` or a plan's ``md``.

    Raises
    ------
    MetadataError
        A value that `read_plan` could not read again.

    Notes
    -----
    Signature and keys are those documented for the suitcase of 2019.

    Examples
    --------
    >>> axis = {"POSITIONER": "SampleX", "SETPOINTS": [0.0, 1.0]}
    >>> roi = {"X": axis, "Y": axis | {"POSITIONER": "SampleY"}, "EV_ROIS": [700.0]}
    >>> text = make_standard_metadata("entry0", 6, "counter0", rois={"0": roi})
    """
    from ._pystxm import read

    kind = _scan_type(scan_type)
    if not isinstance(entry_name, str) or not entry_name:
        raise MetadataError(f"entry_name is {entry_name!r}; give text such as 'entry0'")
    if not isinstance(primary_det, (str, list, tuple)):
        raise MetadataError(f"primary_det is {primary_det!r}; give a data key or a list of them")
    dets = primary_det if isinstance(primary_det, str) else [str(d) for d in primary_det]
    given = keywords.pop("rois", {})
    if not isinstance(given, Mapping) or not all(isinstance(r, Mapping) for r in given.values()):
        raise MetadataError(f"rois is {short(given)}; give {{region: {{'X': ..., 'Y': ...}}}}")
    rois = {str(k): dict(v) for k, v in given.items()}
    if override_xy_posner_nms:
        for roi in rois.values():
            for letter in ("X", "Y"):
                if isinstance(roi.get(letter), Mapping):
                    # SRC names the control-system end of the positioner that is replaced
                    roi[letter] = {**roi[letter], "POSITIONER": f"Sample{letter}", "SRC": None}
    for region, roi in rois.items():
        missing = [p for p in _ROI_PARTS[:2] if not isinstance(roi.get(p), Mapping)]
        if missing:
            raise MetadataError(
                f"roi {region!r} has no {' and no '.join(missing)}; give "
                f'{{"X": {{"POSITIONER": ..., "SETPOINTS": [...]}}, "Y": ..., "EV_ROIS": [...]}}'
            )
    content: dict[str, Any] = {
        "entry_name": entry_name,
        "scan_type": int(kind),
        "sp_id_lst": list(keywords.pop("sp_id_lst", [_id(k) for k in rois])),
        "rois": rois,
        "dwell": keywords.pop("dwell", 1.0),
        "primary_det": dets,
        "zp_def": keywords.pop("zp_def", {}),
        "wdg_com": keywords.pop("wdg_com", {}),
        "img_idx_map": keywords.pop("img_idx_map", {"entry": entry_name, "pol_idx": 0}),
        "rev_lu_dct": keywords.pop("rev_lu_dct", {}),
        **keywords,
    }
    for key in _JSON_KEYS:
        if key in content and not isinstance(content[key], str):
            content[key] = _dump(content[key], key)
    text = _dump(content, "metadata")
    read({"uid": "new", "time": 0.0, "metadata": text})
    return text


def stxm_metadata(
    *,
    shape: Sequence[int],
    energies: Sequence[float],
    x_extent: Sequence[float],
    y_extent: Sequence[float],
    data_field: str | None = None,
    dwell_ms: float | Sequence[float] = 1.0,
    x_motor: str = "SampleX",
    y_motor: str = "SampleY",
    energy_motor: str = "energy",
    **keywords: Any,
) -> dict[str, Any]:
    """Make the ``stxm`` block of a start document.

    Parameters
    ----------
    shape : sequence of int
        ``[nE, nY, nX]``.
    energies : sequence of float
        Photon energies in eV, as many as nE, in the order they are measured.
    x_extent, y_extent : sequence of float
        First and last position, micrometres; descending is legal.
    data_field : str, optional
        Data key of the counts.
    dwell_ms : float or sequence of float
        Dwell time of a point, milliseconds: one, or one for each energy.
    x_motor, y_motor, energy_motor : str
        Data keys, or beginnings of them, of the positions and the energy.
    **keywords
        ``scan_type``, ``sample``, ``polarization``, ``rotation_angle``, ``detectors``,
        ``scan_group`` {"id", "index", "total"}.

    Returns
    -------
    dict
        The block: ``RE(plan, stxm=stxm_metadata(...))``.

    Raises
    ------
    MetadataError
        A value that `read_plan` could not read again.
    """
    from ._stxm import read

    dwells = numbers(dwell_ms, "dwell_ms")
    block: dict[str, Any] = {
        "contract_version": 1,
        "shape": [count(n, "shape") for n in shape],
        "energies": list(numbers(energies, "energies")),
        "dwell_ms": dwells[0] if len(dwells) == 1 else list(dwells),
        "x_extent": list(numbers(x_extent, "x_extent")),
        "y_extent": list(numbers(y_extent, "y_extent")),
        "x_motor": x_motor,
        "y_motor": y_motor,
        "energy_motor": energy_motor,
        **keywords,
    }
    if data_field is not None:
        block["data_field"] = data_field
    if isinstance(block.get("scan_type"), ScanType):
        block["scan_type"] = int(block["scan_type"])
    read({"uid": "new", "time": 0.0, "stxm": block})
    return block


def _scan_type(value: Any) -> ScanType:
    return scan_type(value)


def _id(region: str) -> int | str:
    return int(region) if region.isdigit() else region


def _dump(value: Any, key: str) -> str:
    def plain(item: Any) -> Any:
        if hasattr(item, "tolist"):
            return item.tolist()
        raise TypeError(f"{type(item).__name__} {item!r}")

    try:
        return json.dumps(value, default=plain)
    except TypeError as error:
        raise NXstxmTypeError(f"{key} can not be written as JSON: {error}") from error
    except ValueError as error:
        raise MetadataError(f"{key} can not be written as JSON: {error}") from error
