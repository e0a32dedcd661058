"""Fixtures every test may use: where the shared goldens are, a cache of its own, no network."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


def pytest_configure(config: pytest.Config) -> None:
    # One worker per core (`make test`): more threads than cores only wait for each other.
    torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else 2)
    os.environ["HF_HUB_OFFLINE"] = "1"  # before the hub client is imported, which reads it once
    # The machine is shared: a slow example is not a failure. The same examples everywhere: a failure repeats.
    settings.register_profile("radseg", deadline=None, derandomize=True)
    settings.load_profile("radseg")


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes a person's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADSEG_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("torch")))
        patch.setenv("TORCH_MODEL_ZOO", str(tmp_path_factory.mktemp("old-torch")))
        yield


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of this repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of goldens and real photos beside the repository; users do not have it, CI must."""
    if not SHARED.is_dir():
        reason = f"{SHARED.name}/ is not beside the repository: comparisons with the reference are not run"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return SHARED
