"""RADIO checkpoints, in both published layouts, to our one form (spec 2; key table in docs/conventions.md).

A layout only sorts its keys into parts; what the parts mean, and every check, is common to both.
"""

import math
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from radseg.errors import CheckpointError, MissingFileError
from radseg.weights.config import AdaptorConfig, HeadConfig, RadioConfig
from radseg.weights.convert.arguments import Arguments, Teacher
from radseg.weights.convert.heads import convert_head
from radseg.weights.convert.layouts import Published, sort_folder, sort_pth
from radseg.weights.convert.rename import BACKBONE, needed, put, require_none_left, translate, translate_block
from radseg.weights.convert.spectral import materialise
from radseg.weights.convert.torch_file import read_checkpoint
from radseg.weights.load import read_description
from radseg.weights.shapes import expected_shapes, require_tensors

UNUSED = (
    r"base\.reg_token",  # of v2-style architectures, whose prefix tokens stand elsewhere
    r"intermediate\.(alphas|means|rotation)",  # standardises intermediate layers, which are not used
)
"""What the publisher's loader reads and inference does not use, dropped by name."""
_needed = partial(needed, what="RADIO checkpoint")
USED = ("sam",)
"""Adaptors that radseg uses beside those with a text space."""


@dataclass(frozen=True)
class Converted:
    """A RADIO model in our form; its tensors are views of the published file.

    Attributes:
        dropped: names of what the file holds beside them, whatever the reason.
        note: says what was left out because nobody reads it, the publisher neither; "" if there is nothing.
    """

    config: RadioConfig
    tensors: dict[str, Tensor]
    dropped: tuple[str, ...]
    note: str = ""


def convert_checkpoint(path: Path, *, version: str, drop: tuple[str, ...] = ()) -> Converted:
    """Return a published `.pth.tar` in our form.

    Args:
        path: the file.
        version: the publisher's name of the model; the file does not hold it.
        drop: prefixes of further tensors to leave out: of names that an error message lists as unknown, and
            of heads, "adaptors.<teacher>.<summary or features>.".

    Raises:
        CheckpointError: see `read_pickle`, and whenever a tensor is missing, unknown or of the wrong shape.
    """
    return assemble(sort_pth(read_checkpoint(path), path.name, version), drop)


def convert_folder(folder: Path, *, version: str = "", drop: tuple[str, ...] = ()) -> Converted:
    """Return a Hugging Face folder (`config.json` and `model.safetensors`) in our form. See above."""
    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise MissingFileError(f"{folder} has no {name}; a published RADIO folder holds it.")
    config = read_description(folder / "config.json")
    if not isinstance(config.get("args"), dict):
        raise CheckpointError(f"{folder.name}/config.json has no table `args`; it is no RADIO model.")
    return assemble(sort_folder(folder, config, version), drop)


def assemble(published: Published, drop: tuple[str, ...] = ()) -> Converted:
    """Return the common form: keys renamed, shapes read and held against the arguments."""
    file, arguments = published.file, published.arguments
    tensors: dict[str, Tensor] = {}
    unknown = _rename_backbone(published, tensors) + _rename_small_parts(published, tensors)
    adaptors, left_out = _adaptors(published, tensors, drop)
    dropped = tuple(k for k in unknown if any(re.fullmatch(p, k) for p in UNUSED) or k.startswith(drop))
    left = sorted(set(unknown) - set(dropped))
    with _advised(*left[:1]):
        require_none_left(left, file)
    config = _configure(published.version, arguments, tensors, adaptors, file)
    require_tensors(expected_shapes(config), tensors, file)
    for key, tensor in tensors.items():
        if not tensor.dtype.is_floating_point:
            raise CheckpointError(f"{file}: {key} is of type {tensor.dtype}; floating point is needed.")
    return Converted(config, tensors, (*dropped, *left_out, *published.outside), _note(published))


def _note(published: Published) -> str:
    names = published.outside
    if not names:
        return ""
    listed = ", ".join(name[:80] for name in names[:4]) + (", …" if len(names) > 4 else "")
    return (
        f"{published.file} holds {len(names)} name(s) that the publisher's own loader does not read either; "
        f"left out: {listed}."
    )


@contextmanager
def _advised(prefix: str = "") -> Iterator[None]:
    """Add to what cannot be placed how to convert without it."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(
            f"{error} Nothing was converted. To leave tensors out by prefix: --drop {prefix[:80]} (in "
            f"Python: drop=[{prefix[:80]!r}])."
        ) from error


def _rename_backbone(published: Published, tensors: dict[str, Tensor]) -> list[str]:
    """Put the backbone's tensors into `tensors`; return the names of those that are not known."""
    plain = materialise(published.base, published.arguments.spectral_backbone, published.file)
    if "blocks.0.mlp.w12.weight" in plain:
        raise CheckpointError(
            f"{published.file} has SwiGLU blocks (mlp.w12), as radio_v2.5-g; they are not supported yet."
        )
    unknown = []
    for key, tensor in plain.items():
        ours = translate(key, BACKBONE) or translate_block(key)
        if ours is None:
            unknown.append(f"base.{key}")
        else:
            put(tensors, f"vit.{ours}", tensor, published.file)
    return unknown


def _rename_small_parts(published: Published, tensors: dict[str, Tensor]) -> list[str]:
    """Do the same for the conditioner and the normalisers."""
    names = {
        "conditioner": {"norm_mean": "mean", "norm_std": "std"},
        "normalizer": {"mean": "mean", "tx": "transform"},
        "intermediate": {},
    }
    unknown = []
    for part, table in names.items():
        for key, tensor in getattr(published, part).items():
            if key in table:
                flat = part == "conditioner" and math.prod(tensor.shape) == 3
                put(tensors, f"{part}.{table[key]}", tensor.reshape(3) if flat else tensor, published.file)
            else:
                unknown.append(f"{part}.{key}")
    return unknown


def _adaptors(
    published: Published, tensors: dict[str, Tensor], drop: tuple[str, ...]
) -> tuple[tuple[AdaptorConfig, ...], tuple[str, ...]]:
    """Return the adaptors, their tensors put into `tensors`, and the names of head tensors left out.

    A head this version cannot read is an error where radseg may use the adaptor (language, SAM). Any other
    adaptor is then left out with a warning: nobody asks for it, and it must not keep the backbone away.
    """
    adaptors, left_out = [], []
    for teacher in published.arguments.teachers:
        parts = published.heads.get(teacher.name, {})
        names = [f"adaptors.{teacher.name}.{part}.{key}" for part, head in parts.items() for key in head]
        is_used = teacher.space is not None or teacher.name in USED
        try:
            with _advised(f"adaptors.{teacher.name}.") if is_used else nullcontext():
                adaptor, own = _adaptor(teacher, parts, published, drop)
        except CheckpointError as error:
            if is_used:
                raise
            warnings.warn(
                f"The adaptor {teacher.name!r} is left out, the rest can be used: {error}", stacklevel=2
            )
            left_out += names
            continue
        left_out += [name for name in names if name.startswith(drop)]
        tensors.update(own)
        if adaptor is not None:
            adaptors.append(adaptor)
    return tuple(adaptors), tuple(left_out)


def _adaptor(
    teacher: Teacher,
    parts: Mapping[str, Mapping[str, Tensor]],
    published: Published,
    drop: tuple[str, ...],
) -> tuple[AdaptorConfig | None, dict[str, Tensor]]:
    configs: dict[str, HeadConfig] = {}
    tensors: dict[str, Tensor] = {}
    for part, stored in parts.items():
        prefix = f"adaptors.{teacher.name}.{part}."
        head = {k: t for k, t in stored.items() if not f"{prefix}{k}".startswith(drop)}
        if not head:
            continue
        where = f"{published.file}: the {part} head of {teacher.name!r}"
        plain = materialise(head, published.arguments.spectral_heads, where)
        upsample = teacher.upsample if part == "features" else 1
        configs[part], renamed = convert_head(plain, upsample=upsample, where=where, prefix=prefix)
        tensors.update({f"{prefix}{k}": t for k, t in renamed.items()})
    if not configs:
        return None, {}
    summary = configs.get("summary")
    space = teacher.space if summary else None
    return AdaptorConfig(teacher.name, teacher.token, space, summary, configs.get("features")), tensors


def _configure(
    version: str,
    arguments: Arguments,
    tensors: dict[str, Tensor],
    adaptors: tuple[AdaptorConfig, ...],
    file: str,
) -> RadioConfig:
    patch_embed, up = _needed(tensors, "vit.patch_embed.weight", file), "vit.blocks.0.mlp.up.weight"
    width, patch = patch_embed.shape[0], math.isqrt(math.prod(patch_embed.shape[1:]) // 3)
    tensors["vit.patch_embed.weight"] = _as(patch_embed, (width, 3 * patch**2), "patch_embed", file)
    position = _needed(tensors, "vit.position", file)
    grid = math.isqrt(max(1, math.prod(position.shape) // max(1, width)))
    tensors["vit.position"] = _as(position, (grid, grid, width), "position", file)
    prefix = _needed(tensors, "vit.prefix", file).shape[0]
    depth = len({k.split(".")[2] for k in tensors if k.startswith("vit.blocks.")})
    mlp_width, layer_scale = _needed(tensors, up, file).shape[0], "vit.blocks.0.scale1" in tensors
    said = arguments.position_pixels  # rounded to patches as the publisher does
    _compare("side of a patch", arguments.patch, patch, file)
    _compare("width", arguments.width, width, file)
    _compare("number of blocks", arguments.depth, depth, file)
    _compare("position field", None if said is None else round(said / patch) * patch, grid * patch, file)
    ratio = arguments.mlp_ratio
    _compare("width of the MLPs", None if ratio is None else int(width * ratio), mlp_width, file)
    _compare("presence of LayerScale", arguments.layer_scale, layer_scale, file)
    _compare("number of prefix tokens", arguments.cls_tokens + arguments.registers, prefix, file)
    if width % arguments.heads:
        raise CheckpointError(f"{file}: width {width} does not split into {arguments.heads} heads.")
    return RadioConfig(
        version=version,
        width=width,
        depth=depth,
        heads=arguments.heads,
        mlp_width=mlp_width,
        patch=patch,
        position_grid=grid,
        cls_tokens=arguments.cls_tokens,
        registers=arguments.registers,
        layer_scale=layer_scale,
        scaled_norms=arguments.scaled_norms,
        summary_tokens=arguments.summary_tokens,
        adaptors=adaptors,
        normalizer="normalizer.mean" in tensors,
    )


def _as(tensor: Tensor, shape: tuple[int, ...], what: str, file: str) -> Tensor:
    if math.prod(shape) != math.prod(tensor.shape):
        raise CheckpointError(f"{file}: {what} has shape {tuple(tensor.shape)}, which makes no square.")
    return tensor.reshape(shape)


def _compare(what: str, said: int | None, found: int, file: str) -> None:
    if said is not None and said != found:
        raise CheckpointError(f"{file}: the {what} is {said} by its arguments and {found} by its tensors.")
