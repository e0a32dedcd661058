"""ProxyCLIP: windows whose values are mixed by given features of another network."""

from parity.method_networks import GivenNetwork, clip_of
from parity.methods_golden_set import MethodCase, Stages
from radseg.methods.proxyclip import ProxyCLIP
from radseg.methods.shared.windowed import grid_of
from radseg.nn.vit import plain_values, project_values
from radseg.types import Size


def window_stages(case: MethodCase) -> Stages:
    """Tokens before the last block, mixed values, features."""
    clip, params, crops = clip_of(case), case.params, case.inputs["image"]
    method = ProxyCLIP(
        clip, crop=None, vfm=GivenNetwork(clip.patch), temperature=params["gamma"], centre=params["beta"],
        mean_over="image", grid_order="transposed",
    )  # fmt: skip
    grid, target = grid_of(crops, clip.patch), Size(*params["feature_grid"])
    features = case.inputs["features"].flatten(2).mT
    *_, tokens = clip.vit.walk(clip.pixels(crops))
    yield "tokens_before_last", tokens
    yield "mixed", method.mix(clip.encode(crops, plain_values).patches, features, grid, target)
    mixed = method.mix(clip.encode(crops, project_values).patches, features, grid, target)
    yield "features", clip.to_language(mixed)
