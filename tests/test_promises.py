"""Promises of SECURITY.md that no other test holds: no network once weights are local, no telemetry."""

import socket
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

from builders import tiny_radio
from radseg.cli.app import app
from radseg.text.pack import VocabularyPack, save_pack
from radseg.types import TextEmbeddings
from radseg.weights import hub


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_local_weights_and_a_pack_need_no_network(no_network, tmp_path):
    radio = tiny_radio()
    metadata = {"format": "radseg-radio/1", "config": radio.config.to_json()}
    save_file(radio.state_dict(), tmp_path / "tiny.safetensors", metadata)
    values = np.random.default_rng(0).normal(size=(3, 20)).astype(np.float32)

    text = TextEmbeddings(("a", "b", "c"), torch.from_numpy(values), (0, 1, 2), radio.space)
    save_pack(tmp_path / "words.safetensors", VocabularyPack(text, None, "none"))
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "photo.png")
    arguments = ["segment", "photo.png", "-m", "tiny.safetensors", "--vocabulary", "words.safetensors"]
    arguments = [str(tmp_path / a) if "." in a else a for a in arguments]
    done = CliRunner().invoke(app, [*arguments, "--mode", "assign", "-o", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "photo.png").is_file()


def test_the_hub_client_is_told_not_to_tell():
    assert sys.modules["huggingface_hub"].constants.HF_HUB_DISABLE_TELEMETRY
    assert hub.is_offline()  # as tests/conftest.py asks for
