"""A map pixel by pixel from the definition (mapping spec 2): no grouping, no moments, no keys; float64."""

from collections import defaultdict

import numpy as np
import torch


def voxel_means(frames, lifts, voxel_size):
    """Return {(i, j, k): (count, mean value, mean colour)}."""
    sums = defaultdict(lambda: [0, 0.0, 0.0])
    for frame, values in zip(frames, lifts, strict=True):
        height, width = frame.depth.shape
        up = torch.nn.functional.interpolate(values[None].double(), (height, width), mode="bilinear")[0]
        camera, pose = frame.intrinsics, frame.camera_to_world.float().numpy()
        for v in range(height):
            for u in range(width):
                z = np.float32(frame.depth[v, u])
                if not np.isfinite(z) or z <= 0:
                    continue
                x = z * np.float32((u - camera.cx) / camera.fx)
                y = z * np.float32((v - camera.cy) / camera.fy)
                world = pose[:3, :3] @ np.array([x, y, z], np.float32) + pose[:3, 3]
                entry = sums[tuple(int(i) for i in np.rint(world / np.float32(voxel_size)))]
                entry[0] += 1
                entry[1] = entry[1] + up[:, v, u].numpy()
                entry[2] = entry[2] + frame.rgb[:, v, u].double().numpy()
    return {key: (n, value / n, colour / n) for key, (n, value, colour) in sums.items()}
