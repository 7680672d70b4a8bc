"""Hashes of lineages, made by any Python that has numpy; run as a script, it prints them as JSON.

The package itself is not imported: it needs more than numpy.
"""

from __future__ import annotations

import datetime
import enum
import importlib
import json
import sys
import types
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
_PACKAGES = ("suitcase", "suitcase.nxstxm", "suitcase.nxstxm.storage")


class Method(enum.Enum):
    """An option."""

    MEAN = 1
    MEDIAN = "median"


class Edge(enum.Flag):
    """An option, of several at once."""

    LEFT = 1
    RIGHT = 2
    TOP = 4


def lineages() -> dict[str, dict[str, Any]]:
    """Give lineages with options of every kind; some have another order in each process."""
    names = {"left", "right", "top", "bottom", "upper", "lower", "front", "back"}
    zone = datetime.timezone(datetime.timedelta(hours=2))
    od = ("optical_density", "1.2", {"dark": 0.0, "i0": None, "order": 2})
    return {
        "plain": {"od": od},
        "two": {"od": od, "align": ("align", "3", {"precision": 0.1, "by": "phase"})},
        "sets": {
            "a": ("f", "1", {"names": names, "frozen": frozenset(names), "sets": {frozenset("ab")}})
        },
        "enums": {
            "a": (
                "f",
                "1",
                {"method": Method.MEAN, "keys": {Method.MEDIAN: 1}, "edges": Edge.TOP | Edge.LEFT},
            )
        },
        "mappings": {
            "a": ("f", "1", {"m": {name: {name} for name in names}, "n": {1: "a", None: 2.0}})
        },
        "numbers": {
            "a": (
                "f",
                "1",
                {
                    "int": 1, "float": 1.0, "bool": True, "big": 2**70, "tiny": 5e-324,
                    "third": 1 / 3, "minus": -0.0, "nan": float("nan"), "inf": float("-inf"),
                    "complex": 1 - 2j, "f4": np.float32(0.1), "i8": np.int64(3),
                },
            )
        },
        "texts": {"a": ("f", "1", {"é": "ß", "": "\0", "$set": ["$set"], "bytes": b"\0\xff"})},
        "dates": {
            "a": (
                "f",
                "1",
                {
                    "zone": datetime.datetime(2024, 2, 29, 1, 2, 3, 4, zone),
                    "none": datetime.datetime(2024, 2, 29), "date": datetime.date(2024, 2, 29),
                    "delta": datetime.timedelta(days=1, microseconds=2),
                    "np": np.datetime64("2024-02-29T12", "ns"), "step": np.timedelta64(3, "25s"),
                },
            )
        },
        "arrays": {
            "a": (
                "f",
                "1",
                {
                    "f": np.linspace(0, 1, 5).reshape(5, 1), "i": np.arange(3, dtype=">u2"),
                    "text": np.array(["a", "b"]), "none": np.zeros((0, 3)), "range": range(3),
                },
            )
        },
        "others": {
            "a": (
                "f",
                "1",
                {
                    "posix": PurePosixPath("a/b"), "windows": PureWindowsPath("a\\b"),
                    "slice": slice(None, 3), "ellipsis": [slice(1, 2, -1), (1, [2, (3,)])],
                },
            )
        },
    }  # fmt: skip


def keys_module() -> Any:
    """Import the module of keys, and what it needs, past the packages that they are in."""
    for name in _PACKAGES:
        package = types.ModuleType(name)
        package.__path__ = [str(ROOT.joinpath(*name.split(".")))]
        sys.modules[name] = package
    return importlib.import_module("suitcase.nxstxm.storage._key")


def main() -> None:
    keys = keys_module()
    found = {name: keys.Lineage(each).hash for name, each in lineages().items()}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
