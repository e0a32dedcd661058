"""Every prompt becomes the same number of ids, as the towers were trained, whatever the file declares."""

from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from tokenizers.processors import TemplateProcessing

from radseg.errors import CheckpointError, MissingFileError
from radseg.models.tokenise import CLIP, SIGLIP, SIGLIP2, PromptTokeniser, TokenRules, load_tokeniser

WORDS = ("a", "photo", "of", "dog", "sky")
RULES = {"siglip2": SIGLIP2, "siglip": SIGLIP, "clip": CLIP}


def word_tokenizer(rules: TokenRules) -> Tokenizer:
    special = dict.fromkeys(t for t in (rules.pad, rules.end, rules.start, "<unk>") if t)
    vocabulary = {token: i for i, token in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(list(special))
    return tokenizer


def hostile(rules: TokenRules) -> Tokenizer:
    """Declare the opposite of what the tower needs: left padding, no end, a short cut on the left."""
    tokenizer = word_tokenizer(rules)
    tokenizer.post_processor = TemplateProcessing(single="<unk> $A", special_tokens=[("<unk>", 1)])
    tokenizer.enable_padding(direction="left", pad_id=3, pad_token="<unk>", length=9)
    tokenizer.enable_truncation(5, direction="left")
    return tokenizer


@pytest.fixture(scope="module", params=sorted(RULES))
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PromptTokeniser:
    rules = RULES[request.param]
    file = tmp_path_factory.mktemp(request.param) / "tokenizer.json"
    hostile(rules).save(str(file))
    return load_tokeniser(file, rules)


def tokens(loaded: PromptTokeniser, prompt: str) -> list[str]:
    return [loaded.tokenizer.id_to_token(i) for i in loaded([prompt])[0].tolist()]


def test_a_prompt_is_start_words_end_and_padding_on_the_right(loaded: PromptTokeniser) -> None:
    rules = loaded.rules
    start = [rules.start] if rules.start else []
    head = [*start, "a", "dog", rules.end]
    assert tokens(loaded, "a dog") == head + [rules.pad] * (rules.length - len(head))


def test_a_prompt_that_is_too_long_keeps_its_beginning_and_the_end_token(loaded: PromptTokeniser) -> None:
    with pytest.warns(UserWarning, match=f"longer than {loaded.rules.length} tokens"):
        found = tokens(loaded, "sky " + "dog " * 200)
    assert found[-1] == loaded.rules.end
    assert found[1 if loaded.rules.start else 0] == "sky"
    assert len(found) == loaded.rules.length


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(prompts=st.lists(st.lists(st.sampled_from(WORDS), max_size=20).map(" ".join), min_size=2, max_size=4))
def test_ids_of_a_prompt_do_not_depend_on_the_others(loaded: PromptTokeniser, prompts: list[str]) -> None:
    together = loaded(prompts)
    assert together.shape == (len(prompts), loaded.rules.length)
    assert torch.equal(together, torch.cat([loaded([prompt]) for prompt in prompts]))


def test_a_file_that_is_missing_no_tokeniser_or_of_another_tower_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    with pytest.raises(MissingFileError):
        load_tokeniser(file, SIGLIP2)
    file.write_text("{}")
    with pytest.raises(CheckpointError, match="is not a tokeniser"):
        load_tokeniser(file, SIGLIP2)
    word_tokenizer(SIGLIP).save(str(file))
    with pytest.raises(CheckpointError, match="<eos>"):
        load_tokeniser(file, SIGLIP2)
