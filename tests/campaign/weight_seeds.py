"""Small weights of every kind that is read, and how each is read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save_file

import radio_checkpoints
from campaign.command import radseg
from published_folders import clip_folder, dino_folder, dinov2_folder, sam2_model
from published_folders import write as write_library_model
from radseg.models.image_tower import load_image_tower
from radseg.models.mapped_text_encoder import load_text_map
from radseg.models.radio import load_radio
from radseg.models.sam import SamDecoder, load_sam
from radseg.models.sam2 import load_sam2
from radseg.models.text_towers import TowerFacts, load_described
from radseg.models.tokenise import SIGLIP2
from radseg.testing import ColourTextEncoder
from radseg.text.pack import VocabularyPack, load_pack, save_pack
from radseg.text.vocabulary import Vocabulary
from radseg.weights.config import SAM_FORMAT
from radseg.weights.resolve import resolve_radio
from radseg.weights.text_folder import tower_from
from sam_builders import SIZES
from text_tower_builders import WORDS, write_tower


@dataclass(frozen=True)
class Weights:
    """Weights in a folder of their own.

    Attributes:
        write: them into an empty folder.
        files: their names; one of them is changed.
        read: from the folder.
    """

    write: Callable[[Path], object]
    files: tuple[str, ...]
    read: Callable[[Path], object]


def _write_ours(folder: Path) -> None:
    published = radio_checkpoints.write_checkpoint(folder / "tiny.pth.tar")
    (folder / "ours.safetensors").write_bytes(resolve_radio(published).read_bytes())
    published.unlink()


def _write_sam(folder: Path) -> None:
    decoder = {name: tensor.contiguous() for name, tensor in SamDecoder(SIZES).state_dict().items()}
    save_file(decoder, folder / "sam.safetensors", {"format": SAM_FORMAT, "sizes": SIZES.to_json()})


def _write_map(folder: Path) -> None:
    layers = {"linear_layer.weight": (8, 4), "linear_layer.bias": (8,), "linear_layer2.weight": (6, 8)}
    layers |= {"linear_layer2.bias": (6,)}
    torch.save({name: torch.randn(shape) for name, shape in layers.items()}, folder / "map.pth")


def _write_pack(folder: Path) -> None:
    pack = VocabularyPack(*ColourTextEncoder().embed_with_contrast(Vocabulary.parse("red, blue")))
    save_pack(folder / "pack.safetensors", pack)
    Image.new("RGB", (16, 16), (200, 200, 200)).save(folder / "grey.png")


def _segment_with_pack(folder: Path) -> None:
    pack, output = folder / "pack.safetensors", folder.with_name("out")
    load_pack(pack)
    radseg("segment", folder / "grey.png", "-m", "toy", "--vocabulary", pack, "-o", output)


def _read_tower(folder: Path) -> object:
    facts = TowerFacts("tiny-siglip2", SIGLIP2, depth=2, width_out=12, vocabulary=len({*WORDS}) + 3)
    return load_described(facts, folder=tower_from(folder))


_LIBRARY = ("model.safetensors", "config.json")
KINDS = {
    "checkpoint": Weights(
        lambda at: radio_checkpoints.write_checkpoint(at / "tiny.pth.tar"),
        ("tiny.pth.tar",),
        lambda at: load_radio(at / "tiny.pth.tar"),
    ),
    "folder": Weights(
        lambda at: radio_checkpoints.write_folder(at, radio_checkpoints.to_folder(radio_checkpoints.state())),
        _LIBRARY,
        load_radio,
    ),
    "ours": Weights(_write_ours, ("ours.safetensors",), lambda at: load_radio(at / "ours.safetensors")),
    "clip": Weights(clip_folder, _LIBRARY, lambda at: load_image_tower("clip-vit-b-16", at)),
    "dino": Weights(dino_folder, _LIBRARY, lambda at: load_image_tower("dino-vit-b-8", at)),
    "dinov2": Weights(dinov2_folder, _LIBRARY, lambda at: load_image_tower("dinov2-vit-b-14-reg", at)),
    "sam2": Weights(
        lambda at: write_library_model(sam2_model(), at),
        _LIBRARY,
        lambda at: load_sam2("sam2.1-hiera-b+", at),
    ),
    "sam": Weights(_write_sam, ("sam.safetensors",), lambda at: load_sam(at / "sam.safetensors")),
    "text": Weights(lambda at: write_tower(at, "siglip2"), (*_LIBRARY, "tokenizer.json"), _read_tower),
    "map": Weights(_write_map, ("map.pth",), lambda at: load_text_map(at / "map.pth")),
    "pack": Weights(_write_pack, ("pack.safetensors",), _segment_with_pack),
}
