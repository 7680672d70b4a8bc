"""Scans with something broken in their documents, each made from its number alone."""

from __future__ import annotations

import copy
import json
import os
import random
import reprlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from suitcase.nxstxm.documents import stored_runs

from .documents import ONE, REQUESTS, Document, pages, scan

Runs = list[list[Document]]
RECORDED = Path(
    os.environ.get("NXSTXM_RECORDED")
    or Path(__file__).resolve().parents[2].parent / "shared" / "recorded"
)


def deep(depth: int) -> Any:
    """Give a list in a list in a list."""
    found: Any = []
    for _ in range(depth):
        found = [found]
    return found


VALUES: tuple[Any, ...] = (
    None, True, "", "text", "\0", "\ud800", "{", "[1, 2]", "nan", b"bytes", b"\xff\xfe",
    [], [None], [[1], [2, 3]], ["a", 1], {}, {"a": {"b": [1]}}, {1: 2}, {"": None}, (), (1,),
    0, 1, -1, 7, 10**9, 2**53 + 1, 2**63, 2**64, -(2**70), 10**400,
    0.0, -0.0, 1.5, 1e300, -1e300, float("nan"), float("inf"), -float("inf"), 3 + 4j,
    set(), object(), np.float32(2), np.int8(-1), np.datetime64("nat", "s"), np.float16("inf"),
    np.array(3), np.array([]), np.zeros((2, 0)), np.array(["a", None], object),
    np.array([1, 2], "M8[s]"), np.zeros(3, "i4,f8"), np.zeros((2, 3), bool), deep(50), deep(5000),
)  # fmt: skip


def places(chance: random.Random, root: Any) -> tuple[Any, Any, Callable[[], None]] | None:
    """Walk down to a random place: its container, its key, and what to do once it has changed."""
    holder: Any = root
    done: list[Callable[[], None]] = []
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            return None
        key = chance.choice(keys)
        value = holder[key]
        if isinstance(value, str) and value[:1] in ("{", "[") and chance.random() < 0.8:
            try:
                inner = json.loads(value)
            except ValueError:
                inner = None
            if isinstance(inner, (dict, list)) and inner:
                done.append(_encode(holder, key, inner))
                holder = inner
                continue
        if isinstance(value, (dict, list)) and value and chance.random() < 0.75:
            holder = value
            continue
        return holder, key, lambda: [step() for step in reversed(done)] and None


def _encode(holder: Any, key: Any, inner: Any) -> Callable[[], None]:
    def encode() -> None:
        try:
            holder[key] = json.dumps(inner)
        except (TypeError, ValueError, RecursionError):
            holder[key] = inner

    return encode


def drop(_: random.Random, holder: Any, key: Any) -> None:
    del holder[key]


def retype(chance: random.Random, holder: Any, key: Any) -> None:
    holder[key] = copy.copy(chance.choice(VALUES))


def wrap(chance: random.Random, holder: Any, key: Any) -> None:
    value = holder[key]
    holder[key] = chance.choice(
        [[value], [value, value], {"x": value}, str(value), repr(value).encode("utf-8", "replace")]
    )


def duplicate(chance: random.Random, holder: Any, key: Any) -> None:
    if isinstance(holder, list):
        holder.insert(chance.randrange(len(holder) + 1), holder[key])
    else:
        holder[f"{key}_again"] = holder[key]


def swap(chance: random.Random, holder: Any, key: Any) -> None:
    other = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    holder[key], holder[other] = holder[other], holder[key]


def scale(chance: random.Random, holder: Any, key: Any) -> None:
    value = holder[key]
    if isinstance(value, (int, float, np.ndarray)):
        holder[key] = value * chance.choice([-1, 0, 2, 1000])
    elif isinstance(value, (str, list)):
        holder[key] = value * 2 if chance.random() < 0.5 else value[: len(value) // 2]


def stranger(_: random.Random, holder: Any, key: Any) -> None:
    holder[key] = "00000000-0000-4000-8000-000000000000"


CHANGES = (drop, retype, retype, retype, retype, wrap, duplicate, swap, scale, stranger)
#: Of a run as a list: whole documents come late, twice, in another place or not at all.
OF_LISTS = (drop, duplicate, swap)


def recorded_runs() -> dict[str, Runs]:
    """Give the recorded scans, those of a size that 10000 cases allow."""
    found = {}
    for path in sorted(RECORDED.glob("*.json")) if RECORDED.is_dir() else ():
        if path.stat().st_size < 300_000:
            found[path.stem] = [list(run.documents()) for run in stored_runs(path)]
    return found


def all_originals() -> dict[str, Runs]:
    """Give the scans that are broken: simulated ones, and recorded ones if these are here."""
    made = {name: scan(name) for name in REQUESTS}
    made |= {f"{name}, pages": [pages(run) for run in made[name]] for name in (ONE, "stxm-image")}
    return made | recorded_runs()


def case(number: int, originals: dict[str, Runs]) -> tuple[str, Runs]:
    """Make the broken scan of a number, and say what was broken."""
    chance = random.Random(f"broken {number}")
    name = chance.choice(sorted(originals))
    runs: Runs = [list(run) for run in originals[name][:3]]
    told = [name]
    mine: list[Any] = []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        run = chance.choice(runs)
        if not run:
            continue
        at = chance.randrange(min(len(run), 4)) if chance.random() < 0.5 else -1
        if at < 0:
            at = chance.randrange(len(run))
        if chance.random() < 0.15:
            change = chance.choice(OF_LISTS)
            change(chance, run, at)
            told.append(f"{change.__name__} of document {at}")
            continue
        kind, doc = run[at]
        if not any(doc is each for each in mine):
            doc = copy.deepcopy(doc)
            mine.append(doc)
            run[at] = (kind, doc)
        if (where := places(chance, doc)) is None:
            continue
        holder, key, done = where
        change = chance.choice(CHANGES)
        change(chance, holder, key)
        shown = holder.get(key) if isinstance(holder, dict) else None
        told.append(f"{change.__name__} of {key!r} in {kind} {at}: {reprlib.repr(shown)}")
        done()
    return f"case {number}, {'; '.join(told)}", runs


def refused(way: Callable[..., Any], *arguments: Any) -> Exception | None:
    """Call something; give the error that it raised."""
    try:
        way(*arguments)
    except Exception as error:  # noqa: BLE001
        return error
    return None
