"""The fixtures with which every suitcase is tested; star import is how suitcase-utils wants it."""

from suitcase.utils.tests.conftest import *  # noqa: F403
