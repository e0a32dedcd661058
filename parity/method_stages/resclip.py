"""ResCLIP: whole windows, and its parts on given inputs."""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor
from torch.nn import functional as F

from parity.method_networks import clip_of
from parity.methods_golden_set import MethodCase, Stages
from radseg.methods.resclip import ResCLIP
from radseg.ops.attention import neighbour_bias
from radseg.ops.feedback import Residuals, chebyshev, label_affinity, leaves_label, patch_votes
from radseg.ops.pamr import pamr, pamr_weights
from radseg.ops.resize import image_size
from radseg.types import Size


def window_stages(case: MethodCase) -> Stages:
    """First segmentation, patch labels, affinity and features of every window at every threshold."""
    clip, params, rows = clip_of(case), case.params, case.inputs["words"]
    numbers = (*params["rcs_gain_share"], *params["sfr_gain_share"])
    for i, image in enumerate(case.numbered("image")):
        for t, threshold in enumerate(params["thresholds"]):
            method = ResCLIP(
                clip, crop=None, sigma=params["sigma"], residuals=Residuals(threshold, *numbers),
                inner=tuple(params["inner_layers"]), temperature=params["temperature"],
                pamr_iterations=params["pamr_iterations"], rules="paper", affinity_dtype="float16",
            )  # fmt: skip
            first: list[Tensor] = []
            label = _recording(method, rows, first)
            yield f"features_{i}_{t}", method.features(image[None], label)[0]
            labels = method.labels(first[0])
            if t == 0:
                yield f"probabilities_{i}", first[0]
            yield f"patch_labels_{i}_{t}", labels.int()
            yield f"affinity_{i}_{t}", label_affinity(labels, sigma=params["sigma"], rules="paper")
            exact = replace(method, affinity_dtype="network")
            yield f"features_full_precision_{i}_{t}", exact.features(image[None], label)[0]


def _recording(method: ResCLIP, rows: Tensor, first: list[Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the method's own labelling, which also keeps the probabilities it saw in `first`."""

    def label(crop: Tensor, features: Tensor) -> Tensor:
        first.append(method.first_result(crop, features, rows))
        return method.labels(first[-1])

    return label


def part_stages(case: MethodCase) -> Stages:
    """PAMR, the bonus for neighbours, affinity, path test and vote, each alone."""
    params, inputs = case.params, case.inputs
    dilations = params["pamr_dilations"]
    weights = pamr_weights(inputs["picture"], dilations=dilations)
    yield "pamr", pamr(inputs["maps"], weights, dilations=dilations, iterations=params["pamr_iterations"])
    size = tuple(image_size(inputs["picture"]))
    large = F.interpolate(inputs["patch_maps"][None], size, mode="bilinear", align_corners=True)[0]
    rounds = params["pamr_from_patches_iterations"]
    yield "pamr_from_patches", pamr(large, weights, dilations=dilations, iterations=rounds)
    for i, labels in enumerate(case.numbered("labels")):
        grid = Size(*labels.shape)
        yield f"omega_{i}", neighbour_bias(grid, sigma=params["sigma"], prefix=1)
        yield f"affinity_{i}", label_affinity(labels.long(), sigma=params["sigma"], rules="paper")
        yield f"path_stays_{i}", ~leaves_label(labels.long(), chebyshev(grid), "paper")
    for i, probabilities in enumerate(case.numbered("pixel_probabilities")):
        yield (
            f"patch_labels_{i}",
            patch_votes(
                probabilities, patch=params["patch"], threshold=params["threshold"], rules="paper"
            ).int(),
        )
