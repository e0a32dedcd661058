"""`kill -9` in runs over images, builds, merges and evaluations, which are then to end in the same bytes.

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
from functools import cache, partial
from itertools import count
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import radseg.files
from campaign.cases import Attempt, Campaign, Case, Outcome
from campaign.image_seeds import photo
from campaign.witness import own_streams
from eval_cases import colour_folder
from radseg.cli.app import app
from radseg.errors import RadsegError
from radseg.jobs.folder import LOCK_NAME
from radseg.mapping import builder
from radseg.runs.map_facts import verify_map
from rgbd_builders import record, write_folder

STEPS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
MOST_KILLS = 4
"""Of one run, one after another, before it is let finish."""
PIECE = 2_000
WRONG_USE = 2
HISTORY = {"mtime_ns", "processes"}
"""What a record says of how a run went and not of what it found: each start of an evaluation is noted."""
STANDS = "holds a map"
"""What a merge says where the kill came after its map stood."""
OTHER_SETTINGS = "The earlier run had other settings"
"""What --resume says where a kill came before anything of an old run was replaced."""


@dataclass(frozen=True)
class Command:
    """A command that is killed.

    Attributes:
        arguments: of `radseg`, the output folder left out.
        again: what is added when it is started again.
        old: the arguments of a run whose output lies there before; a map stays whole until the new stands.
    """

    arguments: tuple[str, ...]
    again: tuple[str, ...]
    old: tuple[str, ...] = ()


@contextmanager
def opened(folder: Path) -> Iterator[Attempt]:
    """Yield what kills a command and judges what is left of it."""
    commands = prepared(folder)

    @cache
    def wanted(name: str) -> dict[str, Any]:
        output = folder / "whole" / name
        for arguments in filter(None, (commands[name].old, commands[name].arguments)):
            finish(arguments, output)
        return content(output)

    yield lambda case: attempt(case, commands, wanted)


def finish(arguments: tuple[str, ...], output: Path) -> None:
    """Run a command undisturbed."""
    output.parent.mkdir(exist_ok=True)
    child = Child(arguments, output)
    assert child.wait() == 0, f"{arguments}: {child.printed()}"


def prepared(folder: Path) -> dict[str, Command]:
    """Write what the commands read; return them."""
    photos, data, walk = folder / "photos", folder / "data", folder / "walk"
    photos.mkdir()
    for index in range(5):
        photo(40 + index, 32).save(photos / f"{index}.png")
    colour_folder(data, 8)
    write_folder(walk, record(frames=6))
    segment = ("segment", str(photos), "-m", "toy", "-p", "red, blue, green", "-q")
    segment = (*segment, "--save", "labels,overlay,npz")
    classes = str(data / "classes.txt")
    judge = ("eval", "folder", "--data", str(data), "--classes", classes, "-m", "toy", "-q")
    build = ("map", "build", str(walk), "--space", "none", "--no-check", "-q")
    half, third = (*build, "--skip", "1"), (*build, "--skip", "2")
    parts = folder / "half", folder / "third"
    for arguments, part in zip((half, third), parts, strict=True):
        finish(arguments, part)
    merge = ("map", "merge", *map(str, parts), "--same-frame")
    softer = (*segment, "--denoise", "0.4")
    return {
        "segment": Command(segment, ("--resume",)),
        "map over an old one": Command((*build, "--overwrite"), ("--resume",), half),
        "eval": Command(judge, ("--resume",)),
        "merge over an old map": Command((*merge, "--overwrite"), (), half),
        "segment over an old run": Command((*segment, "--overwrite"), ("--resume",), softer),
        "map": Command(build, ("--resume",)),
        "merge": Command(merge, ()),
    }


def attempt(case: Case, commands: dict[str, Command], wanted: Callable[[str], dict[str, Any]]) -> Outcome:
    """Kill a command up to a few times, let it finish, and compare it with the undisturbed run."""
    name = list(commands)[case.number % len(commands)]
    command, output = commands[name], case.folder / "out"
    if command.old:
        finish(command.old, output)
    arguments, said = command.arguments, ""
    kills: list[Moment] = []
    for _ in range(case.random.randint(1, MOST_KILLS)):
        moment = Moment.drawn(case.random)
        child = Child(arguments, output, moment)
        status = child.wait()
        if status == 0:
            break
        if status == WRONG_USE and command.old and OTHER_SETTINGS in child.printed():
            arguments = command.arguments  # the kill came before anything was replaced
            continue
        if finished(child, status, kills):
            break
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
        if status != 0 and not finished(child, status, kills):
            return Outcome("failed", f"{name}, {kills}", f"again: ended with {status}: {child.printed()}")
    said = said or difference(content(output), wanted(name))
    change = f"{name}, killed {len(kills)} times: {', '.join(map(str, kills))}"
    return Outcome("failed", change, said) if said else Outcome("accepted", change)


def finished(child: "Child", status: int, kills: list["Moment"]) -> bool:
    """Return whether the kill before came when all was done, so that nothing is left to do again."""
    return status == WRONG_USE and bool(kills) and STANDS in child.printed()


def again(command: Command, output: Path) -> tuple[str, ...]:
    """Return the arguments of a person who goes on."""
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
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(target, 1)
    os.dup2(target, 2)
    code = 1
    try:
        with own_streams():
            clock = SimpleNamespace(monotonic=partial(next, count(0, 100)))
            builder.time = clock  # type: ignore[assignment]  # a checkpoint after every frame
            if moment is not None and moment.step is not None:
                Steps(moment.step, log.with_suffix(""))
            app(arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        os._exit(code)


class Steps:
    """Counts what this process does to the disk below a folder, and kills it before one of these steps."""

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
    """Return a JSON value without what tells how long something took, when it was, and in how many runs."""
    if isinstance(value, list):
        return [timeless(one) for one in value]
    if isinstance(value, dict):
        return {
            key: timeless(one) for key, one in value.items() if "seconds" not in key and key not in HISTORY
        }
    return value


def _record(lines: bytes) -> list[Any]:
    """Return the last line of each image, and of the processes that took part those that differ."""
    by_name: dict[str, Any] = {}
    for line in lines.splitlines():
        value = timeless(json.loads(line))
        by_name[str(value.get("name", value.get("id", value)))] = value
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


KILLS = Campaign("kills", 70, 4, 120, opened)
