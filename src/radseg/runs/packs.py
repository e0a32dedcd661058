"""Making a vocabulary pack: prompts embedded once, used anywhere without a text tower."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radseg.runs.models import Fetching, needed_rows, obtain
from radseg.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from radseg.segment import TextEncoder
    from radseg.text.pack import VocabularyPack


@dataclass(frozen=True)
class PackRequest:
    """What a person asked for.

    Attributes:
        model: the model the pack is for; decides the text space.
        templates: name of a template set; None takes the model's own.
        contrast: whether the contrast bank goes in; without it only mode `assign` works.
        text_tower: folder of the tower; None takes it from the cache.
    """

    prompts: Vocabulary
    output: Path
    model: str = "radseg-b"
    templates: str | None = None
    contrast: bool = True
    device: str = "cpu"
    text_tower: Path | None = None
    accept_license: bool = False


def make_pack(request: PackRequest, fetching: Fetching) -> "VocabularyPack":
    """Embed the words and write the pack; return it.

    Raises:
        WeightsUnavailableError: the text tower is neither local nor obtainable.
        ResourceError: the file cannot be written.
    """
    from radseg.models.stored_text_encoder import StoredTextEncoder  # noqa: PLC0415
    from radseg.text.encoder import TowerTextEncoder  # noqa: PLC0415
    from radseg.text.pack import VocabularyPack, save_pack  # noqa: PLC0415

    encoder = _word_encoder(request, fetching)
    if isinstance(encoder, StoredTextEncoder | TowerTextEncoder):
        pack = encoder.pack(request.prompts)
    else:
        pack = VocabularyPack(encoder.embed(request.prompts), encoder.contrast(request.prompts))
    pack = pack if request.contrast else replace(pack, contrast=None)
    save_pack(request.output, pack)
    return pack


def _word_encoder(request: PackRequest, fetching: Fetching) -> "TextEncoder":
    """Return where words are embedded; for a model known by name its image weights are not needed."""
    from radseg import presets  # noqa: PLC0415
    from radseg.models.stored_text_encoder import StoredTextEncoder  # noqa: PLC0415
    from radseg.text.templates import template_set  # noqa: PLC0415
    from radseg.weights import catalog  # noqa: PLC0415

    preset = presets.PRESETS.get(request.model)
    rows = needed_rows(request.model, {"text_tower": request.text_tower})
    if preset is not None and preset.checkpoint is not None:
        space = catalog.row(preset.checkpoint).space
        if space is not None:
            towers = tuple(row for row in rows if row.kind == "text")
            obtain(towers, fetching, accept_license=request.accept_license)
            templates = template_set(request.templates or preset.options.templates)
            return StoredTextEncoder(space, templates, request.text_tower, request.device)
    obtain(rows, fetching, accept_license=request.accept_license)
    changes: dict[str, Any] = {} if request.templates is None else {"templates": request.templates}
    return presets.load(
        request.model,
        text_tower=request.text_tower,
        device=request.device,
        accept_license=request.accept_license,
        **changes,
    ).text_encoder
