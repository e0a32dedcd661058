"""Odd and malicious RADIO checkpoints, and what happens to each: the tables of docs/checkpoints.md.


After changing a row: PYTHONPATH=src:tests:tests/builders python tests/builders/odd_checkpoints.py
"""

import collections
import datetime
import functools
import logging
import operator
import os
import pickle
import runpy
import shutil
import sqlite3
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

PAGE = Path(__file__).resolve().parents[2] / "docs" / "checkpoints.md"
START, END = "<!-- generated: tests/builders/odd_checkpoints.py -->\n", "<!-- end -->\n"
OK, NOTE, WARNS, REFUSED = "converts", "converts, with a note", "converts without the adaptor", "refused"


@dataclass(frozen=True)
class Odd:
    """A checkpoint that differs in one point from a plain one.

    Attributes:
        what: the point, as the table says it.
        outcome: one of the four above.
        said: part of the note or of the message.
        adds: entries of the state beside the plain ones; None takes one away.
        arguments: that differ.
        folder: the Hugging Face layout, in which `config` is added to config.json.
    """

    what: str
    outcome: str
    said: str = ""
    adds: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    folder: bool = False
    config: dict[str, Any] = field(default_factory=dict)


def _one(*shape: int) -> torch.Tensor:
    return torch.ones(*(shape or (2,)))


def _switch(what: str, outcome: str, said: str = "", *, of: str = "", **kwargs: Any) -> Odd:
    plain = {"embed_dim": 32, "depth": 2, "num_heads": 2}
    kind = f", {of}" if of else ""
    return Odd(f"switch `{what}`{kind}", outcome, said, arguments={"model_kwargs": {**plain, **kwargs}})


def _argument(what: str, outcome: str, said: str = "", **arguments: Any) -> Odd:
    return Odd(f"`args`: {what}", outcome, said, arguments=arguments)


def _tensor(key: str, value: Any, outcome: str, said: str = "") -> Odd:
    kind = "" if isinstance(value, torch.Tensor) else ", a plain number"
    return Odd(f"`{key}`{kind}", outcome, said, adds={key: value})


def _left_out(key: str, value: Any) -> Odd:
    return _tensor(key, value, NOTE, f"left out: {key}.")


def _in_folder(what: str, outcome: str, said: str = "", **more: Any) -> Odd:
    return Odd(f"folder: `{what}`", outcome, said, folder=True, **more)


_UNKNOWN = "holds 1 tensor(s) this version does not know: "
_NOT = "which changes what the network computes"
_NORMALIZER = {"_feature_normalizer.mean": _one(32), "_feature_normalizer.tx": torch.eye(32)}
_IN_FOLDER = {f"radio_model.{key[1:]}": value for key, value in _NORMALIZER.items()}

ODD = (
    _left_out("_mystery.weight", _one()),
    _left_out("ema_decay", _one(1)),
    _left_out("ema_decay", 0.9998),
    _left_out("_summary_normalizer.mean", _one()),
    _left_out("teacher_norm.0.weight", _one()),
    _left_out("_loss_states.0.cov", _one(2, 2)),
    _left_out("_heads.sam3.fc1.weight", _one()),
    _left_out("_feature_projections.10.fc1.weight", _one()),
    _left_out("freqs_cis", torch.ones(2, dtype=torch.complex64)),
    _left_out("fp8_scale", torch.ones(2).to(torch.float8_e4m3fn)),
    _tensor("base_model.reg_token", _one(1, 4, 32), OK),
    _tensor("_intermediate_feature_normalizer.alphas", _one(), OK),
    _tensor("_intermediate_feature_normalizer.betas", _one(), REFUSED, f"{_UNKNOWN}intermediate.betas"),
    _tensor("base_model.evil", _one(), REFUSED, f"{_UNKNOWN}base.evil"),
    _tensor("base_model.blocks.0.mlp.norm.weight", _one(), REFUSED, "--drop base.blocks.0.mlp.norm.weight"),
    _tensor("base_model.norm.weight", _one(), REFUSED, f"{_UNKNOWN}base.norm.weight"),
    _tensor("base_model.evil", 0.5, REFUSED, "'base_model.evil' is not a named tensor but 0.5"),
    _tensor("input_conditioner.gamma", _one(), REFUSED, f"{_UNKNOWN}conditioner.gamma"),
    _tensor("_heads.siglip2.extra", _one(), REFUSED, "--drop adaptors.siglip2."),
    _tensor("_heads.dino.extra", _one(), WARNS, "The adaptor 'dino' is left out"),
    Odd("`base_model.blocks.1.norm2.bias` is missing", REFUSED, "lacks tensor(s) vit.blocks.1.norm2.bias",
        adds={"base_model.blocks.1.norm2.bias": None}),
    Odd("feature normaliser", OK, adds=_NORMALIZER),
    _in_folder("radio_model._mystery.weight", NOTE, "left out: radio_model._mystery.weight.",
               adds={"radio_model._mystery.weight": _one()}),
    _in_folder("ema_decay", NOTE, "left out: ema_decay.", adds={"ema_decay": _one(1)}),
    _in_folder("radio_model.adaptors.sam3.head_mlp.fc1.weight", NOTE, "left out: _heads.sam3.fc1.weight.",
               adds={"radio_model.adaptors.sam3.head_mlp.fc1.weight": _one()}),
    _in_folder("radio_model.adaptors.siglip2.neck.weight", REFUSED, "--drop adaptors.siglip2.",
               adds={"radio_model.adaptors.siglip2.neck.weight": _one()}),
    _in_folder("vitdet_window_size", REFUSED, f"vitdet_window_size is 8, {_NOT}",
               config={"vitdet_window_size": 8}),
    _in_folder("feature_normalizer_config, .mean, .tx", OK, adds=_IN_FOLDER,
               config={"feature_normalizer_config": {}}),
    _in_folder("feature_normalizer_config", REFUSED, "says that there is a feature normaliser, and the",
               config={"feature_normalizer_config": {}}),
    _in_folder("feature_normalizer.mean, .tx", REFUSED,
               "says that there is no feature normaliser", adds=_IN_FOLDER),
    _argument("`cpe_num_registers=0`: `register_multiple` counts", OK, cpe_num_registers=0),
    _argument("`cpe_max_size=64.0`", OK, cpe_max_size=64.0),
    _argument("`cpe_max_size=70`, rounded to patches", OK, cpe_max_size=70),
    _argument("`cpe_max_size=(64, 64)`", OK, cpe_max_size=(64, 64)),
    _argument("`cpe_max_size=[64, 32]`", REFUSED, "cpe_max_size is 64 × 32; a square is needed",
              cpe_max_size=[64, 32]),
    _argument("`cpe_max_size=64.5`", REFUSED, "cpe_max_size is 64.5, not a whole number", cpe_max_size=64.5),
    _argument("`cpe_max_size` a numpy number", REFUSED, "args.cpe_max_size is a 'numpy",
              cpe_max_size=np.int64(64)),
    _argument("`teachers` a numpy array", REFUSED, "args.teachers is a 'numpy", teachers=np.arange(2)),
    _argument("numpy values where none is needed", OK, seed=np.int64(1), mean=np.ones(3), of=np.dtype(int)),
    _argument("`defaultdict`, `Counter`, dates, a `partial` where none is needed", OK,
              a=collections.defaultdict(list), b=collections.Counter("ab"), c=datetime.date(2026, 1, 1),
              d=functools.partial(print, 1), e={(1, 2): 3}),
    _argument("`dtype=torch.float8_e4m3fn`", OK, dtype=torch.float8_e4m3fn),
    _argument("`model_norm=True`", REFUSED, f"args.model_norm is True, {_NOT}", model_norm=True),
    _argument("`model` with another GELU", REFUSED,
              "is of architecture 'vit_base_patch16_clip_quickgelu_224'",
              model="vit_base_patch16_clip_quickgelu_224"),
    _argument("`model` with norms behind", REFUSED, "is of architecture 'vit_base_patch16_rpn_224'",
              model="vit_base_patch16_rpn_224"),
    _argument("`model` of patch 14", REFUSED, "the side of a patch is 14 by its arguments and 16",
              model="vit_base_patch14_224"),
    _switch("scaled_ln=True", OK, scaled_ln=True),
    _switch("scaled_ln", REFUSED, "args.scaled_ln is a 'numpy", of="a numpy value", scaled_ln=np.bool_(True)),
    _switch("drop_path_rate=0.4", OK, drop_path_rate=0.4),
    _switch("dynamic_img_size=True", OK, dynamic_img_size=True, img_size=(518, 518)),
    _switch("weight_init", OK, of="a function", weight_init=torch.nn.init.xavier_uniform_),
    _switch("reg_tokens=4", OK, reg_tokens=4, no_embed_class=True),
    _switch("act_layer='gelu'", OK, act_layer="gelu"),
    _switch("act_layer", REFUSED, "args.model_kwargs.act_layer is a 'torch.nn.modules.activation.SiLU'",
            of="a class", act_layer=torch.nn.SiLU),
    _switch("norm_layer", REFUSED, "args.model_kwargs.norm_layer is a 'functools.partial'",
            of="a partial", norm_layer=functools.partial(torch.nn.LayerNorm, eps=1e-5)),
    _switch("qk_norm=True", REFUSED, f"args.model_kwargs.qk_norm is True, {_NOT}", qk_norm=True),
    _switch("qkv_bias=False", REFUSED, f"args.model_kwargs.qkv_bias is False, {_NOT}", qkv_bias=False),
    _switch("class_token=False", REFUSED, f"args.model_kwargs.class_token is False, {_NOT}",
            class_token=False),
    _switch("scale_mlp_norm=1", REFUSED, f"args.model_kwargs.scale_mlp_norm is 1, {_NOT}", scale_mlp_norm=1),
    _switch("rope=True", REFUSED, f"args.model_kwargs.rope is True, {_NOT}", rope=True),
    _switch("rope=None", OK, rope=None),
    _switch("init_values=1e-05", OK, init_values=1e-5),
    _switch("init_values=0", REFUSED, "the presence of LayerScale is False by its arguments", init_values=0),
    _switch("mlp_ratio=4", OK, mlp_ratio=4),
    _switch("mlp_ratio=3", REFUSED, "the width of the MLPs is 96 by its arguments and 128", mlp_ratio=3),
    _switch("patch_size=(16, 16)", OK, patch_size=(16, 16)),
    _switch("embed_dim=64", REFUSED, "the width is 64 by its arguments and 32", embed_dim=64),
)  # fmt: skip


class Calls:
    """Pickles as a call."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __call__(self) -> None:
        """Look like something that can be called, as the callee of another."""

    def __reduce__(self) -> Any:
        return self.call


class Restored:
    """Acts when its state is given back."""

    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __getstate__(self) -> str:
        return self.marker

    def __setstate__(self, marker: str) -> None:
        Path(marker).mkdir()


class Listing(list[str]):
    """Acts when an item is put back."""

    def append(self, marker: str) -> None:
        Path(marker).mkdir()

    def extend(self, items: Any) -> None:
        self.append(next(iter(items)))


class Made:
    """Acts when it is made."""

    def __new__(cls, marker: str) -> "Made":
        Path(marker).mkdir()
        return super().__new__(cls)

    def __reduce__(self) -> Any:
        raise AssertionError("only its class is pickled")


def _code(marker: str) -> str:
    return f"import os; os.mkdir({marker!r})"


def _script(marker: str) -> str:
    path = Path(f"{marker}.py")
    path.write_text(_code(marker))
    return str(path)


MALICIOUS: dict[str, Callable[[str], Any]] = {
    "os.system": lambda m: Calls(os.system, f"mkdir '{m}'"),
    "os.mkdir": lambda m: Calls(os.mkdir, m),
    "os.symlink": lambda m: Calls(os.symlink, ".", m),
    "open": lambda m: Calls(open, m, "w"),
    "exec": lambda m: Calls(exec, _code(m)),
    "eval": lambda m: Calls(eval, f"__import__('os').mkdir({m!r})"),
    "subprocess.call": lambda m: Calls(subprocess.call, ["mkdir", m]),
    "subprocess.getoutput": lambda m: Calls(subprocess.getoutput, f"mkdir '{m}'"),
    "pathlib.Path.touch": lambda m: Calls(Path.touch, Path(m)),
    "pickle.loads in a pickle": lambda m: Calls(pickle.loads, pickle.dumps(Calls(os.mkdir, m))),
    "a partial that is called": lambda m: Calls(functools.partial(os.mkdir, m)),
    "operator.methodcaller": lambda m: Calls(operator.methodcaller("mkdir"), Path(m)),
    "map, unfolded by list": lambda m: Calls(list, Calls(map, os.mkdir, [m])),
    "getattr of a module's function": lambda m: Calls(Calls(getattr, Calls(__import__, "os"), "mkdir"), m),
    "runpy.run_path": lambda m: Calls(runpy.run_path, _script(m)),
    "shutil.copyfile": lambda m: Calls(shutil.copyfile, __file__, m),
    "sqlite3.connect": lambda m: Calls(sqlite3.connect, m),
    "zipfile.ZipFile": lambda m: Calls(zipfile.ZipFile, m, "w"),
    "logging.FileHandler": lambda m: Calls(logging.FileHandler, m),
    "numpy.save": lambda m: Calls(np.save, f"{m}", np.ones(1)),
    "torch.save": lambda m: Calls(torch.save, {}, m),
    "__setstate__": Restored,
    "append of a list's subclass": lambda m: Listing([m]),
    "__new__": lambda m: Calls(Made, m),
    "a call as key of a table": lambda m: {Calls(os.mkdir, m): 1},
}
"""What each would run, and the value that does so when an ordinary reader unpickles it: it makes `marker`."""


def tables() -> str:
    """Return both tables as Markdown."""
    lines = ["| what is odd | what happens | what is said |", "|---|---|---|"]
    for odd in ODD:
        said = f"… {odd.said} …" if odd.said else ""
        lines.append(f"| {odd.what} | {odd.outcome} | {said.replace('|', chr(92) + '|')} |")
    lines += ["", "| what would run | in a value that is not needed | in one that is |", "|---|---|---|"]
    lines += [f"| {what} | left out, nothing runs | refused, nothing runs |" for what in MALICIOUS]
    return "\n".join(lines) + "\n"


def written(page: str) -> str:
    """Return the page with the tables as they are now."""
    before, after = page.split(START, maxsplit=1)[0], page.split(END)[1]
    return f"{before}{START}\n{tables()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
