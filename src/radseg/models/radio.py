"""RADIO: conditioner, vision transformer and adaptors, built from a RadioConfig and loaded strictly."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from radseg.errors import CheckpointError
from radseg.models.base import PatchNetwork, with_source, with_weights
from radseg.modes import LanguageHead
from radseg.nn.conditioner import Conditioner
from radseg.nn.heads import AttentionHead, FeatureNormalizer, MlpV1, MlpV2
from radseg.nn.vit import RADIO, LastBlock, VisionTransformer, standard_block
from radseg.ops.inference import without_autocast
from radseg.ops.resize import image_size
from radseg.types import PatchTokens, Size
from radseg.weights.config import AdaptorConfig, HeadConfig, RadioConfig
from radseg.weights.load import load_tensors, read_config
from radseg.weights.options import DownloadOptions
from radseg.weights.resolve import resolve_radio


class Adaptor(nn.Module):
    """The two heads of one teacher; either may be absent."""

    def __init__(self, summary: nn.Module | None, features: nn.Module | None) -> None:
        super().__init__()
        self.summary = summary
        self.features = features


class Radio(PatchNetwork):
    """An agglomerative vision foundation model (AM-RADIO, arXiv 2312.06709; C-RADIOv3).

    Attributes:
        config: the numbers it was built from.
        language: name of the adaptor that maps patches to language; None if not loaded.
        language_head: which of its heads does.
    """

    config: RadioConfig

    def __init__(
        self, config: RadioConfig, *, language: str | None, language_head: LanguageHead = "cls"
    ) -> None:
        super().__init__()
        if language_head == "patch" and language is not None:
            _require_patch_head(config, language)
        self.config = config
        self.language = language
        self.language_head = language_head
        self.conditioner = Conditioner()
        self.vit = VisionTransformer(
            width=config.width,
            depth=config.depth,
            heads=config.heads,
            mlp_width=config.mlp_width,
            patch=config.patch,
            position_grid=config.position_grid,
            prefix_tokens=config.cls_tokens + config.registers,
            layer_scale=config.layer_scale,
            family=replace(RADIO, scaled_norms=config.scaled_norms),
        )
        self.normalizer = FeatureNormalizer(width=config.width) if config.normalizer else None
        self.adaptors = nn.ModuleDict({a.name: _build_adaptor(a) for a in config.adaptors})

    @property
    def space(self) -> str:
        """Name of the text space that `to_language` lands in."""
        return str(self._language_config().space)

    def patches_of(self, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n p d"]:
        """Return the patches among the tokens after the last block, as the adaptors take them."""
        patches = tokens[:, self.prefix_tokens :]
        return patches if self.normalizer is None else self.normalizer(patches)

    @without_autocast()
    def encode(self, images: Float[Tensor, "n 3 H W"], last_block: LastBlock = standard_block) -> PatchTokens:
        """Return the tokens of a batch of equal-size windows in [0, 1]; sides must be multiples of the patch.

        Raises:
            ImageError: a side that is not a multiple of the patch.
        """
        size = image_size(images)
        tokens = self.vit(self.pixels(images), last_block)
        summary = tokens[:, : self.config.cls_tokens]
        grid = Size(size.height // self.patch, size.width // self.patch)
        return PatchTokens(self.patches_of(tokens), summary, grid)

    @without_autocast()
    def to_language(self, tokens: Float[Tensor, "*b d"]) -> Float[Tensor, "*b e"]:
        """Return tokens mapped by the language adaptor's head into `space` (RADSeg §3.2).

        The CLS head was trained on CLS tokens only; that it aligns patches too is the emergent property
        RADSeg uses. The patch head was trained on the teacher's patches, which text is not aligned with.
        """
        part = "summary" if self.language_head == "cls" else "features"
        return self._head(self._language_config().name, part)(tokens)

    @without_autocast()
    def to_teacher(self, name: str, patches: Float[Tensor, "n p d"]) -> Float[Tensor, "n p e"]:
        """Return patch tokens mapped by the feature head of teacher `name`, e.g. "sam"."""
        return self._head(name, "features")(patches)

    @without_autocast()
    def summary_of(self, name: str, tokens: PatchTokens) -> Float[Tensor, "n e"]:
        """Return the CLS token of teacher `name` mapped by its summary head: the global image embedding."""
        return self._head(name, "summary")(tokens.summary[:, self.config.adaptor(name).token])

    def _language_config(self) -> AdaptorConfig:
        # Without any adaptor the configuration's own error says where the heads are to be had.
        return self.config.adaptor(self.language or "siglip2")

    def _head(self, name: str, part: str) -> Callable[[Tensor], Tensor]:
        self.config.adaptor(name)
        head = getattr(self.adaptors[name], part)
        if head is None:
            raise CheckpointError(f"Adaptor {name!r} of {self.config.version} has no {part} head.")
        assert isinstance(head, nn.Module)
        return head


def _require_patch_head(config: RadioConfig, language: str) -> None:
    """Raise CheckpointError unless the patch head of an adaptor maps single patches into its text space."""
    adaptor = config.adaptor(language)
    head, summary = adaptor.features, adaptor.summary
    if head is None:
        problem = "there is none"
    elif summary is not None and head.width_out != summary.width_out:  # CLIP's: 1280 and 1024
        problem = f"it gives {head.width_out} values per patch and prompts have {summary.width_out}"
    elif head.kind == "attention" or head.upsample > 1:
        problem = "it does not map every patch by itself"
    else:
        return
    raise CheckpointError(
        f"The patch head of the adaptor {language!r} of {config.version} cannot be compared with text: "
        f"{problem}. Use language_head cls, or another language adaptor."
    )


def _build_adaptor(config: AdaptorConfig) -> Adaptor:
    heads = (None if head is None else _build_head(head) for head in (config.summary, config.features))
    return Adaptor(*heads)


def _build_head(config: HeadConfig) -> nn.Module:
    width_out = config.width_out * config.upsample**2
    if config.kind == "mlp_v1":
        return MlpV1(
            width_in=config.width_in, hidden=config.hidden, width_out=width_out, blocks=config.blocks
        )
    mlp = MlpV2(
        width_in=config.width_in,
        hidden=config.hidden,
        width_out=width_out,
        blocks=config.blocks,
        pre_norm=config.pre_norm,
    )
    if config.kind == "mlp_v2":
        return mlp
    return AttentionHead(
        width=config.width_in,
        heads=config.attention_heads,
        mlp_width=config.attention_mlp,
        depth=config.attention_blocks,
        mlp=mlp,
    )


def language_adaptor(config: RadioConfig) -> str | None:
    """Return the adaptor RADSeg uses: the newest SigLIP, else CLIP; None if none has a text space."""
    with_text = [a.name for a in config.adaptors if a.space is not None and a.summary is not None]
    for prefix in ("siglip2", "siglip", "clip"):
        for name in with_text:
            if name.startswith(prefix):
                return name
    return with_text[0] if with_text else None


def build_radio(config: RadioConfig, *, language: str | None = None) -> Radio:
    """Return an untrained network of this shape; `language` defaults to the best adaptor."""
    return Radio(config, language=language or language_adaptor(config)).eval()


def load_radio(
    source: str | Path,
    *,
    adaptors: Sequence[str] | None = None,
    language: str | None = None,
    language_head: LanguageHead | None = "cls",
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    accept_license: bool = False,
    drop: Sequence[str] = (),
) -> Radio:
    """Return RADIO with its weights, loaded strictly, in evaluation mode, without gradients.

    Args:
        source: a catalogue name ("c-radio_v3-b"), a published `.pth.tar`, a Hugging Face folder, or a
            converted file.
        adaptors: further adaptors to load beside the language one, e.g. ("sam",).
        language: the language adaptor; the best of the checkpoint by default. Only its summary head is
            loaded, unless `adaptors` names it too or `language_head` is "patch".
        language_head: which head of it patches go through; None loads no language adaptor, for patches that
            are compared with no text.
        drop: prefixes of tensors to leave out when a published file holds some that cannot be placed.

    Raises:
        CheckpointError: the file is damaged or lacks what is asked for, such as a patch head whose values
            can be compared with text.
        WeightsUnavailableError: not local, and cannot be fetched.
    """
    path = resolve_radio(source, DownloadOptions(accept_license, tuple(drop)))
    full = read_config(path)
    language = None if language_head is None else language or language_adaptor(full)
    if language is not None:
        full.adaptor(language)
    asked, own = tuple(adaptors or ()), (language,) if language else ()
    wanted = tuple(dict.fromkeys((*own, *asked)))
    summary_only = tuple(name for name in own if name not in asked and language_head == "cls")
    config, tensors = load_tensors(path, adaptors=wanted, summary_only=summary_only)
    config = with_source(config, path)

    def build() -> Radio:
        return Radio(config, language=language, language_head=language_head or "cls")

    return with_weights(build, tensors, device, dtype, path.name)
