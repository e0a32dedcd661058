"""What is said before the first byte: exact bytes of what is really fetched, host, folder, licence."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from listener import Listener
from loopback_hub import Hub, address
from radseg.errors import InputError, ResourceError, WeightsUnavailableError
from radseg.presets.announce import announce_all
from radseg.presets.load import ensure
from radseg.presets.spec import model_spec
from radseg.weights import catalog
from radseg.weights.options import DownloadOptions, Known
from radseg.weights.plan import announce
from radseg.weights.reporters import LOGGED, FetchPlan, PlannedFetch
from radseg.weights.resolve import resolve_radio, resolve_text_tower

RADIO = catalog.row("c-radio_v3-b")
TOWER = catalog.row("siglip2-so400m-patch16-naflex")
SAM = catalog.row("sam-vit-h")
TEXT_BYTES = 4 * 9 * 4  # four tensors of nine float32
SMALL = {"config.json": b'{"model_type": "siglip2"}', "tokenizer.json": b"{}" * 50}


def tower(extra: int = 100_000) -> bytes:
    keys = ("encoder.layers.0.layer_norm1.weight", "embeddings.token_embedding.weight")
    keys += ("embeddings.position_embedding.weight", "final_layer_norm.weight")
    text = {f"text_model.{key}": torch.randn(9) for key in keys}
    return save(text | {"vision_model.a": torch.zeros(extra)})


@pytest.fixture
def stocked(hub: type[Hub], save: Any) -> type[Hub]:
    """A hub with radseg-b's backbone and text tower."""
    hub.files[address(RADIO.repository, RADIO.file)] = save().read_bytes()
    hub.files[address(TOWER.repository, TOWER.file)] = tower()
    for name, content in SMALL.items():
        hub.files[address(TOWER.repository, name)] = content
    return hub


def bodies(hub: type[Hub]) -> dict[str, int]:
    """Bytes sent so far, by file."""
    sent: dict[str, int] = {}
    for path, count in hub.sent:
        sent[path.rsplit("/", 1)[1]] = sent.get(path.rsplit("/", 1)[1], 0) + count
    return sent


def test_all_of_a_model_is_told_once_before_its_first_byte(
    stocked: type[Hub], listener: Listener, store_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before: list[dict[str, int]] = []
    tell = listener.plan
    monkeypatch.setattr(listener, "plan", lambda plan: (before.append(bodies(stocked)), tell(plan)))
    ensure(model_spec("radseg-b"), listener)
    (plan,) = listener.plans
    radio = len(stocked.files[address(RADIO.repository, RADIO.file)])
    text = TEXT_BYTES + sum(len(content) for content in SMALL.values())
    assert [(one.name, one.bytes, one.here) for one in plan.fetches] == [
        (RADIO.name, radio, 0), (TOWER.name, text, 0),
    ]  # fmt: skip
    assert plan.bytes == radio + text
    assert (plan.purpose, plan.folder) == ("radseg-b", store_home / "models")
    assert plan.host == stocked.endpoint.removeprefix("http://")
    assert before == [{"model.safetensors": bodies(stocked)["model.safetensors"] - TEXT_BYTES}]  # its header
    assert sum(bodies(stocked).values()) == plan.bytes + before[0]["model.safetensors"]


def test_the_text_says_who_what_how_much_where_and_under_which_terms(tmp_path: Path) -> None:
    fetches = (
        PlannedFetch(RADIO.name, "RADIO model", 568_000_000, 0, RADIO.license),
        PlannedFetch(TOWER.name, "text tower", 2_829_000_000, 12_300_000, TOWER.license),
    )
    text = FetchPlan("radseg-b", fetches, "mirror.example", tmp_path).text()
    assert text.splitlines() == [
        f"radseg-b needs 3.40 GB (3,397,000,000 bytes) from mirror.example, into {tmp_path}:",
        f"  c-radio_v3-b, RADIO model: 568 MB. {RADIO.license.title}, {RADIO.license.url}",
        f"  siglip2-so400m-patch16-naflex, text tower: 2.83 GB (12 MB more are here). Apache License 2.0, "
        f"{TOWER.license.url}",
    ]
    assert FetchPlan("", fetches[:1], "h", tmp_path).text().startswith("To be fetched: 568 MB (568,000,000")


def test_what_was_told_is_asked_for_once(stocked: type[Hub]) -> None:
    ensure(model_spec("radseg-b"), LOGGED)
    files = {path.rsplit("/", 1)[1] for path, _ in stocked.asked}
    assert len(stocked.asked) - len(stocked.sent) == len(files)  # the facts of each, once


def test_several_models_are_told_in_one_plan(stocked: type[Hub], listener: Listener) -> None:
    models = [model_spec("radseg-b"), model_spec("naradio-b"), model_spec("rayfronts-b")]
    stocked.files.pop(address(TOWER.repository, "tokenizer.json"))
    stocked.files[address(TOWER.repository, "tokenizer.model")] = b"{}"
    known: Known = {}
    announce_all(models, listener, known)
    (plan,) = listener.plans
    assert [one.name for one in plan.fetches] == [RADIO.name, TOWER.name]  # without what is under other terms
    asked = len(stocked.asked)
    ensure(models[0], listener, known=known)
    ensure(models[1], listener, known=known)
    assert len(listener.plans) == 1
    assert len(stocked.asked) - asked == 4  # bodies only


def test_what_is_here_is_not_told(stocked: type[Hub], listener: Listener) -> None:
    resolve_radio(RADIO.name)
    ensure(model_spec("radseg-b"), listener)
    assert [one.name for one in listener.plans[0].fetches] == [TOWER.name]
    ensure(model_spec("radseg-b"), listener)
    assert len(listener.plans) == 1


class StoppedError(Exception):
    """Stands for a kill."""


def test_what_is_half_here_counts_less(
    stocked: type[Hub], listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(done: int, _: int) -> None:
        raise StoppedError

    monkeypatch.setattr(listener, "progress", stop)
    with pytest.raises(StoppedError):
        ensure(model_spec("radseg-b"), listener)
    again = Listener()
    ensure(model_spec("radseg-b"), again)
    first, second = listener.plans[0].fetches[0], again.plans[0].fetches[0]
    assert second.here > 0
    assert second.bytes + second.here == first.bytes


def test_only_the_decoder_of_a_sam_counts(hub: type[Hub], listener: Listener, shared: Path) -> None:
    shapes = json.loads((shared / "golden" / "2d" / "keys_sam.json").read_text())
    from radseg.weights.convert.sam import convert_pth  # noqa: PLC0415

    ours = convert_pth({k: torch.zeros(s) for k, s in shapes.items()}, "x")
    published = {("vision_encoder." + k if k.startswith("neck.") else k): t for k, t in ours.items()}
    published["vision_encoder.layers.0.attn.qkv.weight"] = torch.zeros(500_000)
    hub.files[address(SAM.repository, SAM.file)] = save(published)
    announce([SAM], DownloadOptions(reporter=listener))
    assert listener.plans[0].bytes == sum(t.nbytes for t in ours.values())


def test_a_file_that_two_sets_share_counts_once(hub: type[Hub], listener: Listener) -> None:
    image, text = catalog.row("clip-vit-l-14"), catalog.row(catalog.OPENAI_L)
    assert image.repository == text.repository
    hub.files[address(image.repository, image.file)] = tower()
    for name, content in SMALL.items():
        hub.files[address(image.repository, name)] = content
    announce([image, text], DownloadOptions(reporter=listener), "naclip-l")
    whole = len(tower()) + len(SMALL["config.json"])
    assert [one.bytes for one in listener.plans[0].fetches] == [whole, sum(map(len, SMALL.values()))]


def test_the_disk_is_held_against_the_whole_before_the_first_byte(
    stocked: type[Hub], listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    radio = len(stocked.files[address(RADIO.repository, RADIO.file)])

    class Usage:
        free = radio + 64 * 2**20  # the backbone alone would fit, with what is left free

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    with pytest.raises(
        ResourceError, match=r"radseg-b needs .* MB more in .*models; .* MB are free.*RADSEG_HOME"
    ):
        ensure(model_spec("radseg-b"), listener)
    assert bodies(stocked).keys() == {"model.safetensors"}  # its header
    assert listener.plans == []
    resolve_radio(RADIO.name)


def test_terms_are_to_be_accepted_before_anything_is_asked(hub: type[Hub]) -> None:
    with pytest.raises(WeightsUnavailableError, match="needs|Nothing was fetched"):
        announce([catalog.row("radio_v2.5-b")], DownloadOptions())
    assert hub.asked == []


def test_weights_that_cannot_be_used_are_refused_before_anything_is_asked(hub: type[Hub]) -> None:
    with pytest.raises(InputError, match="SwiGLU"):
        announce([RADIO, catalog.row("radio_v2.5-g")], DownloadOptions(accept_license=True))
    assert hub.asked == []


def test_offline_nothing_is_asked_or_told(
    stocked: type[Hub], listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    announce([RADIO, TOWER], DownloadOptions(reporter=listener))
    assert (listener.plans, stocked.asked) == ([], [])


def test_a_single_set_of_weights_is_told_too(stocked: type[Hub], listener: Listener) -> None:
    resolve_text_tower(TOWER.name, DownloadOptions(reporter=listener))
    assert [one.name for plan in listener.plans for one in plan.fetches] == [TOWER.name]
