"""The training arguments in a RADIO checkpoint, read for what tensors cannot tell (spec 2.1)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from radseg.errors import CheckpointError
from radseg.weights.catalog import text_space
from radseg.weights.convert.pickles import require_read, shown
from radseg.weights.convert.switches import architecture, refused, require_known

TEACHER_FACTS = ("name", "model", "pretrained", "token_slot", "fd_upsample_factor", "use_summary")
"""What is needed of a teacher."""


@dataclass(frozen=True)
class Teacher:
    """One distinct teacher.

    Attributes:
        name: e.g. "siglip2".
        index: its first place in the training list, which may key its heads.
        token: the CLS token its summary head reads.
        space: text space of the summary head, None if the teacher has no text tower we know.
        upsample: factor of the feature head.
    """

    name: str
    index: int
    token: int
    space: str | None
    upsample: int


@dataclass(frozen=True)
class Arguments:
    """Facts of a checkpoint.

    Attributes:
        heads: attention heads of the backbone.
        patch: side of a patch in pixels.
        width, depth, mlp_ratio, layer_scale: as the arguments claim, for cross-checking; None if they do not
            say.
        position_pixels: side of the learned position field in pixels, not rounded to patches; None if not
            said.
        scaled_norms: the norms of block i are multiplied by 1/√i.
        spectral_backbone, spectral_heads: epsilon of the spectral reparametrisation; None where it is off.
    """

    heads: int
    patch: int
    width: int | None
    depth: int | None
    mlp_ratio: float | None
    layer_scale: bool | None
    scaled_norms: bool
    position_pixels: int | None
    teachers: tuple[Teacher, ...]
    cls_tokens: int
    registers: int
    summary_tokens: tuple[int, ...]
    spectral_backbone: float | None
    spectral_heads: float | None


def read_arguments(raw: Mapping[str, Any], *, averaged: bool, file: str) -> Arguments:
    """Return the facts in a checkpoint's `args`.

    Args:
        raw: the arguments as a table.
        averaged: the weights are the moving average, in which reparametrisations are already resolved.
        file: name for error messages.

    Raises:
        CheckpointError: something needed is missing or contradicts itself.
    """
    reader = _Reader(raw, file)
    listed = reader.teachers()
    names = [t["name"] for t in listed]
    per_teacher = reader.flag(raw, "cls_token_per_teacher", default=False)
    cls_tokens = len(set(names)) if per_teacher else 1
    kwargs = reader.table("model_kwargs")
    require_known(kwargs, file)
    if reader.flag(raw, "model_norm", default=False):
        raise refused("args.model_norm", raw["model_norm"], file)
    heads, patch = architecture(reader.get(raw, "model"), file)
    scale = reader.number(kwargs, "init_values")
    first = {name: names.index(name) for name in names}
    teachers = tuple(_teacher(listed[i], i, per_teacher, file) for i in first.values())
    pooled = tuple(i for i in first.values() if reader.flag(listed[i], "use_summary", default=True))
    for teacher in teachers:
        if teacher.space is not None and not 0 <= teacher.token < cls_tokens:
            raise CheckpointError(
                f"{file}: teacher {teacher.name!r} reads CLS token {teacher.token}; there are {cls_tokens}."
            )
    return Arguments(
        heads=reader.optional_count(kwargs, "num_heads") or heads,
        patch=reader.side(kwargs, "patch_size") or patch,
        width=reader.optional_count(kwargs, "embed_dim"),
        depth=reader.optional_count(kwargs, "depth"),
        mlp_ratio=reader.number(kwargs, "mlp_ratio"),
        layer_scale=None if scale is None else scale != 0,
        scaled_norms=reader.flag(kwargs, "scaled_ln", default=False),
        position_pixels=reader.side(raw, "cpe_max_size"),
        teachers=teachers,
        cls_tokens=cls_tokens,
        registers=reader.registers(cls_tokens),
        summary_tokens=pooled if per_teacher else (0,),
        spectral_backbone=None if averaged else reader.epsilon("spectral_reparam"),
        spectral_heads=None if averaged else reader.epsilon("spectral_heads"),
    )


def _teacher(raw: Mapping[str, Any], index: int, per_teacher: bool, file: str) -> Teacher:
    token, upsample = raw.get("token_slot"), raw.get("fd_upsample_factor")
    for key, value in (("token_slot", token), ("fd_upsample_factor", upsample)):
        if value is not None and (type(value) is not int or not 0 <= value < 1000):
            raise CheckpointError(f"{file}: {key} of teacher {raw['name']!r} is not a small whole number.")
    slot = index if token is None else int(token)
    return Teacher(raw["name"], index, slot if per_teacher else 0, text_space(raw), int(upsample or 1))


class _Reader:
    """Typed access to the arguments, with the file's name in every complaint."""

    def __init__(self, raw: Mapping[str, Any], file: str) -> None:
        self.raw = raw
        self.file = file

    def get(self, table: Mapping[str, Any], key: str) -> Any:
        """Return a value that is needed, None if it is not said."""
        return require_read(table.get(key), f"args.{key}", self.file)

    def flag(self, table: Mapping[str, Any], key: str, *, default: bool) -> bool:
        return bool(self.get(table, key)) if key in table else default

    def table(self, key: str) -> Mapping[str, Any]:
        value = self.get(self.raw, key)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise CheckpointError(f"{self.file}: args.{key} is a {type(value).__name__}, not a table.")
        return value

    def optional_count(self, table: Mapping[str, Any], key: str) -> int | None:
        value = self.get(table, key)
        if value is None:
            return None
        if type(value) is not int or not 0 <= value < 2**31:
            raise CheckpointError(f"{self.file}: args.{key} is {shown(value)}, not a whole number.")
        return value

    def teachers(self) -> list[Mapping[str, Any]]:
        listed = self.get(self.raw, "teachers")
        if not isinstance(listed, list) or not listed:
            raise CheckpointError(f"{self.file}: args has no list of teachers; it is no RADIO checkpoint.")
        for teacher in listed:
            for key in TEACHER_FACTS if isinstance(teacher, Mapping) else ():
                self.get(teacher, key)
            if not isinstance(teacher, Mapping) or not isinstance(teacher.get("name"), str):
                raise CheckpointError(f"{self.file}: a teacher in args has no name.")
        return listed

    def number(self, table: Mapping[str, Any], key: str) -> float | None:
        value = self.get(table, key)
        if value is None:
            return None
        if type(value) not in (int, float) or not math.isfinite(value) or not 0 <= value < 2**31:
            raise CheckpointError(f"{self.file}: args.{key} is {shown(value)}, not a number from 0.")
        return float(value)

    def side(self, table: Mapping[str, Any], key: str) -> int | None:
        """Return the side of a square: a whole number, as a float too, or two equal ones."""
        value = self.get(table, key)
        if isinstance(value, (list, tuple)) and len(value) == 2 and type(value[0]) in (int, float):
            if value[0] != value[1]:
                pair = f"{shown(value[0])} × {shown(value[1])}"
                raise CheckpointError(f"{self.file}: args.{key} is {pair}; a square is needed.")
            value = value[0]
        if type(value) is float and value.is_integer():
            value = int(value)
        return self.optional_count({key: value}, key)

    def epsilon(self, key: str) -> float | None:
        # the reference: 1e-6 when switched on plainly, 1e-12 by default when given as a table
        setting = self.get(self.raw, key)
        if not isinstance(setting, Mapping):
            return 1e-6 if setting else None
        value = setting.get("eps", 1e-12)
        if type(value) not in (int, float) or not math.isfinite(value) or not 0 <= value < 1:
            raise CheckpointError(f"{self.file}: args.{key} has eps {shown(value)}, not a small number.")
        return float(value)

    def registers(self, cls_tokens: int) -> int:
        given = self.optional_count(self.raw, "cpe_num_registers")
        if given:  # 0 counts as not said, as in the reference
            return given
        multiple = self.optional_count(self.raw, "register_multiple")
        # a divisible number of CLS tokens still gets a full multiple of registers, as in the reference
        return multiple - cls_tokens % multiple if multiple else 0
