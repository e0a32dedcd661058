"""Weights under other names and in other layouts that publishers use: pickles, shards, open_clip's."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save, save_file
from torch import Tensor

from listener import Listener
from loopback_hub import Hub, address, into_hub_cache
from published_folders import any_shape, clip_folder, sam_folder
from radseg.errors import CheckpointError, MissingFileError, UnsafeCheckpointError
from radseg.models.image_tower import load_image_tower
from radseg.models.mapped_text_encoder import load_text_map
from radseg.models.sam_encoder import load_whole_sam
from radseg.presets.load import ensure
from radseg.presets.spec import model_spec
from radseg.weights import catalog
from radseg.weights.convert.open_clip import library_tensors
from radseg.weights.home import model_folder, read_records
from radseg.weights.installed import is_cached, stored, verify
from radseg.weights.options import DownloadOptions
from radseg.weights.plan import announce
from radseg.weights.resolve import (
    resolve_image_tower,
    resolve_sam,
    resolve_sam_decoder,
    resolve_text_map,
    resolve_text_tower,
)

State = dict[str, Tensor]
OPENAI = catalog.row(catalog.OPENAI_B)
TEXT = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
WORDS = {"vocab_size": 60, "max_position_embeddings": 11, "hidden_act": "gelu"}


@pytest.fixture
def clip() -> tuple[State, dict[str, Any]]:
    """A small CLIP as the transformers library publishes it: its tensors and config.json."""
    from transformers import CLIPConfig, CLIPModel  # noqa: PLC0415

    text = TEXT | {
        "vocab_size": 60,
        "max_position_embeddings": 11,
        "projection_dim": 20,
        "hidden_act": "gelu",
    }
    vision = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config=text,
        vision_config=vision | {"patch_size": 16, "image_size": 64, "projection_dim": 20},
        projection_dim=20,
    )
    model = CLIPModel(config)
    return {k: v.contiguous() for k, v in model.state_dict().items()}, config.to_dict()


def text_of(state: State) -> State:
    return {k: v for k, v in state.items() if k.startswith(("text_model.", "text_projection."))}


def pickled(state: State, folder: Path) -> bytes:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(state, folder / "x.bin")
    return (folder / "x.bin").read_bytes()


def sharded(state: State, stem: str, write: Callable[[State], bytes]) -> dict[str, bytes]:
    """Lay tensors into two shards, by turns, and an index."""
    name, ending = stem.rsplit(".", 1)
    table = {k: f"{name}-0000{1 + i % 2}-of-00002.{ending}" for i, k in enumerate(sorted(state))}
    files = {s: write({k: v for k, v in state.items() if table[k] == s}) for s in set(table.values())}
    return files | {f"{stem}.index.json": json.dumps({"weight_map": table}).encode()}


def equal(folder: Path, wanted: State) -> bool:
    found = load_file(folder / "model.safetensors")
    return found.keys() == wanted.keys() and all(torch.equal(found[k], v) for k, v in wanted.items())


def serve(hub: type[Hub], row: catalog.Row, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        hub.files[address(row.repository, name)] = content


def test_a_text_tower_that_is_published_as_a_pickle(
    hub: type[Hub], clip: tuple[State, Any], tmp_path: Path, listener: Listener
) -> None:
    state, config = clip
    content = pickled(state, tmp_path)
    small = {"config.json": json.dumps(config).encode(), "tokenizer.json": b"{}"}
    serve(hub, OPENAI, small | {"pytorch_model.bin": content})
    folder = resolve_text_tower(OPENAI.name, DownloadOptions(reporter=listener))
    assert equal(folder, text_of(state))
    assert listener.plans[0].bytes == len(content) + sum(map(len, small.values()))
    assert not (folder / "pytorch_model.bin").exists()
    assert "pytorch_model.bin" not in read_records(OPENAI.name)
    assert all(check.ok for check in verify(OPENAI))
    sent = len(hub.sent)
    assert resolve_text_tower(OPENAI.name) == folder
    assert len(hub.sent) == sent


def test_a_pickle_that_wants_more_than_tensors_is_refused(
    hub: type[Hub], clip: tuple[State, Any], tmp_path: Path
) -> None:
    state, config = clip
    content = pickled(state | {"text_model.x": Path("x")}, tmp_path)  # type: ignore[dict-item]
    small = {"config.json": json.dumps(config).encode(), "tokenizer.json": b"{}"}
    serve(hub, OPENAI, small | {"pytorch_model.bin": content})
    with pytest.raises((CheckpointError, UnsafeCheckpointError)):
        resolve_text_tower(OPENAI.name)
    assert not stored(OPENAI)


@pytest.mark.parametrize("stem", ["model.safetensors", "pytorch_model.bin"])
def test_a_text_tower_in_shards_on_the_hub(
    hub: type[Hub], clip: tuple[State, Any], tmp_path: Path, stem: str
) -> None:
    state, config = clip
    write = save if stem.endswith("safetensors") else lambda part: pickled(part, tmp_path)
    small = {"config.json": json.dumps(config).encode(), "tokenizer.json": b"{}"}
    serve(hub, OPENAI, small | sharded(state, stem, write))
    folder = resolve_text_tower(OPENAI.name)
    assert equal(folder, text_of(state))
    assert sorted(p.name for p in folder.glob("[!.]*")) == [
        "config.json", "model.safetensors", "record.json", "tokenizer.json",
    ]  # fmt: skip


@pytest.mark.parametrize("stem", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("whole", [True, False])
def test_a_text_tower_of_ones_own_in_another_layout(
    clip: tuple[State, Any], tmp_path: Path, stem: str, whole: bool
) -> None:
    state, config = clip
    folder = tmp_path / "own"
    folder.mkdir()
    write = save if stem.endswith("safetensors") else lambda part: pickled(part, tmp_path)
    for name, content in ({stem: write(state)} if whole else sharded(state, stem, write)).items():
        (folder / name).write_bytes(content)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text("{}")
    found = resolve_text_tower(folder)
    assert (found / "tokenizer.json").is_file()
    assert (found / "config.json").read_text() == json.dumps(config)
    if whole and stem == "model.safetensors":
        assert found == folder
    else:
        assert equal(found, text_of(state))
        assert resolve_text_tower(folder) == found


def open_clip(state: State) -> State:
    """The same tower under open_clip's names, q, k and v fused, the projection transposed."""
    out = {
        "token_embedding.weight": state["text_model.embeddings.token_embedding.weight"],
        "positional_embedding": state["text_model.embeddings.position_embedding.weight"],
        "ln_final.weight": state["text_model.final_layer_norm.weight"],
        "ln_final.bias": state["text_model.final_layer_norm.bias"],
        "text_projection": state["text_projection.weight"].T.contiguous(),
        "logit_scale": torch.tensor(4.6),
        "visual.conv1.weight": torch.zeros(3),
        "attn_mask": torch.zeros(11, 11),
    }
    pairs = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "self_attn.out_proj": "attn.out_proj"}
    pairs |= {"mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}
    for i in range(TEXT["num_hidden_layers"]):
        ours, theirs = f"text_model.encoder.layers.{i}.", f"transformer.resblocks.{i}."
        for part in ("weight", "bias"):
            for a, b in pairs.items():
                out[f"{theirs}{b}.{part}"] = state[f"{ours}{a}.{part}"]
            qkv = [state[f"{ours}self_attn.{name}_proj.{part}"] for name in "qkv"]
            out[f"{theirs}attn.in_proj_{part}"] = torch.cat(qkv)
    return out


def test_open_clips_names_are_the_librarys(clip: tuple[State, Any]) -> None:
    found = library_tensors(open_clip(clip[0]), "x.bin")
    wanted = text_of(clip[0])
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[k], v) for k, v in wanted.items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"surprise": torch.zeros(1)}, "does not know: surprise"),
        ({"transformer.resblocks.0.attn.in_proj_bias": torch.zeros(97)}, "no q, k and v"),
    ],
)
def test_open_clips_names_are_taken_strictly(clip: tuple[State, Any], change: State, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        library_tensors(open_clip(clip[0]) | change, "x.bin")


def small_dfn(monkeypatch: pytest.MonkeyPatch) -> catalog.Row:
    row = replace(catalog.row(catalog.DFN5B), shape=catalog.Shape(32, 2, 2, 48), activation="gelu")
    rows = tuple(row if one.name == row.name else one for one in catalog.ROWS)
    monkeypatch.setattr(catalog, "ROWS", rows)
    return row


def test_a_tower_that_only_open_clip_has_gets_a_config_of_the_catalogue(
    hub: type[Hub], clip: tuple[State, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection  # noqa: PLC0415

    row = small_dfn(monkeypatch)
    content = pickled(open_clip(clip[0]), tmp_path)
    serve(hub, row, {"open_clip_pytorch_model.bin": content, "tokenizer.json": b"{}"})
    folder = resolve_text_tower(row.name, DownloadOptions(accept_license=True))
    assert equal(folder, text_of(clip[0]))
    config = json.loads((folder / "config.json").read_text())
    text = config["text_config"] | {"projection_dim": config["projection_dim"]}
    assert (
        text.items()
        >= {**TEXT, "vocab_size": 60, "max_position_embeddings": 11, "hidden_act": "gelu"}.items()
    )
    network = CLIPTextModelWithProjection(CLIPTextConfig.from_dict(text))
    network.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
    assert stored(row)
    assert all(check.ok for check in verify(row))


def test_a_tower_of_open_clip_in_the_hub_cache_needs_no_network(
    clip: tuple[State, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = small_dfn(monkeypatch)
    files = {"open_clip_pytorch_model.bin": pickled(open_clip(clip[0]), tmp_path), "tokenizer.json": b"{}"}
    into_hub_cache(tmp_path / "hub", files, row.repository)
    assert is_cached(row)
    assert equal(resolve_text_tower(row.name), text_of(clip[0]))


def test_a_tower_of_another_size_than_the_catalogues_is_refused(
    hub: type[Hub], clip: tuple[State, Any], tmp_path: Path
) -> None:
    row = catalog.row(catalog.DFN5B)
    content = pickled(open_clip(clip[0]), tmp_path)
    serve(hub, row, {"open_clip_pytorch_model.bin": content, "tokenizer.json": b"{}"})
    with pytest.raises(CheckpointError, match="width 32, depth 2 and MLP width 48; 1024, 24 and 4096"):
        resolve_text_tower(row.name, DownloadOptions(accept_license=True))
    assert not stored(row)


@pytest.mark.parametrize("stem", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("whole", [True, False])
def test_an_image_tower_under_either_name_and_in_shards(
    hub: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stem: str, whole: bool
) -> None:
    any_shape(monkeypatch)
    folder = clip_folder(tmp_path / "clip", patch=14)
    state = load_file(folder / "model.safetensors")
    write = save if stem.endswith("safetensors") else lambda part: pickled(part, tmp_path)
    files = {stem: write(state)} if whole else sharded(state, stem, write)
    row = catalog.row("clip-vit-l-14")
    serve(hub, row, files | {"config.json": (folder / "config.json").read_bytes()})
    ours = load_file(resolve_image_tower(row.name))
    assert [p.name for p in model_folder(row.name).glob("[!.]*")].sort() == [
        "config.json",
        "record.json",
    ].sort()
    assert not list(model_folder(row.name).glob("*-of-*"))
    sent = len(hub.sent)
    resolve_image_tower(row.name)
    assert len(hub.sent) == sent
    own = tmp_path / "own"
    own.mkdir()
    for name, content in (files | {"config.json": (folder / "config.json").read_bytes()}).items():
        (own / name).write_bytes(content)
    again = load_file(resolve_image_tower(row.name, own))
    straight = load_file(resolve_image_tower(row.name, folder))
    assert all(torch.equal(ours[k], v) and torch.equal(again[k], v) for k, v in straight.items())


def test_every_shard_counts_in_the_identity_of_a_tower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    any_shape(monkeypatch)
    folder = clip_folder(tmp_path / "clip", patch=14)
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    in_the_second = sorted(state)[1]
    seen = set()
    for change in (0.0, 1.0):
        changed = state | {in_the_second: state[in_the_second] + change}
        for name, content in sharded(changed, "model.safetensors", save).items():
            (folder / name).write_bytes(content)
        seen.add(load_image_tower("clip-vit-l-14", folder).source_sha256)
    assert len(seen) == 2


def test_a_missing_shard_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    any_shape(monkeypatch)
    folder = clip_folder(tmp_path / "clip", patch=14)
    files = sharded(load_file(folder / "model.safetensors"), "model.safetensors", save)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_bytes(files["model.safetensors.index.json"])
    with pytest.raises(
        MissingFileError, match=r"no model-00001-of-00002\.safetensors, which .*index\.json names"
    ):
        load_image_tower("clip-vit-l-14", folder)


def test_image_and_text_tower_of_one_pickle_fetch_it_once(
    hub: type[Hub], clip: tuple[State, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    any_shape(monkeypatch)
    state, config = clip
    image = catalog.row("clip-vit-b-16")
    content = pickled(state, tmp_path)
    small = {"config.json": json.dumps(config).encode(), "tokenizer.json": b"{}"}
    serve(hub, image, small | {"pytorch_model.bin": content})
    weights = ensure(model_spec("naclip-b"))
    assert weights.text_tower == model_folder(OPENAI.name)
    assert equal(weights.text_tower, text_of(state))
    assert [count for path, count in hub.sent if path.endswith("pytorch_model.bin")] == [len(content)]
    assert not list(model_folder(image.name).glob("*.bin"))
    assert not list(model_folder(OPENAI.name).glob("*.bin"))


def test_sams_decoder_is_taken_from_the_whole_sam_that_is_here(hub: type[Hub], tmp_path: Path) -> None:
    whole = catalog.row("sam-vit-h-whole")
    sam_folder(model_folder(whole.name))
    path = resolve_sam_decoder()
    assert len(load_file(path)) == 143
    assert hub.asked == []
    assert (model_folder(whole.name) / "model.safetensors").is_file()


def test_a_whole_sam_stays_when_its_decoder_is_made_beside_it(hub: type[Hub], tmp_path: Path) -> None:
    decoder, whole = catalog.row("sam-vit-h"), catalog.row("sam-vit-h-whole")
    folder = sam_folder(tmp_path / "sam")
    for name in ("model.safetensors", "config.json"):
        hub.files[address(whole.repository, name)] = (folder / name).read_bytes()
    resolve_sam(whole.name)
    together = DownloadOptions()
    announce([whole, decoder], together)
    resolve_sam_decoder(options=together)
    assert stored(whole)
    assert [path.rsplit("/", 1)[1] for path, _ in hub.sent] == ["config.json", "model.safetensors"]


def test_a_whole_sam_in_shards_is_the_same(tmp_path: Path) -> None:
    folder = sam_folder(tmp_path / "sam")
    straight = load_whole_sam("sam-vit-b-whole", folder)
    files = sharded(load_file(folder / "model.safetensors"), "model.safetensors", save)
    (folder / "model.safetensors").unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    again = load_whole_sam("sam-vit-b-whole", folder)
    ours, theirs = (sam.encoder.state_dict() for sam in (straight, again))
    assert all(torch.equal(theirs[key], tensor) for key, tensor in ours.items())


MAP = catalog.row("talk2dino-vit-b-map")
LAYERS: State = {
    "linear_layer.weight": torch.ones(6, 4), "linear_layer.bias": torch.ones(6),
    "linear_layer2.weight": torch.ones(5, 6), "linear_layer2.bias": torch.ones(5),
}  # fmt: skip


def whole_talk2dino() -> State:
    return {f"proj.{k}": v for k, v in LAYERS.items()} | {"model.blocks.0": torch.zeros(200_000)}


def test_a_text_map_is_found_by_itself(hub: type[Hub], tmp_path: Path) -> None:
    serve(hub, MAP, {MAP.file: pickled(LAYERS, tmp_path), "model.safetensors": save(whole_talk2dino())})
    accepted = DownloadOptions(accept_license=True)
    path = resolve_text_map(MAP.name, accepted)
    assert path == model_folder(MAP.name) / MAP.file
    assert load_text_map(path).second.out_features == 5
    assert is_cached(MAP)
    asked = len(hub.asked)
    assert resolve_text_map(MAP.name) == path
    assert len(hub.asked) == asked


def test_a_text_map_is_taken_out_of_the_whole_model(hub: type[Hub], listener: Listener) -> None:
    serve(hub, MAP, {"model.safetensors": save(whole_talk2dino())})
    path = resolve_text_map(MAP.name, DownloadOptions(accept_license=True, reporter=listener))
    assert listener.plans[0].bytes == sum(t.nbytes for t in LAYERS.values())
    assert load_file(path).keys() == LAYERS.keys()
    assert load_text_map(path).first.in_features == 4
    assert is_cached(MAP)
    asked = len(hub.asked)
    assert resolve_text_map(MAP.name) == path
    assert len(hub.asked) == asked


def test_a_whole_model_of_ones_own_gives_its_map(tmp_path: Path) -> None:
    save_file(whole_talk2dino(), tmp_path / "model.safetensors")
    assert load_text_map(resolve_text_map(tmp_path / "model.safetensors")).second.out_features == 5


def test_a_file_put_there_by_hand_under_another_name_counts(clip: tuple[State, Any], tmp_path: Path) -> None:
    state, config = clip
    folder = model_folder(OPENAI.name)
    folder.mkdir(parents=True)
    (folder / "pytorch_model.bin").write_bytes(pickled(state, tmp_path))
    (folder / "config.json").write_text(json.dumps(config))
    assert not is_cached(OPENAI)
    (folder / "tokenizer.json").write_text("{}")
    assert is_cached(OPENAI)
    assert equal(resolve_text_tower(OPENAI.name), text_of(state))
    assert (folder / "pytorch_model.bin").is_file()
    shutil.rmtree(folder)
    assert not is_cached(OPENAI)
