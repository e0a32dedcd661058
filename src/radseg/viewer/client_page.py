"""What one browser sees: controls, an answer and coloured voxels of its own, shown to no other browser."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from radseg.errors import RadsegError
from radseg.mapping.identity import identified
from radseg.mapping.points import ColouredPoints
from radseg.mapping.query import Answer
from radseg.mapping.sightings import Sightings
from radseg.viewer.content import (
    SHOWS,
    Found,
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

Ask = Callable[[str], Answer]
CAMERA_COLOUR = (250, 220, 90)


@dataclass(frozen=True)
class Shown:
    """What all browsers share: voxels, their side in metres, and what answers a line of names."""

    voxels: ColouredPoints
    voxel_size: float
    ask: Ask | None
    sightings: Sightings | None = None


class ClientPage:
    """The page in one browser.

    Args:
        client: viser's handle of the browser; its controls and voxels exist there only.
        shown: what is shown; without `ask`, colours only.
    """

    def __init__(self, client: Any, shown: Shown) -> None:
        self.shown = shown
        self.answer: Answer | None = None
        self.found: Found = {}
        self.boxes: Any = None
        self.scene: Any = client.scene
        self._controls(client)
        self.cloud: Any = client.scene.add_point_cloud(
            "/map",
            points=shown.voxels.points.astype(np.float32),
            colors=shades(shown.voxels, "colour", None),
            point_size=shown.voxel_size,
            point_shape="square",
            precision="float32",
        )
        way = camera_path(shown.sightings)
        if len(way):
            self.scene.add_line_segments(
                "/cameras", way, colors=CAMERA_COLOUR, thickness=2, thickness_units="screen"
            )

    def draw(self) -> None:
        """Colour the voxels as the controls say."""
        if self.show.value in SHOWS:
            self.cloud.colors = shades(self.shown.voxels, self.show.value, self.answer, self.name.value)

    def search(self, text: str) -> None:
        """Query the map with names and show their heat maps; what is wrong is shown on the page."""
        if self.shown.ask is None:
            return
        try:
            self.answer = self.shown.ask(text)
        except RadsegError as error:
            self.legend.content = note_html(str(error))
            return
        found = self.answer.objects()
        self.found = identified(found, self.answer.keys, self.shown.sightings, self.answer.tracks)
        self.legend.content = legend_html(self.answer, self.found)
        lines, shade = box_lines(self.found)
        self.boxes = self.scene.add_line_segments(
            "/objects", lines, colors=shade, thickness=3, thickness_units="screen"
        )
        self.boxes.visible = self.with_boxes.value
        self.name.options = self.answer.names
        self.name.value = self.answer.names[0]
        self.show.value = "heat" if len(self.answer.names) == 1 else "classes"
        self.draw()

    def click(self, origin: tuple[float, float, float], direction: tuple[float, float, float]) -> None:
        """Say what the object of the first voxel on a ray is, or the voxel where it is of none."""
        points = self.shown.voxels.points
        row = picked(points, origin, direction, voxel_size=self.shown.voxel_size)
        if row is None:
            self.clicked.content = note_html("No voxel there.")
            return
        one = object_of(self.found, row)
        if one is not None and self.answer is not None:
            self.clicked.content = object_html(one, object_names(self.answer, one))
            return
        x, y, z = (float(value) for value in points[row])
        names = [] if self.answer is None else best_names(self.answer, row)
        self.clicked.content = click_html(names, (x, y, z))

    def _show_boxes(self) -> None:
        if self.boxes is not None:
            self.boxes.visible = self.with_boxes.value

    def _controls(self, client: Any) -> None:
        gui, can_ask = client.gui, self.shown.ask is not None
        self.prompt: Any = gui.add_text("Prompts", "", disabled=not can_ask, hint="red ball, mug")
        find = gui.add_button("Find", disabled=not can_ask)
        self.show: Any = gui.add_dropdown("Show", SHOWS, initial_value="colour")
        self.name: Any = gui.add_dropdown("Heat of", ("-",), initial_value="-")
        self.with_boxes: Any = gui.add_checkbox("Boxes", initial_value=True)
        self.legend: Any = gui.add_html("" if can_ask else note_html("This map holds colours only."))
        self.clicked: Any = gui.add_html(note_html("Click a voxel to see what it is."))
        find.on_click(lambda _: self.search(self.prompt.value))
        self.show.on_update(lambda _: self.draw())
        self.name.on_update(lambda _: self.draw())
        self.with_boxes.on_update(lambda _: self._show_boxes())
        client.scene.on_click()(lambda event: self.click(event.ray_origin, event.ray_direction))
