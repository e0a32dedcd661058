"""The campaigns by name."""

from campaign.images import FOLDERS, IMAGES

CAMPAIGNS = {campaign.name: campaign for campaign in (IMAGES, FOLDERS)}
