"""Checksums and compression, whichever library makes them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import zlib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from suitcase.nxstxm._zlib import compress, crc32
from suitcase.nxstxm.documents import ArchiveWriter, difference, read_archive

DOCS = [("start", {"uid": "a", "time": 1.5, "text": "word " * 1000}), ("stop", {"run_start": "a"})]


@given(st.binary(max_size=20_000), st.integers(0, 2**32 - 1))
def test_checksums_are_those_of_python(data: bytes, before: int) -> None:
    assert crc32(data) == zlib.crc32(data)
    assert crc32(memoryview(data), before) == zlib.crc32(data, before)


@given(st.binary(max_size=20_000), st.integers(0, 9))
def test_python_reads_what_is_compressed(data: bytes, level: int) -> None:
    assert zlib.decompress(compress(data, level)) == data


def test_archives_are_written_and_read_where_zlib_ng_can_not_be(tmp_path: Path) -> None:
    """On a machine for which nobody builds it; each reads what the other wrote."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    write(ours)
    text = """
        import sys, zlib
        from pathlib import Path

        sys.modules["zlib_ng"] = None  # importing it fails
        from suitcase.nxstxm import _zlib
        from suitcase.nxstxm.documents import difference, read_archive
        from tests.documents.test_zlib import DOCS, write

        assert _zlib.crc32 is zlib.crc32
        with open(sys.argv[1], "rb") as file:
            assert difference(DOCS, list(read_archive(file))) is None
        write(Path(sys.argv[2]))
    """
    command = [sys.executable, "-c", textwrap.dedent(text), ours, theirs]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])
    with theirs.open("rb") as file:
        assert difference(DOCS, list(read_archive(file))) is None


def write(path: Path) -> None:
    """Write an archive of a few documents."""
    with path.open("wb") as file:
        writer = ArchiveWriter(file.write)
        for name, doc in DOCS:
            writer.append(name, doc)
        writer.close()
