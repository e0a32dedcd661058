"""Vocabulary packs: names with their embeddings in one file, so that segmenting needs no text tower at all.

One safetensors file: tensors `values` and `row_class`, optionally the same two of the contrast bank; the rest
is text in its metadata. Nothing in it can be executed.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from radseg.errors import InputError, MissingFileError, VocabularyError
from radseg.files import json_of, make_folder, write_bytes
from radseg.text.embed import given_embeddings
from radseg.text.vocabulary import Vocabulary
from radseg.types import ShortRepr, TextEmbeddings

FORMAT = "radseg-vocabulary/1"
_PARTS = ("vocabulary", "contrast")
_NUMBERS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


@dataclass(frozen=True, eq=False, repr=False)
class VocabularyPack(ShortRepr):
    """A vocabulary ready to use.

    Attributes:
        embeddings: of the names.
        contrast: of the contrast bank, in the same space; None when the pack was made without, and then only
            the mode `assign` works.
        templates: name of the template set they were made with; "given" for vectors from elsewhere.
        tower: identity of the text tower; "" where it is not known.
    """

    embeddings: TextEmbeddings
    contrast: TextEmbeddings | None = None
    templates: str = "given"
    tower: str = ""

    def __post_init__(self) -> None:
        widths = [one.values.shape[-1] for one in (self.embeddings, self.contrast) if one is not None]
        if len(set(widths)) > 1:
            raise InputError(
                f"The vectors of the names have {widths[0]} numbers, those of the contrast bank {widths[1]}; "
                "one text tower makes both"
            )


def save_pack(path: str | Path, pack: VocabularyPack) -> None:
    """Write `pack` to `path`, whole or not at all.

    Raises:
        InputError: the contrast bank is of another space, or a row is zero or not finite.
        ResourceError: the file cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    names: dict[str, list[str]] = {}
    for part, embeddings in zip(_PARTS, (pack.embeddings, pack.contrast), strict=True):
        if embeddings is None:
            continue
        embeddings.require_space(pack.embeddings.space)
        _check_directions(embeddings.values)
        names[part] = list(embeddings.names)
        tensors[f"{part}.values"] = embeddings.values.detach().to("cpu", torch.float32).contiguous()
        tensors[f"{part}.row_class"] = torch.tensor(embeddings.row_class, dtype=torch.int64)
    metadata = {
        "format": FORMAT,
        "space": pack.embeddings.space,
        "templates": pack.templates,
        "tower": pack.tower,
        "names": json.dumps(names, ensure_ascii=False),
    }
    metadata["sha256"] = _content_hash(tensors, metadata)
    make_folder(Path(path).parent)
    write_bytes(path, save(tensors, metadata))


def load_pack(path: str | Path) -> VocabularyPack:
    """Return the pack in the file `path`.

    Raises:
        MissingFileError: there is no such file.
        VocabularyError: the file is not a vocabulary pack, or is damaged.
    """
    path = Path(path)
    tensors, metadata = _read(path)
    if metadata.get("format") != FORMAT:
        raise VocabularyError(
            f"{path} is not a vocabulary pack: its format is {metadata.get('format', 'not given')!r}, "
            f"expected {FORMAT!r}. Make one with: radseg text -p … -o pack.safetensors"
        )
    if metadata.pop("sha256", "") != _content_hash(tensors, metadata):
        raise VocabularyError(
            f"{path} is damaged: its content does not match its own checksum. Make the pack again."
        )
    try:
        names = json_of(metadata["names"])
        parts = {part: _embeddings(part, names[part], tensors, metadata["space"]) for part in names}
        return VocabularyPack(
            parts["vocabulary"], parts.get("contrast"), metadata["templates"], metadata["tower"]
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:  # InputError is a ValueError
        raise VocabularyError(
            f"{path} is a damaged or foreign vocabulary pack: {error}. Make the pack again."
        ) from error


def pack_vectors(vocabulary: Vocabulary, values: Tensor, space: str) -> VocabularyPack:
    """Return a pack of vectors that were made elsewhere, one row per phrase of `vocabulary`.

    Raises:
        InputError: see `given_embeddings`.
    """
    return VocabularyPack(given_embeddings(vocabulary, values, space))


def _embeddings(part: str, names: Any, tensors: Mapping[str, Tensor], space: str) -> TextEmbeddings:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"the names of the {part} are not a list of texts")
    values = tensors[f"{part}.values"]
    Vocabulary.parse(names)
    _check_directions(values)
    rows = tuple(int(index) for index in tensors[f"{part}.row_class"].flatten().tolist())
    return TextEmbeddings(tuple(names), values, rows, space)


def _check_directions(values: Tensor) -> None:
    if values.ndim != 2 or values.dtype not in _NUMBERS:
        raise InputError(
            f"embeddings must be a floating point matrix, got {values.dtype} {tuple(values.shape)}"
        )
    if not bool(torch.isfinite(values).all()) or not bool((values.norm(dim=1) > 0).all()):
        raise InputError("a text embedding is zero or not finite; every row must be a direction")


def _content_hash(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(dict(metadata), sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\0{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.contiguous().view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return digest.hexdigest()


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else "does not exist"
        raise MissingFileError(
            f"The vocabulary pack {path} {kind}. Make one with: radseg text -p … -o {path.name}"
        )
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except SafetensorError as error:
        raise VocabularyError(
            f"{path} is not a vocabulary pack: it is no complete safetensors file ({error})."
        ) from error
