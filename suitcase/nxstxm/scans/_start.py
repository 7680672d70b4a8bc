"""What every start document may say, whatever its dialect: who, what, when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._metadata import MetadataError, optional_number, short, text_or_none
from ._plan import ScanGroup
from ._streams import named_stream


def run_uid(start: Mapping[str, Any]) -> str:
    """Give the uid of a start document; everything that names a run needs one.

    Raises
    ------
    MetadataError
        There is none, or it is no text.
    """
    uid = start.get("uid")
    if not isinstance(uid, str) or not uid:
        raise MetadataError(f"a start document needs a 'uid' that is text; got {short(uid)}")
    return uid


def common_fields(start: Mapping[str, Any]) -> dict[str, Any]:
    """Read the fields of `ScanPlan` that no dialect owns, as keyword arguments for it."""
    uid, time = run_uid(start), optional_number(start.get("time"))
    if time is None:
        raise MetadataError(
            f"the start document of run {uid:.8} needs a 'time' in seconds since the epoch; "
            f"got {short(start.get('time'))}"
        )
    scan_id = optional_number(start.get("scan_id"))
    return {
        "time": time,
        "scan_id": None if scan_id is None else int(scan_id),
        "title": text_or_none(start.get("title")),
        "sample": _name(start.get("sample")) or _name(start.get("sample_name")),
        "user": _name(start.get("user")) or _name(start.get("user_name")),
        "proposal": _proposal(start),
        "group": scan_group(start.get("scan_group"), uid),
        "stream": named_stream(start),
    }


def _proposal(start: Mapping[str, Any]) -> str | None:
    """Give the proposal, under the names that facilities have for it, or for the visit."""
    told = start.get("proposal")
    if isinstance(told, Mapping):
        told = told.get("proposal_id")
    rest = (start.get(key) for key in ("proposal_id", "instrument_session", "data_session"))
    return next(filter(None, map(text_or_none, (told, *rest))), None)


def _name(value: Any) -> str | None:
    """Give a name that may stand in a mapping (``sample: {"name": ...}``)."""
    if isinstance(value, Mapping):
        value = value.get("name")
    return text_or_none(value)


def scan_group(value: Any, run: str) -> ScanGroup | None:
    """Read ``scan_group``: ``{"id": ..., "index": ..., "total": ...}`` or just the id."""
    if value is None:
        return None
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return ScanGroup(str(value))
    if isinstance(value, Mapping) and text_or_none(value.get("id")) is not None:
        index, total = (optional_number(value.get(k)) for k in ("index", "total"))
        return ScanGroup(
            str(value["id"]),
            None if index is None else int(index),
            None if total is None else int(total),
        )
    raise MetadataError(
        f"scan_group of run {run:.8} is {short(value)}; give "
        f'{{"id": ..., "index": ..., "total": ...}} with at least an id'
    )
