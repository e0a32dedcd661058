"""RGB-D recordings of every layout with one file changed, read frame by frame and built into maps."""

import json
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import numpy as np
import torch
from PIL import Image

from campaign.byte_changes import changed
from campaign.cases import Attempt, Campaign, Case, Outcome, fault_of, judged
from campaign.command import radseg
from campaign.content_changes import json_changed, json_text, path_changed, text_changed
from campaign.image_seeds import jpeg_changed, png_changed
from campaign.witness import Witness
from radseg.datasets.rgbd import open_sequence
from radseg.errors import InputError, RadsegError
from radseg.runs.map_facts import verify_map
from radseg.types import Frame
from rgbd_builders import WRITERS, record, write_zip

TEXTS = (".txt", ".json", ".traj", ".pincam")


@contextmanager
def opened(folder: Path) -> Iterator[Attempt]:
    """Yield what changes a copy of a recording in one file and judges what reading and building it does."""
    torch.manual_seed(0)
    recording = record(frames=4)
    sound = {name: write(folder / "sound" / name, recording) for name, write in WRITERS.items()}
    for path in sound.values():
        require_frames(path)
    (folder / "outside.txt").write_text("1 2 3")
    witness = Witness(folder.parent)
    yield lambda case: attempt(case, folder, sound, witness)


def attempt(case: Case, folder: Path, sound: dict[str, Path], witness: Witness) -> Outcome:
    """Change one file of a recording, read every frame, and build a map of colours."""
    layout = case.random.choice(list(sound))
    root = case.folder / layout
    shutil.copytree(folder / "sound" / layout, root)
    path = root / sound[layout].relative_to(folder / "sound" / layout)
    chosen = chosen_file(case.random, root)
    change = change_file(case.random, chosen, folder / "outside.txt")
    output = case.folder / "map"

    def read() -> None:
        require_frames(path)
        radseg("map", "build", path, "-o", output, "--space", "none", "-q")
        faults = [fault for _, fault in verify_map(output) if fault]
        assert not faults, f"the map that was built is damaged: {faults}"

    told = {layout, chosen.name, chosen.stem, "Poses and depth do not fit"}
    return judged(witness, read, f"{chosen.relative_to(case.folder)}, {change}", named=told)


def chosen_file(random: Random, root: Path) -> Path:
    """Return one of the files; texts as often as images."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    texts = [path for path in files if path.suffix in TEXTS]
    return random.choice(texts if random.random() < 0.5 and texts else files)


def change_file(random: Random, file: Path, outside: Path) -> str:
    """Change a file in place and return what was done."""
    draw = random.random()
    if draw < 0.2:
        return path_changed(random, file, outside)
    if draw < 0.35:
        change, data = changed(random, file.read_bytes())
    elif file.suffix == ".json":
        change, value = json_changed(random, json.loads(file.read_text()))
        data = json_text(value)
    elif file.suffix == ".r3d":
        return member_changed(random, file)
    elif file.suffix in TEXTS:
        change, data = nanoseconds(file.read_text()) if draw < 0.4 else text_changed(random, file.read_text())
    elif draw < 0.6:
        change, data = "a field of its format", _BY_FORMAT[file.suffix.lower()](random, file.read_bytes())
    else:
        change = random.choice(("of another size", "of another kind", "black"))
        with Image.open(file) as image:
            odd = {
                "of another size": lambda: image.resize((image.width + 1, image.height)),
                "of another kind": lambda: Image.fromarray(np.zeros((image.height, image.width), np.uint8)),
                "black": lambda: (
                    image.point(lambda value: value * 0)
                    if image.mode != "I;16"
                    else Image.new("I;16", image.size)
                ),
            }[change]()
        odd.save(file)
        return change
    file.write_bytes(data)
    return change


def member_changed(random: Random, file: Path) -> str:
    """Change one member of an archive and return what was done."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = random.choice(["metadata", *members])
    if name == "metadata":
        change, value = json_changed(random, json.loads(members[name]))
        members[name] = json_text(value)
    else:
        change, members[name] = changed(random, members[name])
    write_zip(file, members)
    return f"{name}, {change}"


_BY_FORMAT = {".png": png_changed, ".jpg": jpeg_changed}


def nanoseconds(text: str) -> tuple[str, bytes]:
    """Write the first number of each line, a time in some files, as whole nanoseconds."""
    lines = [line.split(" ") for line in text.split("\n")]
    for words in lines:
        if words[0].replace(".", "", 1).isdigit():
            words[0] = str(1403636579763555584 + int(float(words[0]) * 1e9))
    return "nanoseconds", "\n".join(" ".join(words) for words in lines).encode()


def require_frames(path: Path) -> None:
    """Read all frames; raise AssertionError for a wrong one, RadsegError where no frame can be had."""
    sequence = open_sequence(path)
    refused: list[RadsegError] = []
    for frame_id in sequence.frame_ids():
        try:
            require_frame(sequence.read(frame_id))
        except InputError as error:
            told = {
                frame_id,
                *(part.name for part in (sequence.frames[frame_id].colour, sequence.frames[frame_id].depth)),
            }
            stems = {Path(name).stem for name in told}
            fault = fault_of(str(error), {*told, *stems, path.name, path.parent.name})
            if fault is not None:
                raise AssertionError(f"frame {frame_id}: {fault}: {error}") from error
            refused.append(error)
    if len(refused) == len(sequence):
        raise InputError(f"{path}: no frame can be used: {refused[0] if refused else None}")


def require_frame(frame: Frame) -> None:
    """Raise AssertionError unless a frame can be used as it says."""
    pose = frame.camera_to_world
    assert bool(torch.isfinite(pose).all()), "a pose that is not finite"
    assert float((pose[:3, :3] @ pose[:3, :3].mT - torch.eye(3)).abs().max()) < 0.05, (
        "a pose that is no rotation"
    )
    assert bool((frame.rgb >= 0).all() and (frame.rgb <= 1).all()), "colours beyond 0 and 1"
    assert frame.depth.shape == tuple(frame.intrinsics.size), "depth of another size than its camera"
    assert bool((frame.depth[torch.isfinite(frame.depth)] >= 0).all()), "depth below 0"


RECORDINGS = Campaign("recordings", 400, 10, 60, opened)
