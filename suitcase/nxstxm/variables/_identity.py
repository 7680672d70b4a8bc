"""How a cell was made, and whether it has to be made again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..storage import SCAN_LINEAGE, DataKey, Lineage, Step, canonical
from ._context import VariableInfo
from ._scan_stamp import SCAN

#: What a computed cell has in its attributes.
LINEAGE, MADE = "lineage", "made"
#: How the type of the data of a variable begins that declares none.
_VARIABLE = "var#"


@dataclass(frozen=True)
class Identity:
    """How a cell is made.

    Attributes
    ----------
    data_type : str
        What the result is as stored data: what the variable declares, or ``"var#name"``.
    lineage : Lineage
        How it and all that it is made from are made.
    inputs : Mapping of str to str
        The hashes of the variables, and of the data of the store, that it takes.
    """

    data_type: str
    lineage: Lineage
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        """The hash of it all."""
        return self.lineage.hash

    def key(self, run_id: str) -> DataKey:
        """Give the key of the result of a scan."""
        return DataKey(run_id, self.data_type, self.lineage)

    @cached_property
    def made(self) -> dict[str, Any]:
        """It as a cell's attributes have it: its own step, and the hashes of its inputs."""
        step = self.lineage[self.data_type]
        return {"version": step.version or None, **step.options, "inputs": dict(self.inputs)}


def identities(
    infos: Iterable[VariableInfo],
    params: Mapping[str, Any],
    data: Mapping[str, Lineage],
) -> dict[str, Identity]:
    """Say how each variable is made.

    Parameters
    ----------
    infos : iterable of VariableInfo
        All variables, those that others need first.
    params : Mapping
        Parameters that were given.
    data : Mapping of str to Lineage
        How the data of the store are made that variables take, by their types.
    """
    found: dict[str, Identity] = {}
    for info in infos:
        above: dict[str, Step] = dict(SCAN_LINEAGE)
        inputs: dict[str, str] = {}
        for name in info.needs:
            if name in found:
                above |= found[name].lineage
                inputs[name] = found[name].hash
        wanted = {}
        for use in info.uses:
            prefix, _, name = use.partition("#")
            if prefix == "data":
                lineage = data.get(name)
                above |= lineage or {}
                inputs[use] = "" if lineage is None else lineage.hash
            elif prefix == "param" and name in params:
                wanted[name] = canonical(params[name], f"parameter {name!r}")
        options = {
            "source": info.fingerprint,
            "options": {"summary": info.summary, "units": info.units, "data": info.data_type},
            "params": wanted,
        }
        data_type = info.data_type or f"{_VARIABLE}{info.name}"
        step = Step(info.name, info.version or "", options)
        found[info.name] = Identity(data_type, Lineage.of_steps(above, data_type, step), inputs)
    return found


def to_do(
    infos: Iterable[VariableInfo],
    made: Mapping[str, Identity],
    stored: Mapping[str, Mapping[str, Any]],
    *,
    strangers: Collection[str] = (),
    scan: Callable[[Any], str] = lambda _: "",
    wanted: Iterable[str] | None = None,
    force: bool = False,
) -> dict[str, str]:
    """Say what has to be computed, and why.

    Parameters
    ----------
    infos : iterable of VariableInfo
        All variables, those that others need first.
    made : Mapping of str to Identity
        How each is made.
    stored : Mapping of str to Mapping
        The attributes of the cells that are there.
    strangers : collection of str
        Those of them whose results in the run's file are others, or not there.
    scan : callable
        Says why a cell has to be made again, of what it has noted of the scan's files.
    wanted : iterable of str, optional
        Only these, and what they take that was made of the scan as it was.
    force : bool
        All, whether they are there or not.

    Returns
    -------
    dict of str to str
        Names, and why: ``"new"``, ``"forced"``, ``"its code has changed"``, ... Transient variables
        are not among them: they are computed when another needs them.
    """
    infos = list(infos)
    changed = {name: told for name, each in stored.items() if (told := scan(each.get(SCAN)))}
    chosen = None if wanted is None else _with_changed(infos, set(wanted), changed)
    found: dict[str, str] = {}
    for info in infos:
        if info.transient or (chosen is not None and info.name not in chosen):
            continue
        why = "forced" if force else reason(made[info.name], stored.get(info.name))
        why = why or changed.get(info.name, "")
        if not why and info.name in strangers:
            why = "the run's file has not this result"
        if why:
            found[info.name] = why
    return found


def _with_changed(
    infos: Iterable[VariableInfo], chosen: set[str], changed: Collection[str]
) -> set[str]:
    """Add what chosen variables take and is out of date: they would get it as it is stored."""
    transient = {info.name for info in infos if info.transient}
    for info in reversed(list(infos)):
        if info.name in chosen:
            chosen |= {name for name in info.needs if name in changed or name in transient}
    return chosen


def reason(identity: Identity, attributes: Mapping[str, Any] | None) -> str:
    """Say why a cell has to be made again; nothing where it has not."""
    if attributes is None:
        return "new"
    if attributes.get(LINEAGE) == identity.hash:
        return ""
    before = attributes.get(MADE)
    if not isinstance(before, Mapping):
        return "nobody knows how it was made"
    return ", ".join(_changes(before, identity.made)) or "how it is made has changed"


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterable[str]:
    if before.get("source") != now["source"]:
        yield "its code has changed"
    if before.get("version") != now["version"]:
        yield f"version {before.get('version')} -> {now['version']}"
    for what, word in (("options", "option"), ("params", "parameter")):
        old, new = before.get(what) or {}, now[what]
        for key in sorted({*old, *new}):
            if old.get(key) != new.get(key):
                yield f"{word} {key} {old.get(key)!s:.60} -> {new.get(key)!s:.60}"
    old, new = before.get("inputs") or {}, now["inputs"]
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            yield f"{key} has changed" if key in old and key in new else f"{key} is new or gone"
