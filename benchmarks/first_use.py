"""The README's first real command at real size: `python -m benchmarks.first_use TOOLS WORK [--image PHOTO]`.

TOOLS holds hub.py, make_radio.py and make_virtual.py: a hub on loopback that serves files of the published
layout and size with random values. WORK is a folder for about 12 GB. Each step is a run of its own process;
printed are its terminal, seconds, peak memory, and the requests and bytes the hub saw.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROMPTS = "sky, grass, sheep"
NO_NETWORK = """
import socket

def refuse(*_):
    raise OSError("this process may not use the network")

socket.socket.connect = socket.socket.connect_ex = refuse
socket.create_connection = socket.getaddrinfo = refuse
"""
ORDINARY_CACHE = """
from huggingface_hub import hf_hub_download as get
get("nvidia/C-RADIOv3-B", "c-radio_v3-b_half.pth.tar")
for name in ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"):
    get("google/siglip2-so400m-patch16-naflex", name)
"""


def main() -> None:
    """Run the steps and print what each cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tools", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--image", type=Path, required=True)
    chosen = parser.parse_args()
    work = chosen.work.resolve()
    _make_files(chosen.tools.resolve(), work)
    blocked = work / "blocked"
    blocked.mkdir(exist_ok=True)
    (blocked / "sitecustomize.py").write_text(NO_NETWORK)
    with _hub(chosen.tools.resolve(), work) as port:
        first = _environment(work, "first", port)
        cached = _environment(work, "cached", port)
        command = [sys.executable, "-m", "radseg.cli", "segment", str(chosen.image.resolve()), "-p", PROMPTS]
        short = [*command, "--templates", "simple"]
        _step("1. the first command on an empty home", [*command, "-m", "radseg-b"], first, work)
        _step("2. the same again: everything is here", command, first, work)
        offline = first | {"PYTHONPATH": os.pathsep.join((str(blocked), os.environ.get("PYTHONPATH", "")))}
        _step("3. three other words, offline, sockets blocked",
              [*command[:-1], "road, car, person", "--templates", "simple"], offline, work)  # fmt: skip
        _step("4. another program fills the ordinary hub cache", [sys.executable, "-c", ORDINARY_CACHE],
              cached | {"HF_HUB_DISABLE_XET": "1"}, work)  # fmt: skip
        _step("5. an empty home beside that cache", short, cached, work)
    for folder in ("first", "cached"):
        print(f"\ndisk, {folder}:")
        for path in sorted((work / folder).rglob("*")):
            if path.is_file() and not path.is_symlink() and path.stat().st_size > 10**6:
                print(f"  {path.stat().st_size:>14,} {path.relative_to(work / folder)}")


def _make_files(tools: Path, work: Path) -> None:
    (work / "files").mkdir(parents=True, exist_ok=True)
    if not (work / "files" / "c-radio_v3-b_half.pth.tar").exists():
        subprocess.run([sys.executable, str(tools / "make_radio.py"), "files/c-radio_v3-b_half.pth.tar"],
                       cwd=work, check=True, stdout=subprocess.DEVNULL)  # fmt: skip
        subprocess.run([sys.executable, str(tools / "make_virtual.py")],
                       cwd=work, check=True, stdout=subprocess.DEVNULL)  # fmt: skip


@contextmanager
def _hub(tools: Path, work: Path) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, str(tools / "hub.py"), str(port), str(work)])
    try:
        for _ in range(600):  # it hashes its files first
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait()


def _environment(work: Path, name: str, port: int) -> dict[str, str]:
    own = {
        "HF_ENDPOINT": f"http://127.0.0.1:{port}",
        "HF_HOME": str(work / name / "hub-client"),
        "RADSEG_HOME": str(work / name / "radseg"),
        "TORCH_HOME": str(work / name / "torch"),
    }
    return dict(os.environ) | own


def _step(title: str, command: list[str], environment: dict[str, str], work: Path) -> None:
    """Run a command; print its terminal, what it cost, and what the hub saw."""
    log = work / "hub.log"
    before = log.stat().st_size if log.exists() else 0
    runs = work / "runs"
    runs.mkdir(exist_ok=True)
    start = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, cwd=runs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    print(f"\n## {title}")
    assert process.stdout is not None
    for line in process.stdout:
        print(f"    {time.perf_counter() - start:6.1f} s  {line.rstrip()}", flush=True)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    with log.open() as file:
        file.seek(before)
        seen = [json.loads(line) for line in file]
    sent = sum(int(one["note"]) for one in seen if one["m"] == "GET" and one["note"])
    print(
        f"exit {os.waitstatus_to_exitcode(status)}, {seconds:.1f} s, {usage.ru_utime + usage.ru_stime:.1f} "
        f"core-s, peak {usage.ru_maxrss / 1024:,.0f} MiB, {len(seen)} requests, {sent:,} bytes asked for"
    )


if __name__ == "__main__":
    main()
