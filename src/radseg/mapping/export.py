"""A map as a file of other programs: PLY, PCD and NPZ written here, GLB and RRD through optional packages."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from radseg.errors import InputError, MissingExtraError
from radseg.files import write_pieces
from radseg.io import arrays_bytes
from radseg.mapping.semantic_map import Chunk, SemanticMap
from radseg.mapping.up import camera_up, up_axis
from radseg.ops.voxels import centres

Array = np.ndarray[Any, Any]


def export(semantic_map: SemanticMap, target: Path) -> None:
    """Write the map to `target` in the format its suffix names, whole or not at all.

    Points are voxel centres in metres. Only NPZ holds the values; the others hold colours and weights.

    Raises:
        InputError: an unknown suffix, or a map without voxels.
        MissingExtraError: a format whose package is not installed.
        ResourceError: the file cannot be written.
    """
    if target.suffix.lower() not in FORMATS:
        raise InputError(f"{target} should end in one of {', '.join(FORMATS)}.")
    if not len(semantic_map):
        raise InputError("The map has no voxels; there is nothing to export.")
    write_pieces(target, FORMATS[target.suffix.lower()](semantic_map))


def ply_pieces(semantic_map: SemanticMap) -> Iterator[bytes]:
    """Yield binary PLY: x y z, red green blue, weight (pixels)."""
    fields = ("float x", "float y", "float z", "uchar red", "uchar green", "uchar blue", "float weight")
    header = ["ply", "format binary_little_endian 1.0", "comment radseg map, metres"]
    header += [f"element vertex {len(semantic_map)}", *(f"property {field}" for field in fields)]
    yield "\n".join([*header, "end_header", ""]).encode()
    rows = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3), ("weight", "<f4")])
    for chunk, points, colours in _points(semantic_map):
        table = np.empty(len(points), rows)
        table["xyz"], table["rgb"], table["weight"] = points, colours, chunk.weights.numpy()
        yield table.tobytes()


def pcd_pieces(semantic_map: SemanticMap) -> Iterator[bytes]:
    """Yield binary PCD 0.7: x y z, rgb packed into a float as PCL has it, weight (pixels)."""
    count = len(semantic_map)
    header = (
        "# .PCD v0.7 - Point Cloud Data file format\nVERSION 0.7\nFIELDS x y z rgb weight\nSIZE 4 4 4 4 4\n"
        f"TYPE F F F F F\nCOUNT 1 1 1 1 1\nWIDTH {count}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {count}\n"
        "DATA binary\n"
    )
    yield header.encode()
    rows = np.dtype([("xyz", "<f4", 3), ("rgb", "<u4"), ("weight", "<f4")])
    for chunk, points, colours in _points(semantic_map):
        table = np.empty(len(points), rows)
        red, green, blue = colours.astype(np.uint32).T
        table["xyz"], table["rgb"] = points, red << 16 | green << 8 | blue
        table["weight"] = chunk.weights.numpy()
        yield table.tobytes()


def npz_pieces(semantic_map: SemanticMap) -> Iterator[bytes]:
    """Yield NPZ: keys, centres, values (float32), weights, colours in [0, 1], and `meta`, a JSON text.

    Voxels are in lexicographic order of their keys. The whole map passes through memory.
    """
    chunk = semantic_map.whole()
    yield arrays_bytes(
        keys=chunk.keys.int().numpy(),
        centres=centres(chunk.keys, semantic_map.voxel_size).numpy(),
        values=chunk.values.numpy(),
        weights=chunk.weights.numpy(),
        colours=chunk.colours.numpy(),
        meta=np.array(json.dumps(semantic_map.meta)),
    )


def glb_pieces(semantic_map: SemanticMap) -> Iterator[bytes]:
    """Yield binary glTF: coloured points, y up as glTF has it where the cameras' up is known."""
    try:
        import trimesh  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError('glTF export needs trimesh: pip install "radseg[mesh]"') from error
    points, colours = _all_points(semantic_map)
    rotation = _to_y_up(camera_up(semantic_map))
    cloud = trimesh.PointCloud(points @ rotation.T, colors=np.insert(colours, 3, 255, axis=1))
    yield trimesh.Scene([cloud]).export(file_type="glb")


def rrd_pieces(semantic_map: SemanticMap) -> Iterator[bytes]:
    """Yield a Rerun recording: one set of coloured points of the size of a voxel."""
    try:
        import rerun  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError('Rerun export needs rerun-sdk: pip install "radseg[rerun]"') from error
    points, colours = _all_points(semantic_map)
    recording = rerun.RecordingStream("radseg")
    memory = recording.memory_recording()
    sign, axis = up_axis(semantic_map)
    world = f"RIGHT_HAND_{axis.upper()}_{'UP' if sign == '+' else 'DOWN'}"
    recording.log("map", getattr(rerun.ViewCoordinates, world), static=True)
    recording.log(
        "map/voxels",
        rerun.Points3D(points, colors=colours, radii=semantic_map.voxel_size / 2),
        static=True,
    )
    yield memory.drain_as_bytes()


FORMATS: dict[str, Callable[[SemanticMap], Iterator[bytes]]] = {
    ".ply": ply_pieces,
    ".pcd": pcd_pieces,
    ".npz": npz_pieces,
    ".glb": glb_pieces,
    ".rrd": rrd_pieces,
}
"""Writers by file suffix."""


def _to_y_up(up: Array) -> Array:
    """Return the rotation that turns the axis nearest to `up` to +y."""
    axis, turn = int(np.abs(up).argmax()), np.zeros((3, 3))
    turn[1, axis] = np.sign(up[axis])
    turn[0, (axis + 1) % 3] = 1.0
    turn[2] = np.cross(turn[0], turn[1])
    return turn


def _points(semantic_map: SemanticMap) -> Iterator[tuple[Chunk, Array, Array]]:
    """Yield chunks with centres in metres (float32) and colours (uint8)."""
    for chunk in semantic_map.chunks():
        points = centres(chunk.keys, semantic_map.voxel_size).numpy()
        yield chunk, points, (chunk.colours * 255).round().clamp(0, 255).byte().numpy()


def _all_points(semantic_map: SemanticMap) -> tuple[Array, Array]:
    parts = [(points, colours) for _, points, colours in _points(semantic_map)]
    return np.concatenate([p for p, _ in parts]), np.concatenate([c for _, c in parts])
