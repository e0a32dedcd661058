"""SC-CLIP: windows, one at a time."""

from parity.method_networks import clip_of
from parity.methods_golden_set import MethodCase, Stages
from radseg.methods.scclip import SCCLIP, Layers
from radseg.methods.shared.windowed import grid_of
from radseg.ops.outliers import correct_outliers, find_outliers, outlier_scores


def window_stages(case: MethodCase) -> Stages:
    """Outliers, corrected tokens, both attentions, features."""
    clip, params, crops = clip_of(case), case.params, case.inputs["image"]
    method = SCCLIP(
        clip, crop=None, neighbours=params["neighbours"], outlier_share=params["outlier_share"],
        layers=Layers(params["middle_layer"], params["early_layer"], tuple(params["level_layers"])),
        floor=params["floor"], cls_share=params["cls_share"],
    )  # fmt: skip
    *_, tokens = clip.vit.walk(clip.pixels(crops))
    patches, grid = tokens[:, 1:], grid_of(crops, clip.patch)
    outliers = find_outliers(patches, neighbours=method.neighbours, share=method.outlier_share)
    yield "patches_before_last", patches[0]
    yield "outlier_factor", outlier_scores(patches[0], neighbours=method.neighbours)
    yield "outlier", outliers[0]
    seen = method.correct(crops)
    yield "mended_last", correct_outliers(patches, outliers, grid)[0].mT.unflatten(-1, tuple(grid))
    yield "mended_middle", seen.middle[0].mT.unflatten(-1, tuple(grid))
    yield "attended_first", method.attend(seen.last, seen.corrected, seen.middle)[0]
    yield "attended_levels", method.attend(seen.last, seen.levels[:, 1:], seen.middle)[0]
    yield "features", method.window(crops)[0]
