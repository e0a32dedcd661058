"""Fetching from a loopback server that can fail, resume, lie and change its mind."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from file_server import Server
from listener import Listener
from radseg.errors import ResourceError, WeightsUnavailableError
from radseg.weights.fetch import download, git_blob_sha1, read_range
from radseg.weights.reporters import LOGGED

CONTENT = bytes(range(256)) * 20_000  # 5 MB
SHA = hashlib.sha256(CONTENT).hexdigest()
MEGABYTE = 2**20


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with Server(CONTENT, SHA).running() as running:
        yield running


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody waits between attempts; how long they would have is kept."""
    kept: list[float] = []
    monkeypatch.setattr("time.sleep", kept.append)
    return kept


def fetch(server: Server, target: Path, *, sha256: str | None = None, **facts: Any) -> str:
    return download(server.remote(**facts), target, sha256=sha256, reporter=LOGGED)


def test_a_download_is_complete_and_reports_progress(server: Server, tmp_path: Path) -> None:
    heard = Listener()
    target = tmp_path / "deep" / "file.bin"
    assert download(server.remote(), target, reporter=heard) == SHA
    assert target.read_bytes() == CONTENT
    assert heard.counts[-1] == (len(CONTENT), len(CONTENT))
    assert len(heard.counts) >= 40  # on a slow line something moves long before a megabyte
    assert [p.name for p in target.parent.iterdir()] == ["file.bin"]


def test_hang_ups_are_resumed_where_they_happened(server: Server, tmp_path: Path) -> None:
    server.cuts = [MEGABYTE, 2 * MEGABYTE]
    assert fetch(server, tmp_path / "f") == SHA
    assert server.log == [None, f"bytes={MEGABYTE}-", f"bytes={3 * MEGABYTE}-"]


class StoppedError(Exception):
    """Stands for a kill."""


class Stopping(Listener):
    """Stops once so many bytes are here."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def progress(self, done: int, total: int) -> None:
        super().progress(done, total)
        if done >= self.count:
            raise StoppedError


def stop_after(server: Server, target: Path, count: int, **facts: Any) -> int:
    heard = Stopping(count)
    with pytest.raises(StoppedError):
        download(server.remote(**facts), target, reporter=heard)
    assert not target.exists()
    return heard.counts[-1][0]


@pytest.mark.parametrize("count", [1, 2 * MEGABYTE, 4 * MEGABYTE])
def test_a_stopped_download_goes_on_in_the_next_run(server: Server, tmp_path: Path, count: int) -> None:
    here = stop_after(server, tmp_path / "f", count)
    assert count <= here < count + MEGABYTE / 2
    assert fetch(server, tmp_path / "f") == SHA
    assert server.log == [None, f"bytes={here}-"]


def test_changed_content_is_fetched_from_the_start(server: Server, tmp_path: Path) -> None:
    stop_after(server, tmp_path / "f", MEGABYTE)
    server.content = CONTENT[::-1]
    digest = hashlib.sha256(server.content).hexdigest()
    assert fetch(server, tmp_path / "f", etag=digest) == digest
    assert server.log == [None, None]
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_content_that_nothing_marks_is_fetched_from_the_start(server: Server, tmp_path: Path) -> None:
    stop_after(server, tmp_path / "f", MEGABYTE, etag="")
    assert fetch(server, tmp_path / "f", etag="") == SHA
    assert server.log == [None, None]


def test_a_corrupted_part_is_found_by_the_digest_and_removed(server: Server, tmp_path: Path) -> None:
    stop_after(server, tmp_path / "f", MEGABYTE)
    (part,) = tmp_path.iterdir()
    part.write_bytes(b"X" + part.read_bytes()[1:])
    with pytest.raises(WeightsUnavailableError, match="It was removed"):
        fetch(server, tmp_path / "f")
    assert not list(tmp_path.iterdir())
    assert fetch(server, tmp_path / "f") == SHA


def test_a_server_without_ranges_is_asked_again_from_the_start(server: Server, tmp_path: Path) -> None:
    server.cuts, server.ranges = [MEGABYTE], False
    assert fetch(server, tmp_path / "f") == SHA


def test_wrong_content_is_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailableError, match=f"sha256 {SHA}; {'0' * 64} is expected"):
        fetch(server, tmp_path / "f", etag="0" * 64)
    assert not list(tmp_path.iterdir())


def test_a_pinned_digest_wins_over_the_hubs(server: Server, tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailableError, match="is expected"):
        fetch(server, tmp_path / "f", sha256="1" * 64)


def test_small_files_are_checked_by_gits_hash(server: Server, tmp_path: Path) -> None:
    good = git_blob_sha1(CONTENT)
    assert git_blob_sha1(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"  # git hash-object
    assert fetch(server, tmp_path / "f", etag=good) == SHA
    with pytest.raises(WeightsUnavailableError, match="is expected"):
        fetch(server, tmp_path / "g", etag="0" * 40)


def test_a_failing_server_is_asked_again_after_longer_and_longer_pauses(
    server: Server, tmp_path: Path, waits: list[float]
) -> None:
    server.statuses = [503, 500, 502, 504]
    assert fetch(server, tmp_path / "f") == SHA
    assert waits == [1.0, 2.0, 4.0, 8.0]


def test_a_busy_server_is_asked_again_when_it_says(
    server: Server, tmp_path: Path, waits: list[float]
) -> None:
    server.statuses, server.retry_after = [429, 503], "3"
    assert fetch(server, tmp_path / "f") == SHA
    assert waits == [3.0, 3.0]


def test_a_server_that_never_answers_is_given_up(server: Server, tmp_path: Path) -> None:
    server.statuses = [500] * 6
    with pytest.raises(WeightsUnavailableError, match="Byte 0 of file.*500.*go on from there"):
        fetch(server, tmp_path / "f")
    assert server.statuses == []


@pytest.mark.parametrize(("status", "hint"), [(404, "answered 404"), (401, "HF_TOKEN"), (403, "HF_TOKEN")])
def test_refusals_are_final(server: Server, tmp_path: Path, status: int, hint: str) -> None:
    server.statuses = [status]
    with pytest.raises(WeightsUnavailableError, match=hint):
        fetch(server, tmp_path / "f")
    assert len(server.log) == 1


def test_more_bytes_than_announced_are_refused_and_not_kept(server: Server, tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailableError, match="more than the 100 bytes"):
        fetch(server, tmp_path / "f", size=100)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_said_before_the_download(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1_000_000

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    with pytest.raises(ResourceError, match=r"needs 5 MB more.*1 MB are free"):
        fetch(server, tmp_path / "f")
    assert server.log == []


def test_a_folder_that_cannot_be_written_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ResourceError, match="Cannot write"):
        fetch(server, tmp_path / "file" / "f")


def test_a_range_is_fetched_alone(server: Server) -> None:
    assert read_range(server.remote(), 1000, 1300) == CONTENT[1000:1300]
    assert server.log == ["bytes=1000-1299"]


def test_a_range_survives_any_number_of_hang_ups_that_bring_bytes(server: Server) -> None:
    server.cuts = [MEGABYTE] * 3 + [0] * 3
    assert read_range(server.remote(), 100, len(CONTENT)) == CONTENT[100:]
    assert server.log[3] == f"bytes={100 + 3 * MEGABYTE}-{len(CONTENT) - 1}"


def test_a_server_that_sends_the_whole_file_for_a_part_is_refused(server: Server) -> None:
    server.ranges = False
    with pytest.raises(WeightsUnavailableError, match="more than the 10 bytes asked for"):
        read_range(server.remote(), 0, 10)


def test_a_whole_file_for_a_part_is_refused_before_it_mixes_with_one(server: Server) -> None:
    server.ranges, server.cuts = False, [200]  # cut where the part would not be full yet
    with pytest.raises(WeightsUnavailableError, match="more than the 1000 bytes asked for"):
        read_range(server.remote(), 500, 1500)
    assert len(server.log) == 1


def test_another_part_than_the_one_asked_for_is_refused(server: Server) -> None:
    server.shift = 7
    with pytest.raises(WeightsUnavailableError, match="from 500 on were asked for; those from 507 on came"):
        read_range(server.remote(), 500, 1500)


def test_offline_nothing_is_asked(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsUnavailableError, match="HF_HUB_OFFLINE is set"):
        fetch(server, tmp_path / "f")
    assert server.log == []
