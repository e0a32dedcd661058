"""Copies that torch.hub's loader left on this machine: RADIO's own loader downloads through it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from radseg.weights.catalog import SAM_PTH, Kind, Row


class Download(NamedTuple):
    """What of a kind of weights torch.hub's loader may have fetched.

    Attributes:
        file: its name, from the row.
        digest: where every published file has the same; None where the hub has to say it.
        option: names such a file on the command line.
    """

    file: Callable[[Row], str]
    digest: str | None
    option: str


DOWNLOADS: dict[Kind, Download] = {
    "radio": Download(lambda row: row.file, None, "--checkpoint"),
    "sam_decoder": Download(lambda _: SAM_PTH[0], SAM_PTH[1], "--sam"),
}


def copies(file: str) -> tuple[Path, ...]:
    """Return the files of that name in torch.hub's folders, the current layout's first.

    torch keeps downloads in hub/checkpoints of $TORCH_HOME; until 1.5 in checkpoints of it, and until 1.0 in
    ~/.torch/models.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = Path(os.environ.get("TORCH_HOME") or Path(cache) / "torch").expanduser()
    oldest = Path(os.environ.get("TORCH_MODEL_ZOO") or "~/.torch/models").expanduser()
    found = (folder / file for folder in (home / "hub" / "checkpoints", home / "checkpoints", oldest))
    return tuple(path for path in found if path.is_file())
