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
from radseg.weights import cache, catalog, hub, pull, store
from radseg.weights.convert import radio

Save = Callable[..., Path]


def test_both_golden_layouts_load_alike(shared: Path) -> None:
    golden = shared / "golden" / "2d"
    half, full = (store.resolve(golden / name) for name in ("radio_tiny_half.pth.tar", "radio_tiny_hf"))
    ours, a = store.load_tensors(half, adaptors=("siglip2",))
    theirs, b = store.load_tensors(full, adaptors=("siglip2",))
    assert ours.adaptors == theirs.adaptors
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k].float(), b[k]) for k in b)


def test_conversion_happens_once(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save()
    first = store.resolve(path)
    monkeypatch.setattr(radio, "convert_checkpoint", None)
    assert store.resolve(str(path)) == first
    assert store.resolve(first) == first


def test_a_changed_file_is_converted_again(save: Save, build: Any) -> None:
    first = store.resolve(save())
    tensors = build.state()
    tensors["base_model.blocks.0.norm1.bias"] += 1
    assert store.resolve(save(tensors)) != first


def test_only_the_wanted_adaptors_are_loaded(save: Save) -> None:
    path = store.resolve(save())
    config, tensors = store.load_tensors(path, adaptors=("sam",))
    assert [a.name for a in config.adaptors] == ["sam"]
    assert {k.split(".")[1] for k in tensors if k.startswith("adaptors.")} == {"sam"}
    assert store.load_tensors(path, adaptors=())[0].adaptors == ()
    assert len(store.load_tensors(path)[0].adaptors) == 3


def test_an_unknown_adaptor_is_listed_with_the_known(save: Save) -> None:
    with pytest.raises(CheckpointError, match=r"no adaptor 'dino'; it has: clip, siglip2, sam"):
        store.load_tensors(store.resolve(save()), adaptors=("dino",))


def test_the_published_file_name_tells_the_version(save: Save) -> None:
    path = store.resolve(save(name="c-radio_v3-b_half.pth.tar"))
    config = store.read_config(path)
    assert config.version == "c-radio_v3-b"
    assert config.source_sha256 == store.sha256_of(path.parents[2] / "c-radio_v3-b_half.pth.tar")


def test_simultaneous_converters_do_not_disturb_each_other(save: Save) -> None:
    path, results = save(), []
    barrier = threading.Barrier(4)

    def convert() -> None:
        barrier.wait()
        results.append(store.resolve(path))

    threads = [threading.Thread(target=convert) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(results)) == 1
    assert len(results) == 4
    assert [p.name for p in results[0].parent.iterdir()] == [results[0].name]
    store.load_tensors(results[0])


@pytest.mark.parametrize("cut", [0, 5, 100, 5000, -1])
def test_a_damaged_converted_file_is_refused(save: Save, cut: int) -> None:
    path = store.resolve(save())
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match=path.name):
        store.load_tensors(path)


def test_a_foreign_safetensors_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file  # noqa: PLC0415

    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="not in radseg's form"):
        store.resolve(tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="not in radseg's form"):
        store.load_tensors(tmp_path / "other.safetensors")


def test_a_configuration_that_disagrees_with_its_tensors_is_refused(save: Save, tmp_path: Path) -> None:
    data = store.resolve(save()).read_bytes()
    assert data.count(b'\\"mlp_width\\": 128') == 1
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(data.replace(b'\\"mlp_width\\": 128', b'\\"mlp_width\\": 129'))
    with pytest.raises(CheckpointError, match=r"bad\.safetensors: vit\.blocks\.0\.mlp\.up\.weight has shape"):
        store.read_config(bad)


@pytest.mark.parametrize("source", ["nowhere/x.pth.tar", "x.safetensors", Path("absent")])
def test_a_missing_path_is_a_missing_file(source: str | Path) -> None:
    with pytest.raises(MissingFileError, match="There is no"):
        store.resolve(source)


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(InputError, match=r"no model 'radio'.*c-radio_v3-b"):
        store.resolve("radio")


def test_offline_says_what_to_fetch_and_where_to_put_it(store_home: Path) -> None:
    wanted = str(store_home / "models" / "c-radio_v3-b" / "c-radio_v3-b_half.pth.tar")
    with pytest.raises(WeightsUnavailableError, match=r"HF_HUB_OFFLINE.*c-radio_v3-b_half") as caught:
        store.resolve("c-radio_v3-b")
    assert wanted in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_put_where_the_message_says_is_used(save: Save, store_home: Path) -> None:
    row = catalog.row("c-radio_v3-b")
    folder = store_home / "models" / row.name
    folder.mkdir(parents=True)
    save().rename(folder / row.file)
    assert store.read_config(store.resolve("c-radio_v3-b")).version == "c-radio_v3-b"
    (record,) = cache.read_records(row.name).values()
    assert record.origin == "placed by hand"
    assert [i.row.name for i in store.installed()] == [row.name]


def test_restricted_licences_must_be_accepted() -> None:
    with pytest.raises(WeightsUnavailableError, match=r"no commercial use.*--accept-license"):
        store.resolve("radio_v2.5-b")
    with pytest.raises(WeightsUnavailableError, match="HF_HUB_OFFLINE"):
        store.resolve("radio_v2.5-b", accept_license=True)


def test_models_known_to_fail_are_warned_about_or_refused() -> None:
    with pytest.warns(UserWarning, match="about 1 mIoU"), pytest.raises(WeightsUnavailableError):
        store.resolve("c-radio_v3-l")
    with pytest.raises(InputError, match="SwiGLU"):
        store.resolve("radio_v2.5-g", accept_license=True)
    with warnings.catch_warnings(action="error"), pytest.raises(WeightsUnavailableError):
        store.resolve("c-radio_v3-b")


def test_a_first_download_shows_the_licence_and_is_recorded(
    save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, said = save().read_bytes(), []

    def deliver(remote: hub.RemoteFile, target: Path, **_: Any) -> str:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return store.sha256_of(target)

    monkeypatch.setattr(hub, "locate", lambda *_: hub.RemoteFile("u", sha256="s", revision="abc"))
    monkeypatch.setattr(pull, "download", deliver)
    first = store.resolve("c-radio_v3-b", announce=said.append)
    assert store.resolve("c-radio_v3-b", announce=said.append) == first
    assert len(said) == 1
    assert "NVIDIA Open Model License" in said[0]
    (record,) = cache.read_records("c-radio_v3-b").values()
    assert (record.origin, record.verified) == ("u@abc", "hub")


def test_verify_finds_a_changed_byte(save: Save, store_home: Path) -> None:
    test_a_file_put_where_the_message_says_is_used(save, store_home)
    assert [c.ok for c in store.verify("c-radio_v3-b")] == [True]
    path = store_home / "models" / "c-radio_v3-b" / "c-radio_v3-b_half.pth.tar"
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(bytes(data))
    (check,) = store.verify("c-radio_v3-b")
    assert not check.ok
    assert check.path == path
    with pytest.raises(MissingFileError, match="radseg models pull"):
        store.verify("c-radio_v3-h")


def test_a_store_that_cannot_be_written_says_so(
    save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("RADSEG_HOME", str(tmp_path / "file"))
    with pytest.raises(ResourceError, match="RADSEG_HOME"):
        store.resolve(save())


def test_the_store_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RADSEG_HOME")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.home() == tmp_path / "radseg"
    monkeypatch.setenv("RADSEG_HOME", str(tmp_path / "own"))
    assert cache.home() == tmp_path / "own"


def test_file_beside_its_config_is_taken_as_its_folder(save_folder: Save, build: Any) -> None:
    folder = save_folder(build.to_folder(build.state()))
    assert store.resolve(folder / "model.safetensors") == store.resolve(folder)


def test_only_the_summary_head_is_read_where_that_is_enough(save: Save) -> None:
    path = store.resolve(save())
    config, tensors = store.load_tensors(path, adaptors=("siglip2", "sam"), summary_only=("siglip2",))
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
    assert store.installed() == ()
    (folder / rest).write_bytes(b"x")
    assert [i.row.name for i in store.installed()] == [name]
