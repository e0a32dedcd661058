"""The rooms' truth: one segment per object, one per wall, and what is left out."""

import numpy as np
import pytest

from radseg.evaluation.images.rooms import Rooms, RoomSegments, segments_of
from radseg.miniature.world import FIRST_OBJECT, free_camera, make_room, render, structure_names


@pytest.fixture(scope="module")
def view():
    room = make_room(0, split="held_out")
    return room, render(room, free_camera(room, 0, height=88, width=120))


def test_every_object_in_view_is_a_segment_and_walls_of_a_name_are_one(view):
    room, seen = view
    parts = RoomSegments.of(room)
    segments = segments_of(parts.of_instance[seen.instance], parts.names, room.names, smallest=1)
    for instance in np.unique(seen.instance):
        where = seen.instance == instance
        number = np.unique(segments.ids[where])
        assert len(number) == 1
        assert room.names[segments.labels[number[0] - 1]] == room.instance_name(int(instance))
        if instance >= FIRST_OBJECT:
            assert np.array_equal(segments.ids == number[0], where)
    surfaces = [room.names[i] for i in segments.labels if room.names[i] in structure_names()]
    assert len(surfaces) == len(set(surfaces))
    assert sorted(np.unique(segments.ids)) == list(range(1, len(segments.labels) + 1))


def test_small_objects_are_crowds_and_names_not_asked_for_are_void():
    numbers = np.array([[1, 1, 1, 2], [0, 3, 3, 3]])
    names = ("white ceiling", "red ball", "blue box")
    segments = segments_of(numbers, names, ["red ball", "white ceiling"], smallest=5)
    assert segments.ids.tolist() == [[1, 1, 1, 2], [0, 0, 0, 0]]
    assert segments.labels.tolist() == [1, 0]
    assert segments.crowd.tolist() == [False, True]


def test_the_set_gives_segments_whose_classes_are_those_of_its_pixels():
    rooms = Rooms(1)
    example = rooms.read(*rooms.ids)
    assert np.array_equal(example.segments.labels[example.segments.ids - 1], example.truth)
    assert {name for name, stuff in zip(rooms.names, rooms.stuff, strict=True) if stuff} == {
        *structure_names()
    }
