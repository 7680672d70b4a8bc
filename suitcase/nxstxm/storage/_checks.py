"""What savers are given, and what their chunks have to agree in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from .._errors import OptionError
from ._errors import FormatError
from ._metadata import StoredMetadata
from ._schema import Parts

Compression = Literal["lz4", "zstd", "none"]


def check_compression(name: str) -> str:
    """Give a compression's name.

    Raises
    ------
    OptionError
        There is no such compression.
    """
    if name not in get_args(Compression):
        raise OptionError(
            f"compression is {name!r}; data are stored with one of "
            f"{', '.join(get_args(Compression))}"
        )
    return name


def check_options(options: Mapping[str, Any]) -> None:
    """Check what a saver is given.

    Raises
    ------
    OptionError
        An option is unknown or wrong.
    """
    unknown = sorted(set(options) - {"compression", "axis", "index_by"})
    if unknown:
        raise OptionError(
            f"saving knows no option {', '.join(unknown)}; it knows compression, axis and index_by"
        )
    check_compression(options.get("compression", "lz4"))
    if isinstance(options.get("index_by"), str):
        raise OptionError(f"index_by={options['index_by']!r} is a text; give a list of names")


def disagreement(metadata: StoredMetadata, name: str, index: int, parts: Parts) -> FormatError:
    """Say that a chunk differs in what all chunks share."""
    return FormatError(
        f"{name!r} of chunk {index} of {metadata.key} has other values than that of the chunks "
        f"before; only what has the dimension {parts.schema.axis!r} may differ"
    )
