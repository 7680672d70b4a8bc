"""People watch the folder while files are written; without this they could see half of one."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from suitcase.nxstxm import _publish
from suitcase.nxstxm._errors import NXstxmError
from suitcase.nxstxm.documents import DocumentError
from suitcase.nxstxm.exchange import Serializer, export, export_scan
from suitcase.nxstxm.nexus import publish
from suitcase.nxstxm.sim import ScanRequest, scan_documents


def test_whoever_polls_the_folder_sees_whole_files_only(tmp_path: Path) -> None:
    seen: dict[str, int] = {}
    wrong: list[str] = []
    done = threading.Event()

    def poll() -> None:
        while not done.is_set() or len(seen) < 50:
            for path in tmp_path.glob("*.hdf5"):
                if path.name in seen:
                    continue
                with h5py.File(path) as h5:
                    entry = h5[h5.attrs["default"]]
                    data = entry[entry.attrs["default"]]["data"][()]
                    if not np.isfinite(data).all() or "collection/bluesky" not in entry:
                        wrong.append(path.name)
                seen[path.name] = data.size
            if done.is_set() and len(list(tmp_path.glob("*.hdf5"))) == len(seen):
                return

    def write(seeds: range) -> None:
        for seed in seeds:
            export_scan(
                scan_documents(ScanRequest(7, seed=seed, energies=(700.0, 708.0))),
                tmp_path,
                file_prefix=f"scan{seed}",
            )

    poller = threading.Thread(target=poll)
    writers = [threading.Thread(target=write, args=(r,)) for r in (range(25), range(25, 50))]
    for thread in (poller, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    poller.join(timeout=60)
    assert wrong == []
    assert len(seen) == 50
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".hdf5"] * 50


def broken(documents: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Give an event of the measurement a sequence number that is none."""
    at = max(i for i, (name, _) in enumerate(documents) if name == "event")
    bad = {**documents[at][1], "seq_num": "seven"}
    return [*documents[:at], ("event", bad), *documents[at + 1 :]]


def through_a_serializer(documents: Any, folder: Path) -> None:
    with Serializer(folder, "x") as serializer:
        for name, doc in documents:
            serializer(name, doc)


@pytest.mark.parametrize("way", [export, export_scan, through_a_serializer])
def test_an_error_in_the_middle_names_the_file_that_holds_what_came(
    tmp_path: Path, way: Callable[..., Any]
) -> None:
    (run,) = scan_documents(ScanRequest(6))
    with pytest.raises(DocumentError) as caught:
        way(broken(run), tmp_path)
    (kept,) = tmp_path.iterdir()
    assert kept.suffix == ".tmp"
    assert str(kept) in str(caught.value)
    assert str(caught.value).count("What came is in") == 1
    # the process goes on, and so does the microscope
    assert export_scan(run, tmp_path, file_prefix="next").exists()


def test_a_file_that_a_viewer_holds_on_windows_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "x.tmp"
    temporary.write_bytes(b"all of it")
    real, tries = os.replace, []

    def held(source: Any, target: Any) -> None:
        tries.append(target)
        if len(tries) < 3:
            raise PermissionError(errno.EACCES, "used by another process")
        real(source, target)

    monkeypatch.setattr(_publish.os, "replace", held)
    monkeypatch.setattr(_publish, "on_windows", lambda: True)
    final = publish(temporary, tmp_path / "x.hdf5", overwrite=True, kept=None)
    assert (len(tries), final.read_bytes()) == (3, b"all of it")


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP])
def test_a_file_system_without_links_gets_its_file_and_never_loses_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def no_links(*_: Any) -> None:
        raise OSError(code, "no links here")

    monkeypatch.setattr(_publish.os, "link", no_links)
    temporary, final = tmp_path / "x.tmp", tmp_path / "x.hdf5"
    temporary.write_bytes(b"new")
    real = os.replace

    def replace(source: Any, target: Any) -> None:
        assert not final.exists()  # nobody ever sees an empty file under the final name
        real(source, target)

    monkeypatch.setattr(_publish.os, "replace", replace)
    assert publish(temporary, final, overwrite=False, kept=None).read_bytes() == b"new"
    temporary.write_bytes(b"newer")
    with pytest.raises(NXstxmError, match="exists already"):
        publish(temporary, final, overwrite=False, kept=None)
    assert (final.read_bytes(), temporary.read_bytes()) == (b"new", b"newer")
