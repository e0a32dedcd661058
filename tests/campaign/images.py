"""Mutated images, one by one through the reader and in folders through `radseg segment`."""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image
from typer.testing import CliRunner

from campaign.byte_changes import changed
from campaign.cases import Attempt, Campaign, Case, Outcome, judged
from campaign.image_seeds import jpeg_changed, png_changed, seeds, tiff_changed
from campaign.witness import Witness
from radseg.cli.app import app
from radseg.errors import RadsegError
from radseg.io.image import FORMATS, MAX_PIXELS, read_pixels

BY_FORMAT = {".png": png_changed, ".tif": tiff_changed, ".jpg": jpeg_changed}
BYTES_A_PIXEL = 24
"""That reading may take beside MOST_MEMORY of the witness."""
IN_FOLDER = 25


def mutated(random: Random, sound: dict[str, bytes]) -> tuple[str, str, bytes]:
    """Return the name of a seed, what was done to it, and the bytes."""
    name = random.choice(list(sound))
    data, end = sound[name], name[name.rindex(".") :]
    draw = random.random()
    if draw < 0.4 and end in BY_FORMAT:
        return name, "a field of its format", BY_FORMAT[end](random, data)
    if draw < 0.5:
        other = sound[random.choice(list(sound))]
        return name, "spliced", data[: random.randrange(len(data))] + other[random.randrange(len(other)) :]
    if draw < 0.55:
        return name, "noise behind a true head", data[: random.randint(4, 64)] + random.randbytes(400)
    change, new = changed(random, data)
    return name, change, new


@contextmanager
def opened(folder: Path) -> Iterator[Attempt]:
    """Yield what makes one image, or a folder of them, and judges what is read."""
    sound = seeds()
    for name, data in sound.items():
        (folder / name).write_bytes(data)
        if "animated" not in name and "pages" not in name and "floats" not in name:
            require_size(folder / name, read_pixels(folder / name))
    witness = Witness(folder.parent)
    yield lambda case: attempt(case, sound, witness)


def attempt(case: Case, sound: dict[str, bytes], witness: Witness) -> Outcome:
    """Read one mutated image and compare its size with the header's."""
    seed, change, data = mutated(case.random, sound)
    path = case.folder / f"m{case.number}-{seed}"
    path.write_bytes(data)
    pixels = min(_header(path)[0], MAX_PIXELS)
    witness.most_memory = 64 * 2**20 + BYTES_A_PIXEL * pixels
    return judged(
        witness, lambda: require_size(path, read_pixels(path)), f"{seed}, {change}", named=[path.name],
        wrong=not data,
    )  # fmt: skip


def _header(path: Path) -> tuple[int, set[tuple[int, int]]]:
    """Return pixels and the sizes that an image may have by its header: as it is, or turned."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            turned = _turned(image)
    except Exception:  # what no decoder opens has no size
        return 0, set()
    sizes = {(width, height) if turned else (height, width)}
    if path.read_bytes().count(b"eXIf") > 1:  # the later one may take back what the first one says
        sizes |= {(width, height), (height, width)}
    return width * height, sizes


def _turned(image: Image.Image) -> bool:
    try:  # Pillow says the turned size of a TIFF at once
        return image.format != "TIFF" and image.getexif().get(0x0112) in (5, 6, 7, 8)
    except Exception:
        return False


def require_size(path: Path, pixels: np.ndarray) -> None:
    """Raise AssertionError unless pixels are what the header promises."""
    allowed = _header(path)[1]
    assert pixels.dtype == np.uint8, f"numbers of type {pixels.dtype}"
    assert pixels.ndim == 3, f"shape {pixels.shape}"
    assert pixels.shape[2] == 3, f"shape {pixels.shape}"
    assert pixels.shape[:2] in allowed, f"{pixels.shape[:2]}, not {allowed} as the header says"


@contextmanager
def opened_folders(folder: Path) -> Iterator[Attempt]:
    """Yield what makes a folder of mutated images and a sound one, and judges the run over it."""
    sound = seeds()
    witness = Witness(folder.parent)
    yield lambda case: attempt_folder(case, sound, witness)


def attempt_folder(case: Case, sound: dict[str, bytes], witness: Witness) -> Outcome:
    """Run `radseg segment` over a folder; every image must be done or named with a reason, as read alone."""
    photos, output = case.folder / "photos", case.folder / "out"
    photos.mkdir()
    (photos / "sound.png").write_bytes(sound["rgb.png"])
    for index in range(IN_FOLDER - 1):
        seed, _, data = mutated(case.random, sound)
        if _small(photos / f"m{index}-{seed}", data):
            continue
    witness.most_memory = 512 * 2**20
    command = ["segment", str(photos), "-m", "toy", "-p", "red, blue", "-o", str(output)]
    return judged(witness, lambda: require_run(photos, output, command), f"{IN_FOLDER} images", named=[])


def _small(path: Path, data: bytes) -> bool:
    """Write an image unless its header claims so many pixels that a run would be a matter of minutes."""
    path.write_bytes(data)
    if _header(path)[0] > 4_000_000:
        path.unlink()
        return False
    return True


def require_run(photos: Path, output: Path, command: list[str]) -> None:
    """Raise AssertionError unless the run ends with every image done or refused as when it is read alone."""
    result = CliRunner().invoke(app, command)
    bad = {path.name: reason for path in photos.iterdir() if (reason := refusal(path)) is not None}
    assert result.exit_code == (1 if bad else 0), f"exit code {result.exit_code}: {result.output[-500:]}"
    lines = [json.loads(line) for line in (output / "manifest.jsonl").read_text().splitlines()[1:]]
    failed = {Path(line["source"]).name for line in lines if line["status"] == "failed"}
    assert failed == set(bad), f"{sorted(failed ^ set(bad))} failed in one way only"
    unnamed = [name for name in bad if name not in result.output]
    assert not unnamed, f"not named: {unnamed}"
    found = [trace for trace in ("Traceback", "fault of radseg", "site-packages") if trace in result.output]
    assert not found, f"printed {found}: {result.output[-800:]}"


def refusal(path: Path) -> str | None:
    """Return why an image is refused when it is read alone."""
    try:
        read_pixels(path)
    except RadsegError as error:
        return str(error)
    return None


IMAGES = Campaign("images", 5000, 150, 20, opened)
FOLDERS = Campaign("folders", 40, 1, 120, opened_folders)
