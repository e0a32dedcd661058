"""`radseg segment --objects`: what is written and said, with the toy model and with the miniature."""

import json
from pathlib import Path

from cli_builders import Command, events, paint
from PIL import Image

from radseg.miniature.world import free_camera, make_room, render


def saved(path: str) -> list[tuple[str, list[int], str]]:
    objects = json.loads(Path(path).read_text())["objects"]
    return [(one["name"], one["box"], one["how"]) for one in objects]


def test_objects_are_written_and_said_to_be_connected_parts(toy: Command) -> None:
    photo = paint(Path("photo.png"))
    result = toy(photo, "-p", "red, blue", "--objects", "--stuff", "blue", "-o", "out")
    assert result.exit_code == 0
    assert "Objects: 1 connected parts, 1 whole classes" in result.stdout
    assert sorted(saved("out/objects/photo.json")) == [
        ("blue", [48, 0, 96, 64], "whole class"),
        ("red", [0, 0, 48, 64], "connected part"),
    ]
    assert json.loads(Path("out/classes.json").read_text())["run"]["stuff"] == ["blue"]


def test_the_log_of_a_program_has_the_objects(toy: Command) -> None:
    photo = paint(Path("photo.png"))
    (image,) = (
        one
        for one in events(toy(photo, "-p", "red, blue", "--objects", "--log-format", "json"))
        if one["event"] == "image"
    )
    assert sorted((one["name"], one["how"]) for one in image["objects"]) == [
        ("blue", "connected part"),
        ("red", "connected part"),
    ]


def test_stuff_without_objects_is_refused(toy: Command) -> None:
    result = toy(paint(Path("photo.png")), "-p", "red, blue", "--stuff", "blue")
    assert result.exit_code == 2
    assert "--objects" in result.output


def test_a_model_with_sam_prompts_it(radseg: Command) -> None:
    room = make_room(7010, split="held_out")
    view = render(room, free_camera(room, 0, height=352, width=480), seed=0)
    Image.fromarray(view.rgb).save("room.png")
    names = "purple sofa, brick pillar, concrete wall, concrete floor"
    found = radseg("segment", "room.png", "-m", "miniature+", "-p", names, "--objects", "-o", "out")
    assert found.exit_code == 0, found.output
    assert {how for _, _, how in saved("out/objects/room.json")} == {"SAM prompt", "whole class"}
