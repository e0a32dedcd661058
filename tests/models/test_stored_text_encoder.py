"""What a person is told while prompts are embedded, and what another dtype of the tower changes."""

import pytest
import torch

from listener import Listener
from radseg.errors import InputError
from radseg.models import stored_text_encoder, text_towers
from radseg.models.stored_text_encoder import PromptWait, StoredTextEncoder, at_once
from radseg.models.text_towers import TOWERS, lazy_tower
from radseg.text.contrast import CONTRAST_PHRASES
from radseg.text.templates import IMAGENET_7, IMAGENET_80, NONE
from radseg.text.vocabulary import Vocabulary
from radseg.weights.options import DownloadOptions
from radseg.weights.reporters import duration_text
from text_tower_builders import write_tower

SPACE = "siglip2-so400m-patch16-naflex"


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A tiny random tower of a known space; returns its folder."""
    folder = tmp_path / "tower"
    folder.mkdir()
    facts, _ = write_tower(folder, "siglip2")
    monkeypatch.setenv("RADSEG_HOME", str(tmp_path / "home"))
    known = type(facts)(SPACE, facts.rules, facts.depth, facts.width_out, facts.vocabulary)
    monkeypatch.setattr(text_towers, "TOWERS", (known, *TOWERS))
    return folder


def encoder(folder, listener, templates=NONE, dtype="float32"):
    return StoredTextEncoder(SPACE, templates, folder, "cpu", dtype, DownloadOptions(reporter=listener))


def test_the_wait_is_announced_once_with_its_number_and_moves_every_few_prompts(tiny, listener):
    words = encoder(tiny, listener, IMAGENET_7)
    words.embed_with_contrast(Vocabulary.parse("sky, dog"))
    assert listener.lines == [
        f"Embedding {10 * 7} prompts with {SPACE}; they are kept for next time. A new name takes 7."
    ]
    assert listener.names == [("prompts", "prompts")]
    assert listener.counts == [(done, 70) for done in (*range(0, 70, 4), 70)]
    words.embed_with_contrast(Vocabulary.parse("sky, dog"))
    assert len(listener.lines) == 1


def test_the_estimate_is_measured_on_the_first_call_without_the_loading(listener, monkeypatch):
    now, loads = [0.0], []
    monkeypatch.setattr(stored_text_encoder.time, "perf_counter", lambda: now[0])

    def load() -> None:
        now[0] += 1000
        loads.append(list(listener.counts))

    wait = PromptWait(listener, SPACE, IMAGENET_80, load)
    wait(0, 296)
    assert "(--templates imagenet7: 7)" in listener.lines[0]
    assert loads == [[]]  # before the bar begins: else the first call would load, and be measured with it
    for done in (4, 8):
        now[0] += 3
        wait(done, 296)
    assert listener.lines[1:] == ["That takes about 4 minutes here."]
    assert listener.counts == [(0, 296), (4, 296), (8, 296)]
    assert (duration_text(44.6), duration_text(130)) == ("45 seconds", "2 minutes")


def test_the_bank_is_ready_after_it_was_embedded(tiny, listener):
    assert encoder(tiny, listener).embed_bank().names == CONTRAST_PHRASES
    encoder(tiny, listener).embed_with_contrast(Vocabulary.parse("sky"))
    assert [total for done, total in listener.counts if done == 0] == [8, 1]


def test_a_release_forgets_the_tower_and_the_next_prompt_loads_it_again(tiny, listener):
    words = encoder(tiny, listener)
    first = words.embed(Vocabulary.parse("sky"))
    words.release()
    assert torch.equal(words.embed(Vocabulary.parse("sky")).values, first.values)
    words.embed(Vocabulary.parse("dog"))
    assert len(listener.lines) == 2


@pytest.mark.parametrize("dtype", ["bfloat16", "int8"])
def test_another_dtype_is_compared_told_and_kept_apart(tiny, listener, dtype, monkeypatch):
    monkeypatch.setattr(text_towers, "MIN_COSINE", 0.9)  # the tiny tower's channels are few
    exact = encoder(tiny, listener).embed(Vocabulary.parse("sky, dog")).values
    near = encoder(tiny, listener, dtype=dtype).embed(Vocabulary.parse("sky, dog")).values
    assert not torch.equal(exact, near)
    assert float(torch.nn.functional.cosine_similarity(exact, near).min()) > 0.9
    assert f"In {dtype} the text tower is" in listener.lines[-1] + listener.lines[-2]
    alone = encoder(tiny, listener, dtype=dtype)
    alone.embed(Vocabulary.parse("sky"))
    assert torch.equal(encoder(tiny, listener).embed(Vocabulary.parse("sky, dog")).values, exact)


def test_in_int8_a_row_does_not_depend_on_its_neighbours(tiny, monkeypatch):
    monkeypatch.setattr(text_towers, "MIN_COSINE", 0.9)
    tower = lazy_tower(SPACE, folder=tiny, dtype="int8")
    together = tower.embed(["the sky", "a photo of a dog", "dog"])
    assert torch.equal(together[1:2], tower.embed(["a photo of a dog"]))


def test_a_dtype_that_changes_the_vectors_too_much_is_refused(tiny, monkeypatch):
    monkeypatch.setattr(text_towers, "MIN_COSINE", 1.1)
    with pytest.raises(InputError, match=r"In int8 .* at least 1.1 is needed. Leave --text-dtype out"):
        lazy_tower(SPACE, folder=tiny, dtype="int8").embed(["sky"])


def test_int8_is_refused_on_a_gpu_before_anything_is_loaded(tiny):
    with pytest.raises(InputError, match="on the CPU only, not on cuda; use bfloat16"):
        lazy_tower(SPACE, folder=tiny, device="cuda", dtype="int8")


def test_a_gpu_gets_more_prompts_at_once_than_a_cpu():
    assert at_once("cpu") < at_once("cuda:0")
