"""The world axis that the cameras held up."""

from dataclasses import replace

import pytest

from query_builders import memory_map
from radseg.mapping.up import up_axis


@pytest.mark.parametrize(
    ("noted", "axis"),
    [([0.1, -7.0, 3.0], "-y"), ([0, 0.2, 9.0], "+z"), ([-2.0, 1, 1], "-x"), ([0.0, 0.0, 0.0], "+z")],
)
def test_up_is_the_axis_nearest_to_the_images_tops(noted, axis):
    assert up_axis(replace(memory_map(), build={"frames": {"camera_up": noted}})) == axis


def test_up_is_z_where_nothing_was_noted():
    assert up_axis(memory_map()) == "+z"
