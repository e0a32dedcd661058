"""The campaigns by name."""

from campaign.images import FOLDERS, IMAGES
from campaign.kills import KILLS
from campaign.maps import MAPS
from campaign.page import PAGE
from campaign.recordings import RECORDINGS
from campaign.weight_files import WEIGHTS

_ALL = (IMAGES, FOLDERS, WEIGHTS, RECORDINGS, MAPS, KILLS, PAGE)
CAMPAIGNS = {campaign.name: campaign for campaign in _ALL}
