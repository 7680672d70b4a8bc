"""Attributes and other small values as JSON, and back, without loss."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from ._dtypes import AnyArray
from ._errors import FormatError


def to_json(value: Any, what: str) -> Any:
    """Give an attribute as JSON, from which `of_json` makes it again.

    Raises
    ------
    FormatError
        It is of a kind that has no form.
    """
    if isinstance(value, Mapping):
        made = {str(key): to_json(each, f"{what}[{key!r}]") for key, each in value.items()}
        # a mapping that could be taken for one of the forms below
        return {"$map": made} if len(made) == 1 and next(iter(made)).startswith("$") else made
    if isinstance(value, (np.ndarray, np.generic)):
        return _array_to_json(np.asarray(value), isinstance(value, np.ndarray), what)
    if isinstance(value, (list, tuple)):
        return [to_json(each, what) for each in value]
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, float) and not np.isfinite(value):
        return {"$float": repr(value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise FormatError(
        f"{what} is {value!r:.60}, a {type(value).__name__}, which can not be stored; use numbers, "
        f"text, lists or arrays"
    )


def _array_to_json(array: AnyArray, is_array: bool, what: str) -> Any:
    if array.dtype.hasobject or array.dtype.names:
        return to_json(array.tolist(), what)
    if array.dtype.kind == "T":
        array = array.astype("U")
    raw = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"$array" if is_array else "$scalar": [array.dtype.str, list(array.shape), raw]}


def of_json(value: Any) -> Any:
    """Undo `to_json`."""
    if isinstance(value, list):
        return [of_json(each) for each in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((key, each),) = value.items()
        if key == "$map":
            return {name: of_json(inner) for name, inner in each.items()}
        if key == "$bytes":
            return base64.b64decode(each)
        if key == "$float":
            return float(each)
        if key in ("$array", "$scalar"):
            dtype, shape, raw = each
            array = np.frombuffer(base64.b64decode(raw), dtype).reshape(shape).copy()
            return array if key == "$array" else array[()]
    return {key: of_json(each) for key, each in value.items()}
