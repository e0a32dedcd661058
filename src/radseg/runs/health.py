"""What stands between this machine and a segmentation, and the one command that fixes each of them.

Looks only at this machine: nothing is fetched, no address is contacted.
"""

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import radseg
from radseg.runs.finding import Finding
from radseg.weights.catalog import Row, size_text
from radseg.weights.converted import CONVERTED_KINDS
from radseg.weights.home import converted_folder

_LOADS = "torch loads"
"""The finding about a torch that does not; what needs torch is left out then."""
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
    "yolo": "opencv-python-headless",
}


def findings(cache: Path, model: str) -> tuple[Finding, ...]:
    """Return everything that was looked at.

    Args:
        cache: the folder that holds weights.
        model: the preset, or checkpoint, that there must be room for.

    Raises:
        InputError, MissingFileError: there is no such model.
    """
    found = [*_python(), *_packages(), *_devices()]
    loads = not any(one.subject == _LOADS for one in found)
    found += [*_processor(), *_images(cache, model)] if loads else []
    found += [*_cache(cache), *_disk(cache, _missing(model) if loads else None, model)]
    return (*found, *_network(), *_extras())


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
        yield Finding(_LOADS, "problem", f"no: {reason}", remedy)
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


def _processor() -> Iterator[Finding]:
    import torch  # noqa: PLC0415

    level = torch.backends.cpu.get_cpu_capability()
    if limited := os.environ.get("ATEN_CPU_CAPABILITY"):
        value = f"torch is held to {level} by ATEN_CPU_CAPABILITY={limited}"
        yield Finding("processor", "note", value, "unset ATEN_CPU_CAPABILITY")
        return
    here = processor_features()
    worth = [
        f"{what} ({', '.join(found)})" for what, known in _FAST.items() if (found := sorted(known & here))
    ]
    faster = (
        f"fast here: {' and '.join(worth)}" if worth else "no bfloat16 or int8 instructions: keep float32"
    )
    yield Finding("processor", "ok", f"{platform.machine()}, torch uses {level}; {faster}")


_FAST = {
    "--dtype bfloat16": frozenset({"amx_bf16", "avx512_bf16", "bf16"}),
    "--text-dtype int8": frozenset({"amx_int8", "avx512_vnni", "avx_vnni", "avx2", "i8mm"}),
}
"""What a processor must have so that numbers of a smaller type are faster than float32, and not slower:
matrix or dot product instructions of that type (x86: AMX, AVX-512, VNNI; Arm: BF16, I8MM). For int8 AVX2 is
enough (`python -m benchmarks.prompts`: 1.7 ×)."""
CPUINFO = Path("/proc/cpuinfo")


def processor_features() -> frozenset[str]:
    """Return what this processor can do, by the kernel's names, from the kernel and from torch."""
    import torch  # noqa: PLC0415

    text = CPUINFO.read_text(errors="replace") if CPUINFO.is_file() else ""
    found = {
        word for line in text.splitlines() if _FLAGS.match(line) for word in line.partition(":")[2].split()
    }
    asked = getattr(torch.cpu, "get_capabilities", dict)  # torch 2.10 has no such function
    return frozenset(found | {name for name, value in asked().items() if value is True})


_FLAGS = re.compile(r"(flags|Features)\s*:")


def _images(cache: Path, model: str) -> Iterator[Finding]:
    from radseg.runs.input_checks import check_images, check_normalisation  # noqa: PLC0415 - loads torch

    yield from check_images()
    own = Path(model).expanduser()
    files = sorted((cache / converted_folder().name).glob("*.safetensors"))
    yield from check_normalisation(
        [*files, *([own] if own.suffix == ".safetensors" and own.is_file() else [])]
    )


def _missing(model: str) -> tuple[Row, ...]:
    """Return what a model needs and is not here."""
    from radseg.presets.load import required  # noqa: PLC0415 - loads torch
    from radseg.presets.spec import model_spec  # noqa: PLC0415
    from radseg.weights.installed import is_cached  # noqa: PLC0415

    return tuple(row for row in required(model_spec(model)) if not is_cached(row))


def _existing(cache: Path) -> Path:
    while not cache.exists():
        cache = cache.parent
    return cache


def _cache(cache: Path) -> Iterator[Finding]:
    existing = _existing(cache)
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        yield Finding("cache", "problem", f"{cache} is not writable", "export RADSEG_HOME=/a/folder/of/yours")
        return
    held = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file()) if cache.exists() else 0
    yield Finding("cache", "ok", f"{cache}, {size_text(held)}")


def _disk(cache: Path, missing: tuple[Row, ...] | None, model: str) -> Iterator[Finding]:
    """Compare the free bytes with those of what is missing; None where that is not known without torch."""
    free = free_bytes(_existing(cache))
    here = f"{size_text(free)} free"
    if not missing:
        yield Finding("disk", "ok", f"{here}; {model} is here" if missing is not None else here)
        return
    fetched = sum(row.bytes for row in missing)
    # a published file lies beside its converted form for a while, which is smaller
    converted = max((row.bytes for row in missing if row.kind in CONVERTED_KINDS), default=0)
    also = f", and {size_text(converted)} while it is converted" if converted else ""
    value = (
        f"{here}; {model} still needs {size_text(fetched)} ({', '.join(row.name for row in missing)}){also}"
    )
    if free < fetched + converted:
        yield Finding("disk", "problem", value, "export RADSEG_HOME=/a/folder/on/a/larger/disk")
    else:
        yield Finding("disk", "ok", value)


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
