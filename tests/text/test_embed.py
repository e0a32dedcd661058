"""Templates, cleaning, mean: against the reference's numbers, and the laws of caching."""

import importlib.util
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from radseg.errors import InputError, SpaceMismatchError, VocabularyError
from radseg.text.cache import TextCache
from radseg.text.clean import collapse_whitespace
from radseg.text.embed import embed_vocabularies, embed_vocabulary, given_embeddings
from radseg.text.templates import IMAGENET_80, NONE, TemplateSet
from radseg.text.tower import LazyTower
from radseg.text.vocabulary import Vocabulary

SIGLIP2 = "siglip2-so400m-patch16-naflex"
TWO = TemplateSet("two", ("a {}.", "the {}."))


class StubTower:
    """Unit vectors decided by each prompt alone; remembers what it was asked."""

    def __init__(self, vector: Callable[[str], Tensor] | None = None, space: str = SIGLIP2) -> None:
        self.space = space
        self.vector = vector or seeded
        self.asked: list[str] = []

    def embed(self, prompts: Sequence[str]) -> Float[Tensor, "q e"]:
        self.asked += prompts
        return F.normalize(torch.stack([self.vector(p) for p in prompts]), dim=1)


def seeded(prompt: str) -> Tensor:
    generator = torch.Generator().manual_seed(zlib.crc32(prompt.encode()))
    return torch.randn(16, generator=generator)


@pytest.fixture(scope="module")
def golden(shared: Path) -> tuple[ModuleType, dict[str, object], dict[str, np.ndarray]]:
    folder = shared / "golden/2d"
    spec = importlib.util.spec_from_file_location("seeded_weights", folder / "seeded_weights.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, *module.load_case(str(folder), "u_text")


@pytest.mark.parametrize(("templates", "array"), [(IMAGENET_80, "label_embeds"), (NONE, "prompt_embeds")])
def test_rows_are_the_references(golden, templates: TemplateSet, array: str) -> None:
    module, params, arrays = golden
    tower = StubTower(
        lambda p: torch.from_numpy(module.text_embedding(p, params["text_dim"], params["text_seed"]))
    )
    found = embed_vocabulary(Vocabulary.parse(params["labels"]), tower, templates)
    # Equal to the last bit here (torch 2.13, AVX-512); one rounding of values up to 0.1 is allowed elsewhere.
    np.testing.assert_allclose(found.values.numpy(), arrays[array], rtol=0, atol=1e-8)
    assert found.names == tuple(collapse_whitespace(label) for label in params["labels"])


def test_a_row_is_the_plain_mean_of_unit_vectors() -> None:
    row = embed_vocabulary(Vocabulary.parse("dog"), StubTower(), TWO).values[0]
    expected = (F.normalize(seeded("a dog"), dim=0) + F.normalize(seeded("the dog"), dim=0)) / 2
    torch.testing.assert_close(row, expected)
    assert row.norm() < 0.99


def test_synonyms_get_rows_of_their_class() -> None:
    found = embed_vocabulary(Vocabulary.parse(["sky", ("car", "automobile")]), StubTower(), NONE)
    assert (found.names, found.row_class, found.space) == (("sky", "car"), (0, 1, 1), SIGLIP2)
    torch.testing.assert_close(found.values[2], F.normalize(seeded("automobile"), dim=0))


def test_a_row_does_not_depend_on_its_neighbours_or_their_order() -> None:
    names = [f"object {i}" for i in range(300)]
    forward = embed_vocabulary(Vocabulary.parse(names), StubTower(), TWO).values
    backward = embed_vocabulary(Vocabulary.parse(names[::-1]), StubTower(), TWO).values
    assert torch.equal(forward, backward.flip(0))


def test_prompts_reach_the_tower_in_calls_of_bounded_size() -> None:
    sizes: list[int] = []

    class Counting(StubTower):
        def embed(self, prompts: Sequence[str]) -> Tensor:
            sizes.append(len(prompts))
            return super().embed(prompts)

    vocabulary = Vocabulary.parse([f"object {i}" for i in range(3)])
    few = embed_vocabulary(vocabulary, Counting(), IMAGENET_80, at_once=7)
    assert sizes == [7] * 34 + [2]
    assert torch.equal(few.values, embed_vocabulary(vocabulary, StubTower(), IMAGENET_80).values)


def test_several_vocabularies_share_calls_and_what_they_have_in_common() -> None:
    tower = StubTower()
    names, bank = Vocabulary.parse("sky, dog"), Vocabulary.parse("stuff, dog")
    both = embed_vocabularies([(names, TWO), (bank, NONE)], tower, at_once=100)
    assert tower.asked == ["a sky", "the sky", "a dog", "the dog", "stuff", "dog"]
    assert [one.names for one in both] == [names.names, bank.names]
    for one, (vocabulary, templates) in zip(both, [(names, TWO), (bank, NONE)], strict=True):
        assert torch.equal(one.values, embed_vocabulary(vocabulary, StubTower(), templates).values)


def test_a_second_run_asks_the_tower_nothing_and_gives_the_same_bits(tmp_path: Path) -> None:
    cache = TextCache(tmp_path, "tower")
    vocabulary = Vocabulary.parse("sky, grass")
    first = embed_vocabulary(vocabulary, StubTower(), TWO, cache=cache)

    def fail() -> StubTower:
        raise AssertionError("the tower was loaded")

    second = embed_vocabulary(vocabulary, LazyTower(SIGLIP2, fail), TWO, cache=cache)
    assert torch.equal(first.values, second.values)


def test_only_what_is_new_is_computed_and_spelling_that_the_tower_ignores_is_not_new(tmp_path: Path) -> None:
    cache = TextCache(tmp_path, "tower")
    embed_vocabulary(Vocabulary.parse("T-shirt, sky"), StubTower(), TWO, cache=cache)
    tower = StubTower()
    embed_vocabulary(Vocabulary.parse("tshirt!, grass, sky"), tower, TWO, cache=cache)
    assert tower.asked == ["a grass", "the grass"]


@pytest.mark.parametrize("other", ["tower", "templates", "space"])
def test_another_tower_template_set_or_space_is_not_a_hit(tmp_path: Path, other: str) -> None:
    embed_vocabulary(Vocabulary.parse("sky"), StubTower(), TWO, cache=TextCache(tmp_path, "tower"))
    tower = StubTower(space="siglip2-giant-opt-patch16-384" if other == "space" else SIGLIP2)
    cache = TextCache(tmp_path, "another" if other == "tower" else "tower")
    embed_vocabulary(Vocabulary.parse("sky"), tower, NONE if other == "templates" else TWO, cache=cache)
    assert tower.asked


def test_an_interrupted_run_keeps_what_it_computed(tmp_path: Path) -> None:
    class Stopping(StubTower):
        def embed(self, prompts: Sequence[str]) -> Tensor:
            if self.asked:
                raise KeyboardInterrupt
            return super().embed(prompts)

    vocabulary = Vocabulary.parse([f"object {i}" for i in range(8)])
    cache = TextCache(tmp_path, "tower")
    with pytest.raises(KeyboardInterrupt):
        embed_vocabulary(vocabulary, Stopping(), IMAGENET_80, cache=cache, at_once=512)
    tower = StubTower()
    embed_vocabulary(vocabulary, tower, IMAGENET_80, cache=cache)
    assert len(tower.asked) == 2 * 80  # six of the eight were whole in the first call


def test_progress_counts_prompts_that_are_not_kept_and_is_silent_when_all_are(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    cache = TextCache(tmp_path, "tower")
    embed_vocabulary(Vocabulary.parse("sky"), StubTower(), TWO, cache=cache)
    vocabulary = Vocabulary.parse("sky, dog, cat")
    for _ in range(2):
        embed_vocabulary(
            vocabulary, StubTower(), TWO, cache=cache, at_once=3, progress=lambda *now: seen.append(now)
        )
    assert seen == [(0, 4), (3, 4), (4, 4)]


def test_names_the_tower_cannot_tell_apart_are_refused_before_it_is_loaded() -> None:
    tower = LazyTower(SIGLIP2, lambda: pytest.fail("loaded"))
    with pytest.raises(VocabularyError, match="same text"):
        embed_vocabulary(Vocabulary.parse("wall-brick, wallbrick"), tower)


def test_a_tower_that_does_not_normalise_is_refused() -> None:
    class Long(StubTower):
        def embed(self, prompts: Sequence[str]) -> Tensor:
            return 2 * super().embed(prompts)

    with pytest.raises(InputError, match="length 1; lengths are 2 to 2"):
        embed_vocabulary(Vocabulary.parse("sky"), Long(), NONE)


def test_a_lazy_tower_is_loaded_once_and_its_space_is_checked() -> None:
    loads: list[int] = []

    def load() -> StubTower:
        loads.append(1)
        return StubTower()

    tower = LazyTower(SIGLIP2, load)
    tower.embed(["a"])
    tower.embed(["b"])
    assert loads == [1]
    with pytest.raises(SpaceMismatchError, match="other"):
        LazyTower("other", load).embed(["a"])


def test_given_vectors_become_embeddings_and_wrong_ones_are_refused() -> None:
    vocabulary = Vocabulary.parse(["sky", ("car", "automobile")])
    found = given_embeddings(vocabulary, torch.eye(3), "s")
    assert found.row_class == (0, 1, 1)
    with pytest.raises(InputError, match="3 phrases"):
        given_embeddings(vocabulary, torch.eye(2), "s")
    with pytest.raises(InputError, match="zero or not finite"):
        given_embeddings(vocabulary, torch.tensor([[1.0], [0.0], [1.0]]), "s")
