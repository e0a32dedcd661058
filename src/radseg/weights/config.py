"""The shape of a RADIO model as plain numbers: what a checkpoint says about itself, read from its tensors.

Builders in `radseg.models` turn these values into networks; nothing here imports torch.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, Self

from radseg.errors import CheckpointError
from radseg.files import json_of, shortened
from radseg.weights import catalog

RADIO_FORMAT = "radseg-radio/1"
"""What our safetensors form of a RADIO model says it is, in its metadata."""
SAM_FORMAT = "radseg-sam/1"
"""The same for the parts of SAM that RADSeg+ needs."""

HeadKind = Literal["mlp_v1", "mlp_v2", "attention"]


class JsonForm:
    """A frozen dataclass that is kept as a JSON object in the metadata of a file.

    Attributes:
        what: it describes, for messages.
    """

    what: ClassVar[str]

    def to_json(self) -> str:
        """Return the fields as a JSON object, keys sorted."""
        return json.dumps(asdict(self), sort_keys=True)  # type: ignore[call-overload]

    @classmethod
    def from_json(cls, text: str, file: str = "The text") -> Self:
        """Return what `to_json` wrote into `file`.

        Raises:
            CheckpointError: the text is not such an object.
        """
        try:
            return cls(**cls._typed(json_of(text)))
        except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
            raise CheckpointError(
                f"{file} holds no {cls.what} configuration: {shortened(str(error))}."
            ) from error

    @classmethod
    def _typed(cls, raw: dict[str, Any]) -> dict[str, Any]:
        return raw


@dataclass(frozen=True)
class HeadConfig:
    """One adaptor head: a per-token network from the backbone's width to a teacher's."""

    kind: HeadKind
    width_in: int
    hidden: int
    width_out: int  # per token of the teacher; an upsampling head emits upsample² times as many channels
    blocks: int  # residual blocks (v2) or inner layers (v1) of the MLP
    pre_norm: bool = False
    upsample: int = 1
    attention_blocks: int = 0
    attention_heads: int = 0
    attention_mlp: int = 0


@dataclass(frozen=True)
class AdaptorConfig:
    """The two heads of one teacher.

    Attributes:
        name: the teacher's name, e.g. "siglip2".
        token: index of the CLS token that the summary head reads.
        space: the text space the summary head lands in; None where the teacher has no text tower (DINO, SAM).
    """

    name: str
    token: int
    space: str | None
    summary: HeadConfig | None
    features: HeadConfig | None


@dataclass(frozen=True)
class RadioConfig(JsonForm):
    """Everything needed to build a RADIO network with explicit numbers.

    Attributes:
        version: the publisher's name of the checkpoint, e.g. "c-radio_v3-b"; "unknown" where the file does
            not say.
        width, depth, heads, mlp_width: of the vision transformer.
        patch: side of a patch in pixels.
        position_grid: side of the learned position grid, in patches.
        cls_tokens, registers: prefix tokens, in this order before the patches.
        layer_scale: whether blocks scale their residual branches.
        summary_tokens: the CLS tokens that make up the summary, in order.
        normalizer: whether patch features are standardised at the end (the "-norm" variants).
        scaled_norms: whether the norms of block i are multiplied by 1/√i (the giant, spec 2.6).
        source_sha256: of the published file this came from, or of our own; "" for seeded weights.
    """

    what: ClassVar[str] = "RADIO"

    version: str
    width: int
    depth: int
    heads: int
    mlp_width: int
    patch: int
    position_grid: int
    cls_tokens: int
    registers: int
    layer_scale: bool
    summary_tokens: tuple[int, ...]
    adaptors: tuple[AdaptorConfig, ...]
    normalizer: bool = False
    scaled_norms: bool = False
    source_sha256: str = ""

    def adaptor(self, name: str) -> AdaptorConfig:
        """Return the adaptor called `name`.

        Raises:
            CheckpointError: the model has no such adaptor; the message lists those it has.
        """
        for adaptor in self.adaptors:
            if adaptor.name == name:
                return adaptor
        if not self.adaptors:
            row = next((r for r in catalog.ROWS if r.name == self.version), None)
            file = f"{row.file} ({row.page})" if row else "the publisher's .pth.tar"
            raise CheckpointError(
                f"{self.version} was loaded from a file that holds the backbone only, as the published "
                f"Hugging Face folders do; there is no {name!r}. "
                f"The heads exist only in the .pth.tar: {file}."
            )
        have = ", ".join(a.name for a in self.adaptors)
        raise CheckpointError(f"{self.version} has no adaptor {name!r}; it has: {have}.")

    @classmethod
    def _typed(cls, raw: dict[str, Any]) -> dict[str, Any]:
        adaptors = tuple(_adaptor(one) for one in raw["adaptors"])
        return raw | {"adaptors": adaptors, "summary_tokens": tuple(raw["summary_tokens"])}


def _adaptor(raw: dict[str, Any]) -> AdaptorConfig:
    heads = {part: HeadConfig(**raw[part]) if raw[part] else None for part in ("summary", "features")}
    return AdaptorConfig(raw["name"], raw["token"], raw["space"], **heads)


@dataclass(frozen=True)
class SamSizes(JsonForm):
    """The shape of SAM without its image encoder; the defaults are ViT-H's (spec 5.6).

    Attributes:
        frame: side in pixels of the square in which coordinates are counted.
        patch: side of a patch in pixels.
        features: channels of the image encoder, which the neck reads.
        channels, heads, mlp_width: of the mask decoder.
        masks: how many masks the decoder can give for a prompt; RADSeg+ uses the first.
    """

    frame: int = 1024
    patch: int = 16
    features: int = 1280
    channels: int = 256
    heads: int = 8
    mlp_width: int = 2048
    masks: int = 4

    @property
    def grid(self) -> int:
        """Side of the feature map in patches; what the picture does not fill is zero."""
        return self.frame // self.patch

    @property
    def mask_side(self) -> int:
        """Side of mask prompts and mask logits: four cells per patch."""
        return 4 * self.grid
