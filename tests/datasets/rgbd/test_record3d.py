"""Record3D's archives: the frames of the plain folder; what is damaged or hostile is one clear error."""

import json
import struct
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch

from radseg.datasets.rgbd import check_conventions, open_sequence
from radseg.datasets.rgbd.lzfse_stream import decoded
from radseg.errors import ImageError, InputError, MissingExtraError
from rgbd_builders import HEIGHT, WIDTH, record, write, write_folder, write_record3d, write_zip

lzfse = pytest.importorskip("lzfse")
SIZE = 4 * HEIGHT * WIDTH


@pytest.fixture(scope="module")
def recording():
    return record(3)


@pytest.fixture
def members(tmp_path, recording):
    with zipfile.ZipFile(write_record3d(tmp_path / "sound", recording)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def described(members, **changes):
    """The members with other entries in their description."""
    return members | {"metadata": json.dumps(json.loads(members["metadata"]) | changes).encode()}


def test_archive_and_folder_give_the_frames_of_the_plain_layout(tmp_path, recording):
    plain = open_sequence(write_folder(tmp_path / "plain", recording))
    packed = open_sequence(write_record3d(tmp_path, recording))
    unpacked = open_sequence(write_record3d(tmp_path / "unpacked", recording, unpacked=True))
    for ours, name in zip(packed.frame_ids(), plain.frame_ids(), strict=True):
        one, other, same = packed.read(ours), plain.read(name), unpacked.read(ours)
        torch.testing.assert_close(one.depth, other.depth)
        torch.testing.assert_close(one.camera_to_world, other.camera_to_world)
        assert (one.intrinsics, one.depth_to_colour) == (other.intrinsics, None)
        assert (one.rgb - other.rgb).abs().mean() < 0.004  # JPEG
        assert torch.equal(one.depth, same.depth)
        assert torch.equal(one.rgb, same.rgb)
    assert packed.digest() == unpacked.digest() != ""
    assert check_conventions(packed).verdict == check_conventions(plain).verdict


def test_the_camera_of_larger_colour_is_scaled_to_depth(tmp_path, recording):
    frame = open_sequence(write_record3d(tmp_path, recording, scale=4)).read("1")
    assert tuple(frame.rgb.shape[1:]) == (4 * HEIGHT, 4 * WIDTH)
    assert frame.intrinsics.fx == pytest.approx(recording.focal)
    assert (frame.intrinsics.cx, frame.intrinsics.cy) == (WIDTH / 2 - 0.5, HEIGHT / 2 - 0.5)


def test_cameras_and_times_of_single_frames_count(tmp_path, members):
    own = described(members, perFrameIntrinsicCoeffs=[[9, 8, 7, 6], None], frameTimestamps=[0.5, 1.5])
    sequence = open_sequence(write_zip(tmp_path / "room.r3d", own))
    first, second = (sequence.read(name) for name in ("0", "1"))
    camera = first.intrinsics
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (9, 8, 7, 6)
    assert second.intrinsics.fx > 9
    assert (first.timestamp, second.timestamp, sequence.read("2").timestamp) == (0.5, 1.5, None)


def test_depth_is_that_of_the_lidar_where_nobody_says(tmp_path, members):
    changed = described(members, w=192, h=256)
    changed |= {"metadata": changed["metadata"].replace(b'"dw"', b'"_"').replace(b'"dh"', b'"__"')}
    changed |= {"rgbd/0.depth": lzfse.compress(np.full(256 * 192, 1.5, "<f4").tobytes())}
    frame = open_sequence(write_zip(tmp_path / "room.r3d", changed)).read("0")
    assert frame.depth.shape == (256, 192)
    assert frame.depth.unique().tolist() == [1.5]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("rgbd/1.depth", lambda _: b"", "cut short"),
        ("rgbd/1.depth", lambda old: old[:-9], "cut short"),
        ("rgbd/1.depth", lambda _: bytes(SIZE), "no LZFSE header"),
        ("rgbd/1.depth", lambda old: b"bvx1" + old[4:], "no LZFSE header"),
        ("rgbd/1.depth", lambda old: old[:30] + b"\xff" * 9 + old[39:], "cannot be decoded|another number"),
        ("rgbd/1.depth", lambda _: lzfse.compress(bytes(SIZE - 4)), "holds 6,908 bytes, not 6,912"),
        ("rgbd/1.depth", lambda old: old[:24] + bytes(8) + old[32:], "header is shorter"),
        ("rgbd/1.depth", lambda _: b"bvx-\0\0\0\0" * 99 + b"bvx$", "too many blocks"),
        ("rgbd/1.jpg", lambda old: old[: len(old) // 2], "damaged or cut short"),
        ("rgbd/1.jpg", lambda _: b"{}", "not an image"),
    ],
)
def test_a_damaged_file_is_an_error_of_its_frame_alone(tmp_path, members, name, change, message):
    damaged = members | {name: change(members[name])}
    sequence = open_sequence(write_zip(tmp_path / "room.r3d", damaged))
    with pytest.raises(ImageError, match=rf"room.r3d/{name}.*({message})"):
        sequence.read("1")
    sequence.read("0")


def test_a_stream_that_lies_of_its_size_is_left_after_four_blocks(monkeypatch):
    noise = np.random.default_rng(0).random(100_000)
    whole = lzfse.compress(np.round(noise, 3).astype("<f4").tobytes())
    starts = [at for at in range(len(whole)) if whole.startswith(b"bvx2", at)]
    blocks = [whole[a:b] for a, b in zip(starts, [*starts[1:], len(whole) - 4], strict=True)]
    true = [struct.unpack_from("<I", one, 4)[0] for one in blocks]
    assert len(blocks) > 5
    lies = [one[:4] + struct.pack("<I", 0 if i else SIZE) + one[8:] for i, one in enumerate(blocks)]
    given = []
    decompress = lzfse.decompress
    monkeypatch.setattr("lzfse.decompress", lambda part: given.append(decompress(part)) or given[-1])
    with pytest.raises(ValueError, match="another number of bytes than its header"):
        decoded(b"".join(lies) + b"bvx$", SIZE)
    assert [len(one) for one in given] == [sum(true[:4])]


@pytest.mark.parametrize("size", [1, 30, 5000, 200_000])
def test_every_kind_of_block_is_decoded(size):
    noise = np.random.default_rng(size)
    for content in (noise.bytes(size), bytes(size), noise.integers(0, 4, size, np.uint8).tobytes()):
        assert decoded(lzfse.compress(content), size) == content
    large = np.round(noise.random(400_000), 2).astype("<f4").tobytes()
    assert decoded(lzfse.compress(large), len(large)) == large


def test_what_unpacks_to_more_than_it_says_is_refused_before_it_is_unpacked(tmp_path, members):
    archive = write_zip(tmp_path / "room.r3d", members | {"rgbd/1.depth": bytes(50_000_000)})
    size = struct.pack("<I", 50_000_000)
    archive.write_bytes(archive.read_bytes().replace(size, struct.pack("<I", 1000)))
    sequence = open_sequence(archive)
    tracemalloc.start()
    with pytest.raises(InputError, match=r"room.r3d is no whole .r3d archive \(Bad CRC-32"):
        sequence.read("1")
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_hostile_members_are_refused(tmp_path, members):
    archive = write_zip(tmp_path / "room.r3d", members | {"rgbd/1.depth": bytes(70 * 2**20)})
    with pytest.raises(InputError, match="has 73,400,320 bytes; at most"):
        open_sequence(archive).read("1")
    with pytest.raises(InputError, match="metadata is packed by method 12"):
        open_sequence(write_zip(tmp_path / "room.r3d", members, zipfile.ZIP_BZIP2))
    with (
        zipfile.ZipFile(write_zip(archive, members), "a") as more,
        pytest.warns(UserWarning, match="Duplicate"),
    ):
        more.writestr("rgbd/0.jpg", b"")
    with pytest.raises(InputError, match="two files of one name"):
        open_sequence(archive)
    content = bytearray(write_zip(archive, members).read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    archive.write_bytes(content)
    with pytest.raises(InputError, match="metadata is encrypted"):
        open_sequence(archive)


def test_only_files_of_frames_are_frames(tmp_path, members):
    odd = ("rgbd/07.jpg", "rgbd/../8.jpg", "/rgbd/9.jpg", "rgbd/10.conf", "rgbd/12345678.jpg", "rgbd/٣.jpg")
    archive = write_zip(tmp_path / "room.r3d", members | dict.fromkeys(odd, b""))
    assert open_sequence(archive).frame_ids() == ("0", "1", "2")


def test_depth_below_0_is_unknown(tmp_path, members):
    odd = np.full(HEIGHT * WIDTH, 2, "<f4")
    odd[:4] = -1, -np.inf, np.nan, 0
    frame = open_sequence(
        write_zip(tmp_path / "room.r3d", members | {"rgbd/0.depth": lzfse.compress(odd.tobytes())})
    ).read("0")
    assert frame.depth.flatten()[:4].isnan().all()
    assert (frame.depth.flatten()[4:] == 2).all()


@pytest.mark.parametrize("cut", [0, 1, 100, -30])
def test_what_is_no_whole_archive_is_named(tmp_path, members, cut):
    archive = write_zip(tmp_path / "room.r3d", members)
    archive.write_bytes(archive.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"room.r3d is no whole .r3d archive"):
        open_sequence(archive)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        (b"{", "is not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "holds a list, not an object"),
        (b"{}", "h None, w None; whole numbers from 1 to 16,383"),
        (b'{"h": true, "w": 4}', "h True"),
        (b'{"h": 36, "w": 48, "dh": 4096, "dw": 1}', "dh 4096, dw 1; whole numbers from 1 to 4,095"),
        (b'{"h": 36, "w": 48, "dh": 36, "dw": 48, "K": [1, 2]}', r"K in .* is \[1, 2\]; 9 numbers"),
        (b'{"h": 36, "w": 48, "dh": 36, "dw": 48, "K": [1, 0, 0, 0, 1e999, 0, 1, 1, 1]}', "finite"),
        (b'{"h": 36, "w": 48, "dh": 48, "dw": 36, "K": [1, 0, 0, 0, 1, 0, 1, 1, 1]}', "of another shape"),
    ],
)
def test_a_description_that_is_none_is_refused(tmp_path, members, description, message):
    with pytest.raises(InputError, match=message):
        open_sequence(write_zip(tmp_path / "room.r3d", members | {"metadata": description}))


@pytest.mark.parametrize("poses", [None, [], [[1, 2]], [["a"] * 7] * 3, [[0] * 7] * 3])
def test_a_frame_without_a_pose_fails_alone(tmp_path, members, poses):
    sequence = open_sequence(write_zip(tmp_path / "room.r3d", described(members, poses=poses)))
    with pytest.raises(InputError, match="pose of frame 0"):
        sequence.read("0")


def test_without_the_library_the_line_that_installs_it_is_named(tmp_path, recording, monkeypatch):
    archive = write_record3d(tmp_path, recording)
    monkeypatch.setitem(sys.modules, "lzfse", None)
    with pytest.raises(MissingExtraError, match=r"radseg\[record3d\]"):
        open_sequence(archive)


def test_other_files_and_empty_recordings_are_refused(tmp_path, members):
    named = write_zip(tmp_path / "room.zip", members)
    assert len(open_sequence(named, layout="record3d")) == 3
    for path, layout in ((named, "auto"), (write_zip(tmp_path / "room.r3d", members), "folder")):
        with pytest.raises(InputError, match="is a file; name the folder"):
            open_sequence(path, layout=layout)
    (tmp_path / "folder.r3d").mkdir()
    with pytest.raises(InputError, match="none of the known layouts"):
        open_sequence(tmp_path / "folder.r3d")
    with pytest.raises(InputError, match="metadata cannot be read"):
        open_sequence(tmp_path / "folder.r3d", layout="record3d")
    (tmp_path / "empty/rgbd").mkdir(parents=True)
    write(tmp_path / "empty/metadata", "{}")
    with pytest.raises(InputError, match="holds no frames"):
        open_sequence(tmp_path / "empty")
