"""A build that can be killed: frames in order, checkpoints between them; the manifest says how far it is."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from radseg.errors import InputError
from radseg.files import without_folders
from radseg.jobs.attempt import attempt
from radseg.mapping.manifest import MANIFEST, MapManifest, write_manifest
from radseg.mapping.mapper import Mapper
from radseg.mapping.sightings import Sighting, Sightings, delete_sightings
from radseg.mapping.voxel_map import VoxelMap
from radseg.ops.resize import image_size
from radseg.ops.voxels import VoxelSums
from radseg.types import Frame

CHECKPOINT_SECONDS = 60.0
"""Work that a kill may cost. A checkpoint writes the tiles of the last minute, about 60 MB each."""


class Watcher(Protocol):
    """Receives the progress of a build."""

    def frame(self, frame_id: str, points: int, reason: str) -> None:
        """One frame is in the map with this many points, or was skipped with a reason."""


@dataclass
class Progress:
    """How far a build came; everything is a JSON value, and equal for equal builds.

    Attributes:
        ids: of the frames done or skipped, in order.
        skipped: id and reason of each frame that added nothing.
        points: pixels in the map.
        camera_up: sum over frames of the world direction in which the image's top points.
    """

    ids: list[str] = field(default_factory=list)
    skipped: list[list[str]] = field(default_factory=list)
    points: int = 0
    camera_up: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])

    @property
    def used(self) -> int:
        """Frames in the map."""
        return len(self.ids) - len(self.skipped)

    @property
    def reasons(self) -> Mapping[str, int]:
        """How many frames were skipped for each reason."""
        return Counter(reason for _, reason in self.skipped)

    def as_json(self) -> dict[str, Any]:
        """Return what the manifest notes under "frames"."""
        return {
            "used": self.used,
            "done": len(self.ids),
            "ids_sha256": _digest(self.ids),
            "skipped": self.skipped,
            "points": self.points,
            "camera_up": self.camera_up,
        }

    @classmethod
    def resumed(cls, noted: Mapping[str, Any], ids: Sequence[str]) -> "Progress":
        """Return the progress that a manifest notes, for a sequence of frames `ids`.

        Raises:
            InputError: the sequence does not begin with the frames that were done.
        """
        done = int(noted["done"])
        if _digest(ids[:done]) != noted["ids_sha256"]:
            raise InputError(
                f"The first {done} frames of the sequence are not those in the map; frames were removed or "
                "renamed, or --skip differs. Build again with --overwrite, or into another folder."
            )
        skipped = [list(map(str, pair)) for pair in noted["skipped"]]
        return cls(list(ids[:done]), skipped, int(noted["points"]), [float(n) for n in noted["camera_up"]])


@dataclass
class Builder:
    """Puts frames into a map folder.

    Attributes:
        mapper: turns frames into sums.
        grown: the map, in its folder.
        folder: where the manifest goes.
        parameters: what decides the result, noted in the manifest.
        progress: what is done.
        checkpoint_seconds: time between checkpoints.
        manifest_name: file of the manifest; another one while the folder's map is being replaced.
        identity: of the map, which stays when it grows; empty until its first frame is in it.
        notes: what else the manifest is to say under "build".
        recording: folder of the frames, whose path stays out of the reasons that are noted.
        sightings: what the frames in the map saw.
        largest_sums: bytes of the largest sums of a frame so far, twice: they are sorted while added.
        kept_sightings: SHA-256 of those of the map that is being replaced, which stay; "" for none.
    """

    mapper: Mapper
    grown: VoxelMap
    folder: Path
    parameters: Mapping[str, Any]
    progress: Progress = field(default_factory=Progress)
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    manifest_name: str = MANIFEST
    identity: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)
    recording: Path | None = None
    sightings: Sightings = field(default_factory=Sightings)
    kept_sightings: str = ""
    largest_sums: int = 0

    def run(self, ids: Sequence[str], read: Callable[[str], Frame], watcher: Watcher) -> None:
        """Add the frames that are not done yet; one that cannot be used is noted and passed over.

        Raises:
            KeyboardInterrupt: what was done is in the folder.
            ResourceError, OSError: the disk stands in the way; the last checkpoint is sound.
        """
        last = time.monotonic()
        changing = False
        try:
            for frame_id in ids[len(self.progress.ids) :]:
                points = 0
                lifted, reason = attempt(partial(self._lifted, read, frame_id))
                changing = True
                if lifted is not None:
                    frame, sums, sighting = lifted
                    self.identity = self.identity or self._identity_of(frame_id, sums)
                    self.grown.add(sums)
                    points = int(sums.counts.sum())
                    self.sightings.frames.append(sighting)
                    self._note_up(frame)
                else:
                    reason = without_folders(reason.splitlines()[0], *self._folders)
                    self.progress.skipped.append([frame_id, reason])
                self.progress.points += points
                self.progress.ids.append(frame_id)
                changing = False
                watcher.frame(frame_id, points, reason)
                if time.monotonic() - last >= self.checkpoint_seconds:
                    self.checkpoint()
                    last = time.monotonic()
        except KeyboardInterrupt:
            if not changing:  # half a frame in the map would count twice after --resume
                self.checkpoint()
            raise
        self.checkpoint()

    def checkpoint(self) -> MapManifest:
        """Put what is done on the disk: tiles first, the manifest last, then delete what it replaces."""
        frames = self.progress.as_json()
        build: dict[str, Any] = {"parameters": dict(self.parameters), "frames": frames, **self.notes}
        build["sightings"] = self.sightings.write(self.folder)
        if self.identity:
            build["identity"] = self.identity
        manifest = MapManifest(self.grown.description, self.grown.flush(), build)
        write_manifest(self.folder, manifest, self.manifest_name)
        self.grown.published(manifest)
        delete_sightings(self.folder, keep={build["sightings"], self.kept_sightings})
        return manifest

    @property
    def _folders(self) -> tuple[Path, ...]:
        return (self.folder,) if self.recording is None else (self.recording, self.folder)

    def _lifted(self, read: Callable[[str], Frame], frame_id: str) -> tuple[Frame, VoxelSums, Sighting]:
        frame = read(frame_id)
        # Voxels of a frame are known when it is lifted; the frames of a recording see about as many.
        room = self.mapper.frame_bytes(frame) + self.largest_sums
        self.grown.leave_room(room, f"A frame of {image_size(frame.rgb)}")
        sums, sighting = self.mapper.observed(frame)
        self.largest_sums = max(self.largest_sums, 2 * sum(array.nbytes for array in sums))
        return frame, sums, sighting

    def _identity_of(self, frame_id: str, first: VoxelSums) -> str:
        """Return a hash of the settings and of the first frame: equal for equal maps at any stage."""
        begin = [self.mapper.description.as_json(), dict(self.parameters), frame_id]
        digest = hashlib.sha256(json.dumps(begin, sort_keys=True).encode())
        for array in (first.keys, first.counts):
            digest.update(array.numpy().tobytes())
        return digest.hexdigest()

    def _note_up(self, frame: Frame) -> None:
        up = (-frame.camera_to_world[:3, 1]).tolist()
        self.progress.camera_up = [a + b for a, b in zip(self.progress.camera_up, up, strict=True)]


def _digest(ids: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()
