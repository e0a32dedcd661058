"""SAM 2.1 as a source of region masks (arXiv 2408.00714): the class of `transformers`, and a grid of points.

Resizing and normalising are done here; the library's image processor needs torchvision, its mask generation
makes masks binary and forgets which is the whole and which the part.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from radseg.models.sam_encoder import IMAGENET_MEAN, IMAGENET_STD
from radseg.models.strict import described, filled
from radseg.types import Rgb, ShortRepr
from radseg.weights.home import identity_of
from radseg.weights.load import read_description
from radseg.weights.resolve import resolve_sam, weights_in
from radseg.weights.tensors import published_tensors

POINTS_AT_ONCE = 8
"""Decoded together: 3 masks of 256 × 256 each, about 40 MB per point at the widest place."""

_VIDEO = re.compile(
    r"(memory_|mask_downsample|object_pointer_proj|temporal_positional_encoding_projection_layer"
    r"|no_memory_positional_encoding|no_object_pointer|occlusion_spatial_embedding_parameter).*"
)
"""Tensors of the video tracker, in the same published file."""


class PointMasks(NamedTuple):
    """Masks for every point of a grid: three, smallest first (sub-part, part, whole), or one.

    Attributes:
        logits: on SAM's mask grid, of the image squeezed to a square.
        scores: the IoU the network predicts of each.
    """

    logits: Float[Tensor, "q m k k"]
    scores: Float[Tensor, "q m"]


class Sam2(ShortRepr, nn.Module):
    """SAM 2.1 for single images.

    Attributes:
        source_sha256: of the published file its weights came from; "" for seeded ones.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: Any, *, source_sha256: str = "") -> None:
        """Build from a Sam2Config."""
        super().__init__()
        from transformers import Sam2Model  # noqa: PLC0415 - takes seconds

        self.source_sha256 = source_sha256
        self.network = Sam2Model(config)
        self.frame: int = config.prompt_encoder_config.image_size
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN, device="cpu"), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD, device="cpu"), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.network.no_memory_embedding.device

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the parameters."""
        return self.network.no_memory_embedding.dtype

    def embed(self, image: Rgb) -> list[Tensor]:
        """Return the features of an image, squeezed to the square frame, at three sizes."""
        square = F.interpolate(
            image[None].to(self.device, torch.float32),
            (self.frame, self.frame),
            mode="bilinear",
            align_corners=False,
            antialias=True,
        )
        pixels = (square - self.mean[:, None, None]) / self.std[:, None, None]
        found: list[Tensor] = self.network.get_image_embeddings(pixels.to(self.dtype))
        return found

    def masks_of_grid(self, image: Rgb, *, side: int, single: bool = False) -> PointMasks:
        """Return the masks of `side` × `side` points spread evenly over the image, row by row.

        Args:
            side: 16 in TextRegion, 8 in CorrCLIP.
            single: one mask per point, of the network's own choice, instead of three.
        """
        embedded = self.embed(image)
        # In the middle of equal cells; SAM adds half a pixel to every coordinate itself.
        places = (torch.arange(side, device=self.device) + 0.5) * self.frame / side
        y, x = torch.meshgrid(places, places, indexing="ij")
        points = torch.stack([x, y], dim=-1).flatten(0, 1).to(self.dtype)
        parts = [self._decode(embedded, some, single=single) for some in points.split(POINTS_AT_ONCE)]
        return PointMasks(
            torch.cat([p.logits for p in parts]).float(), torch.cat([p.scores for p in parts]).float()
        )

    def _decode(self, embedded: list[Tensor], points: Float[Tensor, "q 2"], *, single: bool) -> PointMasks:
        found = self.network(
            image_embeddings=list(embedded), input_points=points[None, :, None], multimask_output=not single
        )
        return PointMasks(found.pred_masks[0], found.iou_scores[0])


def build_sam2(
    description: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    *,
    file: str = "weights",
    source_sha256: str = "",
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Sam2:
    """Return the network described by a published config.json with these weights, video parts left out.

    Raises:
        CheckpointError: tensors are missing, left over, or of another shape.
    """
    from transformers import Sam2Config  # noqa: PLC0415

    parts = ("vision_config", "prompt_encoder_config", "mask_decoder_config")

    def make() -> Sam2:
        config = Sam2Config(**{part: dict(description[part]) for part in parts if part in description})
        return Sam2(config, source_sha256=source_sha256)

    network = described(file, make)
    wanted = {f"network.{k}": v for k, v in tensors.items() if not _VIDEO.fullmatch(k)}
    _fill_tied(network, wanted)
    filled(network, wanted, lambda _: dtype, device=device, file=file, what="SAM 2.1")
    left = [name for name, buffer in network.named_buffers() if buffer.is_meta]
    assert not left, left
    return network.to(device)


_TIED = (
    "network.shared_image_embedding.positional_embedding",
    "network.prompt_encoder.shared_embedding.positional_embedding",
)


def _fill_tied(network: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Give both names of the one tensor the library may save once."""
    here = [name for name in _TIED if name in tensors]
    expected = network.state_dict()
    for name in _TIED:
        if here and name in expected:
            tensors.setdefault(name, tensors[here[0]])


def load_sam2(
    name: str,
    source: str | Path | None = None,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Sam2:
    """Return SAM 2.1 with its weights from a Hugging Face folder, loaded strictly, without gradients.

    Args:
        name: of the catalogue: "sam2.1-hiera-b+", "sam2.1-hiera-l".
        source: the folder; by default the cache, fetching it if need be.

    Raises:
        WeightsUnavailableError: not local, and cannot be fetched.
        CheckpointError: the file is damaged, or holds something else.
    """
    folder = resolve_sam(name, source)
    weights = weights_in(folder)
    tensors = {k: t for k, t in published_tensors(*weights).items() if not _VIDEO.fullmatch(k)}
    return build_sam2(
        read_description(folder / "config.json"),
        tensors,
        file=f"{folder.name}/{weights[0].name}",
        source_sha256=identity_of(weights),
        device=device,
        dtype=dtype,
    )
