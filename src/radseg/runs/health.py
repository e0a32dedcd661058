"""What stands between this machine and a segmentation, and the one command that fixes each of them.

Looks only at this machine: nothing is fetched, no address is contacted.
"""

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

import radseg

Verdict = Literal["ok", "note", "problem"]

NEEDED_FREE = 3 * 2**30
"""Bytes: a base model and its text tower, with room for the conversion."""

CORE = (
    "torch",
    "numpy",
    "pillow",
    "scipy",
    "safetensors",
    "huggingface_hub",
    "transformers",
    "typer",
    "rich",
)
EXTRAS = {
    "coco": "pycocotools",
    "eval": "opencv-python-headless",
    "mesh": "trimesh",
    "plot": "matplotlib",
    "rerun": "rerun-sdk",
    "supervision": "supervision",
    "view": "viser",
}


@dataclass(frozen=True)
class Finding:
    """One check of this machine.

    Attributes:
        remedy: the command that makes it right: for every problem, and for notes that offer something.
    """

    subject: str
    verdict: Verdict
    value: str
    remedy: str = ""


def findings(cache: Path) -> tuple[Finding, ...]:
    """Return everything that was looked at; `cache` is the folder that holds weights."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _python,
        _packages,
        _devices,
        lambda: _cache(cache),
        _network,
        _extras,
    )
    return tuple(finding for check in checks for finding in check())


def _python() -> Iterator[Finding]:
    yield Finding("radseg", "ok", radseg.__version__)
    yield Finding("Python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _packages() -> Iterator[Finding]:
    wanted = _requirements()
    for name in CORE:
        bound = wanted.get(name, "")
        remedy = f'{_pip()} install "{name}{bound}"'
        try:
            installed = version(name)
        except PackageNotFoundError:
            yield Finding(name, "problem", "not installed", remedy)
            continue
        if satisfies(installed, bound):
            yield Finding(name, "ok", installed)
        else:
            yield Finding(name, "problem", f"{installed}; radseg needs {bound}", remedy)


def satisfies(installed: str, bound: str) -> bool:
    """Return whether a version fits bounds such as ">=2.10,<3"; a version that is no number fits."""
    try:
        from packaging.specifiers import SpecifierSet  # noqa: PLC0415
        from packaging.version import Version  # noqa: PLC0415

        return SpecifierSet(bound).contains(Version(installed), prereleases=True)
    except (ImportError, ValueError):
        return True


def _requirements() -> dict[str, str]:
    """Return the version bounds of the installed radseg; nothing when it runs from a bare checkout."""
    try:
        from packaging.requirements import Requirement  # noqa: PLC0415

        listed = [Requirement(line) for line in requires("radseg") or ()]
    except (ImportError, PackageNotFoundError):
        return {}
    return {one.name.replace("-", "_"): str(one.specifier) for one in listed if one.marker is None}


def _devices() -> Iterator[Finding]:
    try:
        import torch  # noqa: PLC0415
    except Exception as error:  # a broken install raises anything: OSError, RuntimeError, ImportError
        reason = (str(error).splitlines() or [""])[0]
        remedy = f"{_pip()} install --force-reinstall torch"
        yield Finding("torch loads", "problem", f"no: {reason}", remedy)
        return
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            memory = f"{properties.total_memory / 2**30:.0f} GiB"
            yield Finding(f"cuda:{index}", "ok", f"{properties.name}, {memory}, CUDA {torch.version.cuda}")
    elif _has_nvidia_gpu():
        why = (
            "this torch is built without CUDA"
            if torch.version.cuda is None
            else "torch cannot use the driver"
        )
        yield Finding(
            "CUDA",
            "problem",
            f"an NVIDIA GPU is here, but {why}",
            f"{_pip()} install --force-reinstall torch" if torch.version.cuda is None else "nvidia-smi",
        )
    elif torch.backends.mps.is_available():
        yield Finding("mps", "ok", "Apple GPU: --device mps")
    else:
        yield Finding("CUDA", "note", f"no GPU; radseg runs on {torch.get_num_threads()} CPU threads")


def _has_nvidia_gpu() -> bool:
    return Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") is not None


def _cache(cache: Path) -> Iterator[Finding]:
    existing = cache
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        yield Finding("cache", "problem", f"{cache} is not writable", "export RADSEG_HOME=/a/folder/of/yours")
        return
    held = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file()) if cache.exists() else 0
    yield Finding("cache", "ok", f"{cache}, {held / 2**30:.2f} GiB")
    free = free_bytes(existing)
    if free < NEEDED_FREE:
        value = f"{free / 2**30:.1f} GiB free at {cache}; a model needs {NEEDED_FREE / 2**30:.0f} GiB"
        yield Finding("disk", "problem", value, "export RADSEG_HOME=/a/folder/on/a/larger/disk")
    else:
        yield Finding("disk", "ok", f"{free / 2**30:.1f} GiB free")


def free_bytes(folder: Path) -> int:
    """Return the free bytes on the disk that holds a folder."""
    return shutil.disk_usage(folder).free


def _network() -> Iterator[Finding]:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        value = "HF_HUB_OFFLINE is set: no weights will be downloaded"
        yield Finding("network", "note", value, "unset HF_HUB_OFFLINE")
    else:
        yield Finding("network", "ok", "downloads allowed (not tried here)")


def _extras() -> Iterator[Finding]:
    for extra, package in EXTRAS.items():
        try:
            yield Finding(f"extra {extra}", "ok", f"{package} {version(package)}")
        except PackageNotFoundError:
            remedy = f'{_pip()} install "radseg[{extra}]"'
            yield Finding(f"extra {extra}", "note", "not installed (optional)", remedy)


def _pip() -> str:
    """Return the command that installs into the Python that runs now."""
    return f"{sys.executable} -m pip" if sys.prefix != sys.base_prefix else "pip"
