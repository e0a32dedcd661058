"""What a person sees when something goes wrong: one line that says what to do, and an exit code."""

import errno
import json
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import PurePath
from typing import Any

import typer
from typer.core import TyperGroup

from radseg.errors import (
    CheckpointError,
    ImageError,
    InputError,
    MissingFileError,
    NoteWarning,
    RadsegError,
    ResourceError,
)


class ExitCode(IntEnum):
    """How a command ended (product.md, Command line)."""

    DONE = 0
    SOME_FAILED = 1
    WRONG_USE = 2
    ENVIRONMENT = 3
    INTERRUPTED = 130


_CODES: tuple[tuple[tuple[type[Exception], ...], ExitCode], ...] = (
    ((ImageError,), ExitCode.SOME_FAILED),
    ((InputError, MissingFileError), ExitCode.WRONG_USE),
    ((ResourceError, CheckpointError), ExitCode.ENVIRONMENT),
    ((RadsegError,), ExitCode.SOME_FAILED),  # of several models every one failed
)
"""The first that fits counts."""


class GuardedGroup(TyperGroup):
    """A command group that turns every exception of its verbs into a message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; see `ExitCode` for what its exceptions become."""
        try:
            with warnings_in_one_line():
                return super().invoke(ctx)
        except (RadsegError, OSError, MemoryError, KeyboardInterrupt) as error:
            if getattr(error, "errno", None) == errno.EPIPE:  # the reader went away, as `| head` does
                raise
            raise typer.Exit(report(error)) from error
        except Exception as error:
            if _is_control_flow(error):
                raise
            raise typer.Exit(report(error)) from error


def report(error: BaseException) -> ExitCode:
    """Print what went wrong on standard error and return the exit code it deserves."""
    if debugging():
        traceback.print_exception(error)
    code, message = explain(error)
    if _wants_json():
        emit(event="error", message=message, exit=int(code))
    else:
        typer.echo(f"radseg: {printable(message)}", err=True)
    return code


def explain(error: BaseException) -> tuple[ExitCode, str]:
    """Return the exit code and the one line for an exception."""
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED, str(error) or "Interrupted."
    for kinds, code in _CODES:
        if isinstance(error, kinds):
            return code, str(error)
    if isinstance(error, OSError):
        return ExitCode.ENVIRONMENT, _disk_message(error)
    if isinstance(error, MemoryError):
        return ExitCode.ENVIRONMENT, "Out of memory. Lower --memory-budget or --short-side."
    kind = type(error).__name__
    hint = "This is a fault of radseg, not of your input: run again with `radseg --debug …` and report it."
    return ExitCode.ENVIRONMENT, f"{kind}: {_first_line(error)} {hint}"


@contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Print each warning once, in a line without paths of the installation; those of Pillow not at all.

    What a damaged image means is said by the reader of images. Python's own form, as with --debug, names
    files of the installation. With -q what changes no result is left out.
    """
    said: set[str] = set()

    def show(message: Warning | str, kind: type[Warning], filename: str, line: int, *_: object) -> None:
        text = " ".join(str(message).split())
        place = PurePath(filename)
        if debugging():
            typer.echo(warnings.formatwarning(message, kind, filename, line), err=True, nl=False)
        elif "PIL" not in place.parts and text not in said:
            ours = place.is_relative_to(PurePath(__file__).parents[1])
            if (ours and not issubclass(kind, NoteWarning)) or not {"-q", "--quiet"} & {*sys.argv}:
                said.add(text)
                typer.echo(f"Warning: {printable(text)}", err=True)

    pillow, silent = logging.getLogger("PIL"), logging.NullHandler()
    pillow.addHandler(silent)  # without a handler of its own what it logs goes to standard error
    try:
        with warnings.catch_warnings():
            warnings.showwarning = show  # type: ignore[assignment]  # the rest is where Python would print it
            yield
    finally:
        pillow.removeHandler(silent)


def printable(text: str) -> str:
    """Return text for a terminal: control characters and half surrogates, as in odd file names, escaped."""
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode("ascii") for c in text
    )


def emit(**values: Any) -> None:
    """Print one JSON object, a line on standard output, for programs that read along."""
    typer.echo(json.dumps(values))


def debugging() -> bool:
    """Whether tracebacks are wanted."""
    return os.environ.get("RADSEG_DEBUG", "") not in ("", "0")


def _disk_message(error: OSError) -> str:
    where = f" {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None)):
        return (
            f"The disk is full{' at' + where if where else ''}. Free some space and run again with --resume."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"No permission to write{where or ' there'}. Choose another folder with -o."
    return f"{error.strerror or _first_line(error)}{':' + where if where else ''}."


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]


def _wants_json() -> bool:
    """Whether this command line asked for JSON; from the arguments, as options may not be parsed yet."""
    joined = " ".join(sys.argv)
    return "--log-format json" in joined or "--log-format=json" in joined


def _is_control_flow(error: Exception) -> bool:
    """Whether typer itself deals with the exception: usage errors, exits, aborts."""
    module = type(error).__module__
    return module.startswith(("typer", "click")) or isinstance(error, typer.Exit | typer.Abort)
