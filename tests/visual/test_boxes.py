"""Boxes over a render: where the corners are on the screen, in their colour; behind the viewer nothing."""

import numpy as np
from PIL import Image

from radseg.mapping.boxes import upright_box
from radseg.visual.boxes import ShownBox, draw_boxes
from radseg.visual.maps import camera_across, camera_from_above

KEYS = np.array(list(np.ndindex(4, 3, 2)))
COLOUR = (10, 250, 60)


def test_edges_are_those_of_a_box():
    edges = upright_box(KEYS, 0.1, "+z").edges
    lengths = np.linalg.norm(edges[:, 0] - edges[:, 1], axis=1)
    assert sorted(np.round(lengths, 6)) == [0.2] * 4 + [0.3] * 4 + [0.4] * 4


def test_a_box_is_drawn_where_it_is_with_its_text():
    box = upright_box(KEYS, 0.1, "+z")
    view = camera_from_above(np.concatenate([box.corners, box.corners + 1]))
    image = Image.new("RGB", (400, 300))
    drawn = np.asarray(draw_boxes(image, view, [ShownBox(box.edges, "mug 0.90", COLOUR)]))
    rows, columns = np.nonzero((drawn == COLOUR).all(2))
    place = view.project(box.corners, 400, 300)
    assert abs(columns.min() - place.x.min()) <= 2
    assert abs(rows.max() - place.y.max()) <= 2
    assert rows.min() < place.y.min() - 8  # the text stands above it
    assert not np.asarray(image).any()


def test_a_box_behind_the_viewer_is_left_out():
    box = upright_box(KEYS, 0.1, "+z")
    view = camera_across(box.corners)
    behind = np.asarray(view.eye) + (np.asarray(view.eye) - box.edges) * 3
    drawn = draw_boxes(Image.new("RGB", (400, 300)), view, [ShownBox(behind, "mug", COLOUR)])
    assert not np.asarray(drawn).any()
