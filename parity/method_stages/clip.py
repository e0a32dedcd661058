"""Last blocks of plain CLIP, MaskCLIP, SCLIP, ClearCLIP and NACLIP."""

from parity.method_networks import clip_of
from parity.methods_golden_set import MethodCase, Stages
from radseg.methods.clearclip import ClearCLIP
from radseg.methods.maskclip import MaskCLIP
from radseg.methods.naclip import NACLIP
from radseg.methods.sclip import SCLIP
from radseg.methods.shared.windowed import correlative_attention, grid_of


def last_block_stages(case: MethodCase) -> Stages:
    """Every method's features of every window, and what leaves the attentions."""
    clip = clip_of(case)
    naclip = NACLIP(clip, crop=None, sigma=case.params["sigma"])
    methods = {
        "naclip": naclip,
        "sclip": SCLIP(clip, crop=None),
        "sclip_of_clearclip": SCLIP(clip, crop=None),
        "clearclip": ClearCLIP(clip, crop=None),
        "maskclip": MaskCLIP(clip, crop=None),
    }
    for i, image in enumerate(case.numbered("image")):
        crops = image[None]
        for name, method in methods.items():
            yield f"{name}_{i}", method.window(crops)[0]
        yield f"vanilla_{i}", clip.to_language(clip.encode(crops).patches)[0]
        *_, (block, tokens) = clip.vit.steps(clip.pixels(crops))
        yield f"tokens_before_last_{i}", tokens[0]
        mix = naclip.last_block(grid_of(crops, clip.patch)).mix
        for name, mixed in (("naclip", mix), ("sclip", correlative_attention)):
            yield f"{name}_attended_{i}", block.attention.join(mixed(block, tokens))[0, 1:]
