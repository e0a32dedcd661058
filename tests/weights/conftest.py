"""A private store for every test, and small checkpoints in its folder."""

from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

import radio_checkpoints
from listener import Listener
from loopback_hub import Hub, running_hub


@pytest.fixture(autouse=True)
def store_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has its own empty store and no network."""
    home = tmp_path / "home"
    monkeypatch.setenv("RADSEG_HOME", str(home))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return home


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    """A hub on loopback that the hub client asks."""
    with running_hub(monkeypatch) as running:
        yield running


@pytest.fixture
def listener() -> Listener:
    """A reporter that keeps what it is told."""
    return Listener()


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Write a `.pth.tar` as the publisher does and return its path."""

    def write(
        tensors: Mapping[str, Tensor] | None = None, name: str = "tiny.pth.tar", **changes: Any
    ) -> Path:
        return radio_checkpoints.write_checkpoint(tmp_path / name, tensors, **changes)

    return write


@pytest.fixture
def save_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write a Hugging Face folder and return its path."""

    def write(tensors: Mapping[str, Tensor], **changes: Any) -> Path:
        return radio_checkpoints.write_folder(tmp_path / "C-RADIO-tiny", tensors, **changes)

    return write


@pytest.fixture
def build() -> Any:
    """What builds a checkpoint, for tests that change a part of one."""
    names = ("state", "mlp_v1", "mlp_v2", "attention_head", "teacher", "to_folder", "block", "arguments")
    return Namespace(**{name: getattr(radio_checkpoints, name) for name in names})
