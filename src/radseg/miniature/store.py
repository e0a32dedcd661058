"""The miniature's files: RADIO, SAM's decoder and word vectors in one form of safetensors each, float16, and
the word list.
"""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from safetensors.torch import load_file, save_file

from radseg.errors import MissingFileError
from radseg.miniature.text_tower import SPACE, MiniatureTextTower, MiniatureTokenizer
from radseg.models.radio import Radio, load_radio
from radseg.models.sam import SamDecoder, load_sam
from radseg.refine.sources import TEACHER
from radseg.weights.config import RADIO_FORMAT, SAM_FORMAT

DATA = Path(__file__).parent / "data"
LANGUAGE, SURFACE = "words", "surface"
RADIO_FILE, SAM_FILE = "miniature.safetensors", "sam.safetensors"
TOWER_FILE, WORDS_FILE = "words.safetensors", "words.json"


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


def load_parts(folder: Path | None = None) -> tuple[Radio, MiniatureTextTower]:
    """Return the miniature's RADIO and text tower in float32, from `folder` or as shipped.

    Raises:
        MissingFileError: the files are not there.
    """
    folder = folder or DATA
    radio = load_radio(_file(folder, RADIO_FILE), adaptors=(SURFACE, TEACHER))
    return radio, load_tower(folder)


def load_decoder(folder: Path | None = None) -> SamDecoder:
    """Return the miniature's SAM decoder in float32, from `folder` or as shipped.

    Raises:
        MissingFileError: the file is not there.
    """
    return load_sam(_file(folder or DATA, SAM_FILE))


def _file(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise MissingFileError(
            f"There is no {name} in {folder}; make it with python -m training.miniature.train."
        )
    return folder / name


def load_tower(folder: Path) -> MiniatureTextTower:
    """Return the text tower of `folder` in float32."""
    vectors = load_file(_file(folder, TOWER_FILE))["vectors"]
    tower = MiniatureTextTower(MiniatureTokenizer.load(_file(folder, WORDS_FILE)), width=vectors.shape[1])
    tower.load_state_dict({"vectors": vectors.float()}, strict=True)
    return tower.eval().requires_grad_(False)


def shipped_bytes() -> int:
    """Return the size of the shipped files."""
    return sum(path.stat().st_size for path in DATA.iterdir() if path.is_file())


__all__ = ["DATA", "Parts", "load_decoder", "load_parts", "load_tower", "save_parts", "shipped_bytes"]
