"""Functions that make one type of data of others."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .._errors import OptionError
from ._errors import KeyValueError, RunMetadataNotAvailable
from ._key import type_name

#: A value that nobody gave.
REQUIRED: Any = inspect.Parameter.empty
#: Names that `Store.get` has for itself.
RESERVED = frozenset(
    ("run", "data_type", "rows", "between", "chunk_number", "rechunk", "save", "self")
)


@dataclass(frozen=True)
class FromRun:
    """The default of an option that the run's own metadata tell.

    Attributes
    ----------
    name : str
        Where it is in them, with dots: ``"start.sample.thickness"``.
    default : object
        What counts where it is not there; without one the option has to be given.

    Examples
    --------
    >>> from suitcase.nxstxm.storage import FromRun, derived
    >>> @derived(provides="thick", depends_on="od", version="1.0")
    ... def thick(od, *, mu=FromRun("start.sample.mu", default=1.0)):
    ...     return od / mu
    >>> thick.options["mu"].name
    'start.sample.mu'
    """

    name: str
    default: Any = REQUIRED


@dataclass(frozen=True)
class Producer:
    """A function that makes a type of data; it can still be called as the function it is.

    Attributes
    ----------
    function : callable
        Takes what it depends on, in that order, and its options by keyword.
    provides : str
        The type that it makes.
    depends_on : tuple of str
        The types that it takes.
    version : str
        To be changed whenever the function gives other results for the same.
    name : str
        What the lineage calls it.
    options : Mapping
        Its options and their defaults.
    save : bool
        Whether its results are stored; not what is computed in no time.
    by_chunk : bool
        Whether it is called once for each chunk of the first type it takes, and with the others
        whole. Results of any length are made in a bounded memory then.
    axis : str, optional
        The dimension that chunks of its results follow each other along.
    """

    function: Callable[..., Any]
    provides: str
    depends_on: tuple[str, ...]
    version: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    save: bool = True
    by_chunk: bool = False
    axis: str | None = None

    def __call__(self, *data: Any, **options: Any) -> Any:
        """Call the function; what the run would tell has its default.

        Raises
        ------
        OptionError
            Only the run could tell an option.
        """
        for name, default in self.options.items():
            if isinstance(default, FromRun) and name not in options:
                if default.default is REQUIRED:
                    raise OptionError(
                        f"{self.name} needs {name}, which a store takes from the run's "
                        f"{default.name!r}; give it by hand"
                    )
                options[name] = default.default
        return self.function(*data, **options)

    def but(self, **changes: Any) -> Producer:
        """Give a producer that differs: makes another type, depends on others.

        Parameters
        ----------
        **changes
            ``provides``, ``depends_on``, ``version``, ``save``, ``by_chunk``, ``axis``.
        """
        if "depends_on" in changes:
            changes["depends_on"] = _names(changes["depends_on"])
        made = replace(self, **changes)
        _check(made)
        return made

    def resolved(self, given: Mapping[str, Any], run: Callable[[str], Any]) -> dict[str, Any]:
        """Settle every option.

        Parameters
        ----------
        given : Mapping
            Options that somebody gave.
        run : callable
            Gives what the run's metadata have of a dotted name, or raises
            RunMetadataNotAvailable.

        Raises
        ------
        OptionError
            An option that is needed is not given.
        """
        return {
            name: given[name] if name in given else self._default(name, default, run)
            for name, default in self.options.items()
        }

    def _default(self, name: str, default: Any, run: Callable[[str], Any]) -> Any:
        if isinstance(default, FromRun):
            try:
                return run(default.name)
            except RunMetadataNotAvailable as error:
                if default.default is REQUIRED:
                    raise OptionError(
                        f"option {name!r} of {self.provides!r} is to be taken from the run, but "
                        f"{error}; give it: {self.provides}.{name}=..."
                    ) from error
                return default.default
        if default is REQUIRED:
            raise OptionError(
                f"option {name!r} of {self.provides!r} has no default; give {name}=..."
            )
        return default


def derived(
    *,
    provides: str,
    depends_on: str | Sequence[str] = (),
    version: str,
    name: str | None = None,
    save: bool = True,
    by_chunk: bool = False,
    axis: str | None = None,
) -> Callable[[Callable[..., Any]], Producer]:
    """Make a function the producer of a type of data.

    Its first parameters take what it depends on, in that order; all others are options, which a
    store writes into the lineage.

    Parameters
    ----------
    provides : str
        The type that it makes.
    depends_on : str or sequence of str
        The types that it takes: ``"scan"`` is a scan as `open_nxstxm` gives it.
    version : str
        To be changed whenever the function gives other results for the same.
    name : str, optional
        What the lineage calls it; by default the function's name.
    save : bool
        Whether its results are stored.
    by_chunk : bool
        Call it once for each chunk of the first type it takes.
    axis : str, optional
        The dimension that chunks of its results follow each other along.

    Returns
    -------
    callable
        Makes a `Producer` of a function.

    Raises
    ------
    OptionError
        The function has too few parameters, takes ``*args`` or ``**kwargs``, or an option has a
        name that `Store.get` has for itself.
    KeyValueError
        A type or a version is no text.

    Examples
    --------
    >>> from suitcase.nxstxm.storage import derived
    >>> @derived(provides="mean", depends_on="od", version="1.0")
    ... def mean(od, *, dim="energy"):
    ...     return od.mean(dim)
    >>> mean.depends_on, dict(mean.options)
    (('od',), {'dim': 'energy'})
    """

    def decorate(function: Callable[..., Any]) -> Producer:
        needs = _names(depends_on)
        made = Producer(
            function,
            provides,
            needs,
            version,
            name or function.__name__,
            _options(function, len(needs)),
            save,
            by_chunk,
            axis,
        )
        _check(made)
        return made

    return decorate


def _names(depends_on: str | Sequence[str]) -> tuple[str, ...]:
    return (depends_on,) if isinstance(depends_on, str) else tuple(depends_on)


def _options(function: Callable[..., Any], n_data: int) -> dict[str, Any]:
    parameters = list(inspect.signature(function).parameters.values())
    kinds = inspect.Parameter
    called = function.__name__
    loose = [p.name for p in parameters if p.kind in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)]
    if loose:
        raise OptionError(
            f"{called} takes *{loose[0]}, so that nobody can tell its options; name them"
        )
    data = [p for p in parameters if p.kind is not kinds.KEYWORD_ONLY][:n_data]
    if len(data) < n_data:
        raise OptionError(
            f"{called} depends on {n_data} types and has {len(data)} parameters to take them"
        )
    options = [p for p in parameters if p not in data]
    for p in options:
        if p.kind is kinds.POSITIONAL_ONLY:
            raise OptionError(f"{called} has {p.name} by position only; options go by their names")
        if p.name in RESERVED:
            raise OptionError(
                f"{called} has an option {p.name!r}, which is a word of Store.get; rename it"
            )
    return {p.name: p.default for p in options}


def _check(producer: Producer) -> None:
    for what in (producer.provides, *producer.depends_on):
        if not isinstance(what, str) or not what:
            raise KeyValueError(f"{producer.name} has a data type {what!r}; types are text")
        type_name(what)
    if not isinstance(producer.version, str) or not producer.version:
        raise KeyValueError(
            f"{producer.name} has version {producer.version!r}; give text, such as '1.0'"
        )
    if producer.by_chunk and not producer.depends_on:
        raise OptionError(f"{producer.name} depends on nothing: it has no chunks to be called with")
