"""A page of `radseg map view` with a witness: one browser that must not notice what is done to the page."""

import gc
import io
import logging
import warnings
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from typing import Any
from unittest.mock import patch

import viser._viser

from campaign.page_attacks import Attack
from page_client import PageClient, Target
from query_builders import memory_map, words
from radseg.errors import RadsegError
from radseg.mapping.aligned import aligned_parts
from radseg.mapping.query import Answer, ask
from radseg.viewer.page import MapPage


def answer(text: str) -> Answer:
    """Answer a line of colours from the map in memory."""
    names, contrast = words(*(part.strip() for part in text.split(",")))
    return ask(aligned_parts(memory_map(), None), names, contrast, mode="background", voxel_size=0.05)


class PageUnderAttack:
    """Serves a small map; `attempt` says what an attack gained. A context manager."""

    def __enter__(self) -> "PageUnderAttack":
        self._exits, self._terminal, self.tunnels = ExitStack(), io.StringIO(), list[Any]()
        self._exits.enter_context(redirect_stdout(self._terminal))
        self._exits.enter_context(redirect_stderr(self._terminal))
        self._exits.enter_context(warnings.catch_warnings())
        log = logging.StreamHandler(self._terminal)
        logging.getLogger().addHandler(log)
        self._exits.callback(logging.getLogger().removeHandler, log)
        self._exits.enter_context(patch.object(viser._viser, "ViserTunnel", self._tunnel))
        page = MapPage(memory_map(), answer, port=0)
        self._exits.callback(page.stop)
        self.target = Target.of(page.address)
        self._witness = self._exits.enter_context(PageClient(self.target))
        self._settle()
        gc.freeze()  # so that collecting after each attack looks at what is new only
        self._exits.callback(gc.unfreeze)
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def attempt(self, attack: Attack) -> str | None:
        """Return what an attack gained or disturbed; None if nothing."""
        try:
            gained = attack.run(self.target)
        except (OSError, AssertionError) as error:
            gained = f"an honest browser was refused: {error}"
        return gained or self.disturbed()

    def disturbed(self) -> str | None:
        """Return how the page is not as it was; None if it is."""
        received = self._witness.read(0.1)
        gc.collect()  # an exception of a task is printed when the task is collected
        printed = self._terminal.getvalue()
        self._terminal.seek(self._terminal.truncate(0))
        if printed:
            return f"wrote to the terminal: {printed[:300]}"
        if received:
            return f"reached another browser: {str(received)[:300]}"
        if self.tunnels:
            self.tunnels.clear()
            return "opened a tunnel to the internet"
        status = self.target.status(self.target.request())
        return None if status == 200 else f"the page is gone: {status}"

    def _settle(self) -> None:
        while self._witness.read(0.3):
            pass
        self._terminal.seek(self._terminal.truncate(0))

    def _tunnel(self, *where: Any) -> Any:
        self.tunnels.append(where)
        raise RadsegError("no tunnel in tests")
