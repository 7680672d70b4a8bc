"""Without this, the code in README.md and in the documentation would rot unnoticed.

Every ``python`` fence of a page is run, in order, in one namespace for the page and in an empty
working directory, as a reader would who types the page off. A fence that can not run here has
``<!-- not run: reason -->`` on the line above it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted(p for p in (ROOT / "docs").rglob("*.md") if "_build" not in p.parts),
]
OPENING = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<info>[^`]*)$")
NOT_RUN = re.compile(r"^<!-- not run: \S.* -->$")


@dataclass(frozen=True)
class Fence:
    """A fenced block: what stands behind its ticks, its lines, the number of the first line."""

    info: str
    lines: tuple[str, ...]
    first_line: int
    runs: bool


def fences(text: str) -> list[Fence]:
    found = []
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        opening = OPENING.match(lines[at])
        if opening is None:
            at += 1
            continue
        start = at + 1
        end = start
        while end < len(lines) and lines[end].strip() != opening["ticks"]:
            end += 1
        assert end < len(lines), f"the fence that opens in line {start} is never closed"
        info = opening["info"].strip()
        above = lines[at - 1].strip() if at else ""
        found.append(
            Fence(
                info=info,
                lines=tuple(line.removeprefix(opening["indent"]) for line in lines[start:end]),
                first_line=start + 1,
                runs=info == "python" and not NOT_RUN.match(above),
            )
        )
        at = end + 1
    return found


def run(fence: Fence, page: Path, namespace: dict[str, object]) -> None:
    """Run a fence; the blank lines in front make a traceback show the page's own lines."""
    source = "\n" * (fence.first_line - 1) + "\n".join(fence.lines) + "\n"
    exec(compile(source, page, "exec"), namespace)


RUNNABLE = [page for page in PAGES if any(f.runs for f in fences(page.read_text("utf-8")))]


@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_code_on_the_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for fence in fences(page.read_text("utf-8")):
        if fence.runs:
            run(fence, page, namespace)


def test_readme_shows_code_that_runs():
    assert ROOT / "README.md" in RUNNABLE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_fence_of_python_is_spelt_so_that_it_is_not_run(page):
    """``py``, ``Python`` and ``{code-block} python`` look the same to a reader."""
    infos = {fence.info for fence in fences(page.read_text("utf-8"))}
    assert {info for info in infos if re.search(r"\bpy", info.lower())} <= {"python"}


PAGE = """\
# A page

```python
answer = 41
```

<!-- not run: needs a beamline -->
```python
raise RuntimeError
```

1. in a list

   ```python
   answer += 1
   if answer:
       seen = True
   ```

```sh
rm -rf nothing
```
"""


def test_fences_share_a_namespace_and_marked_ones_are_left_out():
    namespace: dict[str, object] = {}
    for fence in fences(PAGE):
        if fence.runs:
            run(fence, Path("page.md"), namespace)
    assert namespace["answer"] == 42
    assert namespace["seen"] is True


def test_an_error_names_the_line_of_the_page():
    fence = fences("text\n\n```python\n1 / 1\n1 / 0\n```\n")[0]
    with pytest.raises(ZeroDivisionError) as error:
        run(fence, Path("page.md"), {})
    assert error.traceback[-1].lineno + 1 == 5
