"""Prompts embedded ahead: vocabulary packs, used anywhere without a text tower, and the contrast bank."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from radseg.text.vocabulary import Vocabulary
from radseg.weights.reporters import Reporter

if TYPE_CHECKING:
    from radseg.presets.spec import ModelSpec
    from radseg.text.pack import VocabularyPack


@dataclass(frozen=True)
class PackRequest:
    """What a person asked for.

    Attributes:
        model: the model the pack is for; decides text space and templates.
        contrast: whether the contrast bank goes in; without it only mode `assign` works.
    """

    prompts: Vocabulary
    output: Path
    model: "ModelSpec"
    contrast: bool = True


def make_pack(request: PackRequest, downloads: Reporter) -> "VocabularyPack":
    """Embed the prompts and write the pack; return it.

    Raises:
        WeightsUnavailableError: the text tower is neither local nor obtainable.
        ResourceError: the file cannot be written.
    """
    from radseg.models.stored_text_encoder import StoredTextEncoder  # noqa: PLC0415
    from radseg.presets.load import load_text_encoder  # noqa: PLC0415
    from radseg.text.encoder import TowerTextEncoder  # noqa: PLC0415
    from radseg.text.pack import VocabularyPack, save_pack  # noqa: PLC0415

    encoder = load_text_encoder(request.model, downloads)
    if isinstance(encoder, StoredTextEncoder | TowerTextEncoder):
        pack = encoder.pack(request.prompts)
    else:
        pack = VocabularyPack(*encoder.embed_with_contrast(request.prompts))
    pack = pack if request.contrast else replace(pack, contrast=None)
    save_pack(request.output, pack)
    return pack


def embed_bank(spec: "ModelSpec", reporter: Reporter) -> int | None:
    """Embed the contrast bank of a model, unless it is kept already, so that no first image waits for it.

    Returns:
        The number of its phrases; None for a model that keeps no rows, where there is nothing to wait for.

    Raises:
        WeightsUnavailableError: the text tower is neither local nor obtainable.
    """
    from radseg.models.stored_text_encoder import StoredTextEncoder  # noqa: PLC0415
    from radseg.presets.load import load_text_encoder  # noqa: PLC0415

    encoder = load_text_encoder(spec, reporter)
    return len(encoder.embed_bank().names) if isinstance(encoder, StoredTextEncoder) else None
