"""Pictures for people: the labels over the photo, one prompt's heat map, the feature map's main directions."""

from radseg.visual.features import pca_picture
from radseg.visual.heat import heat_colours, heat_map
from radseg.visual.overlay import overlay, paint

__all__ = ["heat_colours", "heat_map", "overlay", "paint", "pca_picture"]
