"""`radseg models pull` killed again and again: `python -m benchmarks.interruptions --hub URL [--kills N]`.

The hub at URL serves the published files, as a loopback hub does. Each run is killed (-9) at a random moment,
and the next one must go on from what is on the disk; the last one must end with the right digest. Then a byte
of a half-fetched file is turned, which the digest must find.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from radseg.weights import catalog


class Run(NamedTuple):
    """One run of the command, killed or not.

    Attributes:
        here, asked: bytes that it found from before, and that it said it would fetch.
        message: what it said was wrong.
    """

    code: int
    here: int
    asked: int
    message: str


def run(name: str, home: Path, hub: str, kill_after: float | None) -> Run:
    """Run the command; kill it so many seconds after it said what it fetches."""
    env = os.environ | {"RADSEG_HOME": str(home), "HF_ENDPOINT": hub, "HF_HOME": str(home / "hf")}
    command = [sys.executable, "-m", "radseg.cli", "models", "pull", name, "--log-format", "json"]
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        here, asked, message = 0, 0, ""
        for event in events(child):
            if event.get("event") == "fetch":
                here, asked = sum(one["here"] for one in event["weights"]), event["bytes"]
                if kill_after is not None:
                    threading.Timer(kill_after, child.send_signal, (signal.SIGKILL,)).start()
            elif event.get("event") == "error":
                message = event["message"]
    return Run(child.returncode, here, asked, message)


def events(child: "subprocess.Popen[str]") -> Iterator[dict[str, Any]]:
    """Yield what the command tells; a killed one stops in the middle of a line."""
    assert child.stdout is not None
    for line in child.stdout:
        if line.endswith("}\n"):
            yield json.loads(line)


def half_fetched(home: Path, name: str) -> int:
    """Return the bytes that a stopped run left of its files."""
    return sum(part.stat().st_size for part in (home / "models" / name).glob(".*.part"))


def main() -> None:
    """Print one line per run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hub", required=True)
    parser.add_argument("--name", default="c-radio_v3-b")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=2.0, help="longest time before a kill")
    chosen = parser.parse_args()
    name, chance = catalog.row(chosen.name).name, random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        home, fetched, total = Path(folder), 0, 0
        for number in range(1, chosen.kills + 1):
            before = half_fetched(home, name)
            done = run(name, home, chosen.hub, chance.uniform(0, chosen.seconds))
            after = half_fetched(home, name)
            fetched += after - before if after else done.asked  # it was whole when the kill came
            total = total or done.asked
            assert done.here == before, (done, before)
            print(f"{number:2}: exit {done.code}, went on at {done.here:,}, left {after:,}", flush=True)
        last = run(name, home, chosen.hub, None)
        print(f"last: exit {last.code}, went on at {last.here:,}, fetched {last.asked:,}")
        print(f"fetched {fetched + last.asked:,} bytes in all; the file has {total:,}")
        verify = [sys.executable, "-m", "radseg.cli", "models", "verify", name]
        subprocess.run(verify, env=os.environ | {"RADSEG_HOME": folder}, check=True)
    with tempfile.TemporaryDirectory() as folder:
        turn_a_byte(Path(folder), name, chosen.hub)


def turn_a_byte(home: Path, name: str, hub: str) -> None:
    """Kill a run, change one byte of what it left, and let the next one find it."""
    while half_fetched(home, name) < 1000:
        run(name, home, hub, 0.5)
    (part,) = (home / "models" / name).glob(".*.part")
    with part.open("r+b") as file:
        file.seek(500)
        byte = file.read(1)
        file.seek(500)
        file.write(bytes([byte[0] ^ 1]))
    found = run(name, home, hub, None)
    left = half_fetched(home, name)
    print(f"a turned byte: exit {found.code}, left {left:,}. {found.message}")
    again = run(name, home, hub, None)
    print(f"after that: exit {again.code}, went on at {again.here:,}, fetched {again.asked:,}")


if __name__ == "__main__":
    main()
