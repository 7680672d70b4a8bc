"""Which runs of catalogs a user wants, and how long they are waited for, out of the options."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from suitcase.nxstxm.cli._telling import UsageError
from suitcase.nxstxm.exchange._scan_in import Patience

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


@dataclass(frozen=True)
class Choice:
    """Which runs of catalogs a user wants.

    Attributes
    ----------
    uids : tuple of str
        Runs of one scan.
    scan_ids : tuple of int
        Numbers of scans.
    since, until : float or None
        Bounds of the start time, seconds since the epoch.
    """

    uids: tuple[str, ...] = ()
    scan_ids: tuple[int, ...] = ()
    since: float | None = None
    until: float | None = None

    @classmethod
    def of(
        cls,
        uids: Sequence[str] | None,
        scan_ids: Sequence[int] | None,
        since: str | None,
        until: str | None,
    ) -> Choice:
        """Read the options.

        Raises
        ------
        UsageError
            They make no sense, alone or together.
        """
        now = time.time()
        begin = None if since is None else _moment("--since", since, now)
        end = None if until is None else _moment("--until", until, now)
        if begin is not None and end is not None and begin >= end:
            raise UsageError(f"--until {until} is not after --since {since}: no run can be between")
        if uids and (scan_ids or since is not None or until is not None):
            raise UsageError(
                "--uid names one scan; leave out --scan-id, --since and --until, or leave out --uid"
            )
        if not all(uid.strip() for uid in uids or ()):
            raise UsageError("--uid is empty; give the uid of a run")
        return cls(tuple(uids or ()), tuple(dict.fromkeys(scan_ids or ())), begin, end)

    @property
    def given(self) -> bool:
        """Whether anything was chosen."""
        return self != Choice()

    @property
    def enough(self) -> bool:
        """Whether it can be a user's wish: nobody wants all that was ever measured by mistake."""
        return bool(self.uids or self.scan_ids) or self.since is not None

    def told(self, number: int | None) -> str:
        """Say in words what was looked for, with times as they were understood."""
        words = [] if number is None else [f"of scan number {number}"]
        if self.since is not None:
            words.append(f"since {_written(self.since)}")
        if self.until is not None:
            words.append(f"before {_written(self.until)}")
        return " ".join(words)


def _written(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"


def _moment(option: str, text: str, now: float) -> float:
    """Read a time: a date, or a span before now."""
    given = text.strip()
    parts = _SPAN.findall(given)
    try:
        if parts and "".join(number + unit for number, unit in parts) == given:
            seconds = now - sum(float(number) * _UNITS[unit] for number, unit in parts)
            return datetime.fromtimestamp(seconds, timezone.utc).timestamp()
        moment = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", given))
        # never the machine's zone: what the files and `info` show is UTC
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(
            f"{option} {text!r} is no time; give a date or time such as 2024-05-01 or "
            f"2024-05-01T14:30+02:00 (UTC unless it says otherwise), or how long ago, such as "
            f"90m, 2h or 3d"
        ) from error


def patience_of(
    timeout: float, incomplete: bool, progress: Callable[[str], object] | None = None
) -> Patience:
    """Read the options that say how long to wait."""
    if not timeout >= 0:  # not a number, too
        raise UsageError(f"--timeout {timeout:g} is no time to wait; give seconds, 0 or more")
    return Patience(timeout, incomplete, progress)
