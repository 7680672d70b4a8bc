"""A result is computed again when code that it uses has changed, however that code is reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from suitcase.nxstxm.variables import ContextError, ContextFile

HEAD = "from suitcase.nxstxm.variables import Group, Variable\nimport numpy as np\n"


def prints(code: str) -> dict[str, str]:
    return {i.name: i.fingerprint for i in ContextFile.from_str(HEAD + code).infos()}


USING = "@Variable\ndef v(run):\n    return {}\n@Variable\ndef other(run):\n    return np.pi\n"


@pytest.mark.parametrize(
    ("code", "used", "old", "new"),
    [
        ("LIMITS = {}\nLIMITS['a'] = 1\n", "LIMITS['a']", "= 1", "= 2"),
        ("PEAKS = []\nPEAKS.append(1)\n", "PEAKS[0]", "(1)", "(2)"),
        ("def f(): return f.k\nf.k = 1\n", "f()", "= 1", "= 2"),
        ("D = {'a': {}}\nfor k in 'xy':\n    D['a'][k] = 1\n", "D['a']", "= 1", "= 2"),
        ("D = {}\ndel D['b'] if 0 else D\n".replace("del D['b'] if 0 else D", "D |= {1: 1}"),
         "D", "1: 1", "1: 2"),
        ("D = {}\ndef fill():\n    D['a'] = 1\nfill()\n", "D['a']", "= 1", "= 2"),
        ("D = 0\ndef fill(x):\n    global D\n    D = x\nfill(1)\n", "D", "fill(1)", "fill(2)"),
        ("D = {}\ndef fill(d, x):\n    d['a'] = x\nfill(D, 1)\n", "D['a']", ", 1)", ", 2)"),
        (
            "D = {}\ndef keep(f):\n    D[f.__name__] = f\n    return f\n"
            "@keep\ndef one(x):\n    return x\n",
            "D['one'](1)",
            "return x\n",
            "return 2 * x\n",
        ),
        ("N = 1\nL = [0]\nL[0] = N\n", "L[0]", "N = 1", "N = 2"),
        ("from math import *\n", "sin(1)", "math", "cmath"),
        ("if True:\n    from math import *\n", "sin(1)", "math", "cmath"),
    ],
)  # fmt: skip
def test_statements_that_change_what_is_used_count(
    code: str, used: str, old: str, new: str
) -> None:
    before = prints(code + USING.format(used))
    after = prints(code.replace(old, new, 1) + USING.format(used))
    assert before["v"] != after["v"]
    if "*" not in code or "**" in code:  # of a star nobody knows what it brings
        assert before["other"] == after["other"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMITS['b'] = 1", "LIMITS['b'] = 2"),
        ("EDGES = np.arange(3)", "EDGES = np.arange(4)"),
    ],
)
def test_statements_that_change_something_else_do_not_count(old: str, new: str) -> None:
    code = "LIMITS = {}\nLIMITS['b'] = 1\nEDGES = np.arange(3)\n" + USING.format("np.e")
    assert prints(code) == prints(code.replace(old, new))


def test_what_another_function_makes_counts_with_what_it_was_made_with() -> None:
    code = (
        "def make(k):\n    @Variable(title=f'T{k}')\n    def v(run):\n        return k\n"
        "    v.name = f'v{k[0]}'\n    return v\na = make([1, 1])\nb = make([2, 1])\n"
    )
    before = prints(code)
    assert before["v1"] != before["v2"]
    after = prints(code.replace("[2, 1]", "[2, 2]"))
    assert {name for name in before if before[name] != after[name]} == {"v2"}
    after = prints(code.replace("return k\n", "return k + k\n"))
    assert {name for name in before if before[name] != after[name]} == {"v1", "v2"}


# -- modules beside the file -----------------------------------------------------------------------


def test_modules_of_modules_count_and_those_that_functions_import(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    files = {
        "consts.py": "K = 1\n",
        "pack/__init__.py": "",
        "pack/inner.py": "import consts\nI = 1\n",
        "mine.py": "import pack.inner\ndef f():\n    return pack.inner.consts.K + pack.inner.I\n",
        "made.py": (HEAD + "from consts import K\n@Variable\ndef imported(run):\n    return K\n"),
        "context.py": HEAD
        + "import mine\nfrom made import imported\n"
        + "@Variable\ndef v(run):\n    return mine.f()\n"
        + "@Variable\ndef u(run):\n    import mine\n    return mine.f()\n"
        + "@Variable\ndef w(run):\n    from pack.inner import I\n    return I\n"
        + "@Group\nclass G:\n    @Variable\n    def m(self, run):\n        return self.h()\n"
        + "    def h(self):\n        import consts\n        return consts.K\n"
        + "g = G()\n"
        + "@Variable\ndef none(run):\n    return 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    def read() -> tuple[ContextFile, dict[str, str]]:
        context = ContextFile.from_file(tmp_path / "context.py")
        return context, {i.name: i.fingerprint for i in context.infos()}

    _, before = read()
    for name, old, new, counts in (
        ("consts.py", "1", "5", {"v", "u", "w", "g.m", "imported"}),
        ("pack/inner.py", "I = 1", "I = 7", {"v", "u", "w"}),
        ("mine.py", "return", "return 1 +", {"v", "u"}),
    ):
        (tmp_path / name).write_text(files[name].replace(old, new))
        context, after = read()
        assert {each for each in after if before[each] != after[each]} == counts, name
        before = after
    assert context.variables["v"](None) == 13
    assert context.variables["imported"](None) == 5


def test_a_file_that_can_not_be_used_leaves_the_modules_of_the_last_one(tmp_path: Path) -> None:
    context, module = tmp_path / "context.py", tmp_path / "lately.py"
    context.write_text(HEAD + "import lately\n@Variable\ndef v(run):\n    return lately.K\n")
    module.write_text("K = 1\n")
    good = ContextFile.from_file(context)
    module.write_text("K = = 2\n")
    with pytest.raises(ContextError, match="line 3: SyntaxError"):
        ContextFile.from_file(context)
    assert good.variables["v"](None) == 1
    module.write_text("K = 2\n")
    assert ContextFile.from_file(context).variables["v"](None) == 2


# -- what groups are given -------------------------------------------------------------------------

GROUP = """
import dataclasses
import functools

def half(x):
    return 0.5 * x

def absolute(x):
    return abs(half(x))

class Roi:
    def area(self):
        return 1

@dataclasses.dataclass
class Box:
    x: int
    def area(self):
        return self.x * 7

class Odd:
    pass

@Group
class G:
    f: object

    @Variable(title="m")
    def m(self, run):
        return self.f

@Variable
def other(run):
    return 1
"""


@pytest.mark.parametrize(
    ("given", "old", "new"),
    [
        ("absolute", "abs(half(x))", "abs(half(x)) + 1"),
        ("absolute", "0.5 * x", "0.6 * x"),
        ("lambda x: half(x)", "half(x)\n)", "half(x) + 1\n)"),
        ("lambda x: half(x)", "0.5 * x", "0.6 * x"),
        ("functools.partial(absolute, 3)", "absolute, 3", "absolute, 4"),
        ("functools.partial(absolute, 3)", "0.5 * x", "0.6 * x"),
        ("[absolute, 1]", "0.5 * x", "0.6 * x"),
        ("{'a': Roi}", "return 1\n\n@data", "return 2\n\n@data"),
        ("Box(3)", "Box(3)", "Box(4)"),
        ("Box(3)", "self.x * 7", "self.x * 8"),
        ("np.mean", "np.mean", "np.median"),
        ("Box(3).area", "self.x * 7", "self.x * 8"),
        ("Box(3).area", "Box(3)", "Box(4)"),
        ("np.add", "np.add", "np.multiply"),
        ("abs", "f=abs", "f=max"),
        ("np.arange(3)", "np.arange(3)", "np.arange(4)"),
    ],
)
def test_what_groups_are_given_counts(given: str, old: str, new: str) -> None:
    code = GROUP + f"g = G(f={given}\n)\n"
    assert old in code
    before, same, after = prints(code), prints(code), prints(code.replace(old, new))
    assert before == same
    assert {name for name in before if before[name] != after[name]} == {"g.m"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("Odd()", "of which nobody can tell whether it changes; give numbers"),
        ("[Odd()]", "or make Odd a dataclass"),
        ("(lambda k: lambda: k)(1)", "made in a function; give one of the file itself"),
    ],
)
def test_what_nobody_can_tell_is_refused(given: str, told: str) -> None:
    code = HEAD + GROUP + f"g = G(f={given})\n"
    with pytest.raises(ContextError, match="field 'f' of group 'g' is") as caught:
        ContextFile.from_str(code)
    (problem,) = caught.value.problems
    assert told in problem.message
    assert problem.line == len(code.splitlines())


def test_groups_that_can_not_be_used_have_a_line() -> None:
    code = HEAD + "@Group\nclass G:\n    @Variable\n    def m(self, run): return 1\n"
    for more in (
        "g = G()\nh = g\n",
        "g = G(name='a')\nh = G(name='a')\n",
        "g = 1\nh = G(name=3)\n",
    ):
        with pytest.raises(ContextError) as caught:
            ContextFile.from_str(code + more)
        assert [problem.line for problem in caught.value.problems] == [8], more
