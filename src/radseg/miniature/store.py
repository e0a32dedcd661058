"""The miniature's files: RADIO and word vectors in one form of safetensors each, float16, and the word
list.
"""

from pathlib import Path

from safetensors.torch import load_file, save_file

from radseg.errors import MissingFileError
from radseg.miniature.words import SPACE, WordTokenizer, WordTower
from radseg.models.radio import Radio, load_radio
from radseg.weights.config import RADIO_FORMAT

DATA = Path(__file__).parent / "data"
RADIO_FILE, TOWER_FILE, WORDS_FILE = "miniature.safetensors", "words.safetensors", "words.json"


def save_parts(folder: Path, radio: Radio, tower: WordTower) -> None:
    """Write both parts to `folder` in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.detach().half().contiguous() for name, value in radio.state_dict().items()}
    metadata = {"format": RADIO_FORMAT, "config": radio.config.to_json()}
    save_file(tensors, folder / RADIO_FILE, metadata=metadata)
    vectors = {"vectors": tower.vectors.detach().half()}
    save_file(vectors, folder / TOWER_FILE, metadata={"format": "radseg-words/1", "space": SPACE})
    tower.tokenizer.save(folder / WORDS_FILE)


def load_parts(folder: Path | None = None) -> tuple[Radio, WordTower]:
    """Return the miniature's RADIO and text tower in float32, from `folder` or as shipped.

    Raises:
        MissingFileError: the files are not there.
    """
    folder = folder or DATA
    for name in (RADIO_FILE, TOWER_FILE, WORDS_FILE):
        if not (folder / name).is_file():
            raise MissingFileError(
                f"There is no {name} in {folder}; make it with python -m radseg.miniature.train."
            )
    return load_radio(folder / RADIO_FILE), load_tower(folder)


def load_tower(folder: Path) -> WordTower:
    """Return the text tower of `folder` in float32."""
    vectors = load_file(folder / TOWER_FILE)["vectors"]
    tower = WordTower(WordTokenizer.load(folder / WORDS_FILE), width=vectors.shape[1])
    tower.load_state_dict({"vectors": vectors.float()}, strict=True)
    return tower.eval().requires_grad_(False)


def shipped_bytes() -> int:
    """Return the size of the shipped files."""
    return sum(path.stat().st_size for path in DATA.iterdir() if path.is_file())


__all__ = ["DATA", "load_parts", "load_tower", "save_parts", "shipped_bytes"]
