"""From a name or a path to tensors: converted once, fetched once, and said plainly when it cannot be."""

import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from radseg.errors import (
    CheckpointError,
    InputError,
    MissingFileError,
    ResourceError,
    WeightsUnavailableError,
)
from radseg.weights import catalog, home
from radseg.weights.convert import radio
from radseg.weights.installed import installed, is_cached, verify
from radseg.weights.load import load_tensors, read_config
from radseg.weights.options import DownloadOptions
from radseg.weights.resolve import resolve_radio

Save = Callable[..., Path]


def test_both_golden_layouts_load_alike(shared: Path) -> None:
    golden = shared / "golden" / "2d"
    half, full = (resolve_radio(golden / name) for name in ("radio_tiny_half.pth.tar", "radio_tiny_hf"))
    ours, a = load_tensors(half, adaptors=("siglip2",))
    theirs, b = load_tensors(full, adaptors=("siglip2",))
    assert ours.adaptors == theirs.adaptors
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k].float(), b[k]) for k in b)


def test_conversion_happens_once(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save()
    first = resolve_radio(path)
    monkeypatch.setattr(radio, "convert_checkpoint", None)
    assert resolve_radio(str(path)) == first
    assert resolve_radio(first) == first


def test_a_changed_file_is_converted_again(save: Save, build: Any) -> None:
    first = resolve_radio(save())
    tensors = build.state()
    tensors["base_model.blocks.0.norm1.bias"] += 1
    assert resolve_radio(save(tensors)) != first


def test_only_the_wanted_adaptors_are_loaded(save: Save) -> None:
    path = resolve_radio(save())
    config, tensors = load_tensors(path, adaptors=("sam",))
    assert [a.name for a in config.adaptors] == ["sam"]
    assert {k.split(".")[1] for k in tensors if k.startswith("adaptors.")} == {"sam"}
    assert load_tensors(path, adaptors=())[0].adaptors == ()
    assert len(load_tensors(path)[0].adaptors) == 3


def test_an_unknown_adaptor_is_listed_with_the_known(save: Save) -> None:
    with pytest.raises(CheckpointError, match=r"no adaptor 'dino'; it has: clip, siglip2, sam"):
        load_tensors(resolve_radio(save()), adaptors=("dino",))


def test_the_published_file_name_tells_the_version(save: Save) -> None:
    path = resolve_radio(save(name="c-radio_v3-b_half.pth.tar"))
    config = read_config(path)
    assert config.version == "c-radio_v3-b"
    assert config.source_sha256 == home.sha256_of(path.parents[2] / "c-radio_v3-b_half.pth.tar")


def test_simultaneous_converters_do_not_disturb_each_other(save: Save) -> None:
    path, results = save(), []
    barrier = threading.Barrier(4)

    def convert() -> None:
        barrier.wait()
        results.append(resolve_radio(path))

    threads = [threading.Thread(target=convert) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(results)) == 1
    assert len(results) == 4
    assert [p.name for p in results[0].parent.iterdir()] == [results[0].name]
    load_tensors(results[0])


@pytest.mark.parametrize("cut", [0, 5, 100, 5000, -1])
def test_a_damaged_converted_file_is_refused(save: Save, cut: int) -> None:
    path = resolve_radio(save())
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match=path.name):
        load_tensors(path)


def test_a_file_converted_before_norms_could_be_scaled_is_read(save: Save, tmp_path: Path) -> None:
    data, entry = resolve_radio(save()).read_bytes(), b'\\"scaled_norms\\": false, '
    assert data.count(entry) == 1
    older = tmp_path / "older.safetensors"
    older.write_bytes(data.replace(entry, b" " * len(entry)))
    assert not read_config(older).scaled_norms


def test_a_foreign_safetensors_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file  # noqa: PLC0415

    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="not in radseg's form"):
        resolve_radio(tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="not in radseg's form"):
        load_tensors(tmp_path / "other.safetensors")


def test_a_configuration_that_disagrees_with_its_tensors_is_refused(save: Save, tmp_path: Path) -> None:
    data = resolve_radio(save()).read_bytes()
    assert data.count(b'\\"mlp_width\\": 128') == 1
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(data.replace(b'\\"mlp_width\\": 128', b'\\"mlp_width\\": 129'))
    with pytest.raises(CheckpointError, match=r"bad\.safetensors: vit\.blocks\.0\.mlp\.up\.weight has shape"):
        read_config(bad)


@pytest.mark.parametrize("source", ["nowhere/x.pth.tar", "x.safetensors", Path("absent")])
def test_a_missing_path_is_a_missing_file(source: str | Path) -> None:
    with pytest.raises(MissingFileError, match="There is no"):
        resolve_radio(source)


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(InputError, match=r"no model 'radio'.*c-radio_v3-b"):
        resolve_radio("radio")


def test_offline_says_what_to_fetch_and_where_to_put_it(store_home: Path) -> None:
    wanted = str(store_home / "models" / "c-radio_v3-b" / "c-radio_v3-b_half.pth.tar")
    with pytest.raises(WeightsUnavailableError, match=r"HF_HUB_OFFLINE.*c-radio_v3-b_half") as caught:
        resolve_radio("c-radio_v3-b")
    assert wanted in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_put_where_the_message_says_is_used(save: Save, store_home: Path) -> None:
    row = catalog.row("c-radio_v3-b")
    folder = store_home / "models" / row.name
    folder.mkdir(parents=True)
    save().rename(folder / row.file)
    assert read_config(resolve_radio("c-radio_v3-b")).version == "c-radio_v3-b"
    assert home.read_records(row.name)[row.file].origin == "placed by hand"
    assert [i.row.name for i in installed()] == [row.name]


def test_restricted_licences_must_be_accepted() -> None:
    with pytest.raises(WeightsUnavailableError, match=r"no commercial use.*--accept-license"):
        resolve_radio("radio_v2.5-b")
    with pytest.raises(WeightsUnavailableError, match="HF_HUB_OFFLINE"):
        resolve_radio("radio_v2.5-b", DownloadOptions(accept_license=True))


def test_models_known_to_fail_are_warned_about_or_refused() -> None:
    with pytest.warns(UserWarning, match="about 1 mIoU"), pytest.raises(WeightsUnavailableError):
        resolve_radio("c-radio_v3-l")
    with pytest.raises(InputError, match="SwiGLU"):
        resolve_radio("radio_v2.5-g", DownloadOptions(accept_license=True))
    with warnings.catch_warnings(action="error"), pytest.raises(WeightsUnavailableError):
        resolve_radio("c-radio_v3-b")


def test_verify_finds_a_changed_byte(save: Save, store_home: Path) -> None:
    test_a_file_put_where_the_message_says_is_used(save, store_home)
    assert [c.ok for c in verify(catalog.row("c-radio_v3-b"))] == [True, True]
    path = store_home / "models" / "c-radio_v3-b" / "c-radio_v3-b_half.pth.tar"
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(bytes(data))
    assert next((c.path, c.ok) for c in verify(catalog.row("c-radio_v3-b"))) == (path, False)
    with pytest.raises(MissingFileError, match="radseg models pull"):
        verify(catalog.row("c-radio_v3-h"))


def test_a_store_that_cannot_be_written_says_so(
    save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("RADSEG_HOME", str(tmp_path / "file"))
    with pytest.raises(ResourceError, match="RADSEG_HOME"):
        resolve_radio(save())


def test_the_store_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RADSEG_HOME")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert home.home() == tmp_path / "radseg"
    monkeypatch.setenv("RADSEG_HOME", str(tmp_path / "own"))
    assert home.home() == tmp_path / "own"


def test_file_beside_its_config_is_taken_as_its_folder(save_folder: Save, build: Any) -> None:
    folder = save_folder(build.to_folder(build.state()))
    assert resolve_radio(folder / "model.safetensors") == resolve_radio(folder)


def test_only_the_summary_head_is_read_where_that_is_enough(save: Save) -> None:
    path = resolve_radio(save())
    config, tensors = load_tensors(path, adaptors=("siglip2", "sam"), summary_only=("siglip2",))
    assert config.adaptor("siglip2").features is None
    heads = {".".join(k.split(".")[1:3]) for k in tensors if k.startswith("adaptors.")}
    assert heads == {"siglip2.summary", "sam.summary", "sam.features"}


@pytest.mark.parametrize(
    ("name", "half", "rest"),
    [
        ("c-radio_v3-b", "other.json", "c-radio_v3-b_half.pth.tar"),
        ("siglip2-so400m-patch16-naflex", "config.json", "model.safetensors"),
        ("sam-vit-h", "config.json", "sam.safetensors"),
    ],
)
def test_a_half_fetched_row_is_not_installed(store_home: Path, name: str, half: str, rest: str) -> None:
    folder = store_home / "models" / name
    folder.mkdir(parents=True)
    (folder / half).write_bytes(b"x")
    (folder / f".{rest}.0123.part").write_bytes(b"x")
    assert installed() == ()
    (folder / rest).write_bytes(b"x")
    assert [i.row.name for i in installed()] == [name]


def test_a_deleted_original_is_neither_missed_nor_fetched_again(save: Save, store_home: Path) -> None:
    test_a_file_put_where_the_message_says_is_used(save, store_home)
    row = catalog.row("c-radio_v3-b")
    first = resolve_radio(row.name)
    (store_home / "models" / row.name / row.file).unlink()
    assert is_cached(row)
    assert resolve_radio(row.name) == first
    assert [(c.path, c.ok) for c in verify(row)] == [(first, True)]
    first.write_bytes(first.read_bytes()[:-1])
    assert [c.ok for c in verify(row)] == [False]


def test_a_conversion_with_tensors_left_out_is_another_file(save: Save, store_home: Path) -> None:
    test_a_file_put_where_the_message_says_is_used(save, store_home)
    first = resolve_radio("c-radio_v3-b")
    without = DownloadOptions(drop=("adaptors.sam.",))
    second = resolve_radio("c-radio_v3-b", without)
    assert second != first
    (store_home / "models" / "c-radio_v3-b" / "c-radio_v3-b_half.pth.tar").unlink()
    assert resolve_radio("c-radio_v3-b", without) == second
    with pytest.raises(WeightsUnavailableError):
        resolve_radio("c-radio_v3-b", DownloadOptions(drop=("adaptors.clip.",)))
