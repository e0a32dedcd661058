"""What a Segmenter lifts into a map: features before or after language alignment, or class probabilities."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from radseg.budget import FIXED
from radseg.errors import InputError
from radseg.mapping.description import DEFAULT_FRAME, NOTHING, PROBABILITIES, MapDescription, StoredDtype
from radseg.mapping.mapper import Mapper
from radseg.methods.base import BackboneEncoder
from radseg.ops.inference import inference
from radseg.types import Rgb, Size, TextEmbeddings

if TYPE_CHECKING:
    from radseg.presets.spec import ModelSpec
    from radseg.segment import Segmenter

REFINED = "Refinement sharpens labels; a map of features has none."


@dataclass(frozen=True)
class FeatureLift:
    """Features before language alignment where the method is a BackboneEncoder: alignment is not linear, so
    it belongs after averaging (mapping spec 2.8). Other methods give their aligned features.
    """

    segmenter: "Segmenter"

    @property
    def space(self) -> str:
        """The map's space."""
        encoder = self.segmenter.encoder
        return encoder.backbone_space if isinstance(encoder, BackboneEncoder) else encoder.space

    def lifting_bytes(self, size: Size) -> int:
        """Return what the features of one image take; the network keeps to the model's own budget."""
        return FIXED + self.segmenter.encoding_bytes(size, self.segmenter.memory_budget)

    @inference()
    def __call__(self, rgb: Rgb) -> Float[Tensor, "c h w"]:
        """Return the features of one image on the patch grid."""
        segmenter, encoder = self.segmenter, self.segmenter.encoder
        if isinstance(encoder, BackboneEncoder):
            return encoder.encode_backbone([segmenter.fitted(rgb)])[0].float()
        return segmenter.encode(rgb).values.float()


@dataclass(frozen=True)
class ProbabilityLift:
    """Class probabilities, a class that is nowhere probable in the image set to 0 (mapping spec 2.9)."""

    segmenter: "Segmenter"
    text: TextEmbeddings

    def lifting_bytes(self, size: Size) -> int:
        """Return what the probabilities of one image take: refined ones are maps of its own size."""
        segmented = self.segmenter.work(size, self.text, None).most(self.segmenter.memory_budget)
        maps = 0 if self.segmenter.refine is None else 2 * (len(self.text.names) + 1)
        return segmented + 4 * maps * size.height * size.width

    @inference()
    def __call__(self, rgb: Rgb) -> Float[Tensor, "c h w"]:
        """Return one channel per name, on the patch grid, or at the image's size where masks are refined.

        Differs from the published RADSeg+ lift, which keeps the evidence of every refined mask: here a pixel
        has the probability of its own label and 0 for the others.
        """
        result = self.segmenter.segment(rgb, self.text, mode="assign")
        if self.segmenter.refine is None:
            return torch.as_tensor(result.scores).float()
        labels = torch.from_numpy(result.labels.astype("int64"))
        confidence = torch.from_numpy(result.confidence).float()
        channels = torch.zeros(len(self.text.names) + 1, *labels.shape)
        return channels.scatter_(0, labels[None], confidence[None])[1:]


@dataclass(frozen=True)
class ObjectSegments:
    """The 2D objects of a frame under some names, for `Mapper.find_segments`; stuff is none.

    Attributes:
        segmenter: with objects (`Segmenter.with_objects`).
        text, contrast: of its `embed` in mode "background": what is none of the names is no object.
    """

    segmenter: "Segmenter"
    text: TextEmbeddings
    contrast: TextEmbeddings | None

    @inference()
    def __call__(self, rgb: Rgb) -> Int[Tensor, "h w"]:
        """Return the number of the object of each pixel, from 1; 0 for none."""
        images = self.segmenter.segment_pixels([rgb], self.text, self.contrast, mode="background")
        return torch.from_numpy(next(images).object_numbers()).long()


def with_segments(mapper: Mapper, segmenter: "Segmenter", names: Any) -> Mapper:
    """Return the mapper that notes the 2D objects of its frames, for a map to tell objects that touch apart.

    They are noted without their names: words that are asked later may be others, such as wider ones.

    Args:
        segmenter: finds them: by SAM where it refines by SAM, else as connected parts.
        names: of the objects, as prompts for `Segmenter.segment`.

    Raises:
        VocabularyError: no usable names.
    """
    found = segmenter.with_objects()
    return replace(mapper, find_segments=ObjectSegments(found, *found.embed(names, mode="background")))


def unrefined(segmenter: "Segmenter") -> "Segmenter":
    """Return the segmenter as `for_features` has it, with the networks of one that refines."""
    options = {**segmenter.origin["options"], "refine": "none"}
    return replace(segmenter, refine=None, origin={**segmenter.origin, "options": options})


def colour_mapper(
    voxel_size: float, *, dtype: StoredDtype = "float16", frame: str = DEFAULT_FRAME, **limits: Any
) -> Mapper:
    """Return a mapper of geometry and colour, without a network."""
    return Mapper(MapDescription(voxel_size, NOTHING, 0, dtype, frame=frame), None, **limits)


def feature_mapper(
    segmenter: "Segmenter",
    voxel_size: float,
    *,
    dtype: StoredDtype = "float16",
    frame: str = DEFAULT_FRAME,
    **limits: Any,
) -> Mapper:
    """Return a mapper of features; `limits` are those of Mapper (max_depth, max_points, box)."""
    if segmenter.refine is not None:
        raise InputError(f"{REFINED} Load the model with refine='none'.")
    lift = FeatureLift(segmenter)
    channels = len(lift(torch.zeros(3, 32, 32)))
    description = MapDescription(
        voxel_size, lift.space, channels, dtype, frame=frame, encoder=encoder_of(segmenter)
    )
    return Mapper(description, lift, **limits)


def probability_mapper(
    segmenter: "Segmenter",
    prompts: Any,
    voxel_size: float,
    *,
    dtype: StoredDtype = "float16",
    frame: str = DEFAULT_FRAME,
    **limits: Any,
) -> Mapper:
    """Return a mapper of class probabilities; `prompts` as for Segmenter.segment.

    Raises:
        VocabularyError: no usable prompts, or one alone.
    """
    text, _ = segmenter.embed(prompts, mode="assign")
    description = MapDescription(
        voxel_size,
        PROBABILITIES,
        len(text.names),
        dtype,
        names=text.names,
        frame=frame,
        encoder=encoder_of(segmenter),
    )
    return Mapper(description, ProbabilityLift(segmenter, text), **limits)


def for_features(model: "ModelSpec", *, objects: bool = False) -> "ModelSpec":
    """Return a model as it makes features for a map: labels are not refined there.

    Args:
        objects: it looks for 2D objects too, and refines those.

    Raises:
        InputError: a model that has no features without prompts, or whose one purpose is refined masks.
    """
    from radseg.presets.load import method_of  # noqa: PLC0415

    method = method_of(model)
    if method.needs_prompts(model.options):
        raise InputError(
            f"A map of features needs features that do not depend on the prompts; {model.name} reads them "
            "before it has features. Use a vocabulary-free model such as radseg-b, or --space probabilities."
        )
    if model.options.refine == "none":
        return model
    if method.refiner is None and not objects:
        plain = model.name.removesuffix("+")
        raise InputError(
            f"{REFINED} Use {plain}, which is {model.name} without it, or "
            "--space probabilities, or let it look for --objects."
        )
    return model.changed(refine="none")


def encoder_of(segmenter: "Segmenter") -> Mapping[str, Any]:
    """Return what made the values, without what does not decide them: equal for equal models anywhere.

    Among it is the SHA-256 of the weights: "sha256" of the backbone's file, "auxiliary" of those beside it,
    "sam_sha256" of the decoder that refines. Where nobody knows the file, as of networks that an encoder from
    elsewhere brings, it is a hash of the weights as they are. The toy has none.
    """
    origin = {key: value for key, value in segmenter.origin.items() if key not in ("device", "dtype")}
    if not origin:
        raise InputError("This Segmenter does not know its origin; load it with radseg.presets.load.")
    options = dict(origin["options"])
    options.pop("memory_budget")
    if not origin.get("sha256") and (networks := _networks_of(segmenter.encoder)):
        origin["sha256"] = _sha256_of(networks)
    if decoder := _networks_of(segmenter.refine):
        origin["sam_sha256"] = _sha256_of(decoder)
    return origin | {"options": options}


def _networks_of(part: object) -> list[torch.nn.Module]:
    """Return the network that something is, or those it holds."""
    if isinstance(part, torch.nn.Module):
        return [part]
    return [held for held in getattr(part, "__dict__", {}).values() if isinstance(held, torch.nn.Module)]


def _sha256_of(networks: Sequence[torch.nn.Module]) -> str:
    """Return a hash over names and values of all weights."""
    digest = hashlib.sha256()
    for network in networks:
        for name, value in sorted(network.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
