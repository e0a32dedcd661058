"""How a download shows: the plan first, then bytes; as text, as JSON, and where only errors are wanted."""

import io
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from cli_builders import Command
from rich.console import Console
from safetensors.torch import save

from loopback_hub import Hub, address, running_hub
from radseg.cli.downloads import BarDownloads, JsonDownloads, download_reporter
from radseg.weights import catalog
from radseg.weights.reporters import FetchPlan, LineReporter, PlannedFetch

TOWER, OTHER = catalog.row("siglip2-so400m-patch16-naflex"), catalog.row("siglip-so400m-patch14-384")
MEGABYTE = 10**6


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    """A hub with two text towers."""
    keys = ("encoder.layers.0.layer_norm1.weight", "embeddings.token_embedding.weight")
    keys += ("embeddings.position_embedding.weight", "final_layer_norm.weight")
    with running_hub(monkeypatch) as running:
        for row in (TOWER, OTHER):
            content = save({f"text_model.{key}": torch.randn(9) for key in keys})
            running.files[address(row.repository, row.file)] = content
            for name in ("config.json", "tokenizer.json"):
                running.files[address(row.repository, name)] = b"{}"
        yield running


def test_pulling_several_names_tells_all_of_them_first(radseg: Command, hub: type[Hub]) -> None:
    result = radseg("models", "pull", TOWER.name, OTHER.name)
    assert result.exit_code == 0
    told = result.stderr.splitlines()
    assert told[0].startswith(f"{TOWER.name}, {OTHER.name} needs 296 bytes (296 bytes) from 127.0.0.1:")
    assert told[1] == f"  {TOWER.name}, text tower: 148 bytes. Apache License 2.0, {TOWER.license.url}"
    assert told[2].startswith(f"  {OTHER.name}, text tower: 148 bytes.")
    assert len([line for line in told if "License" in line]) == 2


def test_the_plan_is_an_event_in_json(radseg: Command, hub: type[Hub]) -> None:
    result = radseg("models", "pull", TOWER.name, "--log-format", "json")
    first = json.loads(result.stdout.splitlines()[0])
    folder = first.pop("folder")
    assert Path(folder).name == "models"
    assert first == {
        "event": "fetch",
        "model": TOWER.name,
        "bytes": 148,
        "host": hub.endpoint.removeprefix("http://"),
        "weights": [
            {
                "name": TOWER.name,
                "kind": "text tower",
                "bytes": 148,
                "here": 0,
                "license": "Apache-2.0",
                "url": TOWER.license.url,
            }
        ],
    }


def test_terms_are_read_even_where_nothing_else_is(radseg: Command, hub: type[Hub]) -> None:
    result = radseg("models", "pull", TOWER.name, "--quiet")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "Apache License 2.0" in result.stderr


def test_an_original_is_kept_where_that_is_asked_for(radseg: Command, hub: type[Hub], tmp_path: Path) -> None:
    row = catalog.row(catalog.OPENAI_B)
    state = {f"text_model.{k}": torch.ones(3) for k in ("encoder.layers.0.layer_norm1.weight",)}
    state |= {f"text_model.embeddings.{k}_embedding.weight": torch.ones(3) for k in ("token", "position")}
    torch.save(state | {"text_model.final_layer_norm.weight": torch.ones(3)}, tmp_path / "x")
    hub.files[address(row.repository, "pytorch_model.bin")] = (tmp_path / "x").read_bytes()
    for name in ("config.json", "tokenizer.json"):
        hub.files[address(row.repository, name)] = b"{}"
    assert radseg("models", "pull", row.name, "--keep-original").exit_code == 0
    from radseg.weights.home import model_folder  # noqa: PLC0415

    assert (model_folder(row.name) / "pytorch_model.bin").is_file()
    assert radseg("models", "verify", row.name).exit_code == 0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that the test turns."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def shares(text: str) -> list[int]:
    return [int(line.split(": ")[1].split(" of")[0].replace(",", "")) for line in text.splitlines()]


def test_a_fast_line_is_a_line_per_tenth(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    reporter = download_reporter("text", quiet=False)
    with reporter.named("x"):
        for done in range(1, 1001):
            reporter.progress(done * MEGABYTE, 1000 * MEGABYTE)
    assert shares(capsys.readouterr().err) == list(range(100, 1001, 100))


def test_a_large_file_after_a_small_one_is_told_from_its_begin(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    reporter = download_reporter("text", quiet=False)
    with reporter.named("x"):
        reporter.progress(600, 600)
        for done in range(1, 1001):
            reporter.progress(done * MEGABYTE, 1000 * MEGABYTE)
    assert shares(capsys.readouterr().err) == list(range(100, 1001, 100))


def test_a_slow_line_is_told_after_five_seconds_and_floods_nothing(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    reporter = download_reporter("text", quiet=False)
    with reporter.named("x"):
        for second in range(1, 3601):  # an hour
            clock[0] = float(second)
            reporter.progress(second * MEGABYTE, 100_000 * MEGABYTE)
    told = shares(capsys.readouterr().err)
    assert told[:5] == [5, 15, 35, 75, 135]
    assert len(told) < 70


def test_the_bar_tells_the_plan_before_it_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    fetches = (PlannedFetch("x", "text tower", 5, 0, TOWER.license),)
    download_reporter("text", quiet=False).plan(FetchPlan("radseg-b", fetches, "host", Path("folder")))
    told = capsys.readouterr().err
    assert "radseg-b needs 5 bytes (5 bytes) from host, into folder:" in told


@pytest.mark.parametrize(("log_format", "kind"), [("json", JsonDownloads), ("text", LineReporter)])
def test_the_reporter_fits_the_output(log_format: Any, kind: type) -> None:
    assert type(download_reporter(log_format, quiet=False)) is kind


def test_prompts_are_told_every_few_seconds_and_never_before_one_is_done(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    reporter = download_reporter("text", quiet=False)
    with reporter.named("prompts", "prompts"):
        clock[0] = 100.0  # the loading of the text tower
        reporter.progress(0, 1000)
        for call in range(1, 51):
            clock[0] = 100.0 + 2.4 * call
            reporter.progress(4 * call, 1000)
    told = shares(capsys.readouterr().err)
    assert told[:3] == [4, 12, 20]
    assert max(b - a for a, b in pairwise(told)) <= 8  # two calls, below five seconds


def test_programs_get_prompts_as_events(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = download_reporter("json", quiet=False)
    with reporter.named("prompts", "prompts"):
        reporter.progress(4, 8)
        reporter.progress(8, 8)
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events == [{"event": "embedding", "prompts": done, "total": 8} for done in (4, 8)]


@pytest.mark.parametrize(("unit", "counts"), [("bytes", "4.0/8.0 MB"), ("prompts", "4/8")])
def test_a_bar_counts_what_is_waited_for(unit: Any, counts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(BarDownloads, "_console", Console(file=screen, force_terminal=True, width=120))
    reporter = BarDownloads(lambda _: None)
    scale = MEGABYTE if unit == "bytes" else 1
    with reporter.named("x", unit):
        reporter.progress(0, 8 * scale)
        reporter.progress(4 * scale, 8 * scale)
        reporter.announce("a line above")
    assert counts in screen.getvalue()
    assert "a line above" in screen.getvalue()
