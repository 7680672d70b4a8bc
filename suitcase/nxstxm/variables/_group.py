"""Groups of variables: classes whose instances bring their variables along, each under its name."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ._errors import GroupError
from ._variable import Variable

_MARK = "__nxstxm_group__"
_RESERVED = ("name", "title", "tags", "sep")
_GLOB = frozenset("*?[")


def Group(cls: type | None = None, *, tags: str | Iterable[str] | None = None) -> Any:  # noqa: N802
    """Make a class a group of variables, whose instances are used as often as one likes.

    The class becomes a dataclass, all of whose fields are given by name. Its variables are methods;
    their arguments may name others of the same instance by ``"self#name"``, and those of another
    group, which is a field, by ``"self#field.name"``.

    Parameters
    ----------
    cls : type
        The class.
    tags : str or iterable of str, optional
        Tags of all variables of the group.

    Returns
    -------
    type
        The class. Its instances also take ``name`` (by default that of the instance in the context
        file), ``title`` (by default the name), ``tags`` and ``sep``, which stands between the title
        of the group and that of the variable.

    Raises
    ------
    GroupError
        The class has a field of one of these names.

    Examples
    --------
    >>> from suitcase.nxstxm.variables import ContextFile
    >>> context = ContextFile.from_str('''
    ... from suitcase.nxstxm.variables import Group, Variable
    ...
    ... @Group
    ... class Detector:
    ...     channel: str
    ...
    ...     @Variable(title="mean counts")
    ...     def mean(self, run):
    ...         return run.picture(self.channel).mean()
    ...
    ... counter = Detector(channel="counter0", title="Counter")
    ... ''')
    >>> [(v.name, v.title) for v in context.variables.values()]
    [('counter.mean', 'Counter/mean counts')]
    """

    def decorate(cls: type) -> type:
        own = {*vars(cls).get("__annotations__", {}), *vars(cls)}
        taken = [name for name in _RESERVED if name in own]
        if taken:
            raise GroupError(
                f"group {cls.__name__} has {', '.join(taken)} itself; instances of groups have "
                f"{', '.join(_RESERVED)} already"
            )
        usual = tags if tags is not None else getattr(cls, "tags", ())
        cls.__annotations__ = {
            **vars(cls).get("__annotations__", {}),
            **dict.fromkeys(_RESERVED, "object"),
        }
        for name, default in (("name", None), ("title", None), ("sep", "/")):
            setattr(cls, name, dataclasses.field(default=default))
        cls.tags = dataclasses.field(default=_tags(usual))  # type: ignore[attr-defined]
        setattr(cls, _MARK, True)
        return dataclasses.dataclass(kw_only=True, eq=False)(cls)

    return decorate if cls is None else decorate(cls)


class MisplacedError(GroupError):
    """A group that can not be used, and where it may be found in the file.

    Attributes
    ----------
    places : tuple of str
        Names of the file: the first that is there is the place.
    """

    def __init__(self, message: str, *places: str) -> None:
        super().__init__(message)
        self.places = places

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle it with its places."""
        return type(self), (str(self), *self.places)


def places_of(error: GroupError) -> tuple[str, ...]:
    """Give names of the file by which the line of an error can be found."""
    return getattr(error, "places", ())


def is_group(thing: Any) -> bool:
    """Tell whether something is an instance of a group."""
    return hasattr(type(thing), _MARK)


def _tags(tags: Any) -> tuple[str, ...]:
    if tags is None:
        return ()
    return (tags,) if isinstance(tags, str) else tuple(tags)


class BoundVariable:
    """A variable of one instance; its name is known when the context file was read.

    Parameters
    ----------
    group : object
        The instance.
    variable : Variable
        That of the class.
    """

    def __init__(self, group: Any, variable: Variable) -> None:
        self.group = group
        self.variable = variable

    @property
    def name(self) -> str:
        """The full name: ``counter.mean``."""
        return f"{self.group.name}.{self.variable.name}"

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call the method."""
        assert self.variable.func is not None
        return self.variable.func(self.group, *arguments, **options)


# -- reading a context ----------------------------------------------------------------------------


def expanded(names: Mapping[str, Any]) -> dict[str, Variable]:
    """Give the variables of all groups' instances in a context.

    Parameters
    ----------
    names : Mapping
        What the context file has defined.

    Raises
    ------
    GroupError
        Two instances have one name, one has several, or something refers to what is not there.
    """
    groups = _named(names)
    taken: dict[str, Any] = {}
    for group in groups:
        if taken.setdefault(group.name, group) is not group:
            raise MisplacedError(
                f"two groups are named {group.name!r}; give one another name=",
                *_found_as(names, group),
                type(group).__name__,
            )
    found: dict[str, Variable] = {}
    for group in groups:
        for variable in _of_class(type(group)):
            try:
                made = _bound(group, variable)
            except GroupError as error:
                places = (*_found_as(names, group), type(group).__name__)
                raise MisplacedError(str(error), *places) from error
            found[made.name] = made
    return found


def _found_as(names: Mapping[str, Any], group: Any) -> list[str]:
    """Name an instance as the file does; one that is a field only has no name there."""
    return [name for name, value in names.items() if value is group]


def _named(names: Mapping[str, Any]) -> list[Any]:
    """Find all instances; those without a name get that under which they are found."""
    found: dict[int, tuple[Any, list[str]]] = {}
    waiting = [(name, value) for name, value in names.items() if is_group(value)]
    while waiting:  # those in the file first, then their fields, and so on
        level: dict[int, tuple[Any, list[str]]] = {}
        for name, group in waiting:
            if id(group) not in found:
                level.setdefault(id(group), (group, []))[1].append(name)
        found.update(level)
        for group, paths in level.values():
            _name(group, paths)
        waiting = [
            (f"{group.name}.{field}", value)
            for group, _ in level.values()
            for field, value in vars(group).items()
            if is_group(value)
        ]
    return [group for group, _ in found.values()]


def _name(group: Any, paths: list[str]) -> None:
    kind = type(group).__name__
    if group.name is None:
        if len(set(paths)) > 1:
            raise MisplacedError(
                f"a group of {kind} is named {' and '.join(sorted(set(paths)))}; give it one name=",
                *reversed(paths),
                kind,
            )
        group.name = paths[0]
    if not isinstance(group.name, str) or not group.name:
        raise MisplacedError(
            f"a group of {kind} is named {group.name!r}; names are text", *paths, kind
        )
    if group.title is None:
        group.title = group.name.replace(".", group.sep)
    group.tags = _tags(group.tags)


def _of_class(cls: type) -> Iterator[Variable]:
    found: dict[str, Variable] = {}
    for base in reversed(cls.__mro__):
        for name, value in vars(base).items():
            if isinstance(value, Variable):
                found[name] = value
            elif name in found and not isinstance(value, Variable):
                del found[name]  # the class has something else under that name
    yield from found.values()


def _bound(group: Any, variable: Variable) -> Variable:
    """Make a variable of one instance."""
    made = copy.copy(variable)
    method: Callable[..., Any] = variable.func.__get__(group, type(group))  # type: ignore[union-attr]
    made.func = method
    made.name = f"{group.name}.{variable.name}"
    made.title = f"{group.title}{group.sep}{variable.title}"
    made.tags = tuple(dict.fromkeys((*group.tags, *variable.tags)))
    made.bound_to(
        {
            argument: _resolved(group, text, variable) if text.startswith("self#") else text
            for argument, text in made.annotations().items()
        }
    )
    return made


def _resolved(group: Any, text: str, variable: Variable) -> str:
    """Say which variable ``self#...`` is."""
    path = text.removeprefix("self#")
    holder = group
    head, _, rest = path.partition(".")
    while rest:
        holder = getattr(holder, head, None)
        if holder is None:  # a field that was left empty
            return f"var#{group.name}.{path}"
        head, _, rest = rest.partition(".")
    if _GLOB & set(head):
        return f"var#{holder.name}.{head}"
    found = getattr(holder, head, _MARK)
    if isinstance(found, (Variable, BoundVariable)):
        return f"var#{found.name}"
    if found is None:
        return f"var#{group.name}.{path}"
    raise GroupError(
        f"{text!r} of variable {group.name}.{variable.name} is no variable of "
        f"{type(holder).__name__}; it has "
        f"{', '.join(each.name for each in _of_class(type(holder))) or 'none'}"
    )
