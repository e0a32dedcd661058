"""What a hub reports is what a download is held against; the address follows HF_ENDPOINT."""

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from safetensors.torch import load, load_file, save

from loopback_hub import COMMIT, Hub, address, into_hub_cache
from quiet_server import QuietServer
from radseg.errors import WeightsUnavailableError
from radseg.weights import catalog, home
from radseg.weights.convert.sam import convert_pth
from radseg.weights.installed import is_cached, verify
from radseg.weights.load import read_config
from radseg.weights.options import DownloadOptions
from radseg.weights.resolve import resolve_radio, resolve_sam_decoder, resolve_text_tower

TOWER = "google/siglip2-so400m-patch16-naflex"


def test_a_checkpoint_is_fetched_checked_converted_and_recorded(hub: type[Hub], save: Any) -> None:
    content = save().read_bytes()
    hub.files[address("nvidia/C-RADIOv3-B", "c-radio_v3-b_half.pth.tar")] = content
    path = resolve_radio("c-radio_v3-b")
    assert read_config(path).version == "c-radio_v3-b"
    record = home.read_records("c-radio_v3-b")["c-radio_v3-b_half.pth.tar"]
    assert record.sha256 == hashlib.sha256(content).hexdigest()
    assert record.verified == "hub"
    assert record.origin.endswith("@" + "c" * 40)
    assert hub.seen_tokens == {"Bearer hf_secret"}
    sent = len(hub.sent)
    assert resolve_radio("c-radio_v3-b") == path
    assert len(hub.sent) == sent


def test_the_hub_hears_of_nothing_but_the_file(hub: type[Hub], save: Any) -> None:
    wanted = address("nvidia/C-RADIOv3-B", "c-radio_v3-b_half.pth.tar")
    hub.files[wanted] = save().read_bytes()
    resolve_radio("c-radio_v3-b")
    assert {path.replace(COMMIT, "main") for path, _ in hub.asked} == {f"/{wanted}"}
    assert not [agent for _, agent in hub.asked if "agent/" in agent or "torch/" in agent]


def test_of_a_text_repository_only_the_text_is_sent(hub: type[Hub]) -> None:
    text = {f"text_model.encoder.layers.0.{k}": torch.randn(100) for k in ("a", "layer_norm1.weight")}
    text |= {f"text_model.embeddings.{k}_embedding.weight": torch.randn(100) for k in ("token", "position")}
    text |= {"text_model.final_layer_norm.weight": torch.randn(100)}
    vision = {f"vision_model.{i}": torch.zeros(2_000_000) for i in range(3)}
    hub.files[address(TOWER, "model.safetensors")] = save({**vision, **text})
    hub.files[address(TOWER, "config.json")] = json.dumps({"text_config": {}}).encode()
    hub.files[address(TOWER, "tokenizer.json")] = b"{}"
    folder = resolve_text_tower("siglip2-so400m-patch16-naflex")
    found = load_file(folder / "model.safetensors")
    assert all(torch.equal(found[k], v) for k, v in text.items())
    assert found.keys() == text.keys()
    assert sorted(p.name for p in folder.glob("*.json")) == ["config.json", "record.json", "tokenizer.json"]
    assert sum(n for _, n in hub.sent) < 200_000


def test_a_missing_file_is_said_with_what_to_do(hub: type[Hub], store_home: Path) -> None:
    with pytest.raises(
        WeightsUnavailableError, match=r"no file c-radio_v3-b_half\.pth\.tar.*put it at"
    ) as caught:
        resolve_radio("c-radio_v3-b")
    assert "\n" not in str(caught.value)


def serve_tower(hub: type[Hub]) -> None:
    keys = ("encoder.layers.0.layer_norm1.weight", "embeddings.token_embedding.weight")
    keys += ("embeddings.position_embedding.weight", "final_layer_norm.weight")
    hub.files[address(TOWER, "model.safetensors")] = save({f"text_model.{k}": torch.randn(9) for k in keys})
    hub.files[address(TOWER, "config.json")] = b"{}"
    hub.files[address(TOWER, "tokenizer.json")] = b"{}"


def test_parts_are_read_at_one_commit(hub: type[Hub]) -> None:
    serve_tower(hub)
    resolve_text_tower("siglip2-so400m-patch16-naflex")
    assert [path for path, _ in hub.asked if "/main/" in path] == [f"/{address(TOWER, 'config.json')}"]
    assert all(COMMIT in path for path, _ in hub.sent)
    origin = home.read_records("siglip2-so400m-patch16-naflex")["model.safetensors"].origin
    assert f"@{COMMIT}" in origin


def test_the_licence_is_stated_before_anything_is_fetched(
    hub: type[Hub], listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_tower(hub)
    sent: list[list[str]] = []
    monkeypatch.setattr(listener, "plan", lambda plan: sent.append([path for path, _ in hub.sent]))
    resolve_text_tower("siglip2-so400m-patch16-naflex", DownloadOptions(reporter=listener))
    header = f"/{address(TOWER, 'model.safetensors')}".replace("main", COMMIT)
    assert sent == [[header]]


def tower_files(hub: type[Hub]) -> dict[str, bytes]:
    serve_tower(hub)
    return {path.rsplit("/", 1)[1]: content for path, content in hub.files.items()}


def test_a_tower_in_the_hub_cache_needs_no_network(
    hub: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    into_hub_cache(tmp_path / "hub", tower_files(hub), TOWER)
    folder = resolve_text_tower("siglip2-so400m-patch16-naflex")
    assert (folder / "tokenizer.json").is_file()
    assert hub.asked == []


def test_offline_a_tower_without_its_tokenizer_is_refused(
    hub: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    files = tower_files(hub)
    del files["tokenizer.json"]
    into_hub_cache(tmp_path / "hub", files, TOWER)
    with pytest.raises(WeightsUnavailableError, match="no tokenizer"):
        resolve_text_tower("siglip2-so400m-patch16-naflex")


def test_what_the_hub_client_noted_as_absent_is_not_asked_for(hub: type[Hub], tmp_path: Path) -> None:
    into_hub_cache(tmp_path / "hub", tower_files(hub), TOWER, absent=("merges.txt",))
    resolve_text_tower("siglip2-so400m-patch16-naflex")
    asked = {path.rsplit("/", 1)[1] for path, _ in hub.asked}
    assert "merges.txt" not in asked
    assert "model.safetensors.index.json" not in asked
    assert "vocab.json" in asked


def test_towers_of_the_hub_cache_count_as_here(hub: type[Hub], tmp_path: Path) -> None:
    row = catalog.row("siglip2-so400m-patch16-naflex")
    files = tower_files(hub)
    assert not is_cached(row)
    into_hub_cache(tmp_path / "hub", files, TOWER)
    assert is_cached(row)
    (
        tmp_path / "hub" / f"models--{TOWER.replace('/', '--')}" / "snapshots" / COMMIT / "tokenizer.json"
    ).unlink()
    assert not is_cached(row)
    assert hub.asked == []


def test_of_a_sharded_repository_only_the_text_is_sent(hub: type[Hub]) -> None:
    serve_tower(hub)
    giant = "google/siglip2-giant-opt-patch16-384"
    whole = load(hub.files.pop(address(TOWER, "model.safetensors"))) | {"vision_model.a": torch.zeros(10**6)}
    shards = {k: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, k in enumerate(sorted(whole))}
    for shard in set(shards.values()):
        hub.files[address(giant, shard)] = save({k: v for k, v in whole.items() if shards[k] == shard})
    hub.files[address(giant, "model.safetensors.index.json")] = json.dumps({"weight_map": shards}).encode()
    for file in ("config.json", "tokenizer.json"):
        hub.files[address(giant, file)] = b"{}"
    folder = resolve_text_tower("siglip2-giant-opt-patch16-384")
    found = load_file(folder / "model.safetensors")
    assert found.keys() == {k for k in whole if k.startswith("text_model.")}
    assert all(torch.equal(v, whole[k]) for k, v in found.items())
    assert sum(n for _, n in hub.sent) < 300_000


class Elsewhere(BaseHTTPRequestHandler):
    """The second host of the data, to which the hub redirects."""

    content: ClassVar[bytes] = b""
    tokens: ClassVar[list[str | None]] = []

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.tokens.append(self.headers.get("Authorization"))
        first, last = (self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")
        stop = int(last) + 1 if last else len(self.content)
        self.send_response(206 if self.headers.get("Range") else 200)
        self.send_header("Content-Range", f"bytes {first}-{stop - 1}/{len(self.content)}")
        self.send_header("Content-Length", str(stop - int(first)))
        self.end_headers()
        self.wfile.write(self.content[int(first) : stop])


@pytest.fixture
def elsewhere(hub: type[Hub], monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Elsewhere]]:
    """Let the hub send its data from another host, as the real one does."""
    server = QuietServer(("127.0.0.1", 0), Elsewhere)
    Elsewhere.tokens = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def redirect(self: Hub, *, body: bool) -> None:
        hub.seen_tokens.add(self.headers.get("Authorization"))
        self.send_response(302)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("X-Linked-Size", str(len(Elsewhere.content)))
        self.send_header("X-Linked-ETag", f'"{hashlib.sha256(Elsewhere.content).hexdigest()}"')
        self.send_header("X-Xet-Hash", "d" * 64)  # a faster way that is not taken: it cannot be resumed
        self.send_header("Location", f"http://localhost:{server.server_address[1]}/data")
        self.send_header("Content-Length", "0")
        self.end_headers()

    monkeypatch.setattr(hub, "answer", redirect)
    yield Elsewhere
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_token_stays_with_the_hub(hub: type[Hub], elsewhere: type[Elsewhere], save: Any) -> None:
    elsewhere.content = save().read_bytes()
    resolve_radio("c-radio_v3-b")
    assert hub.seen_tokens == {"Bearer hf_secret"}
    assert elsewhere.tokens == [None]


def test_the_token_stays_with_the_hub_when_parts_are_read(
    hub: type[Hub], elsewhere: type[Elsewhere], shared: Path
) -> None:
    shapes = json.loads((shared / "golden" / "2d" / "keys_sam.json").read_text())
    state = {k: torch.randn(s) for k, s in shapes.items()}
    ours = convert_pth(state, "x")
    published = {("vision_encoder." + k if k.startswith("neck.") else k): t for k, t in ours.items()}
    published["vision_encoder.layers.0.attn.qkv.weight"] = torch.zeros(2_000_000)
    elsewhere.content = save(published)
    found = load_file(resolve_sam_decoder())
    assert all(torch.equal(found[k], t) for k, t in ours.items())
    assert found.keys() == ours.keys()
    assert hub.seen_tokens == {"Bearer hf_secret"}
    assert len(elsewhere.tokens) <= 4
    assert set(elsewhere.tokens) == {None}


def test_two_runs_fetch_a_file_once(hub: type[Hub], save: Any) -> None:
    hub.files[address("nvidia/C-RADIOv3-B", "c-radio_v3-b_half.pth.tar")] = save().read_bytes()
    results: list[Path] = []
    threads = [
        threading.Thread(target=lambda: results.append(resolve_radio("c-radio_v3-b"))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert len(set(results)) == 1
    assert len(hub.sent) == 1


def test_what_other_programs_fetched_is_used_and_may_go_when_converted(
    hub: type[Hub], tmp_path: Path, save: Any
) -> None:
    row = catalog.row("c-radio_v3-b")
    assert not is_cached(row)
    into_hub_cache(tmp_path / "hub", {row.file: save().read_bytes()}, row.repository)
    assert is_cached(row)
    first = resolve_radio(row.name)
    assert [(c.path.name, c.ok) for c in verify(row)] == [(row.file, True), (first.name, True)]
    shutil.rmtree(tmp_path / "hub")
    assert is_cached(row)
    assert resolve_radio(row.name) == first
    assert hub.asked == []
