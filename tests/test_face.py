"""Without this, a public name could be promised by the package and not be there when asked for."""

import importlib
import importlib.metadata
import subprocess
import sys

import pytest

import suitcase.nxstxm as face

ROOMS = face._NAMES_BY_ROOM


@pytest.mark.parametrize("name", sorted(set(face.__all__) - {"__version__"}))
def test_a_public_name_is_the_one_of_its_room(name):
    [room] = [room for room, names in ROOMS.items() if name in names]
    of_the_room = getattr(importlib.import_module(f"suitcase.nxstxm.{room}"), name)
    assert getattr(face, name) is of_the_room


def test_every_name_in_the_table_is_public():
    in_rooms = [name for names in ROOMS.values() for name in names]
    assert sorted([*in_rooms, "__version__"]) == sorted(face.__all__)


def test_dir_lists_the_public_names():
    assert set(face.__all__) <= set(dir(face))


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"'suitcase\.nxstxm' has no attribute 'exprot'"):
        _ = face.exprot


def test_the_version_is_the_installed_one():
    assert face.__version__ == importlib.metadata.version("suitcase-nxstxm")


def test_import_loads_no_room():
    script = (
        "import suitcase.nxstxm, sys\n"
        "print(*[name for name in sys.modules if name.startswith('suitcase.nxstxm.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
