"""The campaigns by name."""

from campaign.images import FOLDERS, IMAGES
from campaign.maps import MAPS
from campaign.recordings import RECORDINGS
from campaign.weight_files import WEIGHTS

CAMPAIGNS = {campaign.name: campaign for campaign in (IMAGES, FOLDERS, WEIGHTS, RECORDINGS, MAPS)}
