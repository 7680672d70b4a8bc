"""Which producers make a type, in which order, with which options; and the key of that."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from .._errors import OptionError
from ._errors import DataNotAvailable
from ._key import DataKey, Lineage, Step
from ._producer import Producer

#: The version of data that no function made: what a scan is does not change.
SOURCE_VERSION = "1"


@dataclass(frozen=True)
class Recipe:
    """How the data of one key are made.

    Attributes
    ----------
    key : DataKey
        Their key.
    producer : Producer, optional
        What makes them; None where they come from outside.
    options : Mapping
        What it is called with.
    inputs : tuple of Recipe
        What it takes.
    """

    key: DataKey
    producer: Producer | None
    options: Mapping[str, Any]
    inputs: tuple[Recipe, ...]


class Recipes:
    """The producers that are known, as a graph.

    Parameters
    ----------
    producers : iterable of Producer
        One for each type; a later one takes the place of an earlier.
    sources : collection of str
        Types that are there without any producer.
    """

    def __init__(self, producers: Iterable[Producer], sources: Collection[str]) -> None:
        self.producers: dict[str, Producer] = {}
        self.sources = frozenset(sources)
        for producer in producers:
            self.producers[producer.provides] = producer

    def order(self, data_type: str) -> list[str]:
        """Give a type and all that it is made from, what comes first first.

        Raises
        ------
        DataNotAvailable
            Nobody makes one of them.
        OptionError
            They depend on each other in a circle.
        """
        graph: dict[str, tuple[str, ...]] = {}
        waiting = [(data_type, "")]
        while waiting:
            each, needed_by = waiting.pop()
            if each in graph:
                continue
            producer = self.producers.get(each)
            if producer is None and each not in self.sources:
                raise DataNotAvailable(
                    f"nobody makes {each!r}{needed_by}; known are "
                    f"{', '.join(sorted({*self.producers, *self.sources}))}. Register a function "
                    f"with @derived(provides={each!r}, ...)"
                )
            graph[each] = producer.depends_on if producer is not None else ()
            waiting += [(need, f", which {each!r} is made from") for need in graph[each]]
        try:
            return list(TopologicalSorter(graph).static_order())
        except CycleError as error:
            circle = " <- ".join(error.args[1])
            raise OptionError(f"types depend on each other in a circle: {circle}") from error

    def recipe(
        self,
        run_id: str,
        data_type: str,
        given: Mapping[str, Any],
        usual: Mapping[str, Any],
        run: Callable[[str], Any],
    ) -> Recipe:
        """Settle how a type is made.

        Parameters
        ----------
        run_id, data_type : str
            What is wanted.
        given : Mapping
            Options, by their names or as ``type.option``.
        usual : Mapping
            Options that count where others are not given, in the same form.
        run : callable
            What the run tells; see `Producer.resolved`.

        Raises
        ------
        OptionError
            An option belongs to nobody or to several, or one is missing.
        """
        order = self.order(data_type)
        self._check_usual(usual)
        chosen = self._shared_out(order, data_type, usual, strict=False)
        for each, options in self._shared_out(order, data_type, given, strict=True).items():
            chosen.setdefault(each, {}).update(options)
        made: dict[str, Recipe] = {}
        for each in order:
            producer = self.producers.get(each)
            inputs: tuple[Recipe, ...] = ()
            if producer is None:
                options, step = {}, Step(each, SOURCE_VERSION)
            else:
                inputs = tuple(made[need] for need in producer.depends_on)
                options = producer.resolved(chosen.get(each, {}), run)
                step = Step(producer.name, producer.version, options)
            steps: dict[str, Any] = {}
            for one in inputs:
                steps.update(one.key.lineage)
            lineage = Lineage.of_steps(steps, each, step)
            made[each] = Recipe(DataKey(run_id, each, lineage), producer, options, inputs)
        return made[data_type]

    def _check_usual(self, usual: Mapping[str, Any]) -> None:
        """See that options which count for all belong to somebody."""
        known = {f"{each}.{o}" for each, p in self.producers.items() for o in p.options}
        bare = {name.rpartition(".")[2] for name in known}
        for name in usual:
            if name not in known | bare:
                near = difflib.get_close_matches(name, sorted(known | bare), 1)
                raise OptionError(
                    f"{name!r}, an option of this store, is one of no function that is known"
                    f"{f'; is it {near[0]!r}?' if near else ''}"
                )

    def _shared_out(
        self, order: list[str], data_type: str, given: Mapping[str, Any], *, strict: bool
    ) -> dict[str, dict[str, Any]]:
        """Say whose each option is."""
        chosen: dict[str, dict[str, Any]] = {}
        known = {each: self.producers[each].options for each in order if each in self.producers}
        for name, value in given.items():
            owner, _, option = name.rpartition(".")
            if owner:
                owners = [owner] if option in known.get(owner, ()) else []
            elif option in known.get(data_type, ()):
                owners = [data_type]
            else:
                owners = [each for each in known if option in known[each]]
            if len(owners) > 1 and strict:
                raise OptionError(
                    f"{name!r} is an option of {' and of '.join(owners)}, which {data_type!r} is "
                    f"made from; say whose: {', '.join(f'{each}.{option}' for each in owners)}"
                )
            if not owners and strict:
                options = [f"{each}.{o}" for each in known for o in known[each]]
                raise OptionError(
                    f"{name!r} is no option of {data_type!r} nor of what it is made from; there "
                    f"are {', '.join(options) or 'none'}"
                )
            for each in owners:
                chosen.setdefault(each, {})[option] = value
        return chosen
