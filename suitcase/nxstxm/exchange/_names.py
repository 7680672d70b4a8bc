"""From a prefix template to a file name that is safe everywhere.

Values come from metadata, which anybody may have written: whatever they hold, the name stays in
the user's folder and is allowed on Windows too.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Mapping
from datetime import datetime, timezone, tzinfo
from typing import Any

from .._errors import NXstxmValueError

#: Names that Windows keeps for devices, whatever follows the first dot.
_RESERVED = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    f"{port}{n}" for port in ("COM", "LPT") for n in "123456789\u00b9\u00b2\u00b3"
}
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
#: A key, then keys or indices in it: no number in the first place, no attributes.
_FIELD = re.compile(r"(?!\d+\b)[^.\[\]]+(\[[^\[\]]+\])*")
#: Bytes that leave room for ``.<uid>.new.tmp`` within the 255 of common file systems.
_LONGEST = 160


class PrefixError(NXstxmValueError):
    """A file prefix that can not be used."""


def safe_file_name(name: str) -> str:
    """Make a file name that is allowed everywhere.

    Parameters
    ----------
    name : str
        Any text.

    Returns
    -------
    str
        The text in NFC; separators, control characters, direction marks and what Windows forbids
        replaced by ``_``; no leading or trailing dots and blanks; cut to 160 bytes of UTF-8.

    Raises
    ------
    PrefixError
        Nothing is left.
    """
    text = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode("utf-8"))
    text = _FORBIDDEN.sub("_", text)
    text = "".join("_" if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c for c in text)
    text = text.strip(". ")
    if text.partition(".")[0].upper().rstrip() in _RESERVED:
        text = f"_{text}"
    text = text.encode("utf-8")[:_LONGEST].decode("utf-8", "ignore").rstrip(". ")
    if not text.strip("_-"):
        raise PrefixError(
            f"the file prefix {name[:60]!r} leaves no name for a file; use letters or digits, or "
            f"a template such as '{{uid}}'"
        )
    return text


class _Time(float):
    """A time that can be formatted as a number or, with ``%``, as a date."""

    zone: tzinfo = timezone.utc

    def __format__(self, spec: str) -> str:
        if "%" not in spec:
            return format(float(self), spec)
        return datetime.fromtimestamp(float(self), self.zone).strftime(spec)


class _Template(string.Formatter):
    """Formats with the keys of a start document; fields can not reach into attributes."""

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> Any:
        if not _FIELD.fullmatch(field_name):
            raise PrefixError(
                f"the file prefix may not use {{{field_name}}}: a field is a key of the start "
                f"document, such as {{uid}} or {{start[uid]}}"
            )
        return super().get_field(field_name, args, kwargs)


def resolve_prefix(prefix: str, start: Mapping[str, Any], zone: tzinfo = timezone.utc) -> str:
    """Fill a prefix template from a start document.

    Parameters
    ----------
    prefix : str
        A template: ``{uid}``, ``{start[uid]}``, ``{scan_id:05d}``, ``{time:%Y-%m-%d}``. A
        trailing ``-`` or ``_`` is dropped, since suitcases of several files use it.
    start : Mapping
        The start document.
    zone : tzinfo
        Time zone of formatted times.

    Returns
    -------
    str
        A safe file name without ending.

    Raises
    ------
    PrefixError
        The template is broken, names a key that is not there, or leaves nothing.
    """
    if not isinstance(prefix, str):
        raise PrefixError(f"file_prefix is a {type(prefix).__name__}; give text such as '{{uid}}'")
    fields = dict(start)
    if isinstance(fields.get("time"), (int, float)):
        fields["time"] = _Time(fields["time"])
        fields["time"].zone = zone
    try:
        text = _Template().vformat(prefix, (), {**fields, "start": fields})
    except PrefixError:
        raise
    except (KeyError, IndexError) as error:
        raise PrefixError(
            f"the file prefix {prefix!r} names {error}, which the start document does not have; "
            f"it has {', '.join(sorted(map(str, start)))[:300]}"
        ) from error
    except (ValueError, TypeError, AttributeError, OverflowError, OSError) as error:
        raise PrefixError(f"the file prefix {prefix!r} can not be filled: {error}") from error
    return safe_file_name(text.rstrip("-_") or text)


def name_of_scan(
    start: Mapping[str, Any], prefix: str | None = None, zone: tzinfo = timezone.utc
) -> str:
    """Name a scan after its first run.

    Parameters
    ----------
    start : Mapping
        The start document.
    prefix : str, optional
        A template; see `resolve_prefix`. Unless given the name has the scan's number, if it has
        one, and the beginning of the uid.
    zone : tzinfo
        Time zone of formatted times.
    """
    if prefix is None:
        numbered = isinstance(start.get("scan_id"), int)
        prefix = "{scan_id:05d}-{uid:.8}" if numbered else "{uid}"
    return resolve_prefix(prefix, start, zone)
