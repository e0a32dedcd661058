"""Parts of large repositories: SAM without its image encoder, text towers without their vision side."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from radseg.errors import CheckpointError, MissingFileError, ResourceError
from radseg.weights import catalog, home, hub, published
from radseg.weights.convert import sam, towers
from radseg.weights.installed import verify
from radseg.weights.resolve import resolve_sam_decoder, resolve_text_tower
from radseg.weights.shards import shards_of
from radseg.weights.tensors import published_tensors


@pytest.fixture
def sam_state(shared: Path) -> dict[str, torch.Tensor]:
    """SAM's real keys and shapes (goldens), and a stand-in for the image encoder."""
    shapes = json.loads((shared / "golden" / "2d" / "keys_sam.json").read_text())
    torch.manual_seed(0)
    state: dict[str, torch.Tensor] = {}
    for i in range(4):
        state[f"image_encoder.blocks.{i}.mlp.lin1.weight"] = torch.zeros(2_000_000)
    return state | {k: torch.randn(s) for k, s in shapes.items()}


def test_sam_parts_load_strictly_into_the_library(sam_state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    from transformers import SamConfig  # noqa: PLC0415
    from transformers.models.sam.modeling_sam import SamMaskDecoder, SamPromptEncoder  # noqa: PLC0415

    torch.save(sam_state, tmp_path / "sam.pth")
    tensors = load_file(resolve_sam_decoder(tmp_path / "sam.pth"))
    config = SamConfig()
    with torch.device("meta"):
        parts = {
            "prompt_encoder.": SamPromptEncoder(config),
            "mask_decoder.": SamMaskDecoder(config.mask_decoder_config),
        }
    for prefix, module in parts.items():
        own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        module.load_state_dict(own, strict=True, assign=True)
    assert torch.equal(tensors["neck.conv2.weight"], sam_state["image_encoder.neck.2.weight"])
    assert torch.equal(
        tensors["mask_decoder.output_hypernetworks_mlps.2.layers.0.bias"],
        sam_state["mask_decoder.output_hypernetworks_mlps.2.layers.1.bias"],
    )


def test_a_file_with_sams_name_and_another_content_is_warned_about(
    sam_state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    torch.save(sam_state, tmp_path / "sam_vit_h_4b8939.pth")
    with pytest.warns(UserWarning, match=r"not the published file: its sha256 is .*a7bf3b02.*fetch it again"):
        resolve_sam_decoder(tmp_path / "sam_vit_h_4b8939.pth")


def test_sam_without_a_part_is_refused(sam_state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    del sam_state["mask_decoder.iou_token.weight"]
    torch.save(sam_state, tmp_path / "sam.pth")
    with pytest.raises(CheckpointError, match="142 of SAM's"):
        sam.convert_pth(published_tensors(tmp_path / "sam.pth"), "sam.pth")


def test_sam_with_an_unknown_tensor_is_refused(sam_state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    torch.save(sam_state | {"mask_decoder.surprise": torch.zeros(1)}, tmp_path / "sam.pth")
    with pytest.raises(CheckpointError, match=r"mask_decoder\.surprise"):
        sam.convert_pth(published_tensors(tmp_path / "sam.pth"), "sam.pth")


def test_both_sam_files_give_the_same(sam_state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    torch.save(sam_state, tmp_path / "sam.pth")
    first = sam.convert_pth(published_tensors(tmp_path / "sam.pth"), "sam.pth")
    library = {("vision_encoder." + k if k.startswith("neck.") else k): t for k, t in first.items()}
    shared_name = "prompt_encoder.shared_embedding.positional_embedding"
    library["shared_image_embedding.positional_embedding"] = library.pop(shared_name)
    library["vision_encoder.layers.0.attn.qkv.weight"] = torch.zeros(5)
    save_file({k: v.contiguous() for k, v in library.items()}, tmp_path / "model.safetensors")
    again = sam.convert_library(load_file(tmp_path / "model.safetensors"), "model.safetensors")
    assert again.keys() == first.keys()
    assert all(torch.equal(t, first[k]) for k, t in again.items())


@pytest.fixture
def siglip2(tmp_path: Path) -> tuple[Path, Any]:
    """A tiny SigLIP2 as its library publishes it, and the model."""
    from transformers import Siglip2Config, Siglip2Model  # noqa: PLC0415

    small = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = Siglip2Config(text_config=small | {"vocab_size": 60, "projection_size": 24}, vision_config=small)
    model = Siglip2Model(config).eval()
    model.save_pretrained(tmp_path / "published")
    (tmp_path / "published" / "tokenizer.json").write_text("{}")
    return tmp_path / "published", model


@pytest.fixture
def folder_as_hub(siglip2: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the folder stand for the hub."""
    folder = siglip2[0]

    def cached(_: hub.Repository, file: str) -> Path | None:
        return folder / file if (folder / file).is_file() else None

    def locate(repository: hub.Repository, file: str) -> None:
        raise hub.NotPublishedError(f"{repository.name} has no {file}")

    monkeypatch.setattr(hub.Repository, "cached", cached)
    monkeypatch.setattr(hub.Repository, "locate", locate)
    return folder


def test_a_text_tower_is_the_text_side_alone(folder_as_hub: Path, siglip2: tuple[Path, Any]) -> None:
    from transformers import Siglip2TextConfig, Siglip2TextModel  # noqa: PLC0415

    folder = resolve_text_tower("siglip2-so400m-patch16-naflex")
    tensors = load_file(folder / "model.safetensors")
    assert all(k.startswith("text_model.") for k in tensors)
    config = Siglip2TextConfig(**json.loads((folder / "config.json").read_text())["text_config"])
    tower = Siglip2TextModel(config).eval()
    tower.load_state_dict({k.removeprefix("text_model."): v for k, v in tensors.items()}, strict=True)
    tokens = torch.tensor([[3, 7, 1]])
    assert torch.equal(tower(tokens).pooler_output, siglip2[1].text_model(tokens).pooler_output)


def test_a_tower_is_fetched_once(folder_as_hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = resolve_text_tower("siglip2-so400m-patch16-naflex")
    monkeypatch.setattr(published, "Published", None)
    assert resolve_text_tower("siglip2-so400m-patch16-naflex") == first
    assert all(c.ok for c in verify(catalog.row("siglip2-so400m-patch16-naflex")))


def test_shards_are_followed(folder_as_hub: Path) -> None:
    whole = load_file(folder_as_hub / "model.safetensors")
    (folder_as_hub / "model.safetensors").unlink()
    names = sorted(whole)
    table = {k: f"model-0000{1 + (i % 2)}-of-00002.safetensors" for i, k in enumerate(names)}
    for shard in set(table.values()):
        save_file({k: whole[k] for k in names if table[k] == shard}, folder_as_hub / shard)
    (folder_as_hub / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": table})
    )
    folder = resolve_text_tower("siglip2-giant-opt-patch16-384")
    found = load_file(folder / "model.safetensors")
    assert found.keys() == {k for k in names if k.startswith("text_model.")}
    assert all(torch.equal(v, whole[k]) for k, v in found.items())


def test_an_index_cannot_lead_out_of_its_repository() -> None:
    index = json.dumps({"weight_map": {"text_model.a": "../../x.safetensors"}}).encode()
    with pytest.raises(CheckpointError, match="no file beside it"):
        shards_of(index, "index.json", towers.is_text)


def test_a_repository_without_a_tower_is_refused(folder_as_hub: Path) -> None:
    save_file({"vision_model.a": torch.zeros(2)}, folder_as_hub / "model.safetensors")
    with pytest.raises(CheckpointError, match="no text tower"):
        resolve_text_tower("siglip2-so400m-patch16-naflex")


def test_a_local_tower_folder_is_used_as_it_is(siglip2: tuple[Path, Any], tmp_path: Path) -> None:
    assert resolve_text_tower(siglip2[0]) == siglip2[0]
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingFileError, match=r"no model\.safetensors"):
        resolve_text_tower(tmp_path / "empty")


def test_every_language_space_of_the_catalogue_has_a_tower() -> None:
    spaces = {r.space for r in catalog.ROWS if r.kind in ("radio", "vision") and r.space}
    towers_known = {r.name for r in catalog.ROWS if r.kind == "text"}
    assert spaces <= towers_known
    assert towers_known - spaces == {catalog.DFN5B}  # of the clip adaptors, never the first choice


def test_catalogue_names_and_digests_are_well_formed() -> None:
    assert len({r.name for r in catalog.ROWS}) == len(catalog.ROWS)
    for row in catalog.ROWS:
        assert row.sha256 is None or len(row.sha256) == 64
        assert row.shape is None or row.shape.width % row.shape.heads == 0
        assert row.notes


@pytest.mark.parametrize(
    ("teacher", "space"),
    [
        ({"name": "siglip2", "model": "siglip2-so400m"}, "siglip2-so400m-patch16-naflex"),
        ({"name": "siglip2", "model": "siglip2-g-384"}, "siglip2-giant-opt-patch16-384"),
        ({"name": "siglip", "model": "ViT-SO400M-14-SigLIP-384"}, "siglip-so400m-patch14-384"),
        (
            {"name": "clip", "model": "ViT-H-14-378-quickgelu", "pretrained": "dfn5b"},
            "clip-vit-h-14-378-dfn5b",
        ),
        ({"name": "clip", "model": "ViT-H-14-378-quickgelu", "pretrained": "laion"}, None),
        ({"name": "siglip2"}, None),
        ({"name": "sam", "model": "vit-h"}, None),
    ],
)
def test_the_teachers_model_decides(teacher: dict[str, str], space: str | None) -> None:
    assert catalog.text_space(teacher) == space


def test_records_survive_damage(store_home: Path) -> None:
    folder = store_home / "models" / "x"
    folder.mkdir(parents=True)
    (folder / "record.json").write_text("{")
    assert home.read_records("x") == {}


def test_a_file_beside_a_tower_appears_whole_or_not_at_all(
    folder_as_hub: Path, store_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(path: Path, _: Path) -> None:
        raise OSError(28, f"No space left for {path.name}")

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(ResourceError, match="No space left"):
        resolve_text_tower("siglip2-so400m-patch16-naflex")
    left = (store_home / "models" / "siglip2-so400m-patch16-naflex").iterdir()
    assert [p.name for p in left] == [".lock"]
