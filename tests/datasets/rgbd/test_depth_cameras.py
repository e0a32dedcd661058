"""Which camera depth has: by name, from a file for images of another size, with its y axis up (ICL-NUIM)."""

import numpy as np
import pytest

from radseg.datasets.rgbd import CAMERAS, Cameras, check_conventions, open_sequence
from radseg.errors import InputError
from radseg.mapping.description import MapDescription
from radseg.mapping.mapper import Mapper
from radseg.ops.voxels import unpack
from radseg.types import Intrinsics, Size
from rgbd_builders import (
    HEIGHT,
    WIDTH,
    WRITERS,
    record,
    save,
    write,
    write_folder,
    write_icl_nuim,
    write_scannetpp_iphone,
    write_tum,
)

SIZE = Size(HEIGHT, WIDTH)


@pytest.fixture(scope="module")
def recording():
    return record()


@pytest.mark.parametrize("layout", WRITERS)
def test_a_camera_named_by_the_user_replaces_the_folders_at_the_size_of_its_depth(
    layout, tmp_path, recording
):
    path = WRITERS[layout](tmp_path, recording)
    sequence = open_sequence(path, cameras=Cameras(depth="7-scenes"))
    factor = WIDTH / 640
    expected = Intrinsics(585 * factor, 585 * factor, 320 * factor, 240 * factor, SIZE)
    assert sequence.read(sequence.frame_ids()[-1]).intrinsics == sequence.intrinsics == expected


def test_a_named_camera_needs_no_file_and_an_unknown_one_is_refused_with_what_there_is(tmp_path, recording):
    for name, path in (("7-scenes", write_folder(tmp_path / "f", recording)), ("freiburg1", tmp_path / "t")):
        if name == "freiburg1":
            write_tum(path, recording)
        (path / "camera-intrinsics.txt").unlink()
        named = open_sequence(path, cameras=Cameras(depth=name))
        assert named.intrinsics == CAMERAS[name].intrinsics.resized(SIZE)
    with pytest.raises(InputError, match="no camera 'kinect'; choose from 7-scenes, freiburg1"):
        open_sequence(tmp_path / "t", cameras=Cameras(depth="kinect"))


def test_numbers_of_another_size_are_scaled_where_that_size_is_said(tmp_path, recording):
    file = write_folder(tmp_path, recording) / "camera-intrinsics.txt"
    write(file, f"300 310 230 170 {WIDTH * 10} {HEIGHT * 10}")
    assert open_sequence(tmp_path).intrinsics == Intrinsics(30, 31, 23, 17, SIZE)
    write(file, "300 310 230 170")
    with pytest.raises(InputError, match="column 230, row 170, outside of the 36×48 images.*width height"):
        open_sequence(tmp_path)
    write(file, f"300 310 230 170 {WIDTH * 10} {HEIGHT * 8}")
    with pytest.raises(InputError, match="camera-intrinsics.txt: The camera .* 288×480 .* another shape"):
        open_sequence(tmp_path)
    write(file, "300 310 230 170 0 nan")
    with pytest.raises(InputError, match="no whole number"):
        open_sequence(tmp_path)


def _keys(sequence):
    mapper = Mapper(MapDescription(0.05))
    return np.concatenate(
        [unpack(mapper.sums(sequence.read(name)).keys).numpy() for name in sequence.frame_ids()]
    )


def test_depth_smaller_than_colour_maps_the_voxels_of_its_nearest_enlargement(tmp_path, recording):
    small, large = (write_folder(tmp_path / name, recording) for name in ("small", "large"))
    for i, depth in enumerate(recording.depth):
        save(small / f"frame-{i:06d}.depth.png", depth[::2, ::2])
        save(large / f"frame-{i:06d}.depth.png", depth[::2, ::2].repeat(2, 0).repeat(2, 1))
    for folder in (small, large):
        focal, middle = recording.focal, f"{WIDTH / 2 - 0.5} {HEIGHT / 2 - 0.5}"
        write(folder / "camera-intrinsics.txt", f"{focal} {focal} {middle} {WIDTH} {HEIGHT}")
    assert open_sequence(small).intrinsics.size == Size(HEIGHT // 2, WIDTH // 2)
    few, many = (_keys(open_sequence(folder)) for folder in (small, large))
    # A voxel is 5 cm, a pixel of the small depth up to 20 cm wide: its middle is in one of the voxels around.
    offset = np.abs(many[:, None] - few[None]).max(-1).min(0)
    assert offset.max() <= 1


def test_icl_nuim_is_read_as_it_is_published(tmp_path, recording):
    sequence = open_sequence(write_icl_nuim(tmp_path, recording))
    for i, name in enumerate(sequence.frame_ids()):
        assert np.allclose(sequence.read(name).camera_to_world.numpy(), recording.poses[i], atol=1e-7)
        assert np.allclose(sequence.read(name).depth.numpy(), recording.depth[i] / 1000, atol=1e-6)
    assert sequence.intrinsics.fy == pytest.approx(recording.focal)
    assert check_conventions(sequence).ok
    (tmp_path / "camera-intrinsics.txt").unlink()
    known = open_sequence(tmp_path)
    assert (known.intrinsics, known.reading) == (
        CAMERAS["icl-nuim"].intrinsics.resized(SIZE),
        sequence.reading,
    )
    (tmp_path / "traj1.gt.freiburg").write_text("")
    with pytest.raises(InputError, match="several recordings .traj0.gt.freiburg, traj1"):
        open_sequence(tmp_path)


def test_icl_nuim_read_with_its_y_axis_down_is_noticed_and_corrected(tmp_path, recording):
    write_icl_nuim(tmp_path, recording)
    wrong = open_sequence(tmp_path, axes="opencv", world="right-handed")
    report = check_conventions(wrong)
    assert report.ok is False
    assert report.suggestion == {"axes": "left-handed", "world": "left-handed"}


def test_a_phone_s_camera_is_scaled_from_colour_to_depth(tmp_path, recording):
    frame = open_sequence(write_scannetpp_iphone(tmp_path, recording, scale=4)).read("frame_000001")
    assert frame.rgb.shape == (3, HEIGHT * 4, WIDTH * 4)
    assert frame.intrinsics == Intrinsics(*([recording.focal] * 2), WIDTH / 2 - 0.5, HEIGHT / 2 - 0.5, SIZE)
