"""Every layout gives the same frames; broken folders are named, one bad frame is an error of that frame."""

import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from radseg.datasets.rgbd import Cameras, Sized, open_sequence
from radseg.datasets.rgbd.classes import class_table
from radseg.datasets.rgbd.depth_files import depth_header
from radseg.datasets.rgbd.scannet import scannet_classes, scannet_labels, scannet_scan
from radseg.errors import ImageError, InputError, MissingFileError
from radseg.io import read_label_map
from radseg.types import Intrinsics, Size
from rgbd_builders import (
    HEIGHT,
    UNIT,
    WIDTH,
    WRITERS,
    matrix_text,
    record,
    save,
    write,
    write_folder,
    write_replica,
    write_scannet,
    write_scannetpp,
    write_tum,
)


@pytest.fixture(scope="module")
def recording():
    return record()


@pytest.mark.parametrize("layout", WRITERS)
def test_every_layout_is_recognised_and_gives_the_same_frames(layout, tmp_path, recording):
    path = WRITERS[layout](tmp_path, recording)
    sequence = open_sequence(path)
    order = list(reversed(range(6))) if layout == "scannetpp" else list(range(6))
    assert len(sequence) == 6
    for frame_id, i in zip(sequence.frame_ids(), order, strict=True):
        if layout == "scannetpp" and i == 5:
            continue
        frame = sequence.read(frame_id)
        assert np.allclose(frame.depth.numpy(), recording.depth[i] / UNIT, atol=1e-6)
        assert np.allclose(frame.camera_to_world.numpy(), recording.poses[i], atol=1e-7)
        assert frame.intrinsics.fx == pytest.approx(recording.focal)
        assert np.abs(frame.rgb.numpy() * 255 - recording.rgb[i].transpose(2, 0, 1)).mean() < 1  # JPEG


@pytest.mark.parametrize(("skip", "kept"), [(0, [0, 1, 2, 3, 4, 5]), (1, [0, 2, 4]), (2, [0, 3]), (9, [0])])
def test_frame_skip_keeps_every_frame_whose_number_divides_by_skip_plus_one(tmp_path, recording, skip, kept):
    sequence = open_sequence(write_folder(tmp_path, recording), frame_skip=skip)
    assert sequence.frame_ids() == tuple(f"frame-{i:06d}" for i in kept)


def test_a_negative_frame_skip_is_refused(tmp_path, recording):
    with pytest.raises(InputError, match="frame_skip is -1"):
        open_sequence(write_folder(tmp_path, recording), frame_skip=-1)


def test_scannetpp_pairs_by_name_and_misses_only_what_is_missing(tmp_path, recording):
    sequence = open_sequence(write_scannetpp(tmp_path, recording))
    with pytest.raises(ImageError, match="DSC00005.png"):
        sequence.read("DSC00005")
    assert "fisheye" in sequence.notes[0]


def test_scannetpp_refuses_a_lens_with_distortion(tmp_path, recording):
    scene = write_scannetpp(tmp_path, recording)
    file = scene / "dslr/nerfstudio/transforms_undistorted.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"k1": 0.1}))
    with pytest.raises(InputError, match="distortion \\(k1\\)"):
        open_sequence(scene)


def test_scannetpp_refuses_a_lens_parameter_that_is_no_number(tmp_path, recording):
    scene = write_scannetpp(tmp_path, recording)
    file = scene / "dslr/nerfstudio/transforms_undistorted.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"k1": "a"}))
    with pytest.raises(InputError, match="lens parameter that is no number"):
        open_sequence(scene)


@pytest.mark.parametrize("name", ["fl_x", "cy", "k1"])
def test_scannetpp_refuses_a_number_that_no_float_holds(tmp_path, recording, name):
    scene = write_scannetpp(tmp_path, recording)
    file = scene / "dslr/nerfstudio/transforms_undistorted.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), name: 10**400}))
    with pytest.raises(InputError, match=file.name):
        open_sequence(scene)


def test_scannetpp_takes_blank_lines_at_the_end_of_its_poses(tmp_path, recording):
    scene = write_scannetpp(tmp_path, recording)
    file = scene / "dslr/colmap/images.txt"
    file.write_text(file.read_text() + "\n\n\n")
    assert len(open_sequence(scene)) > 0


def test_scannetpp_image_names_stay_inside_the_folder(tmp_path, recording):
    scene = write_scannetpp(tmp_path, recording)
    file = scene / "dslr/colmap/images.txt"
    file.write_text(file.read_text().replace("DSC00000.JPG", "../../secret.JPG"))
    with pytest.raises(InputError, match="plain file name"):
        open_sequence(scene)


def test_tum_leaves_out_colour_without_depth_in_time_and_says_so(tmp_path, recording):
    write_tum(tmp_path, recording)
    text = (tmp_path / "depth.txt").read_text().replace("0.1050 ", "0.1300 ")
    (tmp_path / "depth.txt").write_text(text)
    sequence = open_sequence(tmp_path)
    assert len(sequence) == 5
    assert sequence.notes == ("1 colour image has no depth within 0.02 s: left out.",)


def test_tum_frame_without_pose_in_time_fails_alone(tmp_path, recording):
    write_tum(tmp_path, recording)
    lines = (tmp_path / "groundtruth.txt").read_text().splitlines()
    (tmp_path / "groundtruth.txt").write_text("\n".join(lines[:-1]))
    sequence = open_sequence(tmp_path)
    assert sequence.read("0.400000").timestamp == pytest.approx(0.4)
    with pytest.raises(InputError, match="the nearest is 0.105 s away"):
        sequence.read("0.500000")


def test_tum_association_file_wins_and_stays_inside_the_folder(tmp_path, recording):
    write_tum(tmp_path, recording)
    write(tmp_path / "associations.txt", "0.0 rgb/0.png 0.0 depth/3.png")
    frame = open_sequence(tmp_path).read("0.000000")
    assert np.allclose(frame.depth.numpy(), recording.depth[3] / UNIT, atol=1e-6)
    write(tmp_path / "associations.txt", "0.0 rgb/0.png soon depth/3.png")
    with pytest.raises(InputError, match="a time that is no number"):
        open_sequence(tmp_path)
    write(tmp_path / "associations.txt", "0.0 ../rgb/0.png 0.0 depth/3.png")
    with pytest.raises(InputError, match="outside the folder"):
        open_sequence(tmp_path)


def test_tum_list_with_a_name_that_no_file_can_have_is_refused(tmp_path, recording):
    write_tum(tmp_path, recording)
    write(tmp_path / "depth.txt", "0.0 depth/\0.png")
    with pytest.raises(InputError, match="no file can have that name"):
        open_sequence(tmp_path).read("0.000000")


def test_tum_keeps_both_of_two_frames_with_one_time_stamp(tmp_path, recording):
    write_tum(tmp_path, recording)
    text = (tmp_path / "rgb.txt").read_text().replace("0.1000 rgb/1.png", "0.0000001 rgb/1.png")
    assert "0.0000001" in text
    (tmp_path / "rgb.txt").write_text(text + "\n0.0 rgb/2.png")
    sequence = open_sequence(tmp_path)
    assert sequence.frame_ids()[:3] == ("0.000000", "0.000000-2", "0.000000-3")
    assert [sequence.frames[name].colour.name for name in sequence.frame_ids()[:3]] == [
        "0.png",
        "2.png",
        "1.png",
    ]
    assert len(sequence) == 7


def test_tum_association_written_depth_first_is_named(tmp_path, recording):
    write_tum(tmp_path, recording)
    write(tmp_path / "associations.txt", "0.0 depth/9.png 0.0 rgb/9.png\n0.1 depth/1.png 0.1 rgb/1.png")
    with pytest.raises(
        InputError, match=r"associations.txt names depth before colour .depth/1.png, then rgb/1"
    ):
        open_sequence(tmp_path)


@pytest.mark.parametrize(
    ("file", "row", "said"),
    [
        ("groundtruth.txt", "1403636579763555584 0 0 0 0 0 0 1", "nanoseconds, .* by 1e9"),
        ("rgb.txt", "1403636579763555 rgb/0.png", "microseconds, .* by 1e6"),
        ("depth.txt", "1403636579763 depth/0.png", "milliseconds, .* by 1e3"),
        ("associations.txt", "1403636579763555584 rgb/0.png 0.0 depth/0.png", "nanoseconds"),
    ],
)
def test_tum_times_that_are_no_seconds_are_named_with_what_to_divide_by(tmp_path, recording, file, row, said):
    write_tum(tmp_path, recording)
    write(tmp_path / file, f"# a comment\n{row}")
    with pytest.raises(InputError, match=f"Line 2 of .*{file} has the time 1403.* look like {said}"):
        open_sequence(tmp_path)


MARKS = {"utf-8": "utf-8-sig", "utf-16, as PowerShell writes": "utf-16"}


@pytest.mark.parametrize("encoding", MARKS.values(), ids=MARKS)
@pytest.mark.parametrize("layout", sorted(WRITERS.keys() - {"record3d"}))  # its one text is in an archive
def test_byte_order_marks_in_text_files_change_nothing(layout, encoding, tmp_path, recording):
    plain, marked = (WRITERS[layout](tmp_path / name, recording) for name in ("plain", "marked"))
    files = [
        file
        for file in (tmp_path / "marked").rglob("*")
        if file.suffix in {".txt", ".json", ".traj", ".pincam"}
    ]
    assert files
    for file in files:
        file.write_bytes(file.read_text().encode(encoding))
    before, after = open_sequence(plain), open_sequence(marked)
    assert after.frame_ids() == before.frame_ids()
    assert after.intrinsics == before.intrinsics
    for name in before.frame_ids():
        assert torch.equal(after.frames[name].pose(), before.frames[name].pose())


@pytest.fixture
def at_most_five_seconds():
    """End what waits for a FIFO that nobody writes to."""

    def give_up(*_):
        raise TimeoutError("it waits for a FIFO")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, 5)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs in folders")
@pytest.mark.parametrize("layout", WRITERS)
@pytest.mark.parametrize("ending", [".txt", ".json", ".png", ".jpg", ".traj", ".pincam"])
@pytest.mark.usefixtures("at_most_five_seconds")
def test_a_fifo_in_place_of_a_file_is_refused_and_never_waited_for(layout, ending, tmp_path, recording):
    path = WRITERS[layout](tmp_path, recording)
    files = [file for file in tmp_path.rglob(f"*{ending}") if file.is_file()]
    for file in files:
        file.unlink()
        os.mkfifo(file)
    if not files:
        return
    with pytest.raises(InputError):
        open_sequence(path, layout=layout).read(next(iter(open_sequence(path, layout=layout).frame_ids())))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs in folders")
@pytest.mark.usefixtures("at_most_five_seconds")
def test_labels_that_are_a_fifo_are_refused(tmp_path):
    os.mkfifo(tmp_path / "0.png")
    with pytest.raises(ImageError, match="not a regular file"):
        read_label_map(tmp_path / "0.png")


def test_tum_list_that_names_a_link_to_itself_fails_that_frame_alone(tmp_path, recording):
    path = write_tum(tmp_path, recording)
    (path / "rgb/0.png").unlink()
    (path / "rgb/0.png").symlink_to(path / "rgb/0.png")
    sequence = open_sequence(path)
    first, second = sequence.frame_ids()[:2]
    with pytest.raises(InputError):
        sequence.read(first)
    sequence.read(second)


def test_hidden_files_are_no_frames(tmp_path, recording):
    write_folder(tmp_path, recording)
    for name in ("frame-000000.depth.png", "frame-000001.color.png"):
        (tmp_path / f"._{name}").write_bytes(b"\0\5\x16\7 AppleDouble")
    assert len(open_sequence(tmp_path)) == 6
    for file in tmp_path.glob("frame*.depth.png"):
        file.unlink()
    with pytest.raises(InputError, match="none of the known layouts"):
        open_sequence(tmp_path)


def test_tum_without_calibration_says_where_to_put_it(tmp_path, recording):
    write_tum(tmp_path, recording)
    (tmp_path / "camera-intrinsics.txt").unlink()
    with pytest.raises(InputError, match="freiburg3 535.4"):
        open_sequence(tmp_path)
    camera = Intrinsics(30, 30, 24, 18, Size(HEIGHT, WIDTH))
    assert open_sequence(tmp_path, cameras=Cameras(depth=camera)).intrinsics == camera


def _break(root, what):
    pose, depth = root / "frame-000002.pose.txt", root / "frame-000002.depth.png"
    if what == "missing pose":
        pose.unlink()
    elif what == "missing depth":
        depth.unlink()
    elif what == "missing colour":
        (root / "frame-000002.color.png").unlink()
    elif what == "truncated depth":
        depth.write_bytes(depth.read_bytes()[:-200])
    elif what == "depth of another size":
        save(depth, np.ones((HEIGHT, WIDTH + 1), np.uint16))
    elif what == "depth in 8 bits":
        save(depth, np.ones((HEIGHT, WIDTH), np.uint8))
    elif what == "lost tracking":
        write(pose, matrix_text(np.full((4, 4), -np.inf)))
    elif what == "scaled pose":
        write(pose, matrix_text(np.diag([2.0, 2, 2, 1])))
    elif what == "mirrored pose":
        write(pose, matrix_text(np.diag([1.0, 1, -1, 1])))
    elif what == "transposed pose":
        write(pose, matrix_text(np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0.5, 1, 2, 1]])))
    elif what == "pose of words":
        write(pose, "one two")
    else:
        write(pose, "1 2 3")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("missing pose", "no file .*frame-000002.pose.txt"),
        ("missing depth", "no depth image .*frame-000002.depth.png"),
        ("missing colour", "no file .*frame-000002.color.jpg"),
        ("truncated depth", "frame-000002.depth.png is damaged or cut short"),
        ("depth of another size", "36×49 pixels, but its camera is calibrated for 36×48"),
        ("depth in 8 bits", "mode L, not one channel of 16 bits"),
        ("lost tracking", "The pose of frame frame-000002 is not finite: tracking was lost"),
        ("scaled pose", "no rotation and shift"),
        ("mirrored pose", "mirrors the world"),
        ("transposed pose", "transposed"),
        ("pose of words", "frame-000002.pose.txt holds something that is no number"),
        ("three numbers", "holds 3 numbers; a pose has 4×4 or 3×4"),
    ],
)
def test_one_bad_frame_is_an_error_of_that_frame_alone(tmp_path, recording, what, message):
    _break(write_folder(tmp_path, recording), what)
    sequence = open_sequence(tmp_path)
    assert len(sequence) == 6
    with pytest.raises(InputError, match=message):
        sequence.read("frame-000002")
    assert sequence.read("frame-000003").rgb.shape == (3, HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nan 0 1 0 1 1 0 0 1", "camera-intrinsics.txt: Intrinsics need finite numbers"),
        ("-5 0 1 0 1 1 0 0 1", "positive focal lengths"),
        ("1 2 3", "3 numbers; 3×3, 4×4 or fx fy cx cy are needed"),
    ],
)
def test_bad_intrinsics_are_refused_at_once_and_name_their_file(tmp_path, recording, text, message):
    write(write_folder(tmp_path, recording) / "camera-intrinsics.txt", text)
    with pytest.raises(InputError, match=message):
        open_sequence(tmp_path)


def test_a_camera_may_be_four_numbers_and_lie_one_folder_up_but_the_nearer_wins(tmp_path, recording):
    folder = write_folder(tmp_path / "seq-01", recording)
    write(tmp_path / "camera-intrinsics.txt", "30 31 24 18")
    (folder / "camera-intrinsics.txt").rename(tmp_path / "kept")
    assert open_sequence(folder).intrinsics == Intrinsics(30, 31, 24, 18, Size(HEIGHT, WIDTH))
    write(folder / "camera-intrinsics.txt", "40, 41, 24, 18")
    assert open_sequence(folder).intrinsics == Intrinsics(40, 41, 24, 18, Size(HEIGHT, WIDTH))
    (folder / "camera-intrinsics.txt").unlink()
    (folder / "camera-intrinsics.txt").symlink_to("nowhere")
    with pytest.raises(InputError, match="seq-01/camera-intrinsics.txt"):
        open_sequence(folder)
    (folder / "camera-intrinsics.txt").unlink()
    (tmp_path / "camera-intrinsics.txt").unlink()
    with pytest.raises(InputError, match="a folder up.* 7-Scenes has 585 585 320 240"):
        open_sequence(folder)


def test_a_pose_may_leave_out_its_last_row(tmp_path, recording):
    folder = write_folder(tmp_path, recording)
    whole = open_sequence(folder).read("frame-000002").camera_to_world
    file = folder / "frame-000002.pose.txt"
    words = file.read_text().split()
    file.write_text(" ".join(words[:12]))
    assert torch.equal(open_sequence(folder).read("frame-000002").camera_to_world, whole)
    file.write_text(" ".join(words[:13]))
    with pytest.raises(InputError, match="13 numbers; a pose has 4×4 or 3×4"):
        open_sequence(folder).read("frame-000002")


def _write_depth(folder, ending, values):
    """Replace the depth files of a folder by ones of another kind; `values` maps millimetres to numbers."""
    for i in range(6):
        old = folder / f"frame-{i:06d}.depth.png"
        numbers, file = values(np.array(Image.open(old))), old.with_suffix(ending)
        old.unlink()
        if ending == ".npy":
            np.save(file, numbers)
        elif ending == ".pgm":
            header = f"P5\n# Kinect\n{WIDTH} {HEIGHT}\n9000\n".encode()
            file.write_bytes(header + numbers.astype(">u2").tobytes())
        else:
            Image.fromarray(numbers).save(file)
    return folder


@pytest.mark.parametrize(
    ("ending", "values"),
    [
        (".tif", lambda mm: (mm / 1000).astype(np.float32)),
        (".tiff", lambda mm: mm.astype(np.uint16)),
        (".npy", lambda mm: mm / 1000),
        (".npy", lambda mm: np.asfortranarray(mm.astype(np.uint16))),
        (".pgm", lambda mm: mm),
    ],
)
def test_depth_files_of_every_kind_give_the_same_metres(tmp_path, recording, ending, values):
    frame = open_sequence(_write_depth(write_folder(tmp_path, recording), ending, values)).read(
        "frame-000002"
    )
    assert np.allclose(frame.depth.numpy(), recording.depth[2] / UNIT, atol=1e-6)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (np.ones((HEIGHT, WIDTH), np.uint16), "holds integer numbers, the recording's first float ones"),
        (np.ones((HEIGHT, WIDTH), np.uint8), "holds uint8 of shape"),
        (np.ones((HEIGHT, WIDTH, 1)), r"shape \(36, 48, 1\)"),
        (np.ones((HEIGHT, WIDTH + 1)), "36×49 pixels, but its camera is calibrated for 36×48"),
        (np.full((HEIGHT, WIDTH), None), "holds object of shape"),
    ],
)
def test_npy_depth_of_another_kind_is_refused(tmp_path, recording, numbers, message):
    folder = _write_depth(write_folder(tmp_path, recording), ".npy", lambda mm: mm / 1000)
    np.save(folder / "frame-000002.depth.npy", numbers)
    with pytest.raises(ImageError, match=message):
        open_sequence(folder).read("frame-000002")


def test_pgm_depth_in_8_bits_or_cut_short_and_two_kinds_of_files_are_refused(tmp_path, recording):
    folder = _write_depth(write_folder(tmp_path, recording), ".pgm", lambda mm: mm)
    file = folder / "frame-000002.depth.pgm"
    whole = file.read_bytes()
    for content, message in ((whole[:-9], "cut short"), (whole.replace(b"9000", b"255"), "no binary PGM")):
        file.write_bytes(content)
        with pytest.raises(ImageError, match=message):
            open_sequence(folder).read("frame-000002")
    short = folder / "frame-000000.depth.npy"
    np.save(short, recording.depth[0])
    with pytest.raises(InputError, match="several kinds"):
        open_sequence(folder)
    short.write_bytes(short.read_bytes()[:-9])
    with pytest.raises(ImageError, match="cut short"):
        depth_header(short)


def test_kitti_s_twelve_numbers_are_no_poses_of_tum(tmp_path, recording):
    write_tum(tmp_path, recording)
    write(tmp_path / "groundtruth.txt", "# poses\n1 0 0 0 0 1 0 0 0 0 1 0\n")
    with pytest.raises(InputError, match="Line 2 of .*12 columns.*KITTI"):
        open_sequence(tmp_path)


def test_folders_that_are_no_recording_say_what_is_needed(tmp_path):
    with pytest.raises(MissingFileError, match="no folder"):
        open_sequence(tmp_path / "nowhere")
    with pytest.raises(InputError, match="replica: results/.*tum: rgb.txt.*folder: frame-"):
        open_sequence(tmp_path)
    with pytest.raises(InputError, match="no layout 'kitti'; choose from auto, replica"):
        open_sequence(tmp_path, layout="kitti")


def test_replica_needs_its_camera_file_and_sixteen_numbers_a_line(tmp_path, recording):
    scene = write_replica(tmp_path, recording)
    lines = (scene / "traj.txt").read_text().splitlines()
    write(scene / "traj.txt", "\n".join([*lines[:3], "1 2 3", *lines[4:]]))
    with pytest.raises(InputError, match="Line 4 of .*traj.txt is not the 16 numbers"):
        open_sequence(scene).read("000003")
    write(tmp_path / "cam_params.json", '{"camera": {"w": 48, "h": 36, "fx": NaN}}')
    with pytest.raises(InputError, match="cam_params.json needs"):
        open_sequence(scene)
    (tmp_path / "cam_params.json").unlink()
    with pytest.raises(InputError, match="no file .*cam_params.json"):
        open_sequence(scene)


def test_unknown_depth_is_nan_and_far_depth_infinite(tmp_path, recording):
    write_folder(tmp_path, recording)
    depth = recording.depth[0].copy()
    depth[0, :3] = (0, 65535, 2500)
    save(tmp_path / "frame-000000.depth.png", depth)
    sequence = open_sequence(tmp_path)
    limited = replace(sequence, depth=replace(sequence.depth, limit=2.0))
    row = limited.read("frame-000000").depth[0]
    assert row[:2].isnan().all()
    assert row[2] == float("inf")


def test_a_second_camera_is_read_and_checked(tmp_path, recording):
    write_folder(tmp_path, recording)
    write(tmp_path / "color-intrinsics.txt", "50 0 24 0 50 18 0 0 1")
    write(tmp_path / "depth-to-color.txt", matrix_text(np.eye(4)))
    frame = open_sequence(tmp_path).read("frame-000000")
    assert frame.colour_intrinsics == Intrinsics(50, 50, 24, 18, Size(HEIGHT, WIDTH))
    assert torch.equal(frame.depth_to_colour, torch.eye(4, dtype=torch.float64))
    save(tmp_path / "frame-000001.color.png", np.zeros((10, 10, 3), np.uint8))
    with pytest.raises(InputError, match="10×10 pixels, but the colour camera"):
        open_sequence(tmp_path).read("frame-000001")


def test_sizes_of_a_protocol_change_images_and_camera_alike(tmp_path, recording):
    sequence = Sized(open_sequence(write_folder(tmp_path, recording)), Size(72, 48), Size(18, 24))
    frame = sequence.read("frame-000000")
    assert frame.rgb.shape == (3, 72, 48)
    assert frame.depth.shape == (18, 24)
    assert frame.intrinsics.fx == pytest.approx(recording.focal / 2)
    assert np.allclose(frame.depth.numpy(), recording.depth[0][1::2, 1::2] / UNIT, atol=1e-6)


def test_scannet_labels_go_through_nyu40_to_ranks(tmp_path, recording):
    scan = write_scannet(tmp_path, recording)
    highest = int(max(labels.max() for labels in recording.labels))
    rows = ["id\tnyu40id\tnyu40class", *(f"{i}\t{i + 1}\tclass{i + 1}" for i in range(1, highest + 1))]
    write(tmp_path / "scannetv2-labels.combined.tsv", "\n".join(rows))
    table, to_nyu40 = scannet_classes(tmp_path, ignore=("class2",))
    sequence = scannet_scan(scan, read_semantics=scannet_labels(table, to_nyu40))
    assert table.names[0] == "class3"
    assert np.array_equal(sequence.read("0").semantics.numpy(), recording.labels[0].astype(int) - 1)
    short = {raw: number for raw, number in to_nyu40.items() if raw != recording.labels[0][0, 0]}
    with pytest.raises(InputError, match="which scannetv2-labels.combined.tsv lacks"):
        scannet_scan(scan, read_semantics=scannet_labels(table, short)).read("0")


def test_class_indices_are_ranks_of_kept_numbers():
    table = class_table({7: "wall", 2: "floor", 4: "lamp", 0: "void"}, ignore=("lamp",))
    assert table.names == ("floor", "wall")
    assert table.indices(torch.tensor([-1, 0, 2, 4, 7, 3])).tolist() == [0, 0, 1, 0, 2, 0]
    with pytest.raises(InputError, match="class number 8; the class table ends at 7"):
        table.indices(torch.tensor([8]))
    with pytest.raises(InputError, match="must be integers"):
        table.indices(torch.tensor([1.0]))


def test_class_lists_that_name_nothing_are_refused():
    with pytest.raises(InputError, match="No class is called 'lmap'"):
        class_table({1: "lamp"}, ignore=("lmap",))
    with pytest.raises(InputError, match="not both"):
        class_table({1: "lamp"}, ignore=("lamp",), only=("lamp",))
    assert class_table({1: "lamp", 2: "bed"}, only=("bed",)).names == ("bed",)
