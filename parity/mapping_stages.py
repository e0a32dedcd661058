"""Our value of the mapping goldens up to the map: unprojection, resizing, voxels, merging, averaged maps."""

from collections.abc import Callable, Iterator, Mapping

from parity.map_golden_set import MapGoldenSet
from parity.report import Row

STAGES: Mapping[str, Callable[[MapGoldenSet], Iterator[Row]]] = {}
"""For each golden file, the function that yields its compared stages."""
