"""What chunks of stored data have in common, and a chunk taken apart."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ._dtypes import AnyArray

Kind = Literal["array", "dataarray", "dataset", "table", "frame"]


@dataclass(frozen=True)
class Variable:
    """A variable of labelled data.

    Attributes
    ----------
    name : str
        Its name.
    dims : tuple of str
        Its dimensions.
    is_coord : bool
        Whether it is a coordinate.
    attrs : Mapping
        Its attributes, as JSON.
    dtype : str
        What chunks must agree in.
    """

    name: str
    dims: tuple[str, ...]
    is_coord: bool = False
    attrs: Mapping[str, Any] = field(default_factory=dict, compare=False)
    dtype: str = ""


@dataclass(frozen=True)
class Schema:
    """What all chunks of data have in common.

    Attributes
    ----------
    kind : str
        What they are.
    axis : str, optional
        The dimension that chunks follow each other along; None where there is but one chunk.
    name : str, optional
        The name of a DataArray.
    variables : tuple of Variable
        Of labelled data.
    attrs : Mapping
        Of a dataset, as JSON.
    """

    kind: Kind
    axis: str | None = None
    name: str | None = None
    variables: tuple[Variable, ...] = ()
    attrs: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def as_json(self) -> dict[str, Any]:
        """Give it as the metadata have it."""
        return {
            "kind": self.kind,
            "axis": self.axis,
            "name": self.name,
            "attrs": dict(self.attrs),
            "variables": [
                {
                    "name": v.name,
                    "dims": list(v.dims),
                    "coord": v.is_coord,
                    "attrs": dict(v.attrs),
                    "dtype": v.dtype,
                }
                for v in self.variables
            ],
        }

    @classmethod
    def of_json(cls, made: Mapping[str, Any]) -> Schema:
        """Undo `as_json`."""
        return cls(
            made["kind"],
            made["axis"],
            made["name"],
            tuple(
                Variable(v["name"], tuple(v["dims"]), v["coord"], v["attrs"], v["dtype"])
                for v in made["variables"]
            ),
            made["attrs"],
        )

    def along(self) -> list[Variable]:
        """Give the variables that have the axis."""
        return [v for v in self.variables if self.axis in v.dims]

    def constant(self) -> list[Variable]:
        """Give the variables that all chunks share."""
        return [v for v in self.variables if self.axis not in v.dims]


def difference(first: Schema, other: Schema) -> str:
    """Say in what two chunks differ that have to be alike; nothing where they are."""
    for what in ("kind", "axis", "name"):
        one, two = getattr(first, what), getattr(other, what)
        if one != two:
            return f"{what} {two!r} instead of {one!r}"
    ours = {v.name: v for v in first.variables}
    theirs = {v.name: v for v in other.variables}
    if set(ours) != set(theirs):
        return f"variables {', '.join(theirs)} instead of {', '.join(ours)}"
    for name, one in ours.items():
        two = theirs[name]
        if one != two:
            return (
                f"{name} has {two.dtype or 'no dtype'} along {', '.join(two.dims)} instead of "
                f"{one.dtype or 'none'} along {', '.join(one.dims)}"
            )
        ours_in, theirs_in = one.attrs.get("units"), two.attrs.get("units")
        if None not in (ours_in, theirs_in) and ours_in != theirs_in:
            return f"{name} is in {theirs_in!r} instead of {ours_in!r}"
    return ""


def narrowed(schema: Schema, only: Collection[str] | None) -> Schema:
    """Leave variables out that nobody wants."""
    if only is None:
        return schema
    return replace(schema, variables=tuple(v for v in schema.variables if v.name in only))


@dataclass(frozen=True)
class Parts:
    """A chunk taken apart.

    Attributes
    ----------
    schema : Schema
        What it has in common with others.
    arrays : dict of str to ndarray
        What has the axis, which is first.
    constants : dict of str to ndarray
        What has not.
    rows : int
        Its length along the axis.
    """

    schema: Schema
    arrays: dict[str, AnyArray]
    constants: dict[str, AnyArray]
    rows: int
