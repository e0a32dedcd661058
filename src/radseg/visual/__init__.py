"""Images to look at: labels over the photo, one prompt's heat map, the main directions of the features."""

from radseg.visual.features import pca_image
from radseg.visual.heat import heat_colours, heat_map
from radseg.visual.legend import stacked
from radseg.visual.overlay import legend, overlay, paint

__all__ = ["heat_colours", "heat_map", "legend", "overlay", "paint", "pca_image", "stacked"]
