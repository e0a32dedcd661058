"""What a hub reports is what a download is held against; the address follows HF_ENDPOINT."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from safetensors.torch import load_file, save

from quiet_server import QuietServer
from radseg.errors import WeightsUnavailableError
from radseg.weights import cache, store

COMMIT = "c" * 40
TOWER = "google/siglip2-so400m-patch16-naflex"


class Hub(BaseHTTPRequestHandler):
    """A hub of a few files, with its headers and ranges."""

    files: ClassVar[dict[str, bytes]] = {}
    sent: ClassVar[list[tuple[str, int]]] = []
    seen_tokens: ClassVar[set[str | None]] = set()
    asked: ClassVar[list[tuple[str, str]]] = []

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        content = self.files.get(self.path.removeprefix("/").replace(COMMIT, "main"))
        self.asked.append((self.path, self.headers.get("User-Agent", "")))
        self.seen_tokens.add(self.headers.get("Authorization"))
        if content is None:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        wanted, total = self.headers.get("Range"), len(content)
        if wanted and body:
            first, last = wanted.removeprefix("bytes=").split("-")
            content = content[int(first) : int(last) + 1]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{total}")
        else:
            self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        whole = self.files[self.path.removeprefix("/").replace(COMMIT, "main")]
        self.send_header("ETag", f'"{hashlib.sha256(whole).hexdigest()}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)
            self.sent.append((self.path, len(content)))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    server = QuietServer(("127.0.0.1", 0), Hub)
    Hub.files, Hub.sent, Hub.seen_tokens, Hub.asked = {}, [], set(), []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    yield Hub
    server.shutdown()
    thread.join()
    server.server_close()


def address(repository: str, file: str) -> str:
    return f"{repository}/resolve/main/{file}"


def test_a_checkpoint_is_fetched_checked_converted_and_recorded(hub: type[Hub], save: Any) -> None:
    content = save().read_bytes()
    hub.files[address("nvidia/C-RADIOv3-B", "c-radio_v3-b_half.pth.tar")] = content
    path = store.resolve("c-radio_v3-b", announce=lambda _: None)
    assert store.read_config(path).version == "c-radio_v3-b"
    (record,) = cache.read_records("c-radio_v3-b").values()
    assert record.sha256 == hashlib.sha256(content).hexdigest()
    assert record.verified == "hub"
    assert record.origin.endswith("@" + "c" * 40)
    assert hub.seen_tokens == {"Bearer hf_secret"}
    sent = len(hub.sent)
    assert store.resolve("c-radio_v3-b") == path
    assert len(hub.sent) == sent


def test_the_hub_hears_of_nothing_but_the_file(hub: type[Hub], save: Any) -> None:
    wanted = address("nvidia/C-RADIOv3-B", "c-radio_v3-b_half.pth.tar")
    hub.files[wanted] = save().read_bytes()
    store.resolve("c-radio_v3-b", announce=lambda _: None)
    assert {path for path, _ in hub.asked} == {f"/{wanted}"}
    assert not [agent for _, agent in hub.asked if "agent/" in agent or "torch/" in agent]


def test_of_a_text_repository_only_the_text_is_sent(hub: type[Hub]) -> None:
    text = {f"text_model.encoder.layers.0.{k}": torch.randn(100) for k in ("a", "layer_norm1.weight")}
    text |= {f"text_model.embeddings.{k}_embedding.weight": torch.randn(100) for k in ("token", "position")}
    text |= {"text_model.final_layer_norm.weight": torch.randn(100)}
    vision = {f"vision_model.{i}": torch.zeros(2_000_000) for i in range(3)}
    hub.files[address(TOWER, "model.safetensors")] = save({**vision, **text})
    hub.files[address(TOWER, "config.json")] = json.dumps({"text_config": {}}).encode()
    hub.files[address(TOWER, "tokenizer.json")] = b"{}"
    folder = store.resolve_tower("siglip2-so400m-patch16-naflex", announce=lambda _: None)
    found = load_file(folder / "model.safetensors")
    assert all(torch.equal(found[k], v) for k, v in text.items())
    assert found.keys() == text.keys()
    assert sorted(p.name for p in folder.glob("*.json")) == ["config.json", "record.json", "tokenizer.json"]
    assert sum(n for _, n in hub.sent) < 200_000


def test_a_missing_file_is_said_with_what_to_do(hub: type[Hub], store_home: Path) -> None:
    with pytest.raises(
        WeightsUnavailableError, match=r"no file c-radio_v3-b_half\.pth\.tar.*put it at"
    ) as caught:
        store.resolve("c-radio_v3-b", announce=lambda _: None)
    assert "\n" not in str(caught.value)


def serve_tower(hub: type[Hub]) -> None:
    keys = ("encoder.layers.0.layer_norm1.weight", "embeddings.token_embedding.weight")
    keys += ("embeddings.position_embedding.weight", "final_layer_norm.weight")
    hub.files[address(TOWER, "model.safetensors")] = save({f"text_model.{k}": torch.randn(9) for k in keys})
    hub.files[address(TOWER, "config.json")] = b"{}"
    hub.files[address(TOWER, "tokenizer.json")] = b"{}"


def test_parts_are_read_at_one_commit(hub: type[Hub]) -> None:
    serve_tower(hub)
    store.resolve_tower("siglip2-so400m-patch16-naflex", announce=lambda _: None)
    assert [path for path, _ in hub.asked if "/main/" in path] == [f"/{address(TOWER, 'config.json')}"]
    assert all(COMMIT in path for path, _ in hub.sent)
    origin = cache.read_records("siglip2-so400m-patch16-naflex")["model.safetensors"].origin
    assert f"@{COMMIT}" in origin


def test_the_licence_is_stated_before_anything_is_fetched(hub: type[Hub]) -> None:
    serve_tower(hub)
    sent: list[int] = []
    store.resolve_tower("siglip2-so400m-patch16-naflex", announce=lambda _: sent.append(len(hub.sent)))
    assert sent == [0]


def into_hub_cache(folder: Path, files: dict[str, bytes], absent: tuple[str, ...] = ()) -> None:
    """Lay files down as the hub client does."""
    repository = folder / f"models--{TOWER.replace('/', '--')}"
    for name, content in files.items():
        path = repository / "snapshots" / COMMIT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for name in absent:
        path = repository / ".no_exist" / COMMIT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)


def tower_files(hub: type[Hub]) -> dict[str, bytes]:
    serve_tower(hub)
    return {path.rsplit("/", 1)[1]: content for path, content in hub.files.items()}


def test_a_tower_in_the_hub_cache_needs_no_network(
    hub: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    into_hub_cache(tmp_path / "hub", tower_files(hub))
    folder = store.resolve_tower("siglip2-so400m-patch16-naflex", announce=lambda _: None)
    assert (folder / "tokenizer.json").is_file()
    assert hub.asked == []


def test_offline_a_tower_without_its_tokenizer_is_refused(
    hub: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    files = tower_files(hub)
    del files["tokenizer.json"]
    into_hub_cache(tmp_path / "hub", files)
    with pytest.raises(WeightsUnavailableError, match="no tokenizer"):
        store.resolve_tower("siglip2-so400m-patch16-naflex", announce=lambda _: None)


def test_what_the_hub_client_noted_as_absent_is_not_asked_for(hub: type[Hub], tmp_path: Path) -> None:
    into_hub_cache(tmp_path / "hub", tower_files(hub), absent=("merges.txt",))
    store.resolve_tower("siglip2-so400m-patch16-naflex", announce=lambda _: None)
    asked = {path.rsplit("/", 1)[1] for path, _ in hub.asked}
    assert "merges.txt" not in asked
    assert "model.safetensors.index.json" not in asked
    assert "vocab.json" in asked
