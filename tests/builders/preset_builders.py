"""A small random network for every catalogue row that a preset names."""

from builders import tiny_config, tiny_radio
from radseg.weights import catalog
from radseg.weights.config import AdaptorConfig, HeadConfig
from sam_builders import tiny_sam, tiny_sam2
from tower_builders import tiny_clip, tiny_dino


def text_width(preset):
    """Width of the text space of a preset's small networks: CLIP's and RADIO's, or that of the map's end."""
    if preset.checkpoint == "miniature":
        return 96
    return 32 if preset.text_map else 20


def tiny_part(name, teachers=()):
    row = catalog.row(name)
    if row.kind == "radio":
        head = HeadConfig("mlp_v2", width_in=32, hidden=24, width_out=12, blocks=0)
        others = (AdaptorConfig(teacher, 1, None, None, head) for teacher in teachers)
        return tiny_radio(adaptors=(*tiny_config().adaptors, *others))
    if row.kind == "sam":
        return tiny_sam2() if name.startswith("sam2") else tiny_sam()
    return tiny_clip(patch=row.patch) if row.space else tiny_dino(patch=row.patch)
