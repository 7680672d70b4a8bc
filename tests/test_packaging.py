"""Without this, a release could break its neighbours, or lack what the README promises.

An ``__init__.py`` in ``suitcase`` would hide every other suitcase, a missing ``py.typed`` the
types, and an eager import would make each beamline program load matplotlib.
"""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
HEAVY = {"bluesky", "dask", "databroker", "h5py", "hdf5plugin", "matplotlib", "numpy", "ophyd"}
HEAVY |= {"rich", "tiled", "typer", "xarray"}
EXTRAS_ONLY = HEAVY - {"h5py", "numpy"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The contents of the wheel, built from a copy so that the checkout stays as it is."""
    source = tmp_path_factory.mktemp("source")
    for name in ("LICENSE", "README.md", "pyproject.toml", "setup.cfg"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "suitcase", source / "suitcase")
    for name in ("tests", "docs"):  # there, they would tempt a careless package discovery
        (source / name).mkdir()
        (source / name / "__init__.py").touch()
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    command += ["--no-index", "--quiet", "--wheel-dir", target, source]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    [path] = target.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def modules_after(statements):
    """Tell which top-level modules a new interpreter has loaded after some statements."""
    script = f"{statements}\nimport sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_the_wheel_carries_the_mark_of_typed_packages(wheel):
    assert "suitcase/nxstxm/py.typed" in wheel


def test_the_wheel_leaves_the_namespace_to_all_suitcases(wheel):
    assert "suitcase/__init__.py" not in wheel
    assert not (ROOT / "suitcase" / "__init__.py").exists()


def test_the_wheel_has_every_module_and_nothing_else(wheel):
    in_tree = {path.relative_to(ROOT).as_posix() for path in (ROOT / "suitcase").rglob("*.py")}
    in_wheel = {name for name in wheel if ".dist-info/" not in name}
    assert in_wheel == in_tree | {"suitcase/nxstxm/py.typed"}


def test_the_wheel_installs_the_command(wheel):
    [entry_points] = [text for name, text in wheel.items() if name.endswith("entry_points.txt")]
    assert b"nxstxm = suitcase.nxstxm.cli:main" in entry_points


def test_the_wheel_carries_the_licence(wheel):
    assert any(".dist-info/" in name and name.endswith("LICENSE") for name in wheel)


def test_import_needs_nothing_heavy():
    assert not modules_after("import suitcase.nxstxm") & HEAVY


def test_the_exporting_rooms_need_no_extra():
    loaded = modules_after("from suitcase.nxstxm import Serializer, export_scan, scan_types")
    assert not loaded & EXTRAS_ONLY


def test_an_export_reads_no_schemas_and_draws_nothing(tmp_path):
    script = (
        "import sys; opened = []; "
        "sys.addaudithook(lambda e, a: opened.append(str(a[0])) if e == 'open' else None)\n"
        "from suitcase.nxstxm import export, export_scan\n"
        "from suitcase.nxstxm.sim import all_requests, scan_documents\n"
        "runs = scan_documents(all_requests()['pystxm2019-sample_image-lines'])\n"
        f"export_scan(runs, {str(tmp_path)!r}); export(runs[0], {str(tmp_path)!r})\n"
        "print(*[n for n in opened if n.endswith(('.json', '.xsd', '.xml'))], '|', *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    schemas, _, modules = done.stdout.partition("|")
    assert schemas.split() == []
    loaded = {name.partition(".")[0] for name in modules.split()}
    assert not loaded & {"event_model", "jsonschema", "matplotlib", "rich", "xarray", "bluesky"}
    assert len(list(tmp_path.glob("*.hdf5"))) == 2


def test_the_package_lives_beside_other_suitcases():
    loaded = modules_after("import suitcase.nxstxm, suitcase.utils, suitcase.jsonl")
    assert "suitcase" in loaded


@pytest.mark.parametrize(
    ("name", "command"),
    [
        (
            "demo",
            'python3 -m venv .venv && .venv/bin/pip install -q ".[cli,plot,bluesky]" '
            "&& .venv/bin/nxstxm demo -o demo",
        ),
        (
            "test",
            "python3 -m venv .venv-test && .venv-test/bin/pip install -q -r requirements-dev.txt "
            "&& .venv-test/bin/python -m pytest -n 2 --dist loadfile",
        ),
    ],
)
def test_the_readme_has_the_command_where_the_ci_looks_for_it(name, command):
    assert f"<!-- command: {name} -->\n```sh\n{command}\n```\n" in README


@pytest.mark.skipif(sys.platform == "win32", reason="the CI's scripts are for bash")
@pytest.mark.parametrize("name", ["demo", "test"])
def test_the_ci_finds_the_command_of_the_readme(name):
    script = ROOT / ".ci" / "readme-command"
    done = subprocess.run([script, name], capture_output=True, text=True, check=True)
    assert f"```sh\n{done.stdout}```\n" in README
    assert done.stdout.startswith("python3 -m venv ")


@pytest.mark.skipif(sys.platform == "win32", reason="the CI's scripts are for bash")
def test_the_ci_fails_when_the_readme_has_no_such_command():
    script = ROOT / ".ci" / "readme-command"
    done = subprocess.run([script, "nonsense"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "nonsense" in done.stderr


def test_every_file_that_the_readme_links_to_exists():
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_no_file_names_a_folder_of_the_machine_it_was_written_on():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout: there is no list of the project's files")
    folders = re.compile(rb"(?<![\w.}/-])/(?:root|work)\b")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert [f for f in files if f.is_file() and folders.search(f.read_bytes())] == []
