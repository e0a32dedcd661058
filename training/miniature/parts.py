"""What a training run makes: all networks of the miniature, and the files they are shipped in."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from safetensors.torch import save_file

from radseg.miniature.store import RADIO_FILE, SAM_FILE, TOWER_FILE, WORDS_FILE
from radseg.miniature.text_tower import SPACE, MiniatureTextTower
from radseg.models.radio import Radio
from radseg.models.sam import SamDecoder
from radseg.weights.config import RADIO_FORMAT, SAM_FORMAT


class Parts(NamedTuple):
    """All networks of the miniature."""

    radio: Radio
    tower: MiniatureTextTower
    sam: SamDecoder


def save_parts(folder: Path, parts: Parts) -> None:
    """Write all parts to `folder` in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    config = replace(parts.radio.config, source_sha256="")  # the file is a source of its own
    for name, network, metadata in (
        (RADIO_FILE, parts.radio, {"format": RADIO_FORMAT, "config": config.to_json()}),
        (SAM_FILE, parts.sam, {"format": SAM_FORMAT, "sizes": parts.sam.sizes.to_json()}),
        (TOWER_FILE, parts.tower, {"format": "radseg-words/1", "space": SPACE}),
    ):
        tensors = {k: v.detach().half().cpu().contiguous() for k, v in network.state_dict().items()}
        save_file(tensors, folder / name, metadata=metadata)
    parts.tower.tokenizer.save(folder / WORDS_FILE)
