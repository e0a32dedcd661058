"""Text towers from local folders: tiny random ones, in the published layouts, against transformers itself."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from radseg.errors import CheckpointError, InputError, MissingFileError, SpaceMismatchError
from radseg.models.text_towers import TOWERS, TowerFacts, lazy_tower, load_described, load_tower
from radseg.weights.catalog import ROWS
from text_tower_builders import FAMILIES, WORDS, write_tower

transformers = pytest.importorskip("transformers")

PROMPTS = ["a photo of the sky", "dog"]


@pytest.fixture(params=sorted(FAMILIES))
def tower(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[TowerFacts, nn.Module, Path]:
    return *write_tower(tmp_path, request.param), tmp_path


@pytest.fixture
def siglip2(tmp_path: Path) -> tuple[TowerFacts, nn.Module, Path]:
    return *write_tower(tmp_path, "siglip2"), tmp_path


def right_padded(
    facts: TowerFacts, prompts: list[str], *, left: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask made word by word, sharing nothing with the library."""
    rules = facts.rules
    special = list(dict.fromkeys(t for t in (rules.pad, rules.end, rules.start, "<unk>") if t))
    index = {token: i for i, token in enumerate([*special, *WORDS])}
    ids, mask = [], []
    for prompt in prompts:
        real = [index[t] for t in [*([rules.start] if rules.start else []), *prompt.split(), rules.end]]
        padding = [index[rules.pad]] * (rules.length - len(real))
        ids.append(padding + real if left else real + padding)
        ones, zeros = [1] * len(real), [0] * len(padding)
        mask.append(zeros + ones if left else ones + zeros)
    return torch.tensor(ids), torch.tensor(mask)


def pooled(network: nn.Module, **inputs: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        output = network(**inputs)
    return F.normalize(output.text_embeds if "text_embeds" in output else output.pooler_output, dim=1)


def test_embeddings_are_those_of_the_published_class_on_right_padded_ids_without_mask(tower) -> None:
    facts, network, folder = tower
    found = load_described(facts, folder=folder).embed(PROMPTS)
    ids, _ = right_padded(facts, PROMPTS)
    torch.testing.assert_close(found, pooled(network, input_ids=ids), rtol=0, atol=1e-6)  # worst seen 1.2e-7
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))


def test_autocast_around_the_call_changes_nothing(tower) -> None:
    facts, _, folder = tower
    loaded = load_described(facts, folder=folder)
    plain = loaded.embed(PROMPTS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loaded.embed(PROMPTS), plain)


def test_a_mask_or_left_padding_would_change_siglip2_by_far_more_than_noise(siglip2) -> None:
    facts, network, folder = siglip2
    found = load_described(facts, folder=folder).embed(PROMPTS)
    ids, mask = right_padded(facts, PROMPTS)
    left, left_mask = right_padded(facts, PROMPTS, left=True)
    for wrong in (
        pooled(network, input_ids=ids, attention_mask=mask),
        pooled(network, input_ids=left),
        pooled(network, input_ids=left, attention_mask=left_mask),
    ):
        # 0.04 to 0.32 here, where arithmetic alone differs by 1e-7.
        assert ((found - wrong).abs().amax(dim=1) > 0.01).all()


def test_a_mask_changes_nothing_for_clip(tmp_path: Path) -> None:
    facts, network = write_tower(tmp_path, "clip")
    ids, mask = right_padded(facts, PROMPTS)
    found = load_described(facts, folder=tmp_path).embed(PROMPTS)
    torch.testing.assert_close(found, pooled(network, input_ids=ids, attention_mask=mask), rtol=0, atol=1e-6)


def test_a_prompt_alone_and_among_others_in_any_batch_is_the_same(tower) -> None:
    facts, _, folder = tower
    loaded = load_described(facts, folder=folder)
    many = [f"a photo of the {word}" for word in WORDS] * 20  # more than one batch of 64
    together = loaded.embed(many)
    alone = torch.cat([loaded.embed([prompt]) for prompt in many[: len(WORDS)]])
    torch.testing.assert_close(together[: len(WORDS)], alone, rtol=0, atol=1e-6)
    torch.testing.assert_close(together[-len(WORDS) :], alone, rtol=0, atol=1e-6)


def test_prompts_are_cleaned_as_the_space_demands(siglip2) -> None:
    facts, _, folder = siglip2
    real = TowerFacts("siglip2-tiny", facts.rules, facts.depth, facts.width_out, facts.vocabulary)
    loaded = load_described(real, folder=folder)
    assert torch.equal(
        loaded.embed(["A Close-Up photo, of the DOG!"]), loaded.embed(["a closeup photo of the dog"])
    )


def test_a_long_prompt_is_cut_with_a_warning(siglip2) -> None:
    facts, _, folder = siglip2
    loaded = load_described(facts, folder=folder)
    with pytest.warns(UserWarning, match="longer than 64 tokens"):
        long = loaded.embed(["dog " * 100])
    assert torch.equal(long, loaded.embed(["dog " * 63]))


def test_no_prompt_is_an_error(siglip2) -> None:
    facts, _, folder = siglip2
    with pytest.raises(InputError, match="no prompt"):
        load_described(facts, folder=folder).embed([])


def test_the_network_is_frozen_and_in_evaluation_mode(siglip2) -> None:
    facts, _, folder = siglip2
    network = load_described(facts, folder=folder).network
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())


def test_half_precision_is_near_and_still_of_unit_length(siglip2) -> None:
    facts, _, folder = siglip2
    full = load_described(facts, folder=folder).embed(PROMPTS)
    half = load_described(facts, folder=folder, dtype=torch.bfloat16).embed(PROMPTS)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half.norm(dim=1), torch.ones(2))
    assert ((full * half).sum(dim=1) > 0.99).all()


def test_tensors_of_a_whole_model_are_left_unread_and_names_without_prefix_load(siglip2) -> None:
    facts, _, folder = siglip2
    before = load_described(facts, folder=folder).embed(PROMPTS)
    tensors = {n.removeprefix("text_model."): t for n, t in load_file(folder / "model.safetensors").items()}
    extra = {
        "vision_model.x": torch.ones(1),
        "logit_scale": torch.ones(1),
        "embeddings.position_ids": torch.ones(1),
    }
    save_file({**tensors, **extra}, folder / "model.safetensors")
    assert torch.equal(load_described(facts, folder=folder).embed(PROMPTS), before)


def change_tensors(change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        tensors = {name: t.clone() for name, t in load_file(folder / "model.safetensors").items()}
        change(tensors)
        save_file(tensors, folder / "model.safetensors")

    return apply


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_tensors(lambda t: t.pop("text_model.head.bias")), r"missing head\.bias"),
        (change_tensors(lambda t: t.update(extra=torch.ones(1))), r"unknown extra"),
        (change_tensors(lambda t: t.update({"head.bias": torch.ones(12)})), r"twice head\.bias"),
        (
            change_tensors(lambda t: t.update({"text_model.head.bias": torch.ones(3)})),
            r"head\.bias has shape \(3,\)",
        ),
        (lambda f: (f / "model.safetensors").write_bytes(b"\x80\x02" * 50), "damaged or not a safetensors"),
        (lambda f: (f / "config.json").write_text("{"), "is not JSON"),
        (
            lambda f: (f / "config.json").write_text('{"model_type": "bert"}'),
            "does not describe a SigLIP or CLIP",
        ),
        (lambda f: (f / "config.json").write_text("[]"), "does not describe a model"),
    ],
)
def test_a_folder_that_is_not_exactly_a_tower_is_refused(siglip2, change, message: str) -> None:
    facts, _, folder = siglip2
    change(folder)
    with pytest.raises(CheckpointError, match=message):
        load_described(facts, folder=folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_file_is_named(siglip2, name: str) -> None:
    facts, _, folder = siglip2
    (folder / name).unlink()
    with pytest.raises(MissingFileError, match=name.replace(".", r"\.")):
        load_described(facts, folder=folder)


def test_a_folder_of_another_space_is_refused_with_both(siglip2) -> None:
    _, _, folder = siglip2
    with pytest.raises(SpaceMismatchError, match=r"giant.*\(2, 12, 10\), expected \(27, 1536, 256000\)"):
        load_tower("siglip2-giant-opt-patch16-384", folder=folder)


def test_an_unknown_space_is_refused_at_once_with_the_known_ones(tmp_path: Path) -> None:
    for make in (load_tower, lazy_tower):
        with pytest.raises(InputError, match="'siglip3'.*siglip2-so400m-patch16-naflex"):
            make("siglip3", folder=tmp_path)


def test_every_tower_of_the_catalogue_can_be_loaded_and_every_adaptor_finds_its_tower() -> None:
    known = {facts.space for facts in TOWERS}
    assert {row.space for row in ROWS if row.kind == "text"} == known
    assert {row.space for row in ROWS if row.kind == "radio" and row.space} <= known


def test_the_published_towers_are_told_apart_by_their_facts() -> None:
    assert len({(f.depth, f.width_out, f.vocabulary, f.activation) for f in TOWERS}) == len(TOWERS)


def test_a_lazy_tower_touches_no_file_and_imports_no_transformers(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from radseg.models.text_towers import lazy_tower;"
        f"lazy_tower('siglip2-so400m-patch16-naflex', folder=Path({str(tmp_path / 'none')!r}));"
        "sys.exit('transformers' in sys.modules or 'tokenizers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
