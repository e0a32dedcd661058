"""Text towers: only the text tensors of a SigLIP, SigLIP2 or CLIP repository, under their published names."""

from collections.abc import Collection, Iterable

from radseg.errors import CheckpointError

_NEEDED = (
    "text_model.embeddings.token_embedding.weight",
    "text_model.embeddings.position_embedding.weight",
    "text_model.final_layer_norm.weight",
    "text_model.encoder.layers.0.layer_norm1.weight",
)


def is_text(key: str) -> bool:
    """Return whether a published tensor belongs to the text tower."""
    return key.startswith(("text_model.", "text_projection."))


def text_names(keys: Iterable[str]) -> dict[str, str]:
    """Return the published name of each text tensor; it is kept."""
    return {key: key for key in keys if is_text(key)}


def require_tower(keys: Collection[str], file: str) -> None:
    """Raise CheckpointError unless these look like the tensors of a whole text tower."""
    missing = [key for key in _NEEDED if key not in keys]
    if missing:
        raise CheckpointError(f"{file} holds no text tower: {missing[0]} is missing.")
