"""What is to be done with scans, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..storage import Lineage
from ._counting import Context
from ._identity import Identity, identities


@dataclass(frozen=True)
class Processed:
    """What became of a scan.

    Attributes
    ----------
    uid : str
        The scan.
    proposal, run : int
        Its numbers.
    computed : Mapping of str to str
        The variables that were computed, and why.
    errors : Mapping of str to str
        Those of them that failed, and how; Skip is no error.
    seconds : float
        How long it took.
    failure : str
        Why nothing could be computed.
    """

    uid: str
    proposal: int = 0
    run: int = 0
    computed: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    failure: str = ""


@dataclass(frozen=True)
class Order:
    """What is to be done with each of some scans."""

    context: Context
    wanted: Sequence[str] | None
    force: bool
    params: Mapping[str, Any]

    def made(self, data: Mapping[str, Lineage]) -> dict[str, Identity]:
        """Say how each variable is made: of scans that take no data of the store alike."""
        return identities(self.context.infos, self.params, data) if data else self._alike

    @cached_property
    def _alike(self) -> dict[str, Identity]:
        return identities(self.context.infos, self.params, {})


@dataclass(frozen=True)
class Plan:
    """What is to be computed of a scan: names, and why; and what is known of it before."""

    todo: Mapping[str, str]
    made: Mapping[str, Identity]
    data: Mapping[str, Lineage]
    strangers: frozenset[str]
    stamp: Mapping[str, Any]
