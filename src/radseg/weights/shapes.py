"""What a RADIO model of given numbers must hold: every tensor's name and shape. Strictness starts here."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from radseg.errors import CheckpointError
from radseg.files import listed
from radseg.weights.config import HeadConfig, RadioConfig

Shape = tuple[int, ...]


def expected_shapes(config: RadioConfig) -> dict[str, Shape]:
    """Return our key and shape of every tensor of the model, heads included."""
    width, grid, prefix = config.width, config.position_grid, config.cls_tokens + config.registers
    shapes: dict[str, Shape] = {
        "conditioner.mean": (3,),
        "conditioner.std": (3,),
        "vit.patch_embed.weight": (width, 3 * config.patch**2),
        "vit.position": (grid, grid, width),
        "vit.prefix": (prefix, width),
    }
    for i in range(config.depth):
        shapes |= _under(f"vit.blocks.{i}", block_shapes(width, config.mlp_width, config.layer_scale))
    if config.normalizer:
        shapes |= {"normalizer.mean": (width,), "normalizer.transform": (width, width)}
    for adaptor in config.adaptors:
        for part, head in (("summary", adaptor.summary), ("features", adaptor.features)):
            if head is not None:
                shapes |= _under(f"adaptors.{adaptor.name}.{part}", head_shapes(head))
    return shapes


def block_shapes(width: int, mlp_width: int, layer_scale: bool) -> dict[str, Shape]:
    """Return the tensors of one transformer block."""
    shapes = dict(
        [
            *_linear("attention.qkv", width, 3 * width),
            *_linear("attention.out", width, width),
            *_linear("mlp.up", width, mlp_width),
            *_linear("mlp.down", mlp_width, width),
            *_norm("norm1", width),
            *_norm("norm2", width),
        ]
    )
    return shapes | ({"scale1": (width,), "scale2": (width,)} if layer_scale else {})


def head_shapes(head: HeadConfig) -> dict[str, Shape]:
    """Return the tensors of one adaptor head."""
    out = head.width_out * head.upsample**2
    if head.kind == "mlp_v1":
        shapes = dict([*_linear("fc_in", head.width_in, head.hidden), *_norm("norm_in", head.hidden)])
    else:
        shapes = dict([*_linear("fc_in", head.width_in, head.hidden), *_norm("norm_out", head.hidden)])
    shapes |= dict(_linear("fc_out", head.hidden, out))
    if head.pre_norm:
        shapes |= dict(_norm("pre_norm", head.width_in))
    for i in range(head.blocks):
        shapes |= dict([*_linear(f"blocks.{i}.fc", head.hidden, head.hidden)])
        shapes |= dict(_norm(f"blocks.{i}.norm", head.hidden))
    if head.kind != "attention":
        return shapes
    blocks: dict[str, Shape] = {}
    for i in range(head.attention_blocks):
        blocks |= _under(f"blocks.{i}", block_shapes(head.width_in, head.attention_mlp, True))
    return _under("mlp", shapes) | blocks


class Shaped(Protocol):
    """Something of a shape: a tensor."""

    @property
    def shape(self) -> Shape:
        """Sizes of the axes."""


def require_tensors(expected: Mapping[str, Shape], found: Mapping[str, Shaped], file: str) -> None:
    """Raise CheckpointError unless `found` is exactly what is expected."""
    missing, extra = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    if missing or extra:
        what, keys = ("lacks", missing) if missing else ("holds the unknown", extra)
        raise CheckpointError(f"{file} {what} tensor(s) {listed(keys)} ({len(keys)} in all).")
    for key, shape in expected.items():
        if (has := tuple(found[key].shape)) != shape:
            raise CheckpointError(f"{file}: {key} has shape {has}; {shape} is needed.")


def _under(prefix: str, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    return {f"{prefix}.{key}": shape for key, shape in shapes.items()}


def _linear(name: str, width_in: int, width_out: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (width_out, width_in)
    yield f"{name}.bias", (width_out,)


def _norm(name: str, width: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)
