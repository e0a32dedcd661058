"""What is written can be handed on: no file of any verb names a folder of the disk, unless it is asked to."""

from pathlib import Path

import pytest
from cli_builders import paint, write_film
from typer.main import get_command

from evaluation_builders import paper_run
from radseg.cli.app import app
from recordings import write_recording
from written_paths import named

OWN_HOME = Path.home()
READING = {"map info", "map verify", "map view", "models", "doctor"}
"""Verbs that write no results."""

ELSEWHERE = {"bench", "demo"}
"""Verbs that read no files of a person; their own tests look at what they write."""


def test_every_verb_that_writes_is_looked_at():
    verbs = set()
    for name, command in get_command(app).commands.items():
        below = getattr(command, "commands", {})
        verbs |= {f"{name} {one}" for one in below} if below and name != "models" else {name}
    assert verbs == {*WRITTEN, *READING, *ELSEWHERE}


@pytest.fixture
def world(tmp_path, labelled, photos):
    """Inputs of all kinds, each with something that fails; every one is named by its absolute path."""
    (photos / "broken.jpg").write_bytes(b"no image")
    (labelled / "images/0.png").write_bytes(b"no image")
    recording = write_recording(tmp_path / "recording")
    (recording / "frame-000002.depth.png").write_bytes(b"no image")
    paint(tmp_path / "elsewhere/a.jpg")
    (tmp_path / "result.json").write_text(paper_run().to_json())
    write_film(tmp_path / "film.mp4")
    return tmp_path


def verb_lines(world):
    """Return what each verb of WRITTEN is given, but for the -o of `output`."""
    out, photo, toy = world / "out", world / "photos/b.png", ("-m", "toy", "-p", "red,blue")
    data = ("--data", world / "set", "--classes", world / "names.txt", "--ignore", 9, "--first-label", 1)
    images = (world / "photos", world / "elsewhere/a.jpg")
    return {
        "segment": (*images, *toy, "--save", "labels,overlay,legend,heatmaps,pca,npz,coco"),
        "video": (world / "film.mp4", *toy),
        "export": (out / "segment", "--to", "coco"),
        "import": (out / "export/set", "--from", "coco", "--images", world / "photos"),
        "review": (out / "segment", "--images", world / "photos"),
        "compare": (photo, *toy),
        "text": toy,
        "map build": (world / "recording", "-m", "toy", "--no-check"),
        "query": (out / "map build", "red"),
        "map render": (out / "map build", "-p", "red,blue", "--width", 64, "--height", 64),
        "map merge": (out / "map build", world / "other"),
        "map export": (out / "map merge",),
        "eval": ("folder", *data, "-m", "toy"),
        "report": (out / "eval", world / "result.json"),
        "ablate": ("denoising=0.1,0.2", "--on", "folder", *data, "-m", "toy"),
        "sheet": ("folder", *data, "-m", "toy"),
        "analyse alignment": (*images, "-m", "miniature", "--side", 64),
        "analyse similarity": (photo, "--at", "9,9", "-m", "miniature"),
    }


WRITTEN = tuple(verb_lines(Path()))
FILES = {"compare": "a.png", "text": "a.safetensors", "map export": "map.npz", "report": "report.md"}
FILES |= {"review": "review.html", "export": "set", "import": "set"}
"""Verbs whose -o is a file or must be new, and one to write."""


def output(world, verb):
    """Return the -o of a verb, in a folder of its own."""
    folder = world / "out" / verb
    folder.mkdir(parents=True, exist_ok=True)
    return folder / FILES.get(verb, "")


def test_no_file_names_a_folder_of_the_disk(radseg, world):
    built = ("map", "build", world / "recording", "-m", "toy", "--no-check")
    radseg(*built, "--skip", 1, "-o", world / "other")
    for verb, arguments in verb_lines(world).items():
        done = radseg(*verb.split(), *arguments, "-o", output(world, verb))
        assert done.exit_code in (0, 1), (verb, done.output)
        for folder in (world, OWN_HOME):
            assert named(world / "out" / verb, folder) == 0, f"{verb} names {folder}"


@pytest.mark.parametrize(
    ("verb", "place"), [("segment", "photos"), ("map build", "recording"), ("eval", "set")]
)
def test_the_folder_is_kept_once_where_it_is_asked_for(radseg, world, verb, place):
    lines = dict(verb_lines(world), segment=("photos", "-m", "toy", "-p", "red,blue"))
    done = radseg(*verb.split(), *lines[verb], "--keep-paths", "-o", output(world, verb))
    assert done.exit_code == 1, done.output
    written = world / "out" / verb
    assert named(written, world / place) == named(written, world) == 1
