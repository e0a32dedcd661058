"""The catalogue's sizes: those that are computed, computed here in another way."""

import pytest
import torch

from radseg.models.sam import SamDecoder
from radseg.models.text_towers import TOWERS
from radseg.weights import catalog

WIDTHS = {1152: (1152, 4304, 64), 1536: (1152, 4304, 64), 1024: (1024, 4096, 77), 768: (768, 3072, 77)} | {
    512: (512, 2048, 77)
}
"""Width, width of the MLP and positions of the published towers, by the dimensions of their space."""


@pytest.mark.parametrize("tower", TOWERS, ids=lambda tower: tower.space)
def test_the_bytes_of_a_text_tower_are_those_of_its_tensors(tower):
    width, mlp, positions = WIDTHS[tower.width_out]
    attention, norms = 4 * (width * width + width), 4 * width
    block = attention + norms + width * mlp + mlp + mlp * width + width
    siglip = positions == 64  # its head has a bias, CLIP's has none
    head = width * tower.width_out + (tower.width_out if siglip else 0)
    numbers = (tower.vocabulary + positions) * width + tower.depth * block + 2 * width + head
    assert catalog.row(tower.space).bytes == 4 * numbers


def test_the_bytes_of_sams_decoder_are_those_of_its_tensors():
    with torch.device("meta"):
        decoder = SamDecoder()
    assert catalog.row("sam-vit-h").bytes == 4 * sum(t.numel() for t in decoder.state_dict().values())


def test_every_row_that_can_be_used_has_a_size_and_no_other():
    for row in catalog.ROWS:
        assert (row.bytes > 1e6) == row.supported, row.name


@pytest.mark.parametrize(
    ("count", "text"), [(19_933_376, "20 MB"), (999_600_000, "1.00 GB"), (2_831_131_584, "2.83 GB")]
)
def test_sizes_are_written_as_the_hub_writes_them(count, text):
    assert catalog.size_text(count) == text
