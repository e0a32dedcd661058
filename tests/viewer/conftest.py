"""A running page for the tests of this folder."""

import pytest

from campaign.page_under_attack import answer
from query_builders import memory_map
from radseg.viewer.page import MapPage


@pytest.fixture(scope="module")
def page():
    """The page of a small map in memory, on a free port."""
    made = MapPage(memory_map(), answer, port=0)
    yield made
    made.stop()
