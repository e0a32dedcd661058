"""The page's content as pure functions, and a server that only this machine can reach."""

import socket

import numpy as np
import pytest

from mapping.map_builders import frame
from query_builders import SIDE, memory_map, words
from radseg.mapping.aligned import aligned_parts
from radseg.mapping.identity import identified
from radseg.mapping.points import ColouredPoints, coloured_points
from radseg.mapping.query import ask
from radseg.mapping.sightings import Sighting, Sightings
from radseg.viewer.client_page import ClientPage, Shown
from radseg.viewer.content import (
    best_names,
    box_lines,
    camera_path,
    click_html,
    legend_html,
    note_html,
    object_html,
    object_names,
    object_of,
    picked,
    shades,
)
from radseg.viewer.guard import HOST
from radseg.viewer.page import MapPage


def answer(text):
    names, contrast = words(*(part.strip() for part in text.split(",")))
    return ask(aligned_parts(memory_map(), None), names, contrast, mode="background", voxel_size=0.05)


def test_a_ray_picks_the_first_voxel_it_hits():
    points = np.array([[0.0, 0, 5], [0, 0, 3], [0.2, 0, 1], [0, 0, -1]])
    assert picked(points, (0, 0, 0), (0, 0, 2), voxel_size=0.1) == 1
    assert picked(points, (0.2, 0, 0), (0, 0, 1), voxel_size=0.1) == 2
    assert picked(points, (1, 1, 0), (0, 0, 1), voxel_size=0.1) is None
    with np.errstate(all="raise"):
        assert picked(points, (0, 0, 0), (0, 0, 0), voxel_size=0.1) is None
    assert picked(points, (0.08, 0, 0), (0, 0, 1), voxel_size=0.1) == 1  # within half its diagonal
    assert picked(points, (0.09, 0, 0), (0, 0, 1), voxel_size=0.1) is None


def test_the_best_names_of_a_voxel_come_first():
    found = answer("blue, red, green")
    row = int(np.flatnonzero((found.keys == [0, 0, 0]).all(1))[0])
    names = best_names(found, row, limit=2)
    assert names[0][0] == "red"
    assert len(names) == 2
    assert names[0][1] > names[1][1]


def test_colours_follow_what_is_shown():
    voxels = coloured_points(memory_map())
    found = answer("red, blue")
    own = shades(voxels, "colour", found)
    assert own[0].tolist() == np.round(voxels.colours[0] * 255).astype(int).tolist()
    assert np.array_equal(shades(voxels, "heat", None), own)
    hot, other = shades(voxels, "heat", found, "red"), shades(voxels, "heat", found, "blue")
    red = found.labels == 1
    assert hot[red].mean() > other[red].mean()
    classes = shades(voxels, "classes", found)
    assert len(np.unique(classes[red], axis=0)) == 1
    assert not np.array_equal(classes[red][0], classes[found.labels == 2][0])


def legend(found):
    return legend_html(found, found.objects())


def test_boxes_have_twelve_edges_in_the_colour_of_the_name():
    found = answer("red, blue, purple").objects()
    lines, shade = box_lines(found)
    assert lines.shape == shade.shape == (24, 2, 3)
    low, high = np.array(found["red"][0].low), np.array(found["red"][0].high)
    assert np.allclose(lines[:12].reshape(-1, 3).min(0), low)
    assert np.allclose(lines[:12].reshape(-1, 3).max(0), high)
    lengths = np.linalg.norm(lines[:12, 0] - lines[:12, 1], axis=1)
    assert np.allclose(lengths, SIDE * 0.05)  # a cube: no diagonal among them
    assert not np.array_equal(shade[0], shade[12])
    assert box_lines({"purple": ()})[0].shape == (0, 2, 3)


def test_the_way_of_the_camera_goes_from_frame_to_frame():
    noted = Sightings([Sighting.of(frame(index), np.array([1])) for index in range(3)])
    way = camera_path(noted)
    assert np.allclose(way[1, 0], frame(1).camera_to_world[:3, 3])
    assert np.array_equal(way[0, 1], way[1, 0])
    assert camera_path(None).shape == camera_path(Sightings()).shape == (0, 2, 3)


def test_a_click_on_an_object_tells_of_the_whole_object():
    found = answer("red, blue")
    objects = identified(found.objects(), found.keys, None)
    one = object_of(objects, int(objects["blue"][0].rows[5]))
    assert one is objects["blue"][0]
    assert object_names(found, one)[0][0] == "blue"
    assert one.id in object_html(one, object_names(found, one))
    assert object_of(objects, int(np.flatnonzero(found.labels == 0)[0])) is None


def test_names_are_escaped():
    found = answer("red <script>alert(1)</script>")
    for page in (legend(found), click_html([("<script>", 0.5)], (0, 0, 0)), note_html("<i>")):
        assert "<script" not in page
        assert "<i>" not in page
    assert "&lt;script&gt;" in legend(found)


def test_the_legend_says_what_was_not_found():
    text = legend(answer("red, purple"))
    assert "1 found" in text
    assert "not found, best 0." in text


@pytest.fixture
def page():
    pytest.importorskip("viser")
    made = MapPage(memory_map(), answer, port=0)
    yield made
    made.stop()


@pytest.fixture
def shown_to_all(page):
    """The page of one browser, with viser's handle of all of them in place of its own."""
    return ClientPage(page.server, Shown(coloured_points(memory_map()), 0.05, answer))


def test_the_server_listens_on_the_loopback_interface_only(page):
    assert HOST == "127.0.0.1"
    assert page.server.get_host() == "127.0.0.1"
    port = page.server.get_port()
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in others - {"127.0.0.1"}:
        if not address.startswith("127."):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((address, port), timeout=2)


def test_prompts_change_the_page_and_bad_ones_only_the_note(shown_to_all):
    page = shown_to_all
    before = page.cloud.colors.copy()
    page.search("red, purple")
    assert page.show.value == "classes"
    assert "not found" in page.legend.content
    assert not np.array_equal(page.cloud.colors, before)
    before = page.answer
    page.search("asphalt")
    assert page.answer is before
    assert "knows colours only" in page.legend.content


def test_a_click_names_the_voxel(shown_to_all):
    page = shown_to_all
    page.search("red, blue")
    page.click((0.0, 0.0, -1.0), (0.0, 0.0, 1.0))
    assert "red" in page.clicked.content
    assert page.found["red"][0].id in page.clicked.content
    page.click((0.0, 1.0, -1.0), (0.0, 0.0, 1.0))
    assert page.found["red"][0].id not in page.clicked.content  # green, which nobody asked for
    page.click((9.0, 9.0, -1.0), (0.0, 0.0, 1.0))
    assert "No voxel there" in page.clicked.content


def test_a_choice_that_is_not_offered_changes_nothing(shown_to_all):
    shown_to_all.search("red")
    before = shown_to_all.cloud.colors.copy()
    shown_to_all.show.value = "passwords"
    shown_to_all.answer = answer("blue")
    shown_to_all.draw()
    assert np.array_equal(shown_to_all.cloud.colors, before)


def test_points_are_centres_in_metres():
    voxels = coloured_points(memory_map())
    assert isinstance(voxels, ColouredPoints)
    assert voxels.points.max() == pytest.approx((200 + SIDE - 1) * 0.05)
