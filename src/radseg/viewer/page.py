"""The server of a map: viser's, guarded, on the loopback interface, with a page for every browser."""

from threading import Lock

from radseg.mapping.points import coloured_points
from radseg.mapping.query import Answer
from radseg.mapping.semantic_map import SemanticMap
from radseg.mapping.up import up_axis
from radseg.types import Up
from radseg.viewer.client_page import Ask, ClientPage, Shown
from radseg.viewer.guard import HOST, Guard
from radseg.visual.maps import camera_across


class MapPage:
    """A map in a browser. Starts serving at once; `serve` waits until it is interrupted.

    Args:
        semantic_map: what is shown.
        ask: answers a line of names, one at a time; None where the map cannot be queried (colours only).
        up: world axis that points up; None takes the one nearest to where the images' tops pointed.
        port: 0 takes a free one.

    Raises:
        MissingExtraError: viser is not installed.
        ResourceError: this viser cannot be guarded.
        InputError: the map is empty.
    """

    def __init__(
        self, semantic_map: SemanticMap, ask: Ask | None, *, up: Up | None = None, port: int = 8090
    ) -> None:
        shown = Shown(
            coloured_points(semantic_map),
            semantic_map.voxel_size,
            None if ask is None else _in_turn(ask),
            semantic_map.load_sightings(),
        )
        up = up or up_axis(semantic_map)
        camera = camera_across(shown.voxels.points, up=up)
        self._guard = Guard()
        self.server = self._guard.start(port)
        self.server.scene.set_up_direction(up)
        self.server.initial_camera.position = camera.eye
        self.server.initial_camera.look_at = camera.target
        self.server.gui.configure_theme(dark_mode=True, show_share_button=False)
        self.server.on_client_connect(lambda client: ClientPage(client, shown))

    @property
    def address(self) -> str:
        """What to open in a browser of this machine; whoever has it can read the map."""
        return f"http://{HOST}:{self.server.get_port()}/{self._guard.token}/"

    def serve(self) -> None:
        """Serve until Ctrl-C."""
        try:
            self.server.sleep_forever()
        finally:
            self.stop()

    def stop(self) -> None:
        """End the server."""
        self.server.stop()


def _in_turn(ask: Ask) -> Ask:
    """Return `ask` for many threads: a model answers one browser at a time."""
    lock = Lock()

    def answer(text: str) -> Answer:
        with lock:
            return ask(text)

    return answer
