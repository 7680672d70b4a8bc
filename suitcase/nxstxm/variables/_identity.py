"""How a cell was made, and whether it has to be made again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..storage import canonical
from ._context import VariableInfo

#: What a computed cell has in its attributes.
LINEAGE, MADE = "lineage", "made"


@dataclass(frozen=True)
class Identity:
    """How a cell is made.

    Attributes
    ----------
    source : str
        The hash of the code.
    version : str, optional
        The version given by hand.
    options : Mapping
        How the result is summarised and stored.
    params : Mapping
        Parameters that it takes, and their values.
    inputs : Mapping of str to str
        The hashes of the variables, and keys of the data of the store, that it takes.
    """

    source: str
    version: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        """The hash of it all: the cell's lineage."""
        return hashlib.sha256(canonical(self.as_json(), "the lineage").encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """Give it as a cell's attributes have it."""
        return {
            "source": self.source,
            "version": self.version,
            "options": dict(self.options),
            "params": {
                name: canonical(v, f"parameter {name!r}") for name, v in self.params.items()
            },
            "inputs": dict(self.inputs),
        }


@dataclass(frozen=True)
class ToDo:
    """A variable that has to be computed.

    Attributes
    ----------
    name : str
        Which.
    identity : Identity
        How it is made.
    why : str
        Why: ``"new"``, ``"forced"``, ``"its code has changed"``, ...
    """

    name: str
    identity: Identity
    why: str


def identities(
    infos: Iterable[VariableInfo],
    params: Mapping[str, Any],
    data_keys: Mapping[str, str],
) -> dict[str, Identity]:
    """Say how each variable is made.

    Parameters
    ----------
    infos : iterable of VariableInfo
        All variables, those that others need first.
    params : Mapping
        Parameters that were given.
    data_keys : Mapping of str to str
        Hashes of the keys of data of the store: type and hash.
    """
    found: dict[str, Identity] = {}
    for info in infos:
        inputs = {name: found[name].hash for name in info.needs if name in found}
        wanted = {}
        for use in info.uses:
            prefix, _, name = use.partition("#")
            if prefix == "data":
                inputs[use] = data_keys.get(name, "")
            elif prefix == "param" and name in params:
                wanted[name] = params[name]
        options = {"summary": info.summary, "units": info.units, "data": info.data_type}
        found[info.name] = Identity(info.fingerprint, info.version, options, wanted, inputs)
    return found


def to_do(
    infos: Iterable[VariableInfo],
    made: Mapping[str, Identity],
    stored: Mapping[str, Mapping[str, Any]],
    *,
    wanted: Iterable[str] | None = None,
    force: bool = False,
) -> list[ToDo]:
    """Say what has to be computed, and why.

    Parameters
    ----------
    infos : iterable of VariableInfo
        All variables, those that others need first.
    made : Mapping of str to Identity
        How each is made.
    stored : Mapping of str to Mapping
        The attributes of the cells that are there.
    wanted : iterable of str, optional
        Only these.
    force : bool
        All, whether they are there or not.

    Returns
    -------
    list of ToDo
        Transient variables are not among them: they are computed when another needs them.
    """
    chosen = None if wanted is None else set(wanted)
    found = []
    for info in infos:
        if info.transient or (chosen is not None and info.name not in chosen):
            continue
        why = "forced" if force else reason(made[info.name], stored.get(info.name))
        if why:
            found.append(ToDo(info.name, made[info.name], why))
    return found


def reason(identity: Identity, attributes: Mapping[str, Any] | None) -> str:
    """Say why a cell has to be made again; nothing where it has not."""
    if attributes is None:
        return "new"
    if attributes.get(LINEAGE) == identity.hash:
        return ""
    before = attributes.get(MADE)
    if not isinstance(before, Mapping):
        return "nobody knows how it was made"
    return ", ".join(_changes(before, identity.as_json())) or "how it is made has changed"


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterable[str]:
    if before.get("source") != now["source"]:
        yield "its code has changed"
    if before.get("version") != now["version"]:
        yield f"version {before.get('version')} -> {now['version']}"
    for what, word in (("options", "option"), ("params", "parameter")):
        old, new = before.get(what) or {}, now[what]
        for key in sorted({*old, *new}):
            if old.get(key) != new.get(key):
                yield f"{word} {key} {old.get(key)} -> {new.get(key)}"
    old, new = before.get("inputs") or {}, now["inputs"]
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            yield f"{key} has changed" if key in old and key in new else f"{key} is new or gone"
