"""Ids that name voxels: equal wherever the voxel is, without order and without a list of those given."""

import base64

import numpy as np
from jaxtyping import Int64, UInt64


def in_order_of_hash(keys: Int64[np.ndarray, "n"]) -> Int64[np.ndarray, "n"]:
    """Return packed voxels, the one of the smallest hash first: any, but the same one of the same voxels."""
    return keys[np.argsort(_mixed(keys.astype(np.uint64)), kind="stable")]


def id_of(key: int) -> str:
    """Return the eight letters and digits that name a packed voxel."""
    mixed = int(_mixed(np.array([key], np.uint64))[0])
    return base64.b32encode(mixed.to_bytes(8, "big"))[:8].decode().lower()


def _mixed(keys: UInt64[np.ndarray, "n"]) -> UInt64[np.ndarray, "n"]:
    """Return a hash of each key (the finaliser of SplitMix64; Steele, Lea and Flood, 2014)."""
    with np.errstate(over="ignore"):
        keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return keys ^ (keys >> np.uint64(31))
