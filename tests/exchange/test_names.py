"""Without these tests a value in somebody's metadata could write outside the user's folder, or make
a name that no other computer can hold.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suitcase.nxstxm.exchange import (
    PrefixError,
    export,
    export_scan,
    finish_export,
    resolve_prefix,
    safe_file_name,
)

from .documents import first_uid, lean

RESERVED = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    f"{port}{n}" for port in ("COM", "LPT") for n in "123456789\u00b9\u00b2\u00b3"
}
#: What people and programs put into names.
NASTY = {
    "..": None,
    ".": None,
    "/": None,
    "": None,
    " ": None,
    "...": None,
    "../../etc/passwd": "_.._etc_passwd",
    "/etc/passwd": "_etc_passwd",
    "..\\..\\x": "_.._x",
    "C:\\x": "C__x",
    "a\0b": "a_b",
    "a\nb\tc": "a_b_c",
    "CON": "_CON",
    "con.txt": "_con.txt",
    "Com1": "_Com1",
    "LPT\u00b9.x": "_LPT\u00b9.x",
    "CONSOLE": "CONSOLE",
    "C" * 5000: "C" * 160,
    "\u00e9" * 5000: "\u00e9" * 80,
    "\u202egnp.exe": "_gnp.exe",
    "\u2066x\u2069": "_x_",
    "scan \U0001f52c 7": "scan \U0001f52c 7",
    "\U0001f468\u200d\U0001f52c": "\U0001f468_\U0001f52c",
    "e\u0301": "\u00e9",
    "trailing. . .": "trailing",
    " .hidden": "hidden",
    "\udcff": "_x",
    'a<b>c"d|e?f*g:h': "a_b_c_d_e_f_g_h",
    "x.hdf5": "x.hdf5",
    "~": "~",
    "$HOME`id`;rm -rf": "$HOME`id`;rm -rf",
}
NASTY["\udcff"] = None


@pytest.mark.parametrize(("name", "safe"), NASTY.items(), ids=[ascii(n)[:30] for n in NASTY])
def test_names_are_made_safe(name: str, safe: str | None) -> None:
    if safe is None:
        with pytest.raises(PrefixError, match="leaves no name"):
            safe_file_name(name)
    else:
        assert safe_file_name(name) == safe


words = st.text() | st.sampled_from(sorted(NASTY, key=len)) | st.sampled_from(sorted(RESERVED))
pieces = st.lists(words | st.sampled_from([".", " ", "_", "-", "/", "\\", ":"]), max_size=6)


@settings(max_examples=300, deadline=None)
@given(pieces.map("".join) | st.text(min_size=100))
def test_a_safe_name_is_safe_on_every_system(text: str) -> None:
    try:
        name = safe_file_name(text)
    except PrefixError:
        return
    assert name.strip("_-")
    assert not set(name) & set('<>:"/\\|?*\0')
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in name)
    assert len(name.encode("utf-8")) <= 160
    assert name == name.strip(". ")
    assert name.partition(".")[0].rstrip().upper() not in RESERVED
    assert safe_file_name(name) == name
    assert Path("folder", name).parent == Path("folder")
    assert unicodedata.is_normalized("NFC", name)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40), st.text(max_size=20))
def test_a_template_is_a_name_or_one_error(template: str, value: str) -> None:
    start = {"uid": "8b8a62f3", "time": 1.0, "scan_id": 7, "sample": value}
    for text in (template, template + "{sample}", "{sample:" + template + "}"):
        try:
            name = resolve_prefix(text, start)
        except PrefixError as error:
            assert isinstance(error, ValueError)  # noqa: PT017 - any text may also be a good one
        else:
            assert safe_file_name(name) == name


@pytest.mark.parametrize("name", NASTY, ids=[ascii(n)[:30] for n in NASTY])
def test_nothing_is_written_outside_the_folder(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "outer" / "data"
    runs = lean("stxm-image")
    u = first_uid(runs)
    runs[0][0][1]["sample"] = name
    template = name.replace("{", "{{").replace("}", "}}")

    def joined(prefix: str) -> Path:
        export(runs[0], folder, prefix, first_uid=u)
        return finish_export(folder, prefix, u)

    for prefix, call in (
        (template, lambda prefix: export(runs[0], folder, prefix)["stream_data"][0]),
        ("{sample}", joined),
        ("{start[sample]}", lambda prefix: export_scan(runs, folder, file_prefix=prefix)),
    ):
        if NASTY[name] is None:
            with pytest.raises(PrefixError):
                call(prefix)
            assert list(tmp_path.rglob("*.*")) == []
            continue
        final = call(prefix)
        assert final == folder / f"{NASTY[name]}.hdf5"
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == [final]
        final.unlink()


def test_a_temporary_name_fits_beside_the_longest_name(tmp_path: Path) -> None:
    runs = lean("pystxm2019-sample_image_stack-lines")
    uid = "u" * 80
    prefix = "\u00e9" * 500
    for docs in runs:
        export(docs, tmp_path, prefix, first_uid=uid)
    assert finish_export(tmp_path, prefix, uid).name == "\u00e9" * 80 + ".hdf5"
