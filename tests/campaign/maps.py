"""Map folders changed in one place: by a byte, or by an attacker who makes sums and hashes fit again."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from campaign.byte_changes import changed
from campaign.cases import Attempt, Campaign, Case, Outcome, judged
from campaign.command import radseg
from campaign.content_changes import json_changed, json_text, path_changed, tensors_changed
from campaign.witness import Witness
from mapping.map_builders import description, grown
from radseg.errors import RadsegError
from radseg.mapping import shards
from radseg.mapping.manifest import MANIFEST, TILES, MapManifest, _sha256, write_manifest
from radseg.mapping.semantic_map import SemanticMap
from radseg.mapping.voxel_map import VoxelMap
from radseg.runs.map_facts import facts_of, verify_map

Save = Callable[[dict[str, Tensor]], bytes]


def store(folder: Path, save: Save | None = None) -> Path:
    """Write a map of two frames; `save` makes the bytes of its tiles, which are then hashed as usual."""
    with pytest.MonkeyPatch.context() as patch:
        if save is not None:
            patch.setattr(shards, "save", save)
        into = grown(range(2), into=VoxelMap(description(), folder=folder))
        write_manifest(
            folder, MapManifest(into.description, into.flush(), {"frames": {"used": 2, "done": 2}})
        )
    return folder


@contextmanager
def opened(folder: Path) -> Iterator[Attempt]:
    """Yield what makes a hostile map and judges what reading it does."""
    use(store(folder / "sound"), folder / "sound-export.ply")
    witness = Witness(folder.parent)
    yield lambda case: attempt(case, folder / "sound", witness)


def attempt(case: Case, sound: Path, witness: Witness) -> Outcome:
    """Make a hostile map and use it in every way that needs no model."""
    hostile = case.folder / "hostile"
    change, wrong = _MADE[case.random.choice(list(_MADE))](case.random, sound, hostile)
    told = ("hostile", MANIFEST, "tile")
    exported = case.folder / "cloud.ply"
    return judged(witness, lambda: use(hostile, exported), change, named=told, wrong=wrong)


def use(folder: Path, exported: Path) -> None:
    """Read a map through and export it; AssertionError says what must not be accepted."""
    faults = [fault for _, fault in verify_map(folder) if fault]
    assert all("\n" not in fault for fault in faults), f"a fault in several lines: {faults}"
    refusals = [
        _refusal(lambda: _read(folder)),
        _refusal(lambda: radseg("map", "export", folder, "-o", exported)),
    ]
    assert not faults or any(refusals), f"read, although verify says: {faults[0]}"
    facts_of(folder)
    for refusal in refusals:
        if refusal is not None:
            raise refusal


def _read(folder: Path) -> None:
    for chunk in SemanticMap.open(folder).chunks():
        assert bool(torch.isfinite(chunk.values).all()), "values that are not finite"
        assert bool((chunk.weights > 0).all()), "weights of 0 or below"


def _refusal(read: Callable[[], object]) -> RadsegError | None:
    try:
        read()
    except RadsegError as error:
        return error
    return None


def _by_bytes(random: Random, sound: Path, hostile: Path) -> tuple[str, bool]:
    """Change the bytes of a file without touching any hash: always found."""
    shutil.copytree(sound, hostile)
    file = _file(random, hostile)
    before = file.read_bytes()
    change, data = changed(random, before)
    file.write_bytes(data)
    same = file.name == MANIFEST and _value(before) == _value(data)  # blanks mean nothing in JSON
    return f"{file.name}: {change}", data != before and not same


def _value(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return object()


def _by_paths(random: Random, sound: Path, hostile: Path) -> tuple[str, bool]:
    """Put something else in place of a file or of the folder of tiles."""
    shutil.copytree(sound, hostile)
    if random.random() < 0.3:
        shutil.move(hostile / TILES, hostile.with_name("elsewhere"))
        (hostile / TILES).symlink_to(hostile.with_name("elsewhere"))
        return "the folder of tiles is a link", True
    file = _file(random, hostile)
    what = path_changed(random, file, sound / MANIFEST)
    return f"{file.name}: {what}", what != "unreadable"  # root reads everything


def _by_manifest(random: Random, sound: Path, hostile: Path) -> tuple[str, bool]:
    """Change a value of the manifest, and its sums and checksum with it."""
    shutil.copytree(sound, hostile)
    place, content = json_changed(random, json.loads((hostile / MANIFEST).read_text()))
    if isinstance(content, dict):
        try:
            content["digest"] = _sha256([content["description"], content["tiles"]])
            content.pop("checksum", None)
            content["checksum"] = _sha256(content)
        except (KeyError, TypeError, ValueError, RecursionError):
            pass
    (hostile / MANIFEST).write_bytes(json_text(content))
    return f"{MANIFEST}: {place}", False


def _by_tensors(random: Random, _: Path, hostile: Path) -> tuple[str, bool]:
    """Let every tile be written with a changed tensor, hashed and named as usual."""
    changes: list[tuple[str, bool]] = []

    def save(tensors: dict[str, Tensor]) -> bytes:
        what, made, wrong = _tile_changed(random, tensors)
        changes.append((what, wrong))
        return safetensors.torch.save({name: tensor.contiguous() for name, tensor in made.items()})

    store(hostile, save)
    return "; ".join(what for what, _ in changes[:2]), any(wrong for _, wrong in changes)


def _tile_changed(random: Random, tensors: dict[str, Tensor]) -> tuple[str, dict[str, Tensor], bool]:
    if random.random() < 0.4:
        return tensors_changed(random, tensors)
    made = {name: tensor.clone() for name, tensor in tensors.items()}
    row = random.randrange(len(made["counts"]))
    what = random.choice(list(_OF_TILE))
    _OF_TILE[what](made, row)
    return what, made, True


def _count(value: int) -> Callable[[dict[str, Tensor], int], None]:
    return lambda made, row: made["counts"].__setitem__(row, value)


_OF_TILE: dict[str, Callable[[dict[str, Tensor], int], None]] = {
    "a count of 0": _count(0),
    "a count of -5": _count(-5),
    "a count of 2^62": _count(2**62),
    "a value that is NaN": lambda made, row: made["values"].__setitem__((row, 0), float("nan")),
    "a value that is infinite": lambda made, row: made["values"].__setitem__((row, 0), float("inf")),
    "a colour that is NaN": lambda made, row: made["colours"].__setitem__((row, 0), float("nan")),
    "a colour of 7": lambda made, row: made["colours"].__setitem__((row, 0), 7.0),
    "a voxel of another tile": lambda made, row: made["indices"][row].add_(6400),
    "voxels in another order": lambda made, _: made.update(indices=made["indices"].flip(0))
    if len(made["indices"]) > 1 else _count(0)(made, 0),
    "values of another width": lambda made, _: made.update(values=made["values"][:, :-1]),
}  # fmt: skip

_MADE: dict[str, Callable[[Random, Path, Path], tuple[str, bool]]] = {
    "bytes": _by_bytes,
    "paths": _by_paths,
    "manifest": _by_manifest,
    "tensors": _by_tensors,
}


def _file(random: Random, folder: Path) -> Path:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    return folder / MANIFEST if random.random() < 0.4 else random.choice(files)


MAPS = Campaign("maps", 400, 16, 30, opened)
