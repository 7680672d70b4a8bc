"""A context file is written at night: what is wrong with it has to be said clearly, and a result
has to be computed again when, and only when, something that counts has changed.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.variables import (
    Cell,
    CellError,
    ContextError,
    ContextFile,
    GroupError,
    Variable,
)

BASE = '''
import math
from pathlib import Path
from suitcase.nxstxm.variables import Variable

LIMIT = 3.0

def helper(x):
    """Help."""
    return deeper(x) + LIMIT

def deeper(x):
    return math.sqrt(x)

def unused(x):
    return x

@Variable(title="A")
def a(run, number: "meta#run_number"):
    # a comment
    return helper(number)

@Variable(title="B")
def b(run, a: "var#a"):
    return a + 1

@Variable(title="C")
def c(run):
    return 1
'''


def prints(code: str, path: str | Path = "<context>") -> dict[str, str]:
    return {info.name: info.fingerprint for info in ContextFile.from_str(code, path).infos()}


def changed(old: str, new: str, code: str = BASE) -> set[str]:
    assert old in code
    before, after = prints(code), prints(code.replace(old, new))
    return {name for name in after if before.get(name) != after[name]}


HEAD = "from suitcase.nxstxm.variables import Group, Variable\n"


# -- identity --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    # a comment\n", "    # another\n\n"),
        ("return helper(number)", "return helper( number )"),
        ('"""Help."""', '"""Help, and more."""'),
        ('@Variable(title="A")', '@Variable(title="Better", tags=["x"], description="words")'),
        ("def unused(x):\n    return x", "def unused(x):\n    return 2 * x"),
        ("def deeper(x):", "def deeper(x: float) -> float:"),
        ("import math\n", "import math\nimport os\n"),
        ("LIMIT = 3.0", "LIMIT = 3.00"),
    ],
)
def test_what_does_not_count_changes_nothing(old: str, new: str) -> None:
    assert changed(old, new) == set()


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("return helper(number)", "return helper(number) + 1", {"a"}),
        ("LIMIT = 3.0", "LIMIT = 3", {"a"}),
        ("math.sqrt(x)", "math.sqrt(x + 1)", {"a"}),
        ("import math", "import cmath as math", {"a"}),
        ("return a + 1", "return a + 2", {"b"}),
        ('a: "var#a"', 'a: "var#c"', {"b"}),
        ("return 1\n", "return 1.0\n", {"c"}),
        ("return 1\n", "return True\n", {"c"}),
        ("return 1\n", 'return "1"\n', {"c"}),
        ("LIMIT = 3.0", "LIMIT = 3.0\nLIMIT += 1", {"a"}),
    ],
)
def test_what_counts_changes_what_uses_it(old: str, new: str, names: set[str]) -> None:
    # that what depends on a variable changes with it is a matter of lineage
    assert changed(old, new) == names


def test_the_fingerprint_is_the_same_on_every_python() -> None:
    """Pinned: were it another on another Python, everything would be computed again there."""
    simple = prints(
        "from suitcase.nxstxm.variables import Variable\n"
        "K = 2\n"
        "@Variable\n"
        "def v(run, *, o: 'param#o' = None):\n"
        "    return [f'{x:>{K}}' for x in run if (y := x)] or {'a': lambda: K, **{}}\n"
    )
    assert simple["v"][:16] == PINNED


PINNED = "0233befb3d01a3e2"


def test_modules_beside_the_file_count(tmp_path: Path) -> None:
    code = HEAD + (
        "import mine\n@Variable\ndef v(run):\n    return mine.f()\n"
        "@Variable\ndef w(run):\n    return 1\n"
    )
    context, module = tmp_path / "context.py", tmp_path / "mine.py"
    context.write_text(code)
    module.write_text("def f():\n    return 1\n")
    before = ContextFile.from_file(context)
    module.write_text("def f():\n    # better\n    return 1\n")
    same = {i.name: i.fingerprint for i in ContextFile.from_file(context).infos()}
    assert same == {i.name: i.fingerprint for i in before.infos()}
    module.write_text("def f():\n    return 2\n")
    after = ContextFile.from_file(context)
    changed = {i.name for i in after.infos() if i.fingerprint != same[i.name]}
    assert changed == {"v"}
    # what runs is what the hash was made of, in the same process and within a second
    assert (before.variables["v"](None), after.variables["v"](None)) == (1, 2)
    assert str(tmp_path) not in sys.path
    assert not (tmp_path / "__pycache__").exists()


# -- mistakes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "line", "message"),
    [
        ("x = = 1", 2, "it is no Python"),
        ("1/0", 2, "ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(3)", 3, "SystemExit: 3"),
        ("import no_such_module", 2, "No module named 'no_such_module'"),
        (
            '@Variable\ndef a(run, b: "var#b"): pass\n@Variable\ndef b(run, a: "var#a"): pass',
            2,
            "need each other in a circle",
        ),
        ('@Variable\ndef a(run, a: "var#a"): pass', 2, "need each other in a circle"),
        (
            '@Variable\ndef counts(run): pass\n@Variable\ndef b(run, x: "var#count"): pass',
            4,
            "needs 'count', which is not there; is it 'counts'?",
        ),
        (
            '@Variable(title="T")\ndef a(run): pass\n@Variable(title="T")\ndef b(run): pass',
            4,
            "variables a and b have the same title 'T'",
        ),
        (
            "@Variable\ndef a(run): pass\n@Variable\ndef a(run): pass",
            3,
            "another variable is named",
        ),
        ("@Variable\ndef a(): pass", 2, "takes no argument; the first is the run"),
        ("@Variable\ndef a(run, x): pass", 2, "argument x of variable a does not say what it is"),
        ("@Variable\ndef a(run, *x): pass", 2, "takes \\*x"),
        ('@Variable\ndef a(run, x: "meta#who"): pass', 2, "'meta#who'; there are meta#uid"),
        ("@Variable(units=3)\ndef a(run): pass", 2, "units=3; give text"),
        ("@Variable(summary='no_such')\ndef a(run): pass", 2, "summary='no_such', which is no fun"),
        ("@Variable(summary='pi')\ndef a(run): pass", 2, "give a name such as 'nanmean'"),
        (
            "@Group\nclass G:\n    @Variable(summary='no_such')\n"
            "    def v(self, run): pass\na = G()",
            4,
            "variable a.v has summary='no_such'",
        ),
        ("@Variable(tags=[''])\ndef a(run): pass", 2, "tags are text"),
        ("@Group\nclass G:\n    name: str", 2, "instances of groups have name"),
        (
            "@Group\nclass G:\n    @Variable\n    def v(self, run): pass\n"
            "a = G(name='g')\nb = G(name='g')",
            7,
            "two groups are named 'g'",
        ),
        (
            "@Group\nclass G:\n    @Variable\n    def v(self, run, w: 'self#w'): pass\na = G()",
            6,
            "'self#w' of variable a.v is no variable of G; it has v",
        ),
    ],
)
def test_mistakes_are_named_with_their_line(code: str, line: int, message: str) -> None:
    with pytest.raises(ContextError, match=message) as caught:
        ContextFile.from_str(HEAD + code, "context.py")
    assert caught.value.problems[0].line in (line, line + 1)  # Python 3.10 counts otherwise
    assert str(caught.value).startswith("context.py")
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    code = "@Variable\ndef a(run, x): pass\n@Variable\ndef b(run, y: 'var#no'): pass"
    with pytest.raises(ContextError) as caught:
        ContextFile.from_str(HEAD + code)
    assert len(caught.value.problems) == 2


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="can not be read"):
        ContextFile.from_file(tmp_path / "none.py")
    (tmp_path / "latin.py").write_bytes(b"# \xff\n")
    with pytest.raises(ContextError, match="no text in UTF-8"):
        ContextFile.from_file(tmp_path / "latin.py")
    (tmp_path / "bom.py").write_bytes(b"\xef\xbb\xbf" + HEAD.encode())
    assert ContextFile.from_file(tmp_path / "bom.py").variables == {}


# -- what is understood ----------------------------------------------------------------------------


def test_a_context_file_of_damnit_is_understood() -> None:
    context = ContextFile.from_str(
        """
from damnit_ctx import Cell, Group, Skip, Variable

@Variable(title="Trains", summary="max", data="raw", cluster=True, tags=("a", "b"))
def trains(run):
    return len(run.train_ids)

@Variable(transient=True)
def base(run, n: "var#trains", threshold: "param#threshold" = 5, s: "mymdc#sample_name" = ""):
    return n

@Group(tags="xgm")
class XGM:
    device: str
    other: object = None

    @Variable(title="Energy", units="uJ")
    def energy(self, run):
        return run[self.device]

    @Variable(title="Both")
    def both(self, run, e: "self#energy", more: "self#other.energy" = None):
        return e

first = XGM(device="SA1")
second = XGM(device="SA3", title="Second", other=first, sep=": ")
"""
    )
    assert "damnit_ctx" not in sys.modules
    infos = {info.name: info for info in context.infos()}
    assert set(infos) == {
        *("trains", "base", "first.energy", "first.both", "second.energy", "second.both")
    }
    assert infos["second.both"].title == "Second: Both"
    assert infos["first.energy"].tags == ("xgm",)
    assert infos["second.both"].needs == ("second.energy", "first.energy")
    assert infos["first.both"].needs == ("first.energy",)
    assert infos["base"].transient
    assert infos["base"].uses == ("param#threshold", "mymdc#sample_name")
    assert infos["first.energy"].fingerprint != infos["second.energy"].fingerprint


def test_annotations_of_the_future_are_texts_of_texts() -> None:
    context = ContextFile.from_str(
        "from __future__ import annotations\n" + HEAD + "@Variable\ndef a(run: int): return 1\n"
        '@Variable\ndef b(run, x: "var#a", y: int = 3): return x\n'
    )
    assert context.needs("b") == ["a"]


def test_globs_order_and_dependents() -> None:
    context = ContextFile.from_str(
        HEAD
        + "@Variable\ndef sum_(run, all: 'var#x_*'): pass\n"
        + "".join(f"@Variable\ndef x_{i}(run): pass\n" for i in range(3))
        + "@Variable\ndef last(run, s: 'var#sum_'): pass\n"
    )
    assert context.needs("sum_") == ["x_0", "x_1", "x_2"]
    order = context.order()
    assert order.index("sum_") > max(order.index(f"x_{i}") for i in range(3))
    assert context.order(["x_1"]) == ["x_1"]
    assert context.dependents(["x_1"]) == {"sum_", "last"}
    with pytest.raises(NXstxmError, match="no variable 'x_9'; is it 'x_"):
        context.needs("x_9")


def test_a_missing_dependency_with_a_default_is_no_mistake() -> None:
    context = ContextFile.from_str(HEAD + "@Variable\ndef a(run, x: 'var#gone' = 3): return x\n")
    assert context.needs("a") == []


def test_a_decorated_function_can_still_be_called() -> None:
    @Variable(title="Twice")
    def twice(run: int, by: int = 2) -> int:
        """Multiply."""
        return run * by

    assert twice(4) == 8
    assert twice(4, by=3) == 12
    assert twice.description == "Multiply."
    with pytest.raises(TypeError, match="decorates one function"):
        Variable(title="x")(3)


# -- cells -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cell(object()), "a result of type object can not be stored"),
        (lambda: Cell([1, object()]), "can not be stored"),
        (lambda: Cell(1, summary="no_such"), "is no function of numpy"),
        (lambda: Cell(1, summary="__class__x"), "is no function of numpy"),
        (lambda: Cell(1, summary_value=np.zeros((2, 2))), "neither a number nor text"),
        (lambda: Cell(1, background="#12"), "is no colour"),
        (lambda: Cell(1, background=(1, 2, 300)), "is no colour"),
        (lambda: Cell(1, preview="text"), "can not be shown"),
        (lambda: Cell(1, preview=np.zeros((2, 2, 2))), "can not be shown"),
        (lambda: Cell(1, units=""), "are no text"),
    ],
)
def test_what_can_be_no_cell_is_refused(make: object, message: str) -> None:
    with pytest.raises(CellError, match=message):
        make()  # type: ignore[operator]


def test_units_of_an_array_are_not_those_of_the_cell() -> None:
    xr = pytest.importorskip("xarray")
    counts = xr.DataArray([1.0, 2.0], attrs={"units": "counts"})
    assert Cell(counts).units is None
    assert Cell(counts, units="1").units == "1"
    assert Cell(1, background="#ffcc00").background == (255, 204, 0)


def test_groups_inherit() -> None:
    context = ContextFile.from_str(
        HEAD
        + """
@Group(tags=["base"])
class Base:
    scale: float = 1.0
    @Variable
    def v(self, run):
        return self.helped(1)
    def helped(self, x):
        return x * self.scale

@Group
class Child(Base):
    @Variable
    def w(self, run, v: "self#v"):
        return v

c = Child(scale=2.0)
"""
    )
    assert {v.name: v.tags for v in context.variables.values()} == {
        "c.v": ("base",),
        "c.w": ("base",),
    }
    assert context.variables["c.v"](None) == 2.0
    assert context.needs("c.w") == ["c.v"]
    with pytest.raises(GroupError):
        raise GroupError("x")
