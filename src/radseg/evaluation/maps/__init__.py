"""Labelled RGB-D scenes: maps against the truth of their voxels."""
