"""Without this, the reference of the run table would leave out, or make up, an option unnoticed.

What there is comes from the code: signatures, commands, the schema, and a table that was filled.
"""

from __future__ import annotations

import dataclasses
import datetime
import inspect
import re
import sqlite3
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from suitcase.nxstxm import export_scan, variables
from suitcase.nxstxm.sim import all_requests, scan_documents
from suitcase.nxstxm.variables import (
    Cell,
    ContextError,
    ContextFile,
    FoundScan,
    Group,
    KafkaSink,
    Message,
    Problem,
    Processed,
    Processor,
    RunRef,
    RunTable,
    ScanRun,
    Sinks,
    TableCell,
    TableRun,
    Variable,
    VariableInfo,
    ZmqSink,
    _errors,
    found_scans,
    stxm,
)
from suitcase.nxstxm.variables._context import _META, SHIM
from suitcase.nxstxm.variables._database import Database
from suitcase.nxstxm.variables._group import _RESERVED
from suitcase.nxstxm.variables._messages import _BROKERS
from suitcase.nxstxm.variables._shim import __all__ as shim
from suitcase.nxstxm.variables._user_variables import TYPES
from suitcase.nxstxm.variables._variable import PREFIXES

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "variables.md"
PACKAGE = Path(variables.__file__).parent
HEADING = re.compile(r"(#+) (.+)")
CODE = re.compile(r"`([^`\n]+)`")

#: Ends well and badly, and has all that a cell can have.
CONTEXT = """
from suitcase.nxstxm.variables import Cell, Skip, Variable


@Variable(title="Good", units="um", summary="mean", tags="mine", version="1")
def good(run, limit: "param#limit" = 1, energies: "start#time" = 0):
    return Cell([1.0, 2.0], bold=True, background="#ffcc00", preview=run.picture().mean("x"))


@Variable(title="Skipped")
def skipped(run):
    raise Skip("nothing to say")


@Variable(title="Failed")
def failed(run, other: "var#skipped" = None):
    return 1 / 0
"""


# -- the page --------------------------------------------------------------------------------------


def sections(text: str) -> dict[str, str]:
    """Give what stands below each heading, that below deeper ones too; samples are left out."""
    found: dict[str, list[str]] = {}
    above: list[tuple[int, str]] = []
    fenced = False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
            continue
        if fenced:
            continue
        heading = HEADING.fullmatch(line)
        if heading is not None:
            depth = len(heading[1])
            above = [(d, name) for d, name in above if d < depth] + [(depth, heading[2])]
            assert heading[2] not in found, f"two sections are called {heading[2]}"
            found[heading[2]] = []
            continue
        for _, name in above:
            found[name].append(line)
    return {name: "\n".join(lines) for name, lines in found.items()}


def codes(text: str) -> set[str]:
    """Give what is written as code, without quotes."""
    return {found.strip('"') for found in CODE.findall(text)}


def rows(text: str, first: str) -> Iterator[list[str]]:
    """Give the rows of the tables whose first heading is a certain one."""
    inside = False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line[:1] == "|" else []
        if not cells:
            inside = False
        elif not inside and cells[0] == first:
            inside = True
        elif inside and set(cells[0]) - set("- "):
            yield cells


SECTIONS = sections(PAGE.read_text("utf-8"))


def named(section: str) -> set[str]:
    return codes(SECTIONS[section])


def check(section: str, there: Iterator[str] | set[str] | list[str]) -> None:
    """Raise an error where a section does not name all."""
    missing = sorted(set(there) - named(section))
    assert not missing, f"{section!r} of {PAGE.name} does not name {', '.join(missing)}"


def check_calls(section: str, there: list[str]) -> None:
    """Raise an error where a section does not show functions with their arguments."""
    calls = named(section)
    missing = [
        call for call in there if not any(c == call or c.endswith(f".{call}") for c in calls)
    ]
    assert not missing, f"{section!r} of {PAGE.name} does not show {'; '.join(missing)}"


# -- the code --------------------------------------------------------------------------------------


def parameters(thing: Callable[..., Any]) -> list[inspect.Parameter]:
    """Give the arguments of a function or class, without their types."""
    return [
        parameter.replace(annotation=parameter.empty)
        for name, parameter in inspect.signature(thing).parameters.items()
        if name not in ("self", "cls")
    ]


def call(name: str, thing: Callable[..., Any]) -> str:
    return f"{name}{inspect.Signature(parameters(thing))}"


def defaults(thing: Callable[..., Any]) -> dict[str, str]:
    return {
        each.name: "required" if each.default is each.empty else f"`{each.default!r}`"
        for each in parameters(thing)
    }


def members(cls: type) -> tuple[list[str], list[str]]:
    """Give the public properties of a class, and its methods with their arguments."""
    properties, methods = [], []
    for name, value in vars(cls).items():
        if name.startswith("_"):
            continue
        if isinstance(value, (property, cached_property)):
            properties.append(name)
        elif inspect.isfunction(value) or isinstance(value, (classmethod, staticmethod)):
            methods.append(call(name, getattr(cls, name)))
    return properties, methods


def fields(cls: Any) -> list[str]:
    return [each.name for each in dataclasses.fields(cls) if not each.name.startswith("_")]


# -- context files ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("section", "thing"), [("@Variable", Variable), ("Cell", Cell)])
def test_arguments_and_their_defaults(section, thing):
    told = {row[0].strip("`"): row[1] for row in rows(SECTIONS[section], "argument")}
    assert told == defaults(thing)


def test_groups():
    told = {row[0].strip("`"): row[1] for row in rows(SECTIONS["Group"], "argument")}
    assert told == defaults(Group)
    assert [row[0].strip("`") for row in rows(SECTIONS["Group"], "field")] == list(_RESERVED)


def test_annotations():
    told = [row[0].strip('`"') for row in rows(SECTIONS["Annotations"], "annotation")]
    assert {text.partition("#")[0] + "#" for text in told} == set(PREFIXES)
    check("Annotations", {f"meta#{name}" for name in _META})


def test_what_context_files_of_damnit_import():
    told = {row[0].strip("`"): codes(row[1]) for row in rows(SECTIONS["Imports"], "from")}
    assert told[SHIM] == set(shim)


def test_errors():
    assert set(_errors.__all__) <= set(variables.__all__), (
        "users meet errors that they can not name"
    )
    public = [getattr(variables, name) for name in variables.__all__]
    errors = [x.__name__ for x in public if inspect.isclass(x) and issubclass(x, Exception)]
    check("Errors", [*errors, *(f".{name}" for name in fields(Problem))])
    check("Errors", {f".{name}" for name in vars(ContextError("x", []))} - {".path"})


def test_ready_variables():
    there = {name: v for name, v in vars(stxm).items() if isinstance(v, Variable)}
    assert set(there.values()) == set(stxm.ALL)
    told = {row[0].strip("`"): row[1:4] for row in rows(SECTIONS["Ready variables"], "name")}
    assert list(told) == [each.name for each in stxm.ALL]
    for name, (title, units, tags) in told.items():
        variable = there[name]
        assert (title, tags) == (variable.title, ", ".join(variable.tags)), name
        assert variable.units in (None, units), name
        for text in variable.annotations().values():
            named_as = text.removeprefix("var#")
            assert named_as in codes(SECTIONS["Ready variables"]), f"{name} takes {text}"


# -- commands --------------------------------------------------------------------------------------


def commands() -> dict[str, Any]:
    main = pytest.importorskip("typer.main")
    from suitcase.nxstxm.cli._table_app import table

    return dict(main.get_command(table).commands)


def shown_default(option: Any) -> str:
    if option.required:
        return "required"
    if option.default is None or option.default is False:
        return ""
    default = option.default
    return f"`{default:g}`" if isinstance(default, (int, float)) else f"`{default}`"


def test_commands():
    told = [name for name in SECTIONS if name.startswith("nxstxm table ")]
    assert sorted(told) == sorted(f"nxstxm table {name}" for name in commands())


def test_options_of_commands():
    for name, command in commands().items():
        section = f"nxstxm table {name}"
        told = {frozenset(codes(row[0])): row[1] for row in rows(SECTIONS[section], "option")}
        options = [each for each in command.params if each.param_type_name == "option"]
        there = {
            frozenset([*each.opts, *each.secondary_opts]): shown_default(each) for each in options
        }
        assert told == there, section
        arguments = [each for each in command.params if each.param_type_name == "argument"]
        check(section, {word for a in arguments for word in re.findall("[A-Z]+", a.metavar)})


def test_types_of_variables_of_users():
    told = [row[0].strip("`") for row in rows(SECTIONS["nxstxm table set"], "type")]
    assert told == list(TYPES)


# -- Python ----------------------------------------------------------------------------------------


def test_all_that_is_public_is_named():
    words = set(re.findall(r"\w+", PAGE.read_text("utf-8")))
    missing = sorted(set(variables.__all__) - words)
    assert not missing, f"{PAGE.name} does not name {', '.join(missing)}"


@pytest.mark.parametrize(
    ("section", "cls"),
    [
        ("RunTable", RunTable),
        ("RunTable", TableRun),
        ("Cells", TableCell),
        ("Processor", Processor),
        ("The run", ScanRun),
        ("ContextFile", ContextFile),
        ("Messages", Message),
        ("Messages", Sinks),
    ],
)
def test_members_of_classes(section, cls):
    properties, methods = members(cls)
    check(section, properties)
    check_calls(section, [each for each in methods if each != "close()"])


def test_functions_and_constructors():
    functions = {
        name: getattr(variables, name)
        for name in variables.__all__
        if inspect.isfunction(getattr(variables, name)) and name != "Group"
    }
    check_calls("Functions", [call(name, each) for name, each in functions.items()])
    for section, cls in (("RunTable", RunTable), ("Processor", Processor)):
        check_calls(section, [call(cls.__name__, cls)])
    sinks = [call(cls.__name__, cls) for cls in (KafkaSink, ZmqSink, variables.CallbackSink, Sinks)]
    check_calls("Messages", sinks)


@pytest.mark.parametrize(
    ("section", "cls"),
    [
        ("Processor", Processed),
        ("Functions", FoundScan),
        ("Functions", RunRef),
        ("ContextFile", VariableInfo),
        ("ContextFile", ContextFile),
        ("The run", ScanRun),
        ("Messages", Message),
    ],
)
def test_fields_of_what_is_given(section, cls):
    check(section, fields(cls))


# -- a table that was filled -----------------------------------------------------------------------


@dataclasses.dataclass
class Night:
    """A table, and what was told while it was filled."""

    table: RunTable
    messages: list[Message]
    settings: set[str]


@pytest.fixture(scope="module")
def night(tmp_path_factory) -> Iterator[Night]:
    """Fill a table, break its context file, add results of all kinds, and say something of it."""
    folder = tmp_path_factory.mktemp("night")
    export_scan(scan_documents(all_requests()["pystxm2019-sample_image-points"]), folder / "scans")
    messages: list[Message] = []
    with RunTable.create(folder / "table", proposal="a name", context=CONTEXT) as table:
        scans = found_scans([folder / "scans"])
        with Processor(table, sink=messages.append) as processor:
            for _ in processor.process(scans, params={"limit": 2}):
                pass
            table.context_path.write_text("no Python")
            assert processor.context().error is not None
        settings = set(table.database.metameta)
        (info,) = table.runs()
        table.submit((info.proposal, 1000), kinds_of_results(), provenance="by hand")
        yield Night(table, messages, settings)


def kinds_of_results() -> dict[str, Any]:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

    array = xr.DataArray(np.eye(2), dims=("y", "x"))
    return {
        "number": 1.5,
        "time": datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc),
        "numpy_time": np.datetime64("2024-01-01"),
        "complex": 1j,
        "array": array,
        "dataset": xr.Dataset({"a": array}),
        "series": pd.Series([1, 2]),
        "frame": pd.DataFrame({"a": [1, 2]}),
        "figure": Figure(),
        "summary": Cell(np.arange(3.0), summary_value=np.arange(3)),
    }


def test_attributes_of_cells(night):
    (info, other) = night.table.runs()
    cells = [
        *night.table.database.cells(info.proposal, info.run).values(),
        *night.table.database.cells(other.proposal, other.run).values(),
    ]
    attributes = {key for cell in cells for key in cell.attributes}
    assert {"lineage", "error", "traceback", "background"} <= attributes
    assert [row[0].strip("`") for row in rows(SECTIONS["Cells"], "of `stored`")] == fields(cells[0])
    told = {row[0].strip("`") for row in rows(SECTIONS["Cells"], "attribute")}
    assert told == attributes
    made = [cell.attributes["made"] for cell in cells if "made" in cell.attributes]
    told = {row[0].strip("`") for row in rows(SECTIONS["Cells"], "of `made`")}
    assert told == {key for each in made for key in each}
    check("Cells", {key for each in made for key in each.get("options", ())})
    check("Cells", {cell.summary_type for cell in cells} - {None})


def test_what_is_known_of_runs(night):
    (info, _) = night.table.runs()
    check("RunTable", fields(info))


def test_settings(night):
    told = {row[0].strip("`") for row in rows(SECTIONS["Settings"], "key")}
    assert told == night.settings


def test_messages(night):
    told = {row[0].strip("`"): codes(row[1]) for row in rows(SECTIONS["Messages"], "kind")}
    assert set(told) == {message.kind for message in night.messages}
    for message in night.messages:
        assert set(message.data) <= told[message.kind], message.kind
    assert {"msg_kind", "data"} == set(night.messages[0].as_json())
    assert "msg_kind" in SECTIONS["Messages"]


def test_tables_and_columns(night):
    with sqlite3.connect(night.table.database.path) as db:
        there = dict(
            db.execute(
                "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view') "
                "AND name NOT LIKE 'sqlite#_%' ESCAPE '#'"
            )
        )
        columns = {
            name: {
                column for (column,) in db.execute("SELECT name FROM pragma_table_info(?)", (name,))
            }
            for name in there
        }
        own = {key for (key,) in db.execute("SELECT key FROM nxstxm_meta")}
    db.close()
    told = {row[0].strip("`"): codes(row[1]) for row in rows(SECTIONS["Database"], "table")}
    assert told == {name: columns[name] for name, kind in there.items() if kind == "table"}
    views = {row[0].strip("`") for row in rows(SECTIONS["Database"], "view")}
    assert views == {name for name, kind in there.items() if kind == "view"}
    (row,) = [row for row in rows(SECTIONS["Database"], "table") if row[0] == "`nxstxm_meta`"]
    assert own <= codes(row[2])


def test_the_version_of_the_format(tmp_path):
    database = Database(tmp_path / "runs.sqlite", create=True)
    version = database.metameta["data_format_version"]
    database.close()
    assert f"format {version}" in SECTIONS["Database"]
    assert f"| `data_format_version` | {version};" in SECTIONS["Settings"]


def test_files_of_the_table(night):
    there = {path.name for path in night.table.path.iterdir()}
    told = {row[0].strip("`").split("/")[0] for row in rows(SECTIONS["Folder"], "path")}
    assert there <= {*told, "runs.sqlite-wal", "runs.sqlite-shm"}


def test_files_of_runs(night):
    places, attributes, kinds = set(), set(), set()
    files = sorted((night.table.path / "extracted_data").glob("*.h5"))
    assert len(files) == 2
    for path in files:
        with h5py.File(path) as file:
            own = {name: node for name, node in file.items() if name.startswith(".")}
            groups = [node for node in file.values() if isinstance(node, h5py.Group)]
            places |= {f"/{n}/<name>" if node in groups else f"/{n}" for n, node in own.items()}
            attributes |= set(file.attrs)
            for group in groups:
                attributes |= set(group.attrs)
                kind = group.attrs.get("_damnit_objtype")
                kinds.add(kind)
                for each in group.values() if kind not in ("dataarray", "dataset") else ():
                    if each.attrs.get("_damnit_objtype") != "dataarray":
                        attributes |= set(each.attrs)
    check("File of a run", places)
    check("File of a run", attributes)
    told = {row[1].strip("`") for row in rows(SECTIONS["Results"], "result")}
    assert kinds - {None} <= told


# -- the environment -------------------------------------------------------------------------------


def test_environment():
    told = [row[0].strip("`") for row in rows(SECTIONS["Environment"], "variable")]
    assert told == list(_BROKERS)
    files = [*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "cli").glob("_table*.py")]
    asking = {f.name for f in files if re.search(r"\b(environ|getenv)\b", f.read_text("utf-8"))}
    assert asking == {"_messages.py"}
