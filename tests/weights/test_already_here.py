"""What lies on this machine is used and never fetched again: other programs' caches, converted files."""

import hashlib
import json
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from listener import Listener
from loopback_hub import Hub, address, into_hub_cache
from radseg.errors import WeightsUnavailableError
from radseg.presets.choose import default_model
from radseg.presets.load import ensure
from radseg.presets.spec import model_spec
from radseg.weights import catalog, home, torch_hub
from radseg.weights.home import converted_folder, model_folder
from radseg.weights.installed import is_cached, verify
from radseg.weights.load import read_config
from radseg.weights.options import DownloadOptions
from radseg.weights.resolve import resolve_radio, resolve_sam_decoder

ROW = catalog.row("c-radio_v3-b")
CURRENT, OLDER = Path("hub", "checkpoints"), Path("checkpoints")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network is forbidden, as it is in every test that does not ask for a hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def serving(hub: type[Hub], save: Any) -> type[Hub]:
    """A hub with the model."""
    hub.files[address(ROW.repository, ROW.file)] = save().read_bytes()
    return hub


def original() -> Path:
    return model_folder(ROW.name) / ROW.file


def torch_copy(tmp_path: Path, content: bytes, layout: Path = CURRENT) -> Path:
    path = tmp_path / "torch" / layout / ROW.file
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_a_model_in_the_hub_cache_alone_is_the_default_and_loads_offline(
    offline: None, save: Any, tmp_path: Path
) -> None:
    assert default_model() == "miniature"
    into_hub_cache(tmp_path / "hub", {ROW.file: save().read_bytes()}, ROW.repository)
    assert default_model() == "radseg-b"
    weights = ensure(model_spec("radseg-b"), with_text=False)
    assert weights.backbone is not None
    assert read_config(weights.backbone).version == ROW.name
    shutil.rmtree(tmp_path / "hub")
    assert default_model() == "radseg-b"
    assert ensure(model_spec("radseg-b"), with_text=False) == weights


def test_the_original_is_let_go_once_it_is_converted(serving: type[Hub]) -> None:
    first = resolve_radio(ROW.name)
    assert not original().exists()
    sent = len(serving.sent)
    assert resolve_radio(ROW.name) == first
    assert is_cached(ROW)
    assert [(check.path, check.ok) for check in verify(ROW)] == [(first, True)]
    assert len(serving.sent) == sent


def test_the_original_stays_where_that_is_asked_for(serving: type[Hub]) -> None:
    keeping = DownloadOptions(keep_original=True)
    first = resolve_radio(ROW.name, keeping)
    assert original().is_file()
    assert resolve_radio(ROW.name) == first  # a later run does not take it for its own
    assert original().is_file()
    assert [check.ok for check in verify(ROW)] == [True, True]
    original().unlink()
    assert resolve_radio(ROW.name) == first
    assert not original().exists()
    assert len(serving.sent) == 1
    assert resolve_radio(ROW.name, DownloadOptions(keep_original=True)) == first
    assert original().is_file()
    assert len(serving.sent) == 2


def test_a_kill_between_conversion_and_cleaning_up_costs_nothing(
    serving: type[Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    def killed(*_: Any) -> None:
        assert list(converted_folder().glob("*.safetensors"))  # what is needed is there before anything goes
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr("radseg.weights.published.discard", killed)
        with pytest.raises(KilledError):
            resolve_radio(ROW.name)
    assert original().is_file()
    resolve_radio(ROW.name)
    assert not original().exists()
    assert len(serving.sent) == 1


def test_what_a_person_put_there_is_not_touched(offline: None, save: Any, tmp_path: Path) -> None:
    original().parent.mkdir(parents=True)
    save().rename(original())
    resolve_radio(ROW.name)
    assert original().is_file()


def test_the_hub_cache_is_not_touched(offline: None, save: Any, tmp_path: Path) -> None:
    into_hub_cache(tmp_path / "hub", {ROW.file: save().read_bytes()}, ROW.repository)
    resolve_radio(ROW.name)
    assert list((tmp_path / "hub").rglob(ROW.file))


@pytest.mark.parametrize("layout", [CURRENT, OLDER])
def test_a_copy_of_torch_hub_that_the_hub_knows_is_used_where_it_lies(
    serving: type[Hub], tmp_path: Path, listener: Listener, layout: Path
) -> None:
    content = serving.files[address(ROW.repository, ROW.file)]
    copy = torch_copy(tmp_path, content, layout)
    path = resolve_radio(ROW.name, DownloadOptions(reporter=listener))
    assert read_config(path).source_sha256 == hashlib.sha256(content).hexdigest()
    assert serving.sent == []
    assert listener.plans == []
    assert len(serving.asked) == 1
    assert copy.is_file()
    assert not original().exists()
    record = home.read_records(ROW.name)[ROW.file]
    assert (record.origin, record.sha256) == ("torch hub", hashlib.sha256(content).hexdigest())
    assert is_cached(ROW)


def test_a_copy_of_torch_hub_with_another_content_is_named_and_left(
    serving: type[Hub], tmp_path: Path, listener: Listener
) -> None:
    content = serving.files[address(ROW.repository, ROW.file)]
    copy = torch_copy(tmp_path, content[:-1] + bytes([content[-1] ^ 1]))
    resolve_radio(ROW.name, DownloadOptions(reporter=listener))
    assert listener.lines[:1] == [
        f"{copy} has the name of {ROW.name}'s file and another content; it is not used."
    ]
    assert listener.plans[0].bytes == len(content)
    assert serving.sent[0][1] == len(content)


def test_offline_an_unknown_copy_of_torch_hub_is_named_with_the_way_to_use_it(
    offline: None, save: Any, tmp_path: Path
) -> None:
    copy = torch_copy(tmp_path, save().read_bytes())
    assert not is_cached(ROW)
    assert default_model() == "miniature"
    with pytest.raises(WeightsUnavailableError) as caught:
        resolve_radio(ROW.name)
    assert "HF_HUB_OFFLINE is set" in str(caught.value)
    assert f"nothing says that it is the published file. To use it, pass --checkpoint {copy}." in str(
        caught.value
    )
    assert read_config(resolve_radio(copy)).version == ROW.name


def test_offline_a_copy_of_torch_hub_whose_digest_is_known_is_used(
    offline: None, save: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = save().read_bytes()
    torch_copy(tmp_path, content)
    pinned = replace(ROW, sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(catalog, "ROWS", tuple(pinned if row == ROW else row for row in catalog.ROWS))
    assert is_cached(pinned)
    assert default_model() == "radseg-b"
    assert read_config(resolve_radio(ROW.name)).version == ROW.name


def test_torch_hubs_copy_of_sam_is_known_by_its_digest(
    offline: None, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = json.loads((shared / "golden" / "2d" / "keys_sam.json").read_text())
    copy = tmp_path / "torch" / CURRENT / catalog.SAM_PTH[0]
    copy.parent.mkdir(parents=True)
    torch.save({key: torch.randn(shape) for key, shape in shapes.items()}, copy)
    with pytest.raises(WeightsUnavailableError, match=rf"To use it, pass --sam {copy}"):
        resolve_sam_decoder()
    known = torch_hub.DOWNLOADS["sam_decoder"]._replace(digest=home.sha256_of(copy))
    monkeypatch.setitem(torch_hub.DOWNLOADS, "sam_decoder", known)
    assert is_cached(catalog.row("sam-vit-h"))
    with pytest.warns(UserWarning, match="not the published file"):  # by its real digest
        straight = load_file(resolve_sam_decoder(copy))
    found = load_file(resolve_sam_decoder())
    assert found.keys() == straight.keys()
    assert all(torch.equal(found[key], tensor) for key, tensor in straight.items())
    assert copy.is_file()


def test_what_was_fetched_before_vouches_for_a_copy(
    serving: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_radio(ROW.name)
    shutil.rmtree(converted_folder())
    torch_copy(tmp_path, serving.files[address(ROW.repository, ROW.file)])
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with warnings.catch_warnings(action="error"):
        assert is_cached(ROW)
        assert resolve_radio(ROW.name).is_file()
    assert len(serving.sent) == 1
