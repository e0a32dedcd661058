"""Changes that leave a file readable and its content wrong: of JSON, tensors, texts, of what a path is."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import Tensor

ODD_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 1.5, 10**400, 2**63, -(2**63), float("nan"), float("inf"), "", "a\nb", "\0",
    "../../x", "\ud800", "x" * 10_000, [], {}, [[[[]]]], ["a", 1], {"a": {"b": None}},
)  # fmt: skip
"""What JSON may hold in place of what is expected."""


def json_changed(random: Random, value: Any) -> tuple[str, Any]:
    """Return where a value inside a JSON value was changed, and the whole with the change."""
    parents: list[tuple[Any, Any]] = []
    _collect(value, parents)
    if not parents or random.random() < 0.03:
        return "all of it", random.choice(ODD_VALUES)
    parent, key = random.choice(parents)
    what = random.choice(("removed", "odd", "odd", "odd", "nested"))
    if what == "removed":
        del parent[key]
    elif what == "odd":
        parent[key] = random.choice(ODD_VALUES)
    else:
        for _ in range(900):
            parent[key] = [parent[key]]
    return f"{key!s:.40} {what}", value


def _collect(value: Any, parents: list[tuple[Any, Any]]) -> None:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inside in items:
        parents.append((value, key))
        _collect(inside, parents)


def json_text(value: Any) -> bytes:
    """Return a JSON text, lone surrogates and all."""
    return json.dumps(value).encode()


def tensors_changed(random: Random, tensors: Mapping[str, Tensor]) -> tuple[str, dict[str, Tensor], bool]:
    """Return what was changed, the tensors, and whether they are wrong beyond doubt."""
    changed = {
        name: tensors[name].clone() for name in sorted(tensors)
    }  # the library's order is another each time
    name = random.choice(list(changed))
    value = changed[name]
    what = random.choice(list(_OF_TENSOR))
    made = _OF_TENSOR[what](random, value)
    wrong = False
    if what == "dropped":
        del changed[name]
    elif what == "renamed":
        changed[random.choice((name + ".x", "x." * 400 + name, "../" + name, "\x1b[31m", ""))] = changed.pop(
            name
        )
    elif what == "one more":
        changed["surprise.weight"] = made
    else:
        changed[name] = made
        wrong = what == "not finite" and value.is_floating_point() and value.numel() > 0
    return f"{name}: {what}", changed, wrong


def _not_finite(random: Random, value: Tensor) -> Tensor:
    if not value.is_floating_point() or not value.numel():
        return value
    flat = value.flatten()
    flat[random.randrange(len(flat))] = random.choice((float("nan"), float("inf"), float("-inf")))
    return flat.reshape(value.shape)


_OF_TENSOR: dict[str, Callable[[Random, Tensor], Tensor]] = {
    "not finite": _not_finite,
    "dropped": lambda _, value: value,
    "renamed": lambda _, value: value,
    "one more": lambda _, __: torch.ones(2, 2),
    "another type": lambda random, value: value.to(random.choice(
        (torch.int64, torch.bool, torch.float64, torch.uint8, torch.complex64, torch.float8_e4m3fn))),
    "another shape": lambda random, value: random.choice((value.flatten(), value[None], *(
        (value[:0], torch.cat([value, value])) if value.ndim else ()))),
    "turned": lambda _, value: value.mT.contiguous() if value.ndim > 1 else value[None],
}  # fmt: skip


NUMBERS = (
    "nan",
    "inf",
    "-inf",
    "1e400",
    "-1",
    "0",
    "1e-320",
    "9" * 400,
    "words",
    "",
    "1,5",
    "0x10",
    "1_0",
    "٣",
    "\0",
)


_OF_TEXT = ("number", "number", "line removed", "line doubled", "lines swapped", "encoding", "long line",
            "ends", "columns", "mark inside")  # fmt: skip
_OF_PATH = ("missing", "empty", "a folder", "a link to itself", "a link outside", "a FIFO", "/dev/zero",
            "/dev/full", "unreadable")  # fmt: skip


def text_changed(random: Random, text: str) -> tuple[str, bytes]:
    """Return what was changed in a text of numbers, and its bytes."""
    words = text.split(" ")
    lines = text.split("\n")
    what = random.choice(
        [
            "number",
            "number",
            "line removed",
            "line doubled",
            "lines swapped",
            "encoding",
            "long line",
            "ends",
            "columns",
            "mark inside",
        ]
    )
    place = random.randrange(len(lines))
    if what == "number":
        words[random.randrange(len(words))] = number = random.choice(NUMBERS)
        return f"a number is {number!r:.12}", " ".join(words).encode()
    if what == "line removed":
        del lines[place]
    elif what == "line doubled":
        lines.insert(place, lines[place])
    elif what == "lines swapped":
        random.shuffle(lines)
    elif what == "encoding":
        code = random.choice(("utf-16", "utf-8-sig", "utf-32", "utf-16-be", "cp037"))
        return code, text.encode(code)
    elif what == "long line":
        lines[place] = "1 " * 50_000
    elif what == "ends":
        return what, random.choice(("\r\n", "\r", "\v", "\x85", "\u2028", "\0")).join(lines).encode()
    elif what == "columns":
        lines = [line + " 1" for line in lines]
    else:
        lines[place] = lines[place][:3] + "\ufeff" + lines[place][3:]
    return what, "\n".join(lines).encode()


def path_changed(random: Random, path: Path, outside: Path) -> str:
    """Put something else in place of a file and return what; `outside` is a file that belongs elsewhere."""
    path.unlink()
    what = random.choice(
        [
            "missing",
            "empty",
            "a folder",
            "a link to itself",
            "a link outside",
            "a FIFO",
            "/dev/zero",
            "/dev/full",
            "unreadable",
        ]
    )
    if what == "empty":
        path.touch()
    elif what == "a folder":
        path.mkdir()
    elif what == "a link to itself":
        path.symlink_to(path.name)
    elif what == "a link outside":
        path.symlink_to(outside)
    elif what == "a FIFO":
        os.mkfifo(path)
    elif what.startswith("/dev"):
        path.symlink_to(what)
    elif what == "unreadable":
        shutil.copyfile(outside, path)
        path.chmod(0)
    return what
