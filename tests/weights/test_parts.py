"""Parts of a remote file arrive in slices, survive a kill, and never mix two contents."""

import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save

from radseg.errors import CheckpointError, ResourceError, WeightsUnavailableError
from radseg.weights import parts
from radseg.weights.convert.towers import select
from radseg.weights.parts import Chosen, write_parts

MEGABYTE = 2**20
HEADER = 128 * 1024  # read first, with the header


class Remote:
    """A file elsewhere: notes which ranges are asked for, and fails when told to."""

    def __init__(self, content: bytes, identity: str = "one") -> None:
        self.content, self.identity, self.name, self.size = content, identity, "remote", len(content)
        self.asked: list[tuple[int, int]] = []
        self.fails_after: int | None = None

    def read(self, start: int, stop: int) -> memoryview:
        if self.fails_after is not None and len(self.asked) >= self.fails_after:
            raise WeightsUnavailableError("the line is dead")
        self.asked.append((start, stop))
        return memoryview(bytearray(self.content[start:stop]))


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "SLICE", MEGABYTE)


def tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    text = {f"text_model.{i}": torch.randn(MEGABYTE // 2) for i in range(4)}  # 8 MB
    return text | {"text_model.end": torch.randn(3), "vision_model.a": torch.zeros(MEGABYTE)}


def write(remote: Any, target: Path, **options: Any) -> None:
    chosen = select(remote, lambda key: key.startswith("text_model."))
    write_parts(target, [Chosen(remote, chosen)], {"format": "pt"}, **options)


def test_the_wanted_tensors_arrive_in_slices_with_progress(tmp_path: Path) -> None:
    remote, seen, whole = Remote(save(tensors())), [], tensors()
    write(remote, tmp_path / "deep" / "t", progress=lambda *p: seen.append(p))
    found = load_file(tmp_path / "deep" / "t")
    assert found.keys() == {k for k in whole if k.startswith("text_model.")}
    assert all(torch.equal(v, whole[k]) for k, v in found.items())
    assert max(b - a for a, b in remote.asked) <= MEGABYTE
    assert len(seen) >= 8
    assert seen[-1][0] == seen[-1][1] == sum(v.nbytes for v in found.values())
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["t"]


def test_parts_of_several_files_between_unwanted_tensors(tmp_path: Path) -> None:
    whole = {f"{'a' if i % 3 else 'skip'}.{i:02}": torch.randn(40_000) for i in range(30)}
    other = {"a.other": torch.randn(5, dtype=torch.float64), "a.half": torch.randn(7).half()}
    chosen = [Chosen(s, select(s, lambda k: k[0] == "a")) for s in (Remote(save(whole)), Remote(save(other)))]
    write_parts(tmp_path / "t", chosen, {})
    wanted = {k: v for k, v in (whole | other).items() if k[0] == "a"}
    found = load_file(tmp_path / "t")
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[k], v) for k, v in wanted.items())


def test_an_interrupted_copy_goes_on_where_it_was(tmp_path: Path) -> None:
    content = save(tensors())
    first, second = Remote(content), Remote(content)
    first.fails_after = 5  # the header and four slices
    with pytest.raises(WeightsUnavailableError, match="line is dead"):
        write(first, tmp_path / "t")
    assert not (tmp_path / "t").exists()
    write(second, tmp_path / "t")
    assert not set(first.asked[1:]) & set(second.asked)
    assert torch.equal(load_file(tmp_path / "t")["text_model.3"], tensors()["text_model.3"])


@pytest.mark.parametrize("identity", ["two", ""])
def test_nothing_is_kept_of_another_or_an_unknown_content(tmp_path: Path, identity: str) -> None:
    changed = {k: v + 1 for k, v in tensors().items()}
    first, second = Remote(save(tensors()), identity and "one"), Remote(save(changed), identity)
    first.fails_after = 5
    with pytest.raises(WeightsUnavailableError):
        write(first, tmp_path / "t")
    write(second, tmp_path / "t")
    assert all(torch.equal(v, changed[k]) for k, v in load_file(tmp_path / "t").items())
    assert [p.name for p in tmp_path.iterdir()] == ["t"]


def test_a_slice_cut_by_a_kill_is_written_again(tmp_path: Path) -> None:
    content = save(tensors())
    first = Remote(content)
    first.fails_after = 5
    with pytest.raises(WeightsUnavailableError):
        write(first, tmp_path / "t")
    (part,) = tmp_path.iterdir()
    with part.open("r+b") as file:
        file.truncate(part.stat().st_size - 1000)
    write(Remote(content), tmp_path / "t")
    whole = tensors()
    assert all(torch.equal(v, whole[k]) for k, v in load_file(tmp_path / "t").items())


def test_memory_holds_a_few_slices(tmp_path: Path) -> None:
    remote = Remote(save(tensors()))
    tracemalloc.start()
    write(remote, tmp_path / "t")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * MEGABYTE


def test_a_full_disk_is_noticed_before_the_first_slice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = MEGABYTE

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    remote = Remote(save(tensors()))
    with pytest.raises(ResourceError, match=r"needs 8 MB more.*RADSEG_HOME"):
        write(remote, tmp_path / "t")
    assert remote.asked == [(0, HEADER)]


def test_a_part_that_is_not_finite_is_refused_and_removed(tmp_path: Path) -> None:
    bad = tensors() | {"text_model.end": torch.tensor([1.0, float("nan"), 2.0])}
    with pytest.raises(CheckpointError, match=r"t: text_model\.end holds 1 value"):
        write(Remote(save(bad)), tmp_path / "t")
    assert list(tmp_path.iterdir()) == []
