"""Methods, presets, backbones and datasets from outside: packages that are installed, and files named here.

A plugin is Python of one's own: it is run, with everything it may do. None is looked for in data, in weights
or beside them.
"""

import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from traceback import extract_tb

from radseg.errors import InputError, MissingFileError, RadsegError

_MODULE = "radseg_plugin_"
GROUP = "radseg.plugins"
"""Entry points of this group name modules that call `register_method` and its like when imported."""


@cache
def load_installed() -> None:
    """Import the plugins that installed packages declare, once.

    Raises:
        InputError: one of them fails; the message names it and its package.
    """
    for one in entry_points(group=GROUP):
        package = one.dist.name if one.dist is not None else "an unknown package"
        try:
            one.load()
        except Exception as error:
            raise InputError(_failed(f"The plugin {one.name} of {package}", error)) from error


def loaded_files() -> tuple[Path, ...]:
    """Return the plugin files that this process has run: a process it starts must run them too."""
    return tuple(Path(str(one.__file__)) for name, one in sys.modules.items() if name.startswith(_MODULE))


def load_plugins(files: Iterable[Path]) -> None:
    """Run plugin files, each once.

    Raises:
        MissingFileError: one is not there.
        InputError: one fails; the message says where.
    """
    for file in files:
        _load(file.expanduser().resolve())


@cache
def _load(file: Path) -> None:
    if not file.is_file():
        raise MissingFileError(f"There is no plugin {file}; name a Python file.")
    name = _MODULE + file.stem
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise InputError(f"{file} is no Python file; a plugin ends in .py.")
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise InputError(_failed(f"The plugin {file.name}", error, file)) from error


def _failed(who: str, error: Exception, file: Path | None = None) -> str:
    if isinstance(error, RadsegError):
        return f"{who} fails: {error}"
    # Of a syntax error the message has the line; what else fails may do so in a library that it calls.
    lines = [one.lineno for one in extract_tb(error.__traceback__) if one.filename == str(file)]
    place = f" at line {lines[-1]}" if lines else ""
    return f"{who} fails{place}: {type(error).__name__}: {error}"
