"""What a patch resembles: attention is the block's own, cosines are those of the tokens it names."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from builders import tiny_config, tiny_radio
from radseg.errors import InputError
from radseg.evaluation.studies.similarity import patch_at, similarity_figure
from radseg.models.similarity import similarities
from radseg.types import Size
from radseg.weights.config import AdaptorConfig

HEAD = tiny_config().adaptors[0].summary
ROW, COLUMN = 1, 2
GRID = Size(3, 4)
INDEX = ROW * GRID.width + COLUMN


@pytest.fixture(scope="module")
def radio():
    taught = (AdaptorConfig("sam", 0, None, None, HEAD), *tiny_config().adaptors)
    return tiny_radio(depth=4, adaptors=taught)


@pytest.fixture(scope="module")
def image():
    return torch.rand(3, 48, 64, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def found(radio, image):
    return {one.title: one.values for one in similarities(radio, image, ROW, COLUMN)}


def cosines(tokens):
    return F.cosine_similarity(tokens, tokens[INDEX][None], dim=-1).reshape(GRID).numpy()


def test_the_ways_of_asking_are_the_papers(found):
    assert list(found) == [
        "query-key attention", "key-key attention",
        "block 1 of 4", "block 2 of 4", "block 3 of 4", "sam tokens", "last block (4)",
    ]  # fmt: skip
    assert {values.shape for values in found.values()} == {GRID}


def test_blocks_and_teachers_are_compared_by_the_cosine_of_their_tokens(radio, image, found):
    patches = radio.encode(image[None]).patches
    inner = list(radio.vit.walk(radio.pixels(image[None])))[2][0, radio.prefix_tokens :]
    for title, tokens in (
        ("last block (4)", patches[0]),
        ("sam tokens", radio.to_teacher("sam", patches)[0]),
        ("block 2 of 4", inner),
    ):
        np.testing.assert_allclose(found[title], cosines(tokens), atol=1e-5)


def test_attention_is_what_the_last_block_mixes_values_by(radio, image, found):
    """Unit vectors as values: what comes out for a token is its row of the attention matrix."""
    block, tokens = list(radio.vit.steps(radio.pixels(image[None])))[-1]
    queries, keys, _ = block.attention.project(block.norm1(tokens))
    count = tokens.shape[1]
    units = torch.eye(count).expand(1, queries.shape[1], count, count)
    for title, asked in (("query-key attention", queries), ("key-key attention", keys)):
        rows = F.scaled_dot_product_attention(asked, keys, units).mean(1)[0]
        expected = rows[radio.prefix_tokens + INDEX, radio.prefix_tokens :]
        np.testing.assert_allclose(found[title].ravel(), expected.numpy(), atol=1e-6)


def test_a_pixel_belongs_to_the_patch_that_holds_it():
    size, patches = Size(30, 40), Size(3, 4)
    assert patch_at(0, 0, size, patches) == (0, 0)
    assert patch_at(39, 29, size, patches) == (2, 3)
    assert patch_at(10, 9, size, patches) == (0, 1)
    for x, y in ((40, 0), (0, 30)):
        with pytest.raises(InputError, match=f"The point {x},{y} is outside the image of 40 × 30"):
            patch_at(x, y, size, patches)


def test_the_figure_has_a_tile_for_the_image_and_for_every_map(radio, image):
    found = similarities(radio, image, ROW, COLUMN)
    one = similarity_figure(np.zeros((48, 64, 3), np.uint8), 40, 20, found[:1])
    all_maps = similarity_figure(np.zeros((48, 64, 3), np.uint8), 40, 20, found)
    tile = (one.width - 12) // 2
    assert (all_maps.width - 12, all_maps.height > 2 * one.height - 30) == (4 * tile, True)
