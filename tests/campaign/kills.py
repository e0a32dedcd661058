"""`kill -9` in runs over images, builds, merges and evaluations; then the command again: the same bytes.

A run is a forked child of this process, which has everything imported. It is killed by the kernel at its N-th
step on the disk, or after a part of the time that it takes undisturbed.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import radseg.files
from campaign.cases import Attempt, Campaign, Case, Outcome
from campaign.image_seeds import photo
from eval_cases import colour_folder
from radseg.cli.app import app
from radseg.errors import RadsegError
from radseg.jobs.folder import LOCK_NAME
from radseg.mapping import builder
from radseg.runs.mapping import verify_map
from rgbd_builders import record, write_folder

STEPS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
MOST_KILLS = 4
"""Of one run, one after another, before it is let finish."""
PIECE = 2_000
WRONG_USE = 2
OTHER_SETTINGS = "The earlier run had other settings"
"""What --resume says where a kill came before anything of an old run was replaced."""


@dataclass(frozen=True)
class Command:
    """A command that is killed.

    Attributes:
        arguments: of `radseg`, the output folder left out.
        again: what is added when it is started again.
        old: the arguments of a run whose output lies there before; it stays whole until the new one stands.
    """

    arguments: tuple[str, ...]
    again: tuple[str, ...]
    old: tuple[str, ...] = ()


@contextmanager
def opened(folder: Path) -> Iterator[Attempt]:
    """Yield what kills a command and judges what is left of it."""
    commands = prepared(folder)
    wanted = {}
    for name, command in commands.items():
        output = folder / "whole" / name
        output.parent.mkdir(exist_ok=True)
        for arguments in filter(None, (command.old, command.arguments)):
            child = Child(arguments, output)
            assert child.wait() == 0, f"{name}: {child.printed()}"
            wanted.setdefault(name, []).append(content(output))
    yield lambda case: attempt(case, folder, commands, wanted)


def prepared(folder: Path) -> dict[str, Command]:
    """Write inputs of every command; return the commands."""
    photos, data, walk = folder / "photos", folder / "data", folder / "walk"
    photos.mkdir()
    for index in range(5):
        photo(40 + index, 32).save(photos / f"{index}.png")
    colour_folder(data, 8)
    write_folder(walk, record(frames=6))
    segment = (
        "segment",
        str(photos),
        "-m",
        "toy",
        "-p",
        "red, blue, green",
        "--save",
        "labels,overlay,npz",
        "-q",
    )
    classes = str(data / "classes.txt")
    judge = ("eval", "folder", "--data", str(data), "--classes", classes, "-m", "toy", "-q")
    build = ("map", "build", str(walk), "--space", "none", "--no-check", "-q")
    parts = []
    for name, skip in (("even", "1"), ("third", "2")):
        parts.append(str(folder / name))
        child = Child((*build, "--skip", skip), folder / name)
        assert child.wait() == 0, child.printed()
    merge = ("map", "merge", *parts, "--same-frame")
    return {
        "segment": Command(segment, ("--resume",)),
        "segment over an old run": Command(
            (*segment, "--overwrite"), ("--resume",), (*segment, "--denoise", "0.4")
        ),
        "eval": Command(judge, ("--resume",)),
        "map": Command(build, ("--resume",)),
        "map over an old one": Command((*build, "--overwrite"), ("--resume",), (*build, "--skip", "1")),
        "merge": Command(merge, ()),
        "merge over an old map": Command((*merge, "--overwrite"), (), (*build, "--skip", "1")),
    }


def attempt(case: Case, folder: Path, commands: dict[str, Command], wanted: dict[str, list[Any]]) -> Outcome:
    """Kill a command up to a few times, then let it finish; compare the output with the undisturbed run's."""
    name = list(commands)[case.number % len(commands)]
    command, output = commands[name], case.folder / "out"
    if command.old:
        assert Child(command.old, output).wait() == 0
    arguments, kills, said = command.arguments, [], ""
    for _ in range(case.random.randint(1, MOST_KILLS)):
        moment = Moment.drawn(case.random)
        child = Child(arguments, output, moment)
        status = child.wait()
        if status == 0:
            break
        if status == WRONG_USE and command.old and OTHER_SETTINGS in child.printed():
            arguments = command.arguments  # the kill came before anything was replaced
            continue
        if status != -signal.SIGKILL:
            return Outcome("failed", f"{name}, {kills} {moment}", f"ended with {status}: {child.printed()}")
        kills.append(moment)
        if command.old and "map" in command.arguments:
            said = said or damaged(output)
        arguments = again(command, output)
    else:
        child = Child(arguments, output)
        status = child.wait()
        if status == WRONG_USE and command.old and OTHER_SETTINGS in child.printed():
            child = Child(command.arguments, output)
            status = child.wait()
        if status != 0:
            return Outcome("failed", f"{name}, {kills}", f"again: ended with {status}: {child.printed()}")
    said = said or difference(content(output), wanted[name][-1])
    change = f"{name}, killed {len(kills)} times: {', '.join(map(str, kills))}"
    return Outcome("failed", change, said) if said else Outcome("accepted", change)


def again(command: Command, output: Path) -> tuple[str, ...]:
    """Return the arguments that go on: --resume where there is a run, else the same."""
    kept = tuple(one for one in command.arguments if one != "--overwrite" or not command.again)
    return (*kept, *command.again) if command.again else command.arguments


def damaged(folder: Path) -> str:
    """Say what is wrong with the map in a folder whose replacement was killed; "" if nothing."""
    try:
        return "; ".join(fault for _, fault in verify_map(folder) if fault)
    except RadsegError as error:
        return f"the old map is gone: {error}"


@dataclass(frozen=True)
class Moment:
    """When a run is killed: before its `step`-th step on the disk, or after `seconds`."""

    step: int | None = None
    seconds: float | None = None

    def __str__(self) -> str:
        return f"at step {self.step}" if self.step is not None else f"after {self.seconds:.3f} s"

    @classmethod
    def drawn(cls, random: Random) -> "Moment":
        """Draw one; mostly by steps, which happen again with the same seed."""
        if random.random() < 0.75:
            return cls(step=int(2 ** random.uniform(0, 8)))
        return cls(seconds=random.uniform(0, 0.4))


class Child:
    """`radseg` in a forked process."""

    def __init__(self, arguments: tuple[str, ...], output: Path, moment: Moment | None = None) -> None:
        self._log = output.with_name(f"{output.name}.log")
        self.number = os.fork()
        if self.number == 0:
            _run([*arguments, "-o", str(output)], self._log, moment)
        if moment is not None and moment.seconds is not None:
            time.sleep(moment.seconds)
            os.kill(self.number, signal.SIGKILL)

    def wait(self) -> int:
        """Return the exit code, negative for a signal."""
        return os.waitstatus_to_exitcode(os.waitpid(self.number, 0)[1])

    def printed(self) -> str:
        """Return the end of what it printed."""
        return self._log.read_text(errors="replace")[-600:]


def _run(arguments: list[str], log: Path, moment: Moment | None) -> None:
    """Run the command line in this process, which is a child, and end it."""
    code = 1
    try:
        target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(target, 1)
        os.dup2(target, 2)
        clock = SimpleNamespace(monotonic=partial(next, count(0, 100)))
        builder.time = clock  # type: ignore[assignment]  # a checkpoint after every frame
        if moment is not None and moment.step is not None:
            Steps(moment.step, log.with_suffix(""))
        app(arguments, standalone_mode=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException as error:
        print(type(error).__name__, error, file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


class Steps:
    """Counts what this process does to the disk below a folder and has itself killed before one of them."""

    def __init__(self, last: int, folder: Path) -> None:
        self._left, self._below = last, str(folder)
        radseg.files.os = self  # type: ignore[assignment]  # bytes in pieces, so that a kill can fall between
        sys.addaudithook(self._heard)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, handle: int, content: bytes) -> int:
        """Write a piece."""
        self._count()
        return os.write(handle, content[:PIECE])

    def fsync(self, handle: int) -> None:
        """Wait for the disk."""
        self._count()
        os.fsync(handle)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in STEPS and str(arguments[0]).startswith(self._below):
            self._count()

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def content(folder: Path) -> dict[str, Any]:
    """Return what a finished run left: every file but locks; of JSON and of records what tells no time."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != LOCK_NAME and path.suffix != ".lock":
            read = _READ.get(path.suffix, bytes)
            found[str(path.relative_to(folder))] = read(path.read_bytes())
    return found


def timeless(value: Any) -> Any:
    """Return a JSON value without what tells how long something took, or when it was."""
    if isinstance(value, list):
        return [timeless(one) for one in value]
    if isinstance(value, dict):
        return {
            key: timeless(one) for key, one in value.items() if "seconds" not in key and key != "mtime_ns"
        }
    return value


def _record(lines: bytes) -> list[Any]:
    """Return the last line of each image."""
    by_name: dict[str, Any] = {}
    for number, line in enumerate(lines.splitlines()):
        value = timeless(json.loads(line))
        by_name[str(value.get("name", value.get("id", number)))] = value
    return sorted(by_name.values(), key=str)


_READ: dict[str, Callable[[bytes], Any]] = {
    ".json": lambda text: timeless(json.loads(text)),
    ".jsonl": _record,
}


def difference(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Say how two outputs differ; "" if they do not."""
    left, gone = sorted(found.keys() - wanted.keys()), sorted(wanted.keys() - found.keys())
    other = [name for name in found.keys() & wanted.keys() if found[name] != wanted[name]]
    parts = (("left over", left), ("missing", gone), ("other bytes", other))
    return "; ".join(f"{what}: {names}" for what, names in parts if names)


KILLS = Campaign("kills", 70, 7, 120, opened)
