"""`radseg map` end to end on a recording of a wall, half red, half blue."""

import json

import numpy as np
import pytest
from PIL import Image

from cli.cli_builders import events
from radseg.mapping.semantic_map import SemanticMap
from radseg.mapping.tracks import Tracks
from recordings import FRAMES, write_recording
from rgbd_builders import record, write_tum


@pytest.fixture
def recording(tmp_path):
    """Four frames of a wall."""
    return write_recording(tmp_path / "recording")


@pytest.fixture
def build(radseg, recording):
    """Call `radseg map build` on the recording with the toy model."""
    return lambda *arguments: radseg("map", "build", recording, "-m", "toy", "--no-check", *arguments)


def test_a_map_of_probabilities_knows_where_each_name_is(build, tmp_path):
    result = build("-o", "map", "--space", "probabilities", "-p", "red, blue", "--voxel-size", "0.1")
    assert result.exit_code == 0, result.output
    opened = SemanticMap.open(tmp_path / "map")
    chunk = opened.whole()
    assert opened.names == ("red", "blue")
    left, right = chunk.keys[:, 0] * 0.1 < -0.3, chunk.keys[:, 0] * 0.1 > 0.3
    assert float(chunk.values[left, 0].min()) > 0.9
    assert float(chunk.values[right, 1].min()) > 0.9


def test_a_map_of_features_keeps_the_space_of_its_model(build, tmp_path):
    result = build("-o", "map", "--log-format", "json")
    assert result.exit_code == 0, result.output
    told = events(result)
    assert [event["event"] for event in told] == ["started", *["frame"] * FRAMES, "ended"]
    opened = SemanticMap.open(tmp_path / "map")
    assert opened.space == "toy-colour"
    assert opened.description.encoder["preset"] == "toy"
    assert told[-1]["voxels"] == len(opened)


def test_the_miniature_gives_features_before_alignment(radseg, recording, tmp_path):
    result = radseg(
        "map", "build", recording, "-o", "map", "--preset", "miniature", "--no-check", "--skip", "3"
    )
    assert result.exit_code == 0, result.output
    description = SemanticMap.open(tmp_path / "map").description
    assert description.space.startswith("backbone:")
    assert len(description.encoder["sha256"]) == 64


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("radseg-b+", "a map of features has none. Use radseg-b,"),
        ("resclip-b", "resclip-b reads them before it has features"),
    ],
)
def test_a_model_without_features_is_refused_before_anything_is_fetched(model, message, radseg, recording):
    result = radseg("map", "build", recording, "-o", "map", "-m", model, "--no-check")
    assert result.exit_code == 2
    assert message in result.stderr
    assert "not on this machine" not in result.stderr


def test_colour_alone_needs_no_model(radseg, recording, tmp_path):
    result = radseg("map", "build", recording, "-o", "map", "--space", "none", "--no-check")
    assert result.exit_code == 0, result.output
    assert SemanticMap.open(tmp_path / "map").space == "none"


def test_a_wrong_pose_convention_is_named_before_anything_is_built(radseg, shared, tmp_path):
    kitchen = shared / "data/rgbd_kitchen"
    result = radseg("map", "build", kitchen, "-o", "map", "--space", "none", "--poses", "world-to-camera")
    assert result.exit_code == 2
    assert "Build with --poses camera-to-world, or as it is" in " ".join(result.stderr.split())
    assert not (tmp_path / "map").exists()


@pytest.fixture
def tum(tmp_path):
    """Six frames of a rendered room in the layout of TUM; the last colour image has no depth."""
    root = write_tum(tmp_path / "tum", record())
    with (root / "rgb.txt").open("a") as file:
        file.write("\n9.0 rgb/0.png")
    return root


def test_a_wrong_depth_unit_is_answered_with_the_option_that_corrects_it(radseg, tum):
    wrong = ("map", "build", tum, "-o", "map", "--space", "none", "--depth-scale")
    result = radseg(*wrong, "5")
    assert result.exit_code == 2
    assert "Build with --depth-scale 5000, or as it is" in " ".join(result.stderr.split())
    assert radseg(*wrong, "5000").exit_code == 0


def test_what_is_to_know_about_a_recording_is_said_once_on_standard_error(radseg, tum):
    told = ("map", "build", tum, "-o", "map", "--space", "none")
    note = "Note: 1 colour image has no depth within 0.02 s: left out."
    result = radseg(*told, "--log-format", "json")
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines().count(note) == 1
    assert [event["event"] for event in events(result)[:2]] == ["checked", "started"]
    assert note not in radseg(*told, "--overwrite", "--quiet").stderr


def test_a_colour_camera_moves_colour_and_decides_the_map(build, recording, tmp_path):
    """30 cm to the left of the depth camera it sees a wall whose blue begins at x = 0.3 of its own axes."""
    camera = tmp_path / "camera"
    camera.mkdir()
    (camera / "color-intrinsics.txt").write_bytes((recording / "camera-intrinsics.txt").read_bytes())
    np.savetxt(camera / "depth-to-color.txt", [[1, 0, 0, 0.3], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    told = ("-o", "map", "--space", "none", "--voxel-size", "0.1", "--colour-camera", camera)
    assert build(*told).exit_code == 0
    chunk = SemanticMap.open(tmp_path / "map").whole()
    blue = chunk.colours[:, 2] > chunk.colours[:, 0]
    assert int(chunk.keys[blue, 0].min()) == -3  # without the option 0: x + 0.3 = 0
    changed = build("-o", "map", "--space", "none", "--voxel-size", "0.1", "--resume")
    assert changed.exit_code == 2
    assert "colour_camera" in changed.stderr


@pytest.mark.parametrize("lost", ["color-intrinsics.txt", "depth-to-color.txt"])
def test_a_colour_camera_without_one_of_its_files_is_refused(build, recording, tmp_path, lost):
    for name in {"color-intrinsics.txt", "depth-to-color.txt"} - {lost}:
        np.savetxt(tmp_path / name, np.eye(3 if "color-" in name else 4))
    result = build("-o", "map", "--space", "none", "--colour-camera", tmp_path)
    assert result.exit_code != 0
    assert lost in result.stderr


def test_without_a_model_s_name_the_map_has_the_one_whose_weights_are_here(radseg, recording, tmp_path):
    result = radseg("map", "build", recording, "-o", "map", "--no-check", "--skip", "3")
    assert result.exit_code == 0, result.output
    assert "No weights are here" in result.stderr
    assert SemanticMap.open(tmp_path / "map").description.encoder["preset"] == "miniature"


def test_what_the_check_found_is_said(radseg, tum, recording):
    told = ("--space", "none")
    assert "Poses and depth fit together" in radseg("map", "build", tum, "-o", "map", *told).stderr
    for path in recording.glob("frame-00000[123].*"):
        path.unlink()
    still = radseg("map", "build", recording, "-o", "still", *told)
    assert "Not checked: no two readable frames" in still.stderr
    assert "from 1 frame →" in still.stdout
    quiet = radseg("map", "build", recording, "-o", "quiet", *told, "--quiet")
    assert "Not checked: no two readable frames" in quiet.stderr


def test_what_the_check_found_goes_into_the_events_and_the_map(radseg, tum, recording):
    told = events(radseg("map", "build", tum, "-o", "map", "--space", "none", "--log-format", "json"))
    assert (told[0]["event"], told[0]["ok"]) == ("checked", True)
    assert (
        told[0]["verdict"] == events(radseg("map", "info", "map", "--log-format", "json"))[0]["conventions"]
    )
    for path in recording.glob("frame-00000[123].*"):
        path.unlink()
    still = ("map", "build", recording, "-o", "still", "--space", "none", "--log-format", "json")
    assert events(radseg(*still))[0]["ok"] is None
    assert events(radseg(*still, "--overwrite", "--no-check"))[0]["event"] == "started"
    assert events(radseg("map", "info", "still", "--log-format", "json"))[0]["conventions"] == "not checked"


def test_a_camera_is_known_by_name(build, recording):
    (recording / "camera-intrinsics.txt").unlink()
    assert "--camera 7-scenes" in build("-o", "map", "--space", "none").stderr
    assert build("-o", "map", "--space", "none", "--camera", "7-scenes").exit_code == 2


def test_how_to_continue_is_said_only_where_something_was_begun(radseg, build, recording, monkeypatch):
    offline = radseg("map", "build", recording, "-o", "map", "--no-check", "-m", "radseg-b")
    assert (offline.exit_code, "Continue with" in offline.stderr) == (3, False), offline.output
    build("-o", "map", "--space", "none", "--skip", "1")
    offline = radseg("map", "build", recording, "-o", "map", "--no-check", "-m", "radseg-b", "--overwrite")
    assert (offline.exit_code, "Continue with" in offline.stderr) == (3, False), offline.output

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("radseg.datasets.rgbd.base.FileSequence.read", stopped)
    begun = build("-o", "other", "--space", "none")
    assert (begun.exit_code, "Continue with" in begun.stderr) == (130, True), begun.output


def test_a_map_in_the_way_of_a_merge_is_answered_with_what_merge_can_do(radseg, build):
    build("-o", "one", "--space", "none")
    build("-o", "two", "--space", "none", "--skip", "1")
    result = radseg("map", "merge", "one", "two", "-o", "two-of-it")
    assert result.exit_code == 0, result.output
    result = radseg("map", "merge", "one", "two", "-o", "two-of-it")
    assert (result.exit_code, "--resume" in result.stderr) == (2, False)
    assert "Replace it with --overwrite" in result.stderr


def test_a_file_is_no_recording(radseg, recording):
    result = radseg("map", "build", recording / "frame-000000.pose.txt", "-o", "map", "--space", "none")
    assert result.exit_code == 2
    assert "pose.txt is a file; name the folder" in result.stderr


def test_a_frame_without_pose_is_left_out_and_said(build, recording):
    (recording / "frame-000002.pose.txt").unlink()
    result = build("-o", "map", "--space", "none")
    assert result.exit_code == 1
    assert "Left out frame frame-000002" in result.stderr
    assert "from 3 frames; 1 frame left out" in result.stdout


def test_a_map_is_resumed_when_the_recording_grows(build, recording):
    hidden = [path.rename(recording.parent / path.name) for path in recording.glob("frame-000003*")]
    assert build("-o", "map", "--space", "none").exit_code == 0
    for path in hidden:
        path.rename(recording / path.name)
    assert build("-o", "map", "--space", "none").exit_code == 2  # neither --resume nor --overwrite
    result = build("-o", "map", "--space", "none", "--resume")
    assert "1 frame to do after 3 done before" in result.stderr
    assert build("-o", "fresh", "--space", "none").exit_code == 0
    assert SemanticMap.open("map").digest == SemanticMap.open("fresh").digest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--space", "probabilities"], "go with"),
        (["-p", "red"], "go with"),
        (["--space", "none", "--clip", "1,2,3"], "x0,y0,z0,x1,y1,z1"),
        (["--space", "none", "--clip", "0,0,0,1,0,1"], "x0 < x1"),
        (["--resume", "--overwrite"], "use one of them"),
        (["--space", "none", "--memory-budget", "much"], "not a size"),
        (["--space", "none", "--max-depth", "0"], "largest depth is 0 m; it must be above 0"),
        (["--space", "none", "--max-depth", "1"], "no pixel has a valid depth of at most 1 m"),
        (["--space", "none", "--clip", "9,9,9,10,10,10"], "no point of it is within the box that is mapped"),
        (["--space", "probabilities", "-p", "red"], "With 'red' alone every voxel would get it"),
    ],
)
def test_wrong_use_is_said(build, tmp_path, arguments, message):
    result = build("-o", "map", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "map").exists()


def test_info_verify_merge_and_export(radseg, build, recording, tmp_path):
    build("-o", "one", "--space", "none")
    for path in recording.glob("frame-000000*"):
        path.unlink()
    build("-o", "other", "--space", "none", "--clip", "-9,-9,-9,9,9,9")
    assert radseg("map", "merge", "one", "other", "-o", "both").exit_code == 0
    facts = json.loads(radseg("map", "info", "both", "--log-format", "json").stdout)
    assert facts["frames used"] == FRAMES + FRAMES - 1
    assert facts["voxel size"] == 0.05
    assert facts["up"] == "-y"
    verified = radseg("map", "verify", "both")
    assert (verified.exit_code, "files sound" in verified.stdout) == (0, True)
    assert radseg("map", "export", "both", "-o", "both.ply").exit_code == 0
    assert (tmp_path / "both.ply").read_bytes().startswith(b"ply\n")
    assert radseg("map", "export", "both", "-o", "both.ply").exit_code == 2


def test_a_damaged_map_is_reported(radseg, build, tmp_path):
    build("-o", "map", "--space", "none")
    tile = next((tmp_path / "map/tiles").iterdir())
    tile.write_bytes(tile.read_bytes()[:-1])
    result = radseg("map", "verify", "map")
    assert result.exit_code == 1
    assert tile.name in result.stderr
    assert radseg("map", "export", "map", "-o", "map.ply").exit_code == 3
    assert not (tmp_path / "map.ply").exists()


def test_principal_components_are_stored_and_read_as_features(build, radseg, tmp_path):
    assert build("-o", "map", "--components", "8").exit_code == 0
    facts = json.loads(radseg("map", "info", "map", "--log-format", "json").stdout)
    assert facts["stored channels"] == 8
    assert facts["channels"] == SemanticMap.open(tmp_path / "map").whole().values.shape[1] > 8
    result = build("-o", "other", "--components", "8", "--space", "none")
    assert result.exit_code == 2
    assert "this map has none" in result.stderr
    assert not (tmp_path / "other").exists()


def test_a_recording_that_moved_is_the_same_one_for_resume_and_merge(radseg, build, recording, tmp_path):
    hidden = [path.rename(tmp_path / path.name) for path in recording.glob("frame-000003*")]
    build("-o", "one", "--space", "none")
    build("-o", "early", "--space", "none", "--skip", 2)
    for path in hidden:
        path.rename(recording / path.name)
    (tmp_path / "elsewhere").mkdir()
    moved = recording.rename(tmp_path / "elsewhere/recording")
    build_moved = ("map", "build", moved, "--no-check", "--space", "none")
    assert radseg(*build_moved, "-o", "one", "--resume").exit_code == 0
    assert json.loads(radseg("map", "info", "one", "--log-format", "json").stdout)["frames used"] == FRAMES
    radseg(*build_moved, "-o", "two", "--skip", 1)
    assert radseg("map", "merge", "early", "two", "-o", "both").exit_code == 0
    Image.new("RGB", (96, 64), "white").save(moved / "frame-000000.color.jpg")
    other = radseg(*build_moved, "-o", "one", "--resume")
    assert (other.exit_code, "other settings: sequence was" in other.stderr) == (2, True)


def test_maps_of_two_recordings_are_merged_when_a_person_says_that_they_fit(radseg, build, tmp_path):
    write_recording(tmp_path / "kitchen")
    build("-o", "one", "--space", "none")
    radseg("map", "build", "kitchen", "-o", "two", "--space", "none", "--no-check", "--skip", "1")
    asked = radseg("map", "merge", "one", "two", "-o", "both")
    assert (asked.exit_code, "say so: --same-frame" in " ".join(asked.stderr.split())) == (2, True)
    assert radseg("map", "merge", "one", "two", "-o", "both", "--same-frame").exit_code == 0
    facts = json.loads(radseg("map", "info", "one", "--log-format", "json").stdout)
    assert (
        facts["identity"]
        in json.loads(radseg("map", "info", "both", "--log-format", "json").stdout)["merged from"]
    )


def test_a_build_notes_the_2d_objects_of_its_frames_and_changes_no_voxel(build, tmp_path):
    assert build("-o", "plain", "--voxel-size", "0.1").exit_code == 0
    result = build("-o", "noted", "--voxel-size", "0.1", "--objects", "red, blue")
    assert result.exit_code == 0, result.output
    plain, noted = SemanticMap.open(tmp_path / "plain"), SemanticMap.open(tmp_path / "noted")
    assert noted.digest == plain.digest
    assert not plain.load_sightings().have_segments
    tracks = Tracks.of(noted.load_sightings())
    assert (len(tracks.begun), int(tracks.apart[1, 2])) == (2, FRAMES)
    other = build("-o", "noted", "--voxel-size", "0.1", "--objects", "red", "--resume")
    assert (other.exit_code, "objects" in other.stderr) == (2, True)


def test_2d_objects_need_a_model(radseg, recording):
    result = radseg("map", "build", recording, "-o", "map", "--space", "none", "--objects", "red")
    assert result.exit_code == 2
    assert "--objects needs a model" in result.stderr
