"""Work that another thread does: nobody waits for it to begin, and Python waits for its end."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from suitcase.nxstxm._beside import Beside


def test_it_gives_what_comes_of_the_work() -> None:
    assert Beside(lambda: 6 * 7).result() == 42


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
def test_it_raises_what_the_work_raises(error: BaseException) -> None:
    def fail() -> None:
        raise error

    work = Beside(fail)
    with pytest.raises(type(error)):
        work.result()
    assert work.is_done


def test_it_goes_on_beside_whoever_asked_for_it() -> None:
    go = threading.Event()
    work = Beside(lambda: go.wait(60))
    assert not work.is_done
    go.set()
    assert work.result()


def script(text: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text), *map(str, arguments)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_python_does_not_end_before_it_is_done(tmp_path: Path) -> None:
    text = """
        import sys, time
        from pathlib import Path
        from suitcase.nxstxm._beside import Beside

        def work():
            time.sleep(0.5)
            Path(sys.argv[1]).write_text("done")

        Beside(work)
    """
    done = script(text, tmp_path / "file")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "file").read_text() == "done"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_does_not_wait_for_threads_of_the_other() -> None:
    text = """
        import os, sys, threading, warnings
        from suitcase.nxstxm._beside import Beside

        warnings.simplefilter("ignore")  # that threads and forks go badly together
        go = threading.Event()
        work = Beside(go.wait)
        child = os.fork()
        if not child:
            assert Beside(lambda: 1).result() == 1
            sys.exit(0)
        _, status = os.waitpid(child, 0)
        go.set()
        work.result()
        sys.exit(os.waitstatus_to_exitcode(status))
    """
    done = script(text)
    assert (done.returncode, done.stderr) == (0, "")
