"""Copies that torch.hub's loader left on this machine: RADIO's own loader downloads through it."""

import os
from pathlib import Path


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
