"""Trident (arXiv 2411.09219): CLIP's values mixed by DINO in windows, then by SAM over the whole image.

Its third part, masks from SAM's decoder, is the refiner `refine.radio_sam.SamRefiner` with
`refine.sources.SamFeatures`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from radseg.methods.base import align_map
from radseg.methods.shared.proxy_mixing import ProxyMixing
from radseg.methods.shared.windowed import grid_of, on_grid
from radseg.models.image_tower import ImageTower
from radseg.models.sam_encoder import SamEncoder
from radseg.modes import InputValues
from radseg.ops.correlation import unit_rows
from radseg.ops.inference import inference
from radseg.ops.resize import fit_frame, resize
from radseg.types import FeatureMap, LanguageFeatures, Rgb

MAX_THRESHOLD = 0.9
"""The threshold on the cosine is never above this, so a patch always keeps itself."""


@dataclass(frozen=True)
class Trident(ProxyMixing):
    """CLIP, DINO and SAM together (Trident §3).

    Windows: CLIP's values mixed by DINO's similarity, as in ProxyCLIP, stitched in CLIP's own width. Image:
    the stitched map is mixed by the attention of SAM's last block where SAM's values agree, then aligned.

    Differs from the published code: SAM sees the image at the size the windows get, enlarged to its frame,
    where there it sees the file; very wide images are not cut in halves for it.

    In RayFronts, and so in RADSeg's 3D tables, its code took images in [0, 1] for normalised ones until July
    2026 (commit 0b7b4a7); `input_values="raw"` does: CLIP gets them as they are, and DINO and SAM what is
    left when CLIP's mean and deviation, or ImageNet's, are undone once too often.

    Attributes:
        vfm: DINO B/16 in the paper.
        sam: SAM's image encoder.
        cosine_factor: a key counts for a query when SAM's values agree by more than this times the query's
            mean cosine; 1.2 in the paper, 3 for street scenes.
        below_zero: takes the place of a threshold that is negative; None leaves it.
        input_values: "raw" is as above; masks that SAM refines see the image as it is.
    """

    backbone: ImageTower
    stride: int = 224
    sam: SamEncoder = field(kw_only=True)
    cosine_factor: float = 1.2
    below_zero: float | None = None
    input_values: InputValues = "normalised"

    @property
    def backbone_space(self) -> str:
        """Name of the space of the mixed values: CLIP's own width, before its final norm."""
        return f"backbone:{self.backbone.config.version}"

    @inference()
    def encode(self, images: Sequence[Rgb]) -> list[LanguageFeatures]:
        """Return one language-aligned feature map per image."""
        maps = self.encode_backbone(images)
        return [LanguageFeatures(align_map(self.align, one), self.space) for one in maps]

    @inference()
    def encode_backbone(self, images: Sequence[Rgb]) -> list[FeatureMap]:
        """Return one map of mixed values per image, on SAM's grid."""
        prepared = [self.prepare(image) for image in images]
        maps = self.stitched(prepared, self.window)
        return [self.guide(image, map_) for image, map_ in zip(prepared, maps, strict=True)]

    def window(self, crops: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n p d"]:
        """Return the mixed values of every window, in CLIP's width, on CLIP's grid."""
        if self.input_values == "raw":
            crops = self.backbone.conditioner.inverse(crops)
        grid, other = grid_of(crops, self.backbone.patch), grid_of(crops, self.vfm.patch)
        return on_grid(self.mixed(crops), other, grid)

    def guide(self, image: Rgb, features: FeatureMap) -> FeatureMap:
        """Return the stitched map on SAM's grid, mixed by SAM's last attention where its values agree.

        A few rows of queries at a time: the published code keeps heads × 4096 × 4096 numbers.
        """
        if self.input_values == "raw":
            image = self.vfm.conditioner.inverse(image).clamp(0, 1)
        framed = fit_frame(image, frame=self.sam.frame, patch=self.sam.patch)
        grid, side = self.sam.grid_of(framed), self.sam.frame // self.sam.patch
        tokens, last = self.sam.trunk(framed), self.sam.layers[-1]

        def seen(per_patch: Tensor) -> Tensor:
            """Cut the frame's patches (the one axis but last) to those of the image."""
            cut = per_patch.unflatten(-2, (side, side))[..., : grid.height, : grid.width, :]
            return cut.flatten(-3, -2)

        agreeing = seen(unit_rows(self.sam.values(last, tokens)))
        mixed = resize(features.to(self.sam.device), grid).flatten(1).mT.float()
        out = []
        for part, weights in self.sam.attend(last, tokens, rows=grid.height):
            keys = seen(weights.float().mT).mT.unflatten(1, (-1, side))[:, :, : grid.width].flatten(1, 2)
            first = part.start // side * grid.width
            cosine = agreeing[:, first : first + keys.shape[1]] @ agreeing.mT
            out.append(self.guidance(keys, cosine) @ mixed)
        return torch.cat(out).mT.unflatten(1, tuple(grid))

    def guidance(
        self, attention: Float[Tensor, "m q p"], cosine: Float[Tensor, "m q p"]
    ) -> Float[Tensor, "q p"]:
        """Return the weights of SAM's mixing; rows sum to 1.

        Args:
            attention: of SAM's last block.
            cosine: of its values.
        """
        kept = (attention * (cosine > self.threshold(cosine))).mean(dim=0)
        return kept / kept.sum(dim=-1, keepdim=True)

    def threshold(self, cosine: Float[Tensor, "m q p"]) -> Float[Tensor, "q 1"]:
        """Return per query the cosine above which a key counts."""
        found = self.cosine_factor * cosine.mean(dim=(0, 2))
        if self.below_zero is not None:
            found = torch.where(found < 0, self.below_zero, found)
        return found.clamp(max=MAX_THRESHOLD)[:, None]

    def align(self, values: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
        """Return values in language space, of unit length: final norm and projection come last."""
        tokens = values.to(self.backbone.device, self.backbone.dtype)
        return F.normalize(self.backbone.to_language(tokens).float(), dim=-1)
