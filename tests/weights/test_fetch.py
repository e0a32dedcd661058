"""Downloads against a loopback server that can fail, resume, lie and change its mind."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from quiet_server import QuietServer
from radseg.errors import ResourceError, WeightsUnavailableError
from radseg.weights.fetch import download
from radseg.weights.hub import HttpSource, RemoteFile, git_blob_sha1

CONTENT = bytes(range(256)) * 20_000  # 5 MB
SHA = hashlib.sha256(CONTENT).hexdigest()


class Server(QuietServer):
    """A file server with faults.

    Attributes:
        content, etag: what it serves.
        cuts: after how many bytes of each answer to hang up, one per request; then never.
        statuses: answers to give first.
        ranges: whether it understands ranges.
        log: the Range headers it saw.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag, self.ranges = CONTENT, '"one"', True
        self.cuts: list[int] = []
        self.statuses: list[int] = []
        self.log: list[str | None] = []
        self.served = 0

    def remote(self, **facts: Any) -> RemoteFile:
        facts = {"size": len(self.content), "sha256": SHA} | facts
        return RemoteFile(f"http://127.0.0.1:{self.server_address[1]}/file", **facts)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        server.log.append(self.headers.get("Range"))
        if server.statuses:
            self.send_response(server.statuses.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start, stop = 0, len(server.content)
        wanted = self.headers.get("Range") if server.ranges else None
        if wanted and self.headers.get("If-Range") in (None, server.etag):
            first, last = wanted.removeprefix("bytes=").split("-")
            start, stop = int(first), min(stop, int(last) + 1 if last else stop)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(server.content)}")
        else:
            self.send_response(200)
        self.send_header("ETag", server.etag)
        self.send_header("Content-Length", str(stop - start))
        self.end_headers()
        cut = server.cuts.pop(0) if server.cuts else stop - start
        self.wfile.write(server.content[start : min(stop, start + cut)])
        server.served += min(cut, stop - start)
        self.close_connection = True


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def no_wait(_: float) -> None:
    pass


def test_a_download_is_complete_and_reports_progress(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    target = tmp_path / "deep" / "file.bin"
    assert download(server.remote(), target, progress=lambda *p: seen.append(p)) == SHA
    assert target.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [p.name for p in target.parent.iterdir()] == ["file.bin"]


def test_hang_ups_are_resumed_where_they_happened(server: Server, tmp_path: Path) -> None:
    server.cuts = [1_000_000, 2_000_000]
    assert download(server.remote(), tmp_path / "f", wait=no_wait) == SHA
    assert server.log == [None, "bytes=1000000-", "bytes=3000000-"]
    assert server.served == len(CONTENT)


def test_a_killed_download_goes_on_in_the_next_run(server: Server, tmp_path: Path) -> None:
    server.cuts = [3_000_000]

    def stop(done: int, _: int) -> None:
        if done >= 2_000_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(server.remote(), tmp_path / "f", progress=stop)
    assert not (tmp_path / "f").exists()
    assert download(server.remote(), tmp_path / "f") == SHA
    assert server.log[1] is not None
    assert int(server.log[1].removeprefix("bytes=").rstrip("-")) >= 2_000_000


def test_changed_content_is_fetched_from_the_start(server: Server, tmp_path: Path) -> None:
    server.cuts = [1_000_000]
    with pytest.raises(KeyboardInterrupt):
        download(server.remote(), tmp_path / "f", wait=interrupt)
    server.content, server.etag = CONTENT[::-1], '"two"'
    digest = hashlib.sha256(server.content).hexdigest()
    (tmp_path / "f.part.json").write_text((tmp_path / "f.part.json").read_text().replace(SHA, digest))
    assert download(server.remote(sha256=digest), tmp_path / "f") == digest


def interrupt(_: float) -> None:
    raise KeyboardInterrupt


def test_a_part_of_unknown_origin_is_not_continued(server: Server, tmp_path: Path) -> None:
    (tmp_path / "f.part").write_bytes(b"something else")
    assert download(server.remote(), tmp_path / "f") == SHA
    assert server.log == [None]


def test_a_corrupted_part_is_found_by_the_digest_and_removed(server: Server, tmp_path: Path) -> None:
    server.cuts = [1_000_000]
    with pytest.raises(KeyboardInterrupt):
        download(server.remote(), tmp_path / "f", wait=interrupt)
    part = tmp_path / "f.part"
    part.write_bytes(b"X" + part.read_bytes()[1:])
    with pytest.raises(WeightsUnavailableError, match="It was removed"):
        download(server.remote(), tmp_path / "f")
    assert not list(tmp_path.glob("f*"))
    assert download(server.remote(), tmp_path / "f") == SHA


def test_a_server_without_ranges_is_asked_again_from_the_start(server: Server, tmp_path: Path) -> None:
    server.cuts, server.ranges = [1_000_000], False
    assert download(server.remote(), tmp_path / "f", wait=no_wait) == SHA


def test_wrong_content_is_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailableError, match=f"sha256 {SHA}; {'0' * 64} is expected"):
        download(server.remote(sha256="0" * 64), tmp_path / "f")
    assert not list(tmp_path.glob("f*"))


def test_a_pinned_digest_wins_over_the_hubs(server: Server, tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailableError, match="is expected"):
        download(server.remote(), tmp_path / "f", sha256="1" * 64)


def test_small_files_are_checked_by_gits_hash(server: Server, tmp_path: Path) -> None:
    good = git_blob_sha1(CONTENT)
    assert git_blob_sha1(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"  # git hash-object
    assert download(server.remote(sha256=None, git_sha1=good), tmp_path / "f") == SHA
    with pytest.raises(WeightsUnavailableError, match="is expected"):
        download(server.remote(sha256=None, git_sha1="0" * 40), tmp_path / "g")


def test_busy_servers_are_asked_again(server: Server, tmp_path: Path) -> None:
    server.statuses = [503, 429]
    assert download(server.remote(), tmp_path / "f", wait=no_wait) == SHA


def test_waiting_grows(server: Server, tmp_path: Path) -> None:
    server.statuses, waits = [503] * 5, []
    download(server.remote(), tmp_path / "f", wait=waits.append)
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0]


def test_a_server_that_never_answers_is_given_up(server: Server, tmp_path: Path) -> None:
    server.statuses = [500] * 6
    with pytest.raises(WeightsUnavailableError, match="failed 6 times at byte 0"):
        download(server.remote(), tmp_path / "f", wait=no_wait)


@pytest.mark.parametrize(("status", "hint"), [(404, "answered 404"), (403, "HF_TOKEN")])
def test_refusals_are_final(server: Server, tmp_path: Path, status: int, hint: str) -> None:
    server.statuses = [status]
    with pytest.raises(WeightsUnavailableError, match=hint):
        download(server.remote(), tmp_path / "f", wait=no_wait)
    assert len(server.log) == 1


def test_more_bytes_than_announced_are_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailableError, match="longer than the 100 bytes"):
        download(server.remote(size=100), tmp_path / "f", wait=no_wait)


def test_a_full_disk_is_said_before_the_download(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1_000_000

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    with pytest.raises(ResourceError, match=r"needs 5 MB more.*1 MB are free"):
        download(server.remote(), tmp_path / "f")
    assert server.log == []


def test_a_folder_that_cannot_be_written_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ResourceError, match="Cannot write"):
        download(server.remote(), tmp_path / "file" / "f", wait=no_wait)


def test_a_remote_source_fetches_the_ranges_asked_for(server: Server) -> None:
    source = HttpSource(server.remote(), "file")
    assert bytes(source.read(1000, 1300)) == CONTENT[1000:1300]
    assert source.fetched == 300


def test_a_range_cut_short_is_completed(server: Server) -> None:
    server.cuts = [100, 50]
    source = HttpSource(server.remote(), "file", wait=no_wait)
    assert bytes(source.read(1000, 1300)) == CONTENT[1000:1300]
    assert server.log == ["bytes=1000-1299", "bytes=1100-1299", "bytes=1150-1299"]


def test_a_server_without_ranges_is_no_source(server: Server) -> None:
    server.ranges = False
    with pytest.raises(WeightsUnavailableError, match="answered 200 to a request for part"):
        HttpSource(server.remote(), "file").read(0, 10)


def test_a_range_survives_any_number_of_hang_ups_that_bring_bytes(server: Server) -> None:
    server.cuts, waited = [10] * 20, []
    source = HttpSource(server.remote(), "file", wait=waited.append)
    assert bytes(source.read(0, 1000)) == CONTENT[:1000]
    assert waited == [1.0] * 20


def test_a_busy_server_is_asked_again_after_longer_and_longer_pauses(server: Server) -> None:
    server.statuses, waited = [503, 429, 500], []
    source = HttpSource(server.remote(), "file", wait=waited.append)
    assert bytes(source.read(0, 10)) == CONTENT[:10]
    assert waited == [1.0, 2.0, 4.0]


def test_a_server_that_stays_silent_is_given_up(server: Server) -> None:
    server.cuts = [0] * 50
    with pytest.raises(WeightsUnavailableError, match="failed 6 times at byte 5:.*go on from there"):
        HttpSource(server.remote(), "file", wait=no_wait).read(5, 10)


def test_a_file_that_changes_between_two_ranges_is_refused(server: Server) -> None:
    source = HttpSource(server.remote(), "file", wait=no_wait)
    source.read(0, 10)
    server.etag = '"two"'
    with pytest.raises(WeightsUnavailableError, match="changed at its source"):
        source.read(10, 20)
