"""What to do about damage in stored documents: stop with an error, or note it and go on.

Every reader of this room has to choose the same way and to say the same things, so the choice is
an object that is handed to them.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Literal

from suitcase.nxstxm._errors import NXstxmValueError

OnDamage = Literal["raise", "skip"]

_logger = logging.getLogger(__name__)


class DamageReport:
    """
    Called with a message for each thing that is wrong.

    Parameters
    ----------
    subject : str
        What is read; every message begins with it.
    on_damage : {"raise", "skip"}
        Whether a call raises, or returns so that the reader goes on.
    damage : list of str, optional
        Where "skip" puts the messages; without it they are logged as warnings.
    error : type of NXstxmValueError
        What "raise" raises.
    known : collection of str
        Messages that "skip" does not repeat: a file that is read twice is damaged once.
    """

    def __init__(
        self,
        subject: str,
        on_damage: OnDamage = "raise",
        damage: list[str] | None = None,
        error: type[NXstxmValueError] = NXstxmValueError,
        known: Collection[str] = (),
    ) -> None:
        if on_damage not in ("raise", "skip"):
            raise NXstxmValueError(f"on_damage {on_damage!r} is not one of 'raise', 'skip'")
        self._subject = subject
        self._raises = on_damage == "raise"
        self._damage = damage
        self._error = error
        self._known = known

    def __call__(self, message: str, cause: BaseException | None = None) -> None:
        """Raise, note or log one message; `cause` is the error behind it, if there is one."""
        message = f"{self._subject}: {message}"
        if self._raises:
            raise self._error(message) from cause
        if message not in self._known:
            self.note(message)

    def note(self, message: str) -> None:
        """Note or log a message that another report made."""
        if self._damage is None:
            _logger.warning("%s", message)
        else:
            self._damage.append(message)
