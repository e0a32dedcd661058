"""Small random CLIP and DINO towers for tests: real architecture, real code path, no weights."""

from builders import randomised
from radseg.models.image_tower import ImageTower, build_image_tower
from radseg.ops.attention import softmax_attention
from radseg.weights.vit_config import VitConfig

SPACE = "clip-vit-b-16-openai"


def tower_config(**changes) -> VitConfig:
    values = {
        "name": "clip-vit-b-16",
        "width": 32,
        "depth": 3,
        "heads": 2,
        "mlp_width": 48,
        "patch": 16,
        "position_grid": 6,
        "registers": 0,
        "layer_scale": False,
        "activation": "quick_gelu",
        "norm_eps": 1e-5,
        "patch_bias": False,
        "pre_norm": True,
        "positions": "bicubic-offset",
        "language_width": 20,
        "space": SPACE,
    }
    return VitConfig(**(values | changes))


def tiny_tower(seed: int = 0, **changes) -> ImageTower:
    return randomised(build_image_tower(tower_config(**changes)), seed)


def tiny_clip(seed: int = 0, **changes) -> ImageTower:
    return tiny_tower(seed, **changes)


def tiny_dino(seed: int = 1, **changes) -> ImageTower:
    numbers = {
        "name": "dino-vit-b-8",
        "patch": 8,
        "activation": "gelu",
        "norm_eps": 1e-6,
        "patch_bias": True,
        "pre_norm": False,
        "language_width": 0,
        "space": None,
    }
    return tiny_tower(seed, **(numbers | changes))


def recombined(block, tokens):
    """The ordinary block put together from the parts that methods replace (methods spec 12)."""
    attention = block.attention
    attended = attention.merge(softmax_attention(*attention.project(block.norm1(tokens))))
    return block.add_mlp(block.add_attention(tokens, attended))
