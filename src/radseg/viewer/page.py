"""The page itself: a viser server on the loopback interface, and what its controls do."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from radseg.errors import MissingExtraError, RadsegError
from radseg.mapping.points import coloured_points
from radseg.mapping.query import Answer
from radseg.mapping.semantic_map import SemanticMap
from radseg.mapping.up import up_axis
from radseg.types import Up
from radseg.viewer.content import SHOWS, best_names, click_html, legend_html, note_html, picked, shades
from radseg.visual.maps import camera_across

if TYPE_CHECKING:
    import viser

HOST = "127.0.0.1"
"""Never another interface: the page has no password, and its text box reaches a model."""

Ask = Callable[[str], Answer]


class MapPage:
    """A map in a browser. Starts serving at once; `serve` waits until it is interrupted.

    Args:
        semantic_map: what is shown.
        ask: answers a line of names; None where the map cannot be queried (colours only).
        up: world axis that points up; None takes the one nearest to where the images' tops pointed.
        port: 0 takes a free one.

    Raises:
        MissingExtraError: viser is not installed.
        InputError: the map is empty.
    """

    def __init__(
        self, semantic_map: SemanticMap, ask: Ask | None, *, up: Up | None = None, port: int = 8090
    ) -> None:
        self._viser = _viser()
        self.voxels = coloured_points(semantic_map)
        self.voxel_size = semantic_map.voxel_size
        self.answer: Answer | None = None
        self._ask = ask
        self.server: viser.ViserServer = self._viser.ViserServer(host=HOST, port=port, verbose=False)
        up = up or up_axis(semantic_map)
        self.server.scene.set_up_direction(up)
        camera = camera_across(self.voxels.points, up=up)
        self.server.initial_camera.position = camera.eye
        self.server.initial_camera.look_at = camera.target
        self._controls()
        self.draw()

    @property
    def port(self) -> int:
        """The port the page is at."""
        return int(self.server.get_port())

    def serve(self) -> None:
        """Serve until Ctrl-C."""
        try:
            self.server.sleep_forever()
        finally:
            self.stop()

    def stop(self) -> None:
        """End the server."""
        self.server.stop()

    def draw(self) -> None:
        """Show the voxels as the controls say."""
        colours = shades(self.voxels, self.show.value, self.answer, str(self.name.value))
        self.server.scene.add_point_cloud(
            "/map",
            points=self.voxels.points.astype(np.float32),
            colors=colours,
            point_size=self.voxel_size,
            point_shape="square",
            precision="float32",
        )

    def search(self, text: str) -> None:
        """Query the map with names and show their heat maps; what is wrong is shown on the page."""
        if self._ask is None:
            return
        try:
            self.answer = self._ask(text)
        except RadsegError as error:
            self.legend.content = note_html(str(error))
            return
        self.legend.content = legend_html(self.answer)
        self.name.options = self.answer.names
        self.name.value = self.answer.names[0]
        self.show.value = "heat" if len(self.answer.names) == 1 else "classes"
        self.draw()

    def click(self, origin: tuple[float, float, float], direction: tuple[float, float, float]) -> None:
        """Say what the first voxel on a ray is."""
        row = picked(self.voxels.points, origin, direction, voxel_size=self.voxel_size)
        if row is None:
            self.clicked.content = note_html("No voxel there.")
            return
        x, y, z = (float(value) for value in self.voxels.points[row])
        names = [] if self.answer is None else best_names(self.answer, row)
        self.clicked.content = click_html(names, (x, y, z))

    def _controls(self) -> None:
        gui = self.server.gui
        gui.configure_theme(dark_mode=True, show_share_button=False)
        can_ask = self._ask is not None
        self.prompt = gui.add_text("Prompts", "", disabled=not can_ask, hint="red ball, mug")
        find = gui.add_button("Find", disabled=not can_ask)
        self.show: Any = gui.add_dropdown("Show", SHOWS, initial_value="colour")
        self.name: Any = gui.add_dropdown("Heat of", ("-",), initial_value="-")
        self.legend: Any = gui.add_html("" if can_ask else note_html("This map holds colours only."))
        self.clicked: Any = gui.add_html(note_html("Click a voxel to see what it is."))
        find.on_click(lambda _: self.search(str(self.prompt.value)))
        self.show.on_update(lambda _: self.draw())
        self.name.on_update(lambda _: self.draw())

        @self.server.scene.on_click()
        def _clicked(event: Any) -> None:
            if event.ray_origin is not None and event.ray_direction is not None:
                self.click(event.ray_origin, event.ray_direction)


def _viser() -> Any:
    try:
        import viser  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("The page needs viser: pip install 'radseg[view]'.") from error
    return viser
