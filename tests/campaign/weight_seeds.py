"""Small weights of every kind that is read, and how each is read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
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
from radseg.models.text_towers import load_described
from radseg.testing import ColourTextEncoder
from radseg.text.pack import VocabularyPack, load_pack, save_pack
from radseg.text.vocabulary import Vocabulary
from radseg.weights.config import SAM_FORMAT
from radseg.weights.resolve import resolve_radio
from radseg.weights.text_folder import tower_from
from sam_builders import SIZES
from text_tower_builders import write_tower


@dataclass(frozen=True)
class Weights:
    """Weights in a folder of their own.

    Attributes:
        files: their names; one of them is changed.
        read: from the folder.
    """

    files: tuple[str, ...]
    read: Callable[[Path], object]


def write_all(root: Path) -> dict[str, Weights]:
    """Write the weights, each in a folder by its name, and return how they are read."""
    for name in KINDS:
        (root / name).mkdir(parents=True)
    radio_checkpoints.write_checkpoint(root / "checkpoint" / "tiny.pth.tar")
    radio_checkpoints.write_folder(root / "folder", radio_checkpoints.to_folder(radio_checkpoints.state()))
    ours = resolve_radio(root / "checkpoint" / "tiny.pth.tar")
    (root / "ours" / "ours.safetensors").write_bytes(ours.read_bytes())
    clip_folder(root / "clip")
    dino_folder(root / "dino")
    dinov2_folder(root / "dinov2")
    write_library_model(sam2_model(), root / "sam2")
    decoder = {name: tensor.contiguous() for name, tensor in SamDecoder(SIZES).state_dict().items()}
    save_file(decoder, root / "sam" / "sam.safetensors", {"format": SAM_FORMAT, "sizes": SIZES.to_json()})
    facts, _ = write_tower(root / "text", "siglip2")
    layers = {"linear_layer.weight": (8, 4), "linear_layer.bias": (8,), "linear_layer2.weight": (6, 8)}
    layers |= {"linear_layer2.bias": (6,)}
    torch.save({name: torch.randn(shape) for name, shape in layers.items()}, root / "map" / "map.pth")
    pack = VocabularyPack(*ColourTextEncoder().embed_with_contrast(Vocabulary.parse("red, blue")))
    save_pack(root / "pack" / "pack.safetensors", pack)
    Image.fromarray(np.full((16, 16, 3), 200, np.uint8)).save(root / "pack" / "white.png")
    return KINDS | {
        "text": Weights(KINDS["text"].files, lambda at: load_described(facts, folder=tower_from(at)))
    }


def _segment_with_pack(folder: Path) -> None:
    load_pack(folder / "pack.safetensors")
    output = folder.with_name("out")
    radseg(
        "segment",
        folder / "white.png",
        "-m",
        "toy",
        "--vocabulary",
        folder / "pack.safetensors",
        "-o",
        output,
    )


_LIBRARY = ("model.safetensors", "config.json")
KINDS = {
    "checkpoint": Weights(("tiny.pth.tar",), lambda at: load_radio(at / "tiny.pth.tar")),
    "folder": Weights(_LIBRARY, load_radio),
    "ours": Weights(("ours.safetensors",), lambda at: load_radio(at / "ours.safetensors")),
    "clip": Weights(_LIBRARY, lambda at: load_image_tower("clip-vit-b-16", at)),
    "dino": Weights(_LIBRARY, lambda at: load_image_tower("dino-vit-b-8", at)),
    "dinov2": Weights(_LIBRARY, lambda at: load_image_tower("dinov2-vit-b-14-reg", at)),
    "sam2": Weights(_LIBRARY, lambda at: load_sam2("sam2.1-hiera-b+", at)),
    "sam": Weights(("sam.safetensors",), lambda at: load_sam(at / "sam.safetensors")),
    "text": Weights((*_LIBRARY, "tokenizer.json"), tower_from),
    "map": Weights(("map.pth",), lambda at: load_text_map(at / "map.pth")),
    "pack": Weights(("pack.safetensors",), _segment_with_pack),
}
