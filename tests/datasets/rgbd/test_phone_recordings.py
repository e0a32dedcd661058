"""ARKitScenes and ScanNet++'s iPhone: what is damaged is named, what cannot be read too."""

import json

import pytest

from radseg.datasets.rgbd import open_sequence
from radseg.errors import InputError
from rgbd_builders import record, write, write_arkit, write_scannetpp_iphone


@pytest.fixture(scope="module")
def recording():
    return record(3)


def test_frames_without_a_pose_in_time_are_left_out_and_counted(tmp_path, recording):
    write_arkit(tmp_path, recording)
    lines = (tmp_path / "lowres_wide.traj").read_text().splitlines()
    write(tmp_path / "lowres_wide.traj", "\n".join([lines[0], lines[2].replace("100.2", "100.3")]))
    sequence = open_sequence(tmp_path)
    assert sequence.frame_ids() == ("41069021_100.000",)
    assert sequence.notes == ("2 of 3 frames have no pose within 0.01 s: left out.",)
    write(tmp_path / "lowres_wide.traj", "")
    with pytest.raises(InputError, match="No depth image of .* has a pose within 0.01 s"):
        open_sequence(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("640 480 1 1 1", "holds 5 numbers"),
        ("nan 36 1 1 1 1", "begins with nan 36"),
        ("1e300 36 1 1 1 1", "shape"),
        ("64 9 1 1 1 1", "shape"),
    ],
)
def test_a_damaged_camera_is_an_error_of_its_frame_alone(tmp_path, recording, text, message):
    write_arkit(tmp_path, recording)
    write(tmp_path / "lowres_wide_intrinsics/41069021_100.000.pincam", text)
    sequence = open_sequence(tmp_path)
    with pytest.raises(InputError, match=message):
        sequence.read("41069021_100.000")
    sequence.read("41069021_100.100")


@pytest.mark.parametrize("line", ["100.1 1 2 3 4 5", "100.1 a b c d e f"])
def test_a_trajectory_that_is_none_is_refused_with_its_line(tmp_path, recording, line):
    write_arkit(tmp_path, recording)
    file = tmp_path / "lowres_wide.traj"
    write(file, f"{file.read_text()}\n{line}")
    with pytest.raises(InputError, match="Line 4 of .*lowres_wide.traj is not a time, a rotation"):
        open_sequence(tmp_path)
    write(file, "100.0 nan 0 0 0 0 0")
    sequence = open_sequence(tmp_path)
    with pytest.raises(InputError, match="not finite"):
        sequence.read(sequence.frame_ids()[0])


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (None, "has no intrinsic of 3×3|has no aligned_pose"),
        ({"aligned_pose": [[1, 2]]}, r"aligned_pose of shape \(1, 2\), not 4×4"),
        ({"intrinsic": [["a"]]}, "no intrinsic of 3×3 numbers"),
        ({"intrinsic": [[float("inf")] * 3] * 3}, "finite"),
    ],
)
def test_a_damaged_description_is_an_error_of_its_frame_alone(tmp_path, recording, entry, message):
    file = write_scannetpp_iphone(tmp_path, recording) / "pose_intrinsic_imu.json"
    described = json.loads(file.read_text())
    described["frame_000000"] = None if entry is None else described["frame_000000"] | entry
    file.write_text(json.dumps(described))
    sequence = open_sequence(tmp_path)
    with pytest.raises(InputError, match=message):
        sequence.read("frame_000000")
    sequence.read("frame_000001")


def test_an_iphone_recording_that_was_not_taken_apart_says_how(tmp_path):
    write(tmp_path / "pose_intrinsic_imu.json", "{}")
    with pytest.raises(InputError, match="rgb.mkv and depth.bin apart first"):
        open_sequence(tmp_path)
