"""Damaged, odd and malicious checkpoints, folders of weights and vocabulary packs."""

import io
import json
import logging
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from campaign.byte_changes import changed, flipped
from campaign.cases import Attempt, Campaign, Case, Outcome, judged
from campaign.content_changes import json_changed, json_text, path_changed, tensors_changed
from campaign.weight_seeds import KINDS
from campaign.witness import Witness
from odd_checkpoints import MALICIOUS
from published_folders import any_shape
from radseg.text import pack


@contextmanager
def opened(folder: Path) -> Iterator[Attempt]:
    """Yield what changes a copy of some weights in one place and judges what reading it does."""
    with pytest.MonkeyPatch.context() as patch:
        any_shape(patch)
        patch.setenv("RADSEG_HOME", str(folder / "home"))
        logging.getLogger("radseg").addHandler(logging.NullHandler())  # what is left out is said there
        witness = Witness(folder.parent)

        @cache
        def sound(name: str) -> Path:
            made = folder / "sound" / name
            made.mkdir(parents=True)
            KINDS[name].write(made)
            KINDS[name].read(made)
            return made

        yield lambda case: attempt(case, sound, witness)


def attempt(case: Case, sound: Callable[[str], Path], witness: Witness) -> Outcome:
    """Change one file of some weights and read them."""
    name = case.random.choice(list(KINDS))
    weights = KINDS[name]
    file = case.random.choice(weights.files)
    copy = case.folder / name
    shutil.copytree(sound(name), copy)
    change, wrong = change_file(case.random, copy / file, case.folder / "marker")
    told = (file, name, "tiny", "out")
    outcome = judged(witness, lambda: weights.read(copy), f"{name}/{file}, {change}", named=told, wrong=wrong)
    made = [path for path in case.folder.iterdir() if path.name.startswith("marker")]
    return Outcome("failed", outcome.change, "what a pickle holds was run") if made else outcome


def change_file(random: Random, file: Path, marker: Path) -> tuple[str, bool]:
    """Change a file in place; return what was done and whether it is now wrong beyond doubt."""
    draw = random.random()
    if draw < 0.1:
        outside = marker.with_name("outside")
        outside.write_bytes(b"no weights")
        return path_changed(random, file, outside), file.name != "tokenizer.json"
    if draw < 0.3:
        change, data = changed(random, file.read_bytes())
        file.write_bytes(data)
        return change, change == "cut"
    if file.suffix == ".json":
        place, value = json_changed(random, json.loads(file.read_text()))
        file.write_bytes(json_text(value))
        return place, False
    if file.suffix == ".safetensors":
        return (header_changed if draw < 0.5 else values_changed)(random, file)
    return (pickle_changed if draw < 0.7 else state_changed)(random, file, marker)


def header_changed(random: Random, file: Path) -> tuple[str, bool]:
    """Change the table at the begin of a safetensors file."""
    data = file.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    described = [key for key in ("config", "sizes") if key in header.get("__metadata__", {})]
    if described and random.random() < 0.5:
        place, inside = json_changed(random, json.loads(header["__metadata__"][described[0]]))
        value = header | {"__metadata__": header["__metadata__"] | {described[0]: json.dumps(inside)}}
    else:
        place, value = json_changed(random, header)
    text = json_text(value)
    size = random.choice((len(text),) * 4 + (0, 2**40, 2**63))
    file.write_bytes(size.to_bytes(8, "little") + text + data[8 + length :])
    return f"header: {place}", False


def values_changed(random: Random, file: Path) -> tuple[str, bool]:
    """Change a tensor of a safetensors file, and seal a pack anew."""
    data = file.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    metadata: dict[str, str] = header.get("__metadata__", {})
    what, tensors, wrong = tensors_changed(random, load_tensors(data))
    if metadata.pop("sha256", None):
        if random.random() < 0.4:
            names = json.loads(metadata["names"])
            place, names = json_changed(random, names)
            what, metadata["names"] = f"names: {place}", json.dumps(names)
            tensors, wrong = load_tensors(data), False
        metadata["sha256"] = pack._content_hash(tensors, metadata)
    file.write_bytes(save_tensors({k: v.contiguous() for k, v in tensors.items()}, metadata or None))
    return what, wrong


def pickle_changed(random: Random, file: Path, _: Path) -> tuple[str, bool]:
    """Change a member of a zip archive, checksums right: the pickle's opcodes, or the numbers beside it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(stream, "w") as new:
        names = old.namelist()
        pickled = next(name for name in names if name.endswith("data.pkl"))
        chosen = pickled if random.random() < 0.7 else random.choice(names)
        for name in names:
            content = old.read(name)
            if name == chosen and content:
                change, content = (
                    ("bits flipped", flipped(random, content))
                    if random.random() < 0.5
                    else changed(random, content)
                )
            new.writestr(name, content)
    file.write_bytes(stream.getvalue())
    return f"member {chosen}: {change}", False


def state_changed(random: Random, file: Path, marker: Path) -> tuple[str, bool]:
    """Change a tensor or an argument, or put in a value that runs something when it is unpickled."""
    content: Any = torch.load(file, weights_only=False)
    state = content.get("state_dict", content)
    what, tensors, wrong = tensors_changed(random, state)
    draw = random.random()
    if draw < 0.4:
        what = random.choice(list(MALICIOUS))
        value = MALICIOUS[what](str(marker))
        wrong = place_malicious(random, content, state, value)
        what = f"malicious: {what}"
    elif draw < 0.6 and "args" in content:
        arguments = vars(content["args"])
        what, arguments = json_changed(random, arguments)
        wrong = False
    else:
        state.clear()
        state.update(tensors)
    torch.save(content, file, pickle_protocol=random.choice((2, 3, 4, 5)))
    for path in marker.parent.glob("marker*"):  # saving may call, reading may not
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    return what, wrong and not what.startswith("_loss")


def place_malicious(random: Random, content: Any, state: Any, value: Any) -> bool:
    """Put a value somewhere; return whether it stands where something is needed."""
    key = random.choice([name for name in state if not name.startswith(("_loss", "adaloss", "weight_b"))])
    if "args" in content and random.random() < 0.4:
        setattr(content["args"], random.choice(("odd", "seed")), [value])
        return False
    if random.random() < 0.3:
        state["surprise"] = value
        return "args" not in content
    state[key] = value
    return True


WEIGHTS = Campaign("weights", 600, 12, 30, opened)
