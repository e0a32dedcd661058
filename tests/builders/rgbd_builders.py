"""Writes one rendered room as every layout, so that each reader must return the same frames."""

import json
import zipfile
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from radseg.miniature.world import make_room, sequence_cameras
from radseg.miniature.world.render import render

UNIT = 1000.0
HEIGHT, WIDTH, FRAMES = 36, 48, 6
MIRROR = np.diag([1.0, -1, 1, 1])


@dataclass(frozen=True)
class Recording:
    rgb: list
    depth: list
    poses: list
    focal: float
    labels: list


def record(frames=FRAMES):
    room = make_room(3)
    cameras = sequence_cameras(room, frames * 4, height=HEIGHT, width=WIDTH)[:frames]
    views = [render(room, camera, noise=0) for camera in cameras]
    return Recording(
        [v.rgb for v in views],
        [np.round(v.depth * UNIT).astype(np.uint16) for v in views],
        [c.camera_to_world for c in cameras],
        cameras[0].focal,
        [v.semantic.astype(np.uint16) + 1 for v in views],
    )


def k_text(focal, side=3):
    k = np.eye(side)
    k[0, 0] = k[1, 1] = focal
    k[0, 2], k[1, 2] = WIDTH / 2 - 0.5, HEIGHT / 2 - 0.5
    return "\n".join(" ".join(map(str, row)) for row in k)


def matrix_text(matrix):
    return "\n".join(" ".join(f"{value:.9f}" for value in row) for row in matrix)


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    settings = {} if path.suffix == ".png" else {"quality": 100, "subsampling": 0}
    Image.fromarray(array).save(path, **settings)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_folder(root, recording, change=lambda pose: pose):
    write(root / "camera-intrinsics.txt", k_text(recording.focal))
    for i, pose in enumerate(recording.poses):
        save(root / f"frame-{i:06d}.color.png", recording.rgb[i])
        save(root / f"frame-{i:06d}.depth.png", recording.depth[i])
        write(root / f"frame-{i:06d}.pose.txt", matrix_text(change(pose)))
    return root


def write_replica(root, recording):
    camera = {"w": WIDTH, "h": HEIGHT, "fx": recording.focal, "fy": recording.focal, "scale": UNIT}
    camera |= {"cx": WIDTH / 2 - 0.5, "cy": HEIGHT / 2 - 0.5}
    write(root / "cam_params.json", json.dumps({"camera": camera}))
    scene = root / "office0"
    write(scene / "traj.txt", "\n".join(matrix_text(p).replace("\n", " ") for p in recording.poses))
    for i in range(len(recording.poses)):
        save(scene / "results" / f"frame{i:06d}.jpg", recording.rgb[i])
        save(scene / "results" / f"depth{i:06d}.png", recording.depth[i])
    return scene


def write_scannet(root, recording):
    scan = root / "scene0000_00"
    write(scan / "intrinsic" / "intrinsic_depth.txt", k_text(recording.focal, 4))
    for i, pose in enumerate(recording.poses):
        save(scan / "color" / f"{i}.jpg", recording.rgb[i])
        save(scan / "depth" / f"{i}.png", recording.depth[i])
        save(scan / "scene0000_00_2d-label-filt" / "label-filt" / f"{i}.png", recording.labels[i])
        write(scan / "pose" / f"{i}.txt", matrix_text(pose))
    return scan


def write_scannetpp(root, recording):
    """Colmap numbers run against the file names, and the last image has no depth."""
    scene = root / "data" / "0a1b"
    camera = {"fl_x": recording.focal, "fl_y": recording.focal, "w": WIDTH, "h": HEIGHT}
    camera |= {"cx": WIDTH / 2 - 0.5, "cy": HEIGHT / 2 - 0.5}
    write(scene / "dslr/nerfstudio/transforms_undistorted.json", json.dumps(camera))
    lines = ["# Image list"]
    for i, pose in enumerate(recording.poses):
        q, t = quaternion(np.linalg.inv(pose)), np.linalg.inv(pose)[:3, 3]
        lines += [" ".join(map(str, (100 - i, *q, *t, 1, f"DSC{i:05d}.JPG"))), ""]
        save(scene / "dslr/undistorted_images" / f"DSC{i:05d}.JPG", recording.rgb[i])
        if i < len(recording.poses) - 1:
            depths = root / "data/depth/0a1b/dslr/render_depth"
            save(depths / f"DSC{i:05d}.png", recording.depth[i])
    write(scene / "dslr/colmap/images.txt", "\n".join(lines))
    return scene


def write_tum(root, recording, shift=0.005):
    write(root / "camera-intrinsics.txt", k_text(recording.focal))
    colours, depths, poses = ["# colour"], ["# depth"], ["# timestamp tx ty tz qx qy qz qw"]
    for i, pose in enumerate(recording.poses):
        save(root / "rgb" / f"{i}.png", recording.rgb[i])
        save(root / "depth" / f"{i}.png", recording.depth[i] * 5)
        colours.append(f"{i * 0.1:.4f} rgb/{i}.png")
        depths.append(f"{i * 0.1 + shift:.4f} depth/{i}.png")
        w, x, y, z = quaternion(pose)
        poses.append(f"{i * 0.1 - shift:.4f} {' '.join(map(str, (*pose[:3, 3], x, y, z, w)))}")
    for name, lines in (("rgb", colours), ("depth", depths), ("groundtruth", poses)):
        write(root / f"{name}.txt", "\n".join(lines))
    return root


def write_icl_nuim(root, recording):
    """Depth first in the association file, poses and camera with y up and z forward."""
    middle = f"{WIDTH / 2 - 0.5} {HEIGHT / 2 - 0.5}"
    write(root / "camera-intrinsics.txt", f"{recording.focal} {-recording.focal} {middle}")
    pairs, poses = [], []
    for i, pose in enumerate(recording.poses):
        save(root / "rgb" / f"{i}.png", recording.rgb[i])
        save(root / "depth" / f"{i}.png", recording.depth[i] * 5)
        pairs.append(f"{i} depth/{i}.png {i} rgb/{i}.png")
        mirrored = MIRROR @ pose @ MIRROR
        w, x, y, z = quaternion(mirrored)
        poses.append(f"{i} {' '.join(map(str, (*mirrored[:3, 3], x, y, z, w)))}")
    write(root / "associations.txt", "\n".join(pairs))
    write(root / "traj0.gt.freiburg", "\n".join(poses))
    return root


def write_arkit(root, recording):
    """One camera per frame; the trajectory is world-to-camera, axis times angle."""
    middle = f"{WIDTH / 2 - 0.5} {HEIGHT / 2 - 0.5}"
    lines = []
    for i, pose in enumerate(recording.poses):
        name = f"41069021_{100 + i * 0.1:.3f}"
        save(root / "lowres_wide" / f"{name}.png", recording.rgb[i])
        save(root / "lowres_depth" / f"{name}.png", recording.depth[i])
        camera = f"{WIDTH} {HEIGHT} {recording.focal} {recording.focal} {middle}"
        write(root / "lowres_wide_intrinsics" / f"{name}.pincam", camera)
        inverse = np.linalg.inv(pose)
        w, *axis = quaternion(inverse)
        length = np.linalg.norm(axis)
        turn = np.array(axis) / length * 2 * np.arctan2(length, w)
        lines.append(" ".join(map(str, (100.004 + i * 0.1, *turn, *inverse[:3, 3]))))
    write(root / "lowres_wide.traj", "\n".join(lines))
    return root


def write_scannetpp_iphone(root, recording, scale=1):
    """Colour `scale` times the size of depth; the poses in ARKit's own world are elsewhere."""
    described = {}
    k = np.diag([recording.focal * scale, recording.focal * scale, 1])
    k[:2, 2] = (WIDTH / 2 - 0.5) * scale, (HEIGHT / 2 - 0.5) * scale
    for i, pose in enumerate(recording.poses):
        save(root / "rgb" / f"frame_{i:06d}.jpg", recording.rgb[i].repeat(scale, 0).repeat(scale, 1))
        save(root / "depth" / f"frame_{i:06d}.png", recording.depth[i])
        poses = {"pose": (pose + 5).tolist(), "aligned_pose": pose.tolist()}
        described[f"frame_{i:06d}"] = {"timestamp": i / 60, "intrinsic": k.tolist(), **poses}
    write(root / "pose_intrinsic_imu.json", json.dumps(described))
    return root


def write_record3d(root, recording, scale=1, unpacked=False):
    """Colour `scale` times the size of depth; OpenGL axes; the camera column by column."""
    import lzfse  # noqa: PLC0415 - an optional library

    middle = [(side / 2 - 0.5) * scale for side in (WIDTH, HEIGHT)]
    focal = recording.focal * scale
    described = {"w": WIDTH * scale, "h": HEIGHT * scale, "dw": WIDTH, "dh": HEIGHT, "fps": 30}
    described |= {"K": [focal, 0, 0, 0, focal, 0, *middle, 1], "poses": []}
    members = {}
    for i, pose in enumerate(recording.poses):
        w, x, y, z = quaternion(pose @ np.diag([1.0, -1, -1, 1]))
        described["poses"].append([x, y, z, w, *pose[:3, 3]])
        stream = BytesIO()
        rgb = recording.rgb[i].repeat(scale, 0).repeat(scale, 1)
        Image.fromarray(rgb).save(stream, "JPEG", quality=100, subsampling=0)
        metres = (recording.depth[i] / UNIT).astype(np.float32)
        members |= {f"rgbd/{i}.jpg": stream.getvalue(), f"rgbd/{i}.depth": lzfse.compress(metres.tobytes())}
        members[f"rgbd/{i}.conf"] = lzfse.compress(bytes([2]) * metres.size)
    members = {"metadata": json.dumps(described).encode(), "icon": members["rgbd/0.jpg"], **members}
    if not unpacked:
        return write_zip(root / "room.r3d", members)
    for name, content in members.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def write_zip(path, members, method=zipfile.ZIP_DEFLATED):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


WRITERS = {
    "arkit": write_arkit,
    "folder": write_folder,
    "record3d": write_record3d,
    "replica": write_replica,
    "scannet": write_scannet,
    "scannetpp": write_scannetpp,
    "scannetpp-iphone": write_scannetpp_iphone,
    "tum": write_tum,
}


def quaternion(pose):
    """Return w, x, y, z of a rotation, by the eigenvector of the symmetric 4×4 form (no branch)."""
    r = pose[:3, :3]
    k = np.array(
        [
            [r[0, 0] + r[1, 1] + r[2, 2], r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]],
            [0, r[0, 0] - r[1, 1] - r[2, 2], r[0, 1] + r[1, 0], r[0, 2] + r[2, 0]],
            [0, 0, r[1, 1] - r[0, 0] - r[2, 2], r[1, 2] + r[2, 1]],
            [0, 0, 0, r[2, 2] - r[0, 0] - r[1, 1]],
        ]
    )
    return np.linalg.eigh(k + np.triu(k, 1).T)[1][:, -1]
