import pytest
import torch

from oracles import pamr as oracle
from radseg.errors import InputError
from radseg.ops.pamr import pamr, pamr_weights


def run(image, maps, dilations, iterations):
    return pamr(maps, pamr_weights(image, dilations=dilations), dilations=dilations, iterations=iterations)


@pytest.mark.parametrize(
    ("size", "dilations", "iterations"), [((9, 7), (1, 2), 3), ((5, 12), (2, 8), 2), ((1, 6), (1,), 1)]
)
def test_refinement_equals_the_formulas_pixel_by_pixel(size, dilations, iterations):
    image, maps = torch.rand(3, *size).double(), torch.rand(4, *size).double()
    expected = oracle.refine(image.numpy(), maps.numpy(), dilations, iterations)
    torch.testing.assert_close(run(image, maps, dilations, iterations), torch.from_numpy(expected))


def test_float32_is_close_on_nearly_flat_images():
    """The variance of differences of one grey level does not drown in rounding."""
    image = 0.9 + (torch.rand(3, 12, 12) > 0.5) / 255
    maps = torch.rand(2, 12, 12)
    exact = run(image.double(), maps.double(), (1, 2), 4).float()
    torch.testing.assert_close(run(image, maps, (1, 2), 4), exact, rtol=1e-4, atol=1e-4)


def test_on_a_constant_image_it_is_the_mean_of_the_neighbours_without_the_centre():
    maps = torch.rand(1, 40, 40)
    mixed = run(torch.full((3, 40, 40), 0.3), maps, (1, 3), 1)
    ring = [maps[0, 20 + d * y, 20 + d * x] for d in (1, 3) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x]
    assert float(mixed[0, 20, 20]) == pytest.approx(float(sum(ring) / 16), rel=1e-5)


def test_scale_and_offset_of_a_channel_change_nothing():
    image, maps = torch.rand(3, 16, 16).double(), torch.rand(2, 16, 16).double()
    normalised = (image - torch.tensor([0.48, 0.46, 0.41])[:, None, None]) / torch.tensor(0.27)
    torch.testing.assert_close(
        run(normalised, maps, (1, 2), 5), run(image, maps, (1, 2), 5), atol=1e-6, rtol=1e-6
    )


def test_maps_are_refined_each_on_its_own():
    image, maps = torch.rand(3, 20, 20), torch.rand(5, 20, 20)
    together = run(image, maps, (1, 4), 3)
    alone = torch.cat([run(image, one[None], (1, 4), 3) for one in maps])
    torch.testing.assert_close(together, alone, rtol=1e-6, atol=1e-6)


def test_probabilities_stay_probabilities():
    maps = torch.rand(3, 30, 20).softmax(0)
    mixed = run(torch.rand(3, 30, 20), maps, (2, 8), 10)
    torch.testing.assert_close(mixed.sum(0), torch.ones(30, 20))
    assert float(mixed.min()) >= 0


@pytest.mark.parametrize("dilations", [(), (0, 1)])
def test_wrong_dilations_are_refused(dilations):
    with pytest.raises(InputError, match="at least one, each 1 or more"):
        pamr_weights(torch.rand(3, 8, 8), dilations=dilations)
