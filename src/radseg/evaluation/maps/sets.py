"""Where the scenes of an RGB-D evaluation lie on the disk: sequence, classes and truth of each."""

from dataclasses import dataclass
from pathlib import Path

from radseg.datasets.rgbd import RgbdSequence, Sized, open_sequence
from radseg.datasets.rgbd.classes import ClassTable
from radseg.datasets.rgbd.replica import replica_classes
from radseg.datasets.rgbd.scannet import scannet_classes, scannet_labels, scannet_scan
from radseg.datasets.rgbd.scannetpp import scannetpp_classes
from radseg.errors import InputError, MissingFileError
from radseg.evaluation.maps.truth import LabelledVoxels, external_voxels, lifted_truth, read_external
from radseg.evaluation.paper.map_protocols import MapProtocol
from radseg.miniature.walk import RoomWalk

TRUTH = "external_semseg_gt.pt"
_TRUTH_FOLDERS = {"replica": "NiceReplicaDataset", "scannetpp": "ScanNetPPDataset"}


@dataclass(frozen=True, eq=False)
class Scene:
    """One scene, ready to be mapped and judged."""

    name: str
    sequence: RgbdSequence
    names: tuple[str, ...]
    truth: LabelledVoxels


def scenes_of(protocol: MapProtocol, root: Path | None, *, partial: bool = False) -> tuple[str, ...]:
    """Return the protocol's scenes that are under `root`.

    Raises:
        InputError: no root, and the scenes are not rendered.
        MissingFileError: one is missing and `partial` is not set, or all are.
    """
    if protocol.source == "rendered":
        return protocol.scenes
    if root is None:
        raise InputError(f"Where is {protocol.name}? Add --data FOLDER; how it must lie: docs/querying.md.")
    if not root.is_dir():
        raise MissingFileError(f"There is no folder {root}.")
    present = tuple(scene for scene in protocol.scenes if _folder(protocol, root, scene).is_dir())
    missing = [scene for scene in protocol.scenes if scene not in present]
    if missing and (not partial or not present):
        raise MissingFileError(
            f"{root} lacks {len(missing)} of the {len(protocol.scenes)} scenes of {protocol.name}: "
            f"{', '.join(missing)}. Evaluate those that are there with --partial."
        )
    return present


def open_scene(protocol: MapProtocol, root: Path | None, scene: str) -> Scene:
    """Return a scene at the protocol's sizes, with its true voxels.

    Raises:
        InputError, MissingFileError: frames, classes or truth are missing or not usable.
    """
    if root is None:
        walk = RoomWalk(int(scene))
        return Scene(
            scene, walk, walk.room.names, lifted_truth(walk, len(walk.room.names), protocol.voxel_size)
        )
    folder = _folder(protocol, root, scene)
    if protocol.name == "scannet":
        table, to_nyu40 = scannet_classes(root, ignore=protocol.ignore)
        labels = scannet_labels(table, to_nyu40)
        read = scannet_scan(folder, read_semantics=labels).every(protocol.frame_skip)
        sequence = Sized(read, protocol.colour, protocol.depth)
        return Scene(
            scene, sequence, table.names, lifted_truth(sequence, len(table.names), protocol.voxel_size)
        )
    table = _classes(protocol, root, scene)
    opened = open_sequence(folder, layout=protocol.name, frame_skip=protocol.frame_skip)
    points, raw = read_external(_truth_file(protocol, root, scene))
    truth = external_voxels(points, raw, table, protocol.voxel_size)
    return Scene(scene, Sized(opened, protocol.colour, protocol.depth), table.names, truth)


def _folder(protocol: MapProtocol, root: Path, scene: str) -> Path:
    return root / "data" / scene if protocol.name == "scannetpp" else root / scene


def _classes(protocol: MapProtocol, root: Path, scene: str) -> ClassTable:
    if protocol.name == "replica":
        return replica_classes(root, scene, ignore=protocol.ignore)
    if protocol.name == "scannetpp":
        file = root / "metadata" / "semantic_benchmark" / "top100.txt"
        return scannetpp_classes(file, ignore=protocol.ignore)
    raise InputError(f"There is no class table for {protocol.name!r}.")


def _truth_file(protocol: MapProtocol, root: Path, scene: str) -> Path:
    """Return the truth beside the scene's frames, or where RayFronts keeps it."""
    beside = _folder(protocol, root, scene) / TRUTH
    other = root / _TRUTH_FOLDERS[protocol.name] / scene / TRUTH
    return other if other.is_file() else beside
