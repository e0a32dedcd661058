"""Principal components: nothing is lost that they hold, and maps in them read as maps of features."""

import numpy as np
import pytest
import torch

from mapping.map_builders import CHANNELS, description, frame, grid_lift, grown
from radseg.errors import CheckpointError, InputError
from radseg.mapping.compression import ProjectedLift, fit_basis, read_basis, write_basis
from radseg.mapping.manifest import MANIFEST
from radseg.mapping.mapper import Mapper
from radseg.mapping.merge import merge_maps
from radseg.mapping.semantic_map import SemanticMap
from radseg.runs.map_facts import verify_map
from radseg.runs.mapping import BuildRequest, MapSettings, build_map

FLAT = torch.linalg.qr(torch.randn(CHANNELS, 2, generator=torch.Generator().manual_seed(4)))[0]


def flat_lift(rgb):
    """Values on a plane of two dimensions, away from the origin."""
    return torch.einsum("ck,khw->chw", FLAT, grid_lift()(rgb)[:2]) + 3


class Walk:
    def __init__(self, *indices):
        self.indices = indices

    def frame_ids(self):
        return tuple(str(index) for index in self.indices)

    def read(self, frame_id):
        return frame(int(frame_id))


class Silent:
    def started(self, todo, earlier, folder):
        pass

    def frame(self, frame_id, points, reason):
        pass

    def ended(self, manifest, progress, folder):
        pass


def build(folder, *indices, lift=flat_lift, **settings):
    request = BuildRequest(folder, MapSettings(components=2), **settings)
    build_map(request, Walk(*indices), lambda: Mapper(description(), lift), Silent())
    return folder


def basis_in(folder):
    (path,) = folder.glob("basis*")
    return path


def test_the_basis_is_that_of_a_singular_value_decomposition():
    values = torch.randn(200, 6) * torch.tensor([5.0, 3, 2, 1, 0.5, 0.1]) + 4
    basis = fit_basis(values.split(33), 3)
    centred = (values - values.mean(0)).double().numpy()
    _, strength, axes = np.linalg.svd(centred, full_matrices=False)
    assert np.allclose(np.abs((basis.axes.numpy() * axes[:3].T).sum(0)), 1, atol=1e-4)
    assert basis.explained == pytest.approx((strength[:3] ** 2).sum() / (strength**2).sum(), abs=1e-6)
    assert torch.allclose(basis.mean, values.mean(0), atol=1e-5)


def test_values_in_the_span_are_restored():
    values = torch.randn(100, 2) @ FLAT.T + 3
    basis = fit_basis([values], 2)
    assert torch.allclose(basis.restore(basis.project(values)), values, atol=1e-5)


def test_the_mean_is_kept_even_by_one_component():
    """Without subtracting the mean (mapping spec 5.1, item 9) a constant offset would not survive."""
    values = torch.randn(1000, 4) * 0.01 + torch.tensor([5.0, -3, 2, 1])
    basis = fit_basis([values], 1)
    assert float((basis.restore(basis.project(values)) - values).abs().max()) < 0.06


def test_projecting_before_averaging_is_projecting_after():
    basis = fit_basis([grid_lift()(frame(i).rgb).flatten(1).mT for i in range(3)], 3)
    mapper = Mapper(description(), grid_lift())
    full, less = mapper.sums(frame()), mapper.compressed(basis, "0" * 64).sums(frame())
    expected = basis.project(full.values / full.counts[:, None])
    assert torch.allclose(less.values / less.counts[:, None], expected, atol=1e-5)


def test_a_compressed_map_reads_as_the_map(tmp_path):
    build(tmp_path / "map", 0, 1, 2)
    opened = SemanticMap.open(tmp_path / "map")
    assert (opened.description.channels, opened.channels) == (2, CHANNELS)
    plain = Mapper(description(), flat_lift)
    one, other = opened.whole(), plain_map(plain, 3).whole()
    assert torch.equal(one.keys, other.keys)
    assert torch.allclose(one.values, other.values, atol=1e-4)
    assert torch.equal(next(opened.chunks(5)).values, one.values[:5])


def plain_map(mapper, frames):
    into = grown([])
    for index in range(frames):
        mapper.integrate(frame(index), into)
    return into.to_semantic_map()


def test_a_resumed_build_keeps_its_basis(tmp_path):
    build(tmp_path / "map", 0, 1)
    before = basis_in(tmp_path / "map").read_bytes()
    build(tmp_path / "map", 0, 1, 2, 3, existing="resume")
    assert basis_in(tmp_path / "map").read_bytes() == before
    assert SemanticMap.open(tmp_path / "map").build["frames"]["used"] == 4


def test_maps_of_one_basis_merge_and_others_do_not(tmp_path):
    one = build(tmp_path / "one", 0, 1)
    other = build(tmp_path / "other", 2, 3, lift=lambda rgb: flat_lift(rgb) * 2)
    with pytest.raises(InputError, match="basis is"):
        merge_maps([one, other], tmp_path / "merged")
    same = build(tmp_path / "same", 0, 1, model_parameters={"walk": "second"})
    build(tmp_path / "same", 0, 1, 2, existing="resume", model_parameters={"walk": "second"})
    merge_maps([one, same], tmp_path / "merged")
    values = SemanticMap.open(tmp_path / "merged").whole().values
    assert values.shape[1] == CHANNELS


@pytest.mark.parametrize(
    "damage", [lambda p: p.unlink(), lambda p: p.write_bytes(p.read_bytes()[:-1] + b"x")]
)
def test_a_damaged_basis_is_not_used(tmp_path, damage):
    folder = build(tmp_path / "map", 0)
    name = basis_in(folder).name
    damage(folder / name)
    with pytest.raises(CheckpointError, match=f"{name} is damaged"):
        SemanticMap.open(folder)
    assert [name for name, fault in verify_map(folder) if fault] == [name]


def test_a_basis_of_other_channels_is_refused(tmp_path):
    digest = write_basis(tmp_path, fit_basis([torch.randn(50, 4)], 2))
    assert read_basis(tmp_path, digest, 2).width == 4
    with pytest.raises(CheckpointError, match="its axes"):
        read_basis(tmp_path, digest, 3)


@pytest.mark.parametrize("number", [float("nan"), 1e30])
def test_axes_that_are_no_unit_vectors_are_refused(tmp_path, number):
    basis = fit_basis([torch.randn(50, 4)], 2)
    basis.axes[0, 0] = number
    with pytest.raises(CheckpointError, match="no unit vectors"):
        read_basis(tmp_path, write_basis(tmp_path, basis), 2)


@pytest.mark.parametrize("components", [0, 4, 9])
def test_components_must_be_fewer_than_channels(components):
    with pytest.raises(InputError, match="of 4 channels"):
        fit_basis([torch.randn(50, 4)], components)


def test_colours_and_probabilities_are_not_compressed(tmp_path):
    basis = fit_basis([torch.randn(50, 3)], 2)
    what = description(space="probabilities", channels=3, names=("a", "b", "c"))
    with pytest.raises(InputError, match="Only maps of features"):
        Mapper(what, lambda rgb: rgb).compressed(basis, "0" * 64)


def test_a_map_keeps_its_basis_while_another_replaces_it(tmp_path):
    folder, calls = build(tmp_path / "map", 0, 1), []
    before = basis_in(folder).read_bytes()

    def stopped(rgb):
        calls.append(rgb)
        if len(calls) == 4:  # two frames for the basis, two for the map
            raise KeyboardInterrupt
        return flat_lift(rgb) * 2

    with pytest.raises(KeyboardInterrupt):
        build(folder, 0, 1, lift=stopped, existing="overwrite")
    assert not [fault for _, fault in verify_map(folder) if fault]
    assert len(list(folder.glob("basis*"))) == 2
    build(folder, 0, 1, lift=lambda rgb: flat_lift(rgb) * 2, existing="resume")
    assert basis_in(folder).read_bytes() != before


def test_overwriting_removes_the_basis(tmp_path):
    build(tmp_path / "map", 0)
    plain = BuildRequest(tmp_path / "map", existing="overwrite")
    build_map(plain, Walk(0), lambda: Mapper(description(), flat_lift), Silent())
    assert not list((tmp_path / "map").glob("basis*"))
    assert (tmp_path / "map" / MANIFEST).exists()


def test_a_projected_lift_keeps_the_grid():
    basis = fit_basis([torch.randn(50, CHANNELS)], 2)
    values = grid_lift()(frame().rgb)
    projected = ProjectedLift(grid_lift(), basis)(frame().rgb)
    assert projected.shape == (2, *values.shape[1:])
    assert torch.allclose(projected[:, 2, 3], basis.project(values[None, :, 2, 3])[0], atol=1e-5)
