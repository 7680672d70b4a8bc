"""The identity of data: which run, which type, and how they were made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .._errors import NXstxmError
from ._canonical import as_text, digest, is_plain, plain
from ._errors import KeyValueError

#: Letters of a printed hash: 80 bits; the whole is compared as well.
HASH_LETTERS = 16
#: Bytes of a name that a file system takes, less what is put behind it.
_NAME_LENGTH = 180
_UNSAFE_IN_RUN = re.compile(r"[^A-Za-z0-9_.-]|^[.]|[.]$")
_UNSAFE_IN_TYPE = re.compile(r"[^A-Za-z0-9_]")


@dataclass(frozen=True)
class Step:
    """How one type of data is made.

    Attributes
    ----------
    name : str
        The function or class.
    version : str
        Its version.
    options : Mapping
        Every option it was called with, defaults too, in the form of `canonical`.
    """

    name: str
    version: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> list[Any]:
        """Give it as it is stored and hashed."""
        return [self.name, self.version, dict(self.options)]


class Lineage(Mapping[str, Step]):
    """How data and all that they were made from were made: types and steps.

    Parameters
    ----------
    steps : Mapping
        Data type -> ``(name, version, options)``, or a `Step` of another lineage, whose options
        have their form already. What `as_json` gives is for `of_json`.

    Raises
    ------
    KeyValueError
        A step has another form, or an option a value without a defined one.
    """

    __slots__ = ("__dict__", "_steps")

    def __init__(self, steps: Mapping[str, Any]) -> None:
        self._steps = {str(name): _step(name, step) for name, step in steps.items()}

    @cached_property
    def hash(self) -> str:
        """The sha256 of it all, in 52 letters and digits."""
        return digest(as_text(self.as_json()))

    def as_json(self) -> dict[str, Any]:
        """Give it as it is stored and hashed."""
        return {name: step.as_json() for name, step in self._steps.items()}

    @classmethod
    def of_json(cls, made: Mapping[str, Any]) -> Lineage:
        """Undo `as_json`."""
        lineage = cls({})
        lineage._steps = {name: Step(each[0], each[1], each[2]) for name, each in made.items()}
        return lineage

    @classmethod
    def of_steps(cls, above: Mapping[str, Step], data_type: str, step: Step) -> Lineage:
        """Add a step to those before it, whose options have their form already; it has not."""
        lineage = cls({data_type: (step.name, step.version, step.options)})
        lineage._steps = {**above, **lineage._steps}
        return lineage

    def without(self, types: Iterable[str] = (), options: Iterable[str] = ()) -> str:
        """Give its text without some types and options, to compare it loosely."""
        left_out, dropped = set(types), set(options)
        return as_text(
            {
                name: [s.name, s.version, {k: v for k, v in s.options.items() if k not in dropped}]
                for name, s in self._steps.items()
                if name not in left_out
            }
        )

    def __getitem__(self, name: str) -> Step:
        """Give the step that makes a type."""
        return self._steps[name]

    def __iter__(self) -> Iterator[str]:
        """Give the types."""
        return iter(self._steps)

    def __len__(self) -> int:
        """Count the types."""
        return len(self._steps)

    def __eq__(self, other: object) -> bool:
        """Compare, 1 and 1.0 being different."""
        if not isinstance(other, Mapping):
            return NotImplemented
        try:
            return self.hash == _lineage(other).hash
        except NXstxmError:
            return False

    def __hash__(self) -> int:
        """Give a hash for dicts."""
        return hash(self.hash)

    def __repr__(self) -> str:
        """Show it."""
        return f"Lineage({self.as_json()!r})"


def _lineage(steps: Mapping[str, Any]) -> Lineage:
    if isinstance(steps, Lineage):
        return steps
    if not isinstance(steps, Mapping):
        raise KeyValueError(
            f"a lineage is {steps!r:.60}; give a mapping: {{'od': ('od', '1.0', {{}})}}"
        )
    return Lineage(steps)


def _step(data_type: str, step: Any) -> Step:
    if isinstance(step, Step):
        if is_plain(dict(step.options)):
            return step  # of a lineage, of which another is made
        step = (step.name, step.version, step.options)
    if not isinstance(step, (tuple, list)) or len(step) != 3 or not isinstance(step[2], Mapping):
        raise KeyValueError(
            f"the lineage of {data_type!r} is {step!r:.100}; give (name, version, options)"
        )
    name, version, options = step
    if not isinstance(name, str) or not isinstance(version, str):
        raise KeyValueError(
            f"the lineage of {data_type!r} has name {name!r:.50} and version {version!r:.50}; both "
            f"are text, such as '1.0'"
        )
    for option in options:
        if not isinstance(option, str):
            raise KeyValueError(f"{data_type} has an option named {option!r}; names are text")
    try:
        made = {key: plain(each, f"option {key!r} of {data_type}") for key, each in options.items()}
    except RecursionError as error:
        raise KeyValueError(f"an option of {data_type} holds itself, or is too deep") from error
    return Step(name, version, made)


@dataclass(frozen=True)
class DataKey:
    """What data are: their run, their type, and how they were made.

    Parameters
    ----------
    run_id : str
        A scan's ``first_uid``, or the uid of a run.
    data_type : str
        What they are: ``"od"``.
    lineage : Mapping
        For the type and for each that it was made from: ``(name, version, options)``.

    Raises
    ------
    KeyValueError
        A name is empty or too long, the lineage lacks the type, or an option has a value without a
        defined form.

    Examples
    --------
    >>> from suitcase.nxstxm.storage import DataKey
    >>> key = DataKey("a1b2", "od", {"scan": ("scan", "1", {}), "od": ("od", "1.0", {"dark": 0.0})})
    >>> print(key)
    a1b2-od-fudrzdymyykct3ca
    """

    run_id: str
    data_type: str
    lineage: Lineage

    def __init__(self, run_id: str, data_type: str, lineage: Mapping[str, Any]) -> None:
        for what, text in (("run_id", run_id), ("data_type", data_type)):
            if not isinstance(text, str) or not text:
                raise KeyValueError(f"{what} is {text!r:.50}; it is a text that is not empty")
        object.__setattr__(self, "run_id", str(run_id))
        object.__setattr__(self, "data_type", str(data_type))
        object.__setattr__(self, "lineage", _lineage(lineage))
        if data_type not in self.lineage:
            raise KeyValueError(
                f"the lineage of {data_type!r} tells how {', '.join(self.lineage) or 'nothing'} "
                f"was made, not {data_type!r} itself"
            )
        run_name(run_id)
        type_name(data_type)

    @property
    def hash(self) -> str:
        """The sha256 of the lineage."""
        return self.lineage.hash

    @property
    def name(self) -> str:
        """Type and hash, as a name for files: ``od-fudrzdymyykct3ca``."""
        return f"{type_name(self.data_type)}-{self.hash[:HASH_LETTERS]}"

    def __str__(self) -> str:
        """Print as ``run-type-hash``; `split_key` takes it apart."""
        return f"{run_name(self.run_id)}-{self.name}"


def run_name(run_id: str) -> str:
    """Write a run's id so that it can be part of a name; ``-`` stays."""
    return _escaped(_UNSAFE_IN_RUN, run_id, "run id")


def type_name(data_type: str) -> str:
    """Write a data type so that it can be part of a name, without any ``-``."""
    return _escaped(_UNSAFE_IN_TYPE, data_type, "data type")


def _escaped(unsafe: re.Pattern[str], text: str, what: str) -> str:
    def code(found: re.Match[str]) -> str:
        return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))

    if not isinstance(text, str) or not text:
        raise KeyValueError(f"a {what} is {text!r:.50}; it is a text that is not empty")
    name = unsafe.sub(code, text)
    if len(name) > _NAME_LENGTH:
        raise KeyValueError(
            f"{what} {text[:40]!r}... is {len(name)} letters long when written as a name; a file "
            f"system takes {_NAME_LENGTH}"
        )
    return name


def split_key(name: str) -> tuple[str, str, str]:
    """Take a printed key apart.

    Parameters
    ----------
    name : str
        ``run-type-hash``.

    Returns
    -------
    run_id, data_type, hash : str
        As they were, but for the hash, of which only the first letters are printed.

    Raises
    ------
    KeyValueError
        It is no printed key.
    """
    parts = name.rsplit("-", 2)
    if len(parts) != 3 or not all(parts):
        raise KeyValueError(f"{name!r:.100} is no key; keys are printed as run-type-hash")
    return unescaped(parts[0]), unescaped(parts[1]), parts[2]


def unescaped(name: str) -> str:
    """Undo `run_name` and `type_name`.

    Raises
    ------
    KeyValueError
        They did not write it.
    """
    if "%" not in name:
        return name
    try:
        raw = re.sub(rb"%([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), name.encode())
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeError as error:
        raise KeyValueError(f"{name!r:.100} is no part of a printed key ({error})") from error
