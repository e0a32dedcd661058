"""Talk2DINO: whole images in windows, a linear patch embedding in DINOv2's place."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from parity.methods_golden_set import MethodCase, Stages
from radseg.methods.talk2dino import PublishedTalk2DINO
from radseg.ops.resize import image_size
from radseg.ops.windows import crop_windows, plan_windows
from radseg.types import PatchTokens, Size


@dataclass(frozen=True, eq=False)
class LinearPatches:
    """A backbone whose token is a linear map of the patch's normalised pixels."""

    case: MethodCase
    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    width: int = 1
    mlp_width: int = 1
    prefix_tokens: int = 0

    @property
    def patch(self) -> int:
        """Side of a patch in pixels."""
        return int(self.case.params["patch"])

    def encode(self, images: Float[Tensor, "n 3 H W"]) -> PatchTokens:
        """Return the tokens."""
        mean, std = (torch.tensor(self.case.params[n])[:, None, None] for n in ("mean", "std"))
        pixels = torch.nn.functional.unfold((images - mean) / std, self.patch, stride=self.patch).mT
        tokens = pixels @ self.case.weights["patch.weight"].mT + self.case.weights["patch.bias"]
        size = image_size(images)
        return PatchTokens(tokens, tokens[:, :0], Size(size.height // self.patch, size.width // self.patch))

    def normalise(self, tokens: Float[Tensor, "n p d"]) -> Float[Tensor, "n p d"]:
        """Return the tokens: there is no final norm."""
        return tokens


def image_stages(case: MethodCase) -> Stages:
    """Cosines in windows, stitched sigmoids, labels."""
    params, rows = case.params, case.inputs["words"]
    method = PublishedTalk2DINO(
        LinearPatches(case), crop=params["crop"], stride=params["stride"], view=params["view"]
    )
    for i, image in enumerate(case.numbered("image")):
        windows = plan_windows(image_size(image), crop=params["crop"], stride=params["stride"])
        yield f"patch_cosines_{i}", method.cosines(crop_windows(image, windows, patch=1), rows)
        sigmoids = method.sigmoids([image], rows)[0]
        yield f"sigmoids_{i}", sigmoids
        yield f"labels_{i}", sigmoids.argmax(dim=0)
