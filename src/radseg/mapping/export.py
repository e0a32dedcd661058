"""A map as a file of other programs: PLY, PCD and NPZ written here, GLB and RRD through optional packages."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from radseg.errors import InputError, MissingExtraError
from radseg.files import write_pieces
from radseg.io import arrays_bytes
from radseg.mapping.named import NamedVoxels
from radseg.mapping.semantic_map import Chunk, SemanticMap
from radseg.mapping.up import camera_up, up_axis
from radseg.ops.voxels import centres, pack

Array = np.ndarray[Any, Any]


def export(semantic_map: SemanticMap, target: Path, named: NamedVoxels | None = None) -> None:
    """Write the map to `target` in the format its suffix names, whole or not at all.

    Points are voxel centres in metres. Only NPZ holds the values; the others hold colours and weights.

    Args:
        named: names and objects, which are written too: as columns of the voxels and comments (PLY, PCD), as
            arrays and JSON (NPZ), as named boxes (GLB, RRD).

    Raises:
        InputError: an unknown suffix, or a map without voxels.
        MissingExtraError: a format whose package is not installed.
        ResourceError: the file cannot be written.
    """
    if target.suffix.lower() not in FORMATS:
        raise InputError(f"{target} should end in one of {', '.join(FORMATS)}.")
    if not len(semantic_map):
        raise InputError("The map has no voxels; there is nothing to export.")
    write_pieces(target, FORMATS[target.suffix.lower()](semantic_map, named))


def ply_pieces(semantic_map: SemanticMap, named: NamedVoxels | None = None) -> Iterator[bytes]:
    """Yield binary PLY: x y z, red green blue, weight (pixels); of names label, score and object."""
    fields = ["float x", "float y", "float z", "uchar red", "uchar green", "uchar blue", "float weight"]
    header = ["ply", "format binary_little_endian 1.0", "comment radseg map, metres"]
    header += [f"comment {line}" for line in _legend(named)]
    fields += [] if named is None else ["int label", "float score", "int object"]
    header += [f"element vertex {len(semantic_map)}", *(f"property {field}" for field in fields)]
    yield "\n".join([*header, "end_header", ""]).encode()
    rows = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3), ("weight", "<f4"), *_columns(named)])
    start = 0
    for chunk, points, colours in _points(semantic_map):
        table = np.empty(len(points), rows)
        table["xyz"], table["rgb"], table["weight"] = points, colours, chunk.weights.numpy()
        start = _fill(table, named, start)
        yield table.tobytes()


def pcd_pieces(semantic_map: SemanticMap, named: NamedVoxels | None = None) -> Iterator[bytes]:
    """Yield binary PCD 0.7: x y z, rgb packed into a float as PCL has it, weight; of names as PLY."""
    count = len(semantic_map)
    fields = [*(f"{field} F" for field in ("x", "y", "z", "rgb", "weight"))]
    fields += [] if named is None else ["label I", "score F", "object I"]
    names, types = zip(*(field.split() for field in fields), strict=True)
    header = [
        "# .PCD v0.7 - Point Cloud Data file format",
        *(f"# {line}" for line in _legend(named)),
        "VERSION 0.7",
        f"FIELDS {' '.join(names)}",
        f"SIZE {' '.join('4' for _ in names)}",
        f"TYPE {' '.join(types)}",
        f"COUNT {' '.join('1' for _ in names)}",
        f"WIDTH {count}",
        "HEIGHT 1",
        "VIEWPOINT 0 0 0 1 0 0 0",
        f"POINTS {count}",
        "DATA binary",
        "",
    ]
    yield "\n".join(header).encode()
    rows = np.dtype([("xyz", "<f4", 3), ("rgb", "<u4"), ("weight", "<f4"), *_columns(named)])
    start = 0
    for chunk, points, colours in _points(semantic_map):
        table = np.empty(len(points), rows)
        red, green, blue = colours.astype(np.uint32).T
        table["xyz"], table["rgb"] = points, red << 16 | green << 8 | blue
        table["weight"] = chunk.weights.numpy()
        start = _fill(table, named, start)
        yield table.tobytes()


def npz_pieces(semantic_map: SemanticMap, named: NamedVoxels | None = None) -> Iterator[bytes]:
    """Yield NPZ: keys, centres, values (float32), weights, colours in [0, 1], and `meta`, a JSON text.

    Of names: `labels`, `scores` and `objects` per voxel, and `named`, a JSON text with the names and boxes.
    Voxels are in lexicographic order of their keys. The whole map passes through memory.
    """
    chunk = semantic_map.whole()
    more: dict[str, Array] = {}
    if named is not None:
        order = pack(torch.cat(list(semantic_map.keys()))).argsort().numpy()
        more = {
            "labels": named.labels[order],
            "scores": named.scores[order],
            "objects": named.numbers[order],
            "named": np.array(json.dumps({"names": named.names, "objects": named.boxes()})),
        }
    yield arrays_bytes(
        keys=chunk.keys.int().numpy(),
        centres=centres(chunk.keys, semantic_map.voxel_size).numpy(),
        values=chunk.values.numpy(),
        weights=chunk.weights.numpy(),
        colours=chunk.colours.numpy(),
        meta=np.array(json.dumps(semantic_map.meta)),
        **more,
    )


def glb_pieces(semantic_map: SemanticMap, named: NamedVoxels | None = None) -> Iterator[bytes]:
    """Yield binary glTF: coloured points, y up as glTF has it where the cameras' up is known.

    Objects are boxes of lines, each a node called after its object.
    """
    try:
        import trimesh  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError('glTF export needs trimesh: pip install "radseg[mesh]"') from error
    points, colours = _all_points(semantic_map)
    rotation = _to_y_up(camera_up(semantic_map))
    cloud = trimesh.PointCloud(points @ rotation.T, colors=np.insert(colours, 3, 255, axis=1))
    scene = trimesh.Scene([cloud])
    for one in () if named is None else named.objects:
        lines = trimesh.load_path(one.box.edges @ rotation.T)
        scene.add_geometry(lines, node_name=f"{one.name} {one.id}".strip(), geom_name=one.id or None)
    yield scene.export(file_type="glb")


def rrd_pieces(semantic_map: SemanticMap, named: NamedVoxels | None = None) -> Iterator[bytes]:
    """Yield a Rerun recording: one set of coloured points of the size of a voxel, and labelled boxes."""
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
    if named is not None and named.objects:
        boxes = [one.box for one in named.objects]
        turns = [Rotation.from_matrix(np.array(box.axes).T).as_quat() for box in boxes]
        recording.log(
            "map/objects",
            rerun.Boxes3D(
                centers=[box.centre for box in boxes],
                sizes=[box.size for box in boxes],
                quaternions=turns,
                labels=[f"{one.name} {one.score:.2f}" for one in named.objects],
            ),
            static=True,
        )
    yield memory.drain_as_bytes()


FORMATS: dict[str, Callable[[SemanticMap, NamedVoxels | None], Iterator[bytes]]] = {
    ".ply": ply_pieces,
    ".pcd": pcd_pieces,
    ".npz": npz_pieces,
    ".glb": glb_pieces,
    ".rrd": rrd_pieces,
}
"""Writers by file suffix."""


def _legend(named: NamedVoxels | None) -> list[str]:
    """Return what the numbers of labels and objects mean, a line each; letters are ASCII, others escaped."""
    if named is None:
        return []
    labels = [f"label {i} {json.dumps(name)}" for i, name in enumerate(named.names, start=1)]
    return labels + [f"object {json.dumps(box)}" for box in named.boxes()]


def _columns(named: NamedVoxels | None) -> list[tuple[str, str]]:
    return [] if named is None else [("label", "<i4"), ("score", "<f4"), ("object", "<i4")]


def _fill(table: Array, named: NamedVoxels | None, start: int) -> int:
    """Fill the columns of names of the voxels from row `start` on; return the row behind them."""
    stop = start + len(table)
    if named is not None:
        table["label"], table["score"] = named.labels[start:stop], named.scores[start:stop]
        table["object"] = named.numbers[start:stop]
    return stop


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
