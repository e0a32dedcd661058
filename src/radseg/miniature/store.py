"""The miniature's files: RADIO, SAM's decoder and word vectors in one form of safetensors each, float16, and
the word list.
"""

from pathlib import Path

from safetensors.torch import load_file

from radseg.errors import MissingFileError
from radseg.miniature.text_tower import MiniatureTextTower, MiniatureTokenizer
from radseg.models.radio import Radio, load_radio
from radseg.models.sam import SamDecoder, load_sam
from radseg.refine.sources import TEACHER

DATA = Path(__file__).parent / "data"
LANGUAGE, SURFACE = "words", "surface"
RADIO_FILE, SAM_FILE = "miniature.safetensors", "sam.safetensors"
TOWER_FILE, WORDS_FILE = "words.safetensors", "words.json"


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
