"""Tracks: segments of one frame after another that are one object, by the voxels that they share.

A track follows an object as long as frames overlap. What is seen from the front and later from behind is two
tracks, so tracks alone do not tell objects apart: frames do that see two of them at once, in one segment or
in two. That is the view consensus of MaskClustering (Yan et al., CVPR 2024, arXiv 2401.07745), taken between
tracks in place of masks and only where voxels of one name touch. Features take no part (experiments.md).
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int64
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array, csr_array

from radseg.errors import CheckpointError
from radseg.mapping.sightings import Sighting, Sightings
from radseg.mapping.voxel_ids import in_order_of_hash

OVERLAP = 0.25
"""IoU, on the voxels that a frame saw, from which a segment goes on with a track."""
SHARE = 0.1
"""Of an object's voxels that a track has, for the object to be known by it: of 0.07, 0.1, 0.14, 0.2 and
0.3 ids lasted longest with 0.1 (experiments.md)."""
SEEN = 4
"""Voxels of a segment that begins or goes on with a track, and of a track that a frame says something of."""


@dataclass(frozen=True, eq=False)
class Tracks:
    """What the frames of a map say of objects.

    Attributes:
        keys: packed voxels that a frame saw, ascending.
        owner: the track of each, from 1; 0 for none.
        first: the track that each was of first, whatever frames came later.
        begun: a packed voxel of the first segment of each track, another one for each.
        together, apart: tracks × tracks, in how many frames both were in one segment, and in two.
    """

    keys: Int64[np.ndarray, "k"]
    owner: Int64[np.ndarray, "k"]
    first: Int64[np.ndarray, "k"]
    begun: Int64[np.ndarray, "t"]
    together: csr_array
    apart: csr_array

    @classmethod
    def of(cls, sightings: Sightings | None) -> "Tracks | None":
        """Return the tracks of a map; None where no frame noted its 2D objects.

        They depend on the frames and their order alone. So more frames leave the earlier tracks' beginnings
        as they are, and so does a merge those of its first map.

        Raises:
            CheckpointError: the sightings are damaged.
        """
        if sightings is None or not sightings.have_segments:
            return None
        try:
            keys = np.unique(np.concatenate([one.keys() for one in sightings]))
            following = _Following(keys, *np.zeros((3, len(keys)), np.int64))
            for one in sightings:
                following.add(*_segmented(one, keys))
            owner = following.owner
            counts = [_counted(*_segmented(one, keys), owner) for one in sightings]
        except ValueError as error:
            raise CheckpointError(f"The map is damaged: {error}. Build it again.") from error
        shape = (len(following.begun) + 1,) * 2
        together, apart = (_summed([pair[i] for pair in counts], shape) for i in (0, 1))
        begun = np.array(list(following.begun), np.int64)
        return cls(keys, owner, following.first, begun, together, apart)

    def of_voxels(self, packed: Int64[np.ndarray, "m"]) -> Int64[np.ndarray, "m"]:
        """Return the track of each voxel, 0 for none."""
        return self._at(self.owner, packed)

    def oldest(self, packed: Int64[np.ndarray, "m"]) -> int | None:
        """Return the packed voxel that began the first track of an object; None where it has no track.

        It is one of the voxels' first tracks, which no later frame changes: with a tenth or more of the
        object's voxels, and the object with half or more of its own, so that no two objects have it.
        """
        found, votes = np.unique(self._at(self.first, packed), return_counts=True)
        sizes = np.bincount(self.first)
        own = found[(found > 0) & (votes >= SHARE * len(packed)) & (2 * votes >= sizes[found])]
        return int(self.begun[own[0] - 1]) if len(own) else None

    def _at(self, values: Int64[np.ndarray, "k"], packed: Int64[np.ndarray, "m"]) -> Int64[np.ndarray, "m"]:
        place = np.minimum(np.searchsorted(self.keys, packed), len(self.keys) - 1)
        return np.where(self.keys[place] == packed, values[place], 0)


@dataclass
class _Following:
    """Which track each voxel belongs to so far: the majority vote of Boyer and Moore (1981)."""

    keys: Int64[np.ndarray, "k"]
    owner: Int64[np.ndarray, "k"]
    lead: Int64[np.ndarray, "k"]
    first: Int64[np.ndarray, "k"]
    begun: dict[int, int] = field(default_factory=dict)
    """The track that begins with a packed voxel, in the order of the tracks."""

    def add(self, rows: Int64[np.ndarray, "m"], segments: Int64[np.ndarray, "m"]) -> None:
        """Take in a frame: its voxels, and the segment of each."""
        sizes = np.bincount(segments)
        sizes[0] = 0
        found = np.flatnonzero(sizes >= SEEN)
        if not len(found):
            return
        overlap, owners = self._overlaps(rows, segments, found)
        one, other = linear_sum_assignment(overlap, maximize=True)
        good = overlap[one, other] >= OVERLAP
        track = np.zeros(len(sizes), np.int64)
        track[found[one[good]]] = owners[other[good]]
        for number in found[track[found] == 0]:
            own = in_order_of_hash(self.keys[rows[segments == number]]).tolist()
            first = next((key for key in own if key not in self.begun), None)
            if first is not None:
                track[number] = self.begun[first] = len(self.begun) + 1
        inside = track[segments] > 0
        self._vote(rows[inside], track[segments[inside]])

    def _overlaps(
        self, rows: Int64[np.ndarray, "m"], segments: Int64[np.ndarray, "m"], found: Int64[np.ndarray, "s"]
    ) -> tuple[Float[np.ndarray, "s t"], Int64[np.ndarray, "t"]]:
        """Return the IoU of segments and tracks among the voxels of this frame, and the tracks."""
        owners, owner = np.unique(self.owner[rows], return_inverse=True)
        shape = (int(segments.max()) + 1, len(owners))
        both = coo_array((np.ones(len(rows)), (segments, owner)), shape=shape).toarray()
        union = both.sum(1)[:, None] + both.sum(0) - both
        overlap = both[found] / union[found]
        overlap[:, owners == 0] = 0
        return overlap, owners

    def _vote(self, rows: Int64[np.ndarray, "n"], track: Int64[np.ndarray, "n"]) -> None:
        taken = (self.owner[rows] != track) & (self.lead[rows] == 0)
        self.owner[rows[taken]] = track[taken]
        self.lead[rows] += np.where(self.owner[rows] == track, 1, -1)
        new = self.first[rows] == 0
        self.first[rows[new]] = track[new]


def _segmented(
    sighting: Sighting, keys: Int64[np.ndarray, "k"]
) -> tuple[Int64[np.ndarray, "m"], Int64[np.ndarray, "m"]]:
    return np.searchsorted(keys, sighting.keys()), sighting.segments().astype(np.int64)


Pairs = tuple[Int64[np.ndarray, "p"], Int64[np.ndarray, "p"]]


def _counted(
    rows: Int64[np.ndarray, "m"], segments: Int64[np.ndarray, "m"], owner: Int64[np.ndarray, "k"]
) -> tuple[Pairs, Pairs]:
    """Return the pairs of tracks that a frame saw in one segment, and those that it saw in two.

    A track is in the segment that has most of its voxels.
    """
    inside = (segments > 0) & (owner[rows] > 0)
    tracks, track = np.unique(owner[rows[inside]], return_inverse=True)
    if not len(tracks):
        nothing = np.zeros(0, np.int64), np.zeros(0, np.int64)
        return nothing, nothing
    shape = (len(tracks), int(segments.max()) + 1)
    votes = coo_array((np.ones(len(track)), (track, segments[inside])), shape=shape).toarray()
    seen = votes.sum(1) >= SEEN
    tracks, main = tracks[seen], votes[seen].argmax(1)
    same = main[:, None] == main[None]
    one, other = np.nonzero(same)
    left, right = np.nonzero(~same)
    return (tracks[one], tracks[other]), (tracks[left], tracks[right])


def _summed(pairs: list[Pairs], shape: tuple[int, int]) -> csr_array:
    one, other = (np.concatenate([pair[i] for pair in pairs]) for i in (0, 1))
    return coo_array((np.ones(len(one), np.int64), (one, other)), shape=shape).tocsr()
