"""Our value of every golden stage of a published method, by the package's own functions; a file a method."""

from collections.abc import Callable

from parity.method_stages import (
    clip,
    corrclip,
    iou_metric,
    naclip,
    proxyclip,
    radseg,
    radsegplus,
    rayfronts,
    resclip,
    scclip,
    talk2dino,
    textregion,
    trident,
)
from parity.methods_golden_set import MethodCase, Stages

STAGES: dict[str, Callable[[MethodCase], Stages]] = {
    "clip_last_block": clip.last_block_stages,
    "corrclip": corrclip.window_stages,
    "iou_metric": iou_metric.metric_stages,
    "naclip_slide": naclip.slide_stages,
    "proxyclip": proxyclip.window_stages,
    "radseg": radseg.image_stages,
    "radsegplus": radsegplus.image_stages,
    "rayfronts_attention": rayfronts.attention_stages,
    "resclip_parts": resclip.part_stages,
    "resclip_window": resclip.window_stages,
    "scclip": scclip.window_stages,
    "talk2dino_windows": talk2dino.image_stages,
    "textregion_fuse": textregion.fuse_stages,
    "textregion_pool": textregion.pool_stages,
    "trident": trident.image_stages,
    "trident_sam_encoder": trident.sam_encoder_stages,
}
"""By what the name of a case begins with; the longest that fits counts."""


def stages_of(case: MethodCase) -> Callable[[MethodCase], Stages] | None:
    """Return what computes the stages of a case, None where nothing here knows the method."""
    fitting = [name for name in STAGES if case.name.startswith(name)]
    return STAGES[max(fitting, key=len)] if fitting else None
