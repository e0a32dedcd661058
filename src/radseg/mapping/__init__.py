"""Maps of voxels with features or probabilities: building, storing, opening, merging. Knows no network."""
