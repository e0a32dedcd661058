import numpy as np

from radseg.colours import colours
from radseg.visual.comparison import TILE_WIDTH, Panel, comparison

PHOTO = np.full((60, 120, 3), 200, np.uint8)


def panel(title, left, right):
    labels = np.zeros((60, 120), np.uint8)
    labels[:, :60], labels[:, 60:] = left, right
    return Panel(title, "0.10 s", labels)


def near(pixel, colour, slack=130):
    return int(np.abs(np.asarray(pixel, int) - np.asarray(colour, int)).sum()) < slack


def test_every_panel_shows_its_own_labels_after_the_photo():
    names = ("chair", "table")
    sheet = np.asarray(comparison(PHOTO, [panel("a", 1, 2), panel("b", 2, 1)], names))
    step, row = TILE_WIDTH + 12, 120
    table = colours(names)
    assert near(sheet[row, 12 + 120], (200, 200, 200), slack=6)
    for tile, (left, right) in enumerate(((0, 1), (1, 0)), start=1):
        assert near(sheet[row, 12 + tile * step + 120], table[left])
        assert near(sheet[row, 12 + tile * step + 360], table[right])
        assert not near(sheet[row, 12 + tile * step + 120], table[right])


def test_panels_flow_into_rows_of_equal_length():
    for count, shape in ((1, (1, 2)), (3, (1, 4)), (5, (2, 3)), (8, (3, 3))):
        sheet = comparison(PHOTO, [panel(str(i), 1, 1) for i in range(count)], ("object",))
        assert sheet.width == shape[1] * (TILE_WIDTH + 12) + 12
        assert sheet.height > shape[0] * 240


def test_the_second_row_goes_on_where_the_first_ends():
    panels = [panel(str(i), 1, 1) for i in range(2)] + [
        panel("2", 2, 2),
        *(panel(str(i), 1, 1) for i in (3, 4)),
    ]
    sheet = np.asarray(comparison(PHOTO, panels, ("one", "two")))
    second_row = 430  # tiles are 268 high, 12 apart
    table = colours(("one", "two"))
    assert near(sheet[second_row, 12 + 240], table[1])
    assert near(sheet[second_row, 12 + TILE_WIDTH + 12 + 240], table[0])


def test_names_nobody_found_are_not_in_the_legend():
    with_all = comparison(PHOTO, [panel("a", 1, 2)], ("one", "two"))
    with_more = comparison(PHOTO, [panel("a", 1, 2)], ("one", "two", *(f"absent {i}" for i in range(40))))
    assert with_all.size == with_more.size


def test_tiny_and_wide_photos_make_a_sheet():
    for size in ((1, 1), (1, 300), (300, 2)):
        labels = np.ones(size, np.uint8)
        comparison(np.zeros((*size, 3), np.uint8), [Panel("a", "", labels)], ("object",))
