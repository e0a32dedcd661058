"""The house rules that a machine can check: who imports whom, how long files are, what is never written."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from radseg.weights.catalog import Kind

SOURCE = Path(__file__).resolve().parents[2] / "src" / "radseg"
FILES = sorted(SOURCE.rglob("*.py"))

# What each part may import of radseg beside itself and what is open to all.
OPEN = {"types", "errors", "files", "ops", "modes", "extras"}
ALLOWED = {
    "types": {"errors"},
    "errors": set(),
    "files": {"errors"},
    "ops": {"types", "errors"},
    "modes": set(),
    "extras": set(),
    "colours": set(),
    "nn": set(),
    "weights": set(),
    "scoring": set(),
    "metrics": set(),
    "io": {"colours"},
    "text": {"io"},
    "visual": {"colours", "io"},
    "objects": set(),
    "result": {"io", "visual", "objects"},
    "models": {"nn", "weights", "text"},
    "methods": {"models", "nn"},
    "refine": {"models", "methods", "objects", "scoring", "nn", "weights"},
    "budget": {"types", "errors"},
    "segment": {"budget", "io", "objects", "result", "scoring", "methods", "refine", "text"},
    "testing": {"text"},
    "miniature": {"models", "refine", "weights"},
    "presets": {"methods", "miniature", "models", "nn", "refine", "segment", "testing", "text", "weights"},
    # These know no network.
    "mapping": {"budget", "io", "jobs", "scoring"},
    "datasets": {"io"},
    "jobs": set(),
    "viewer": {"colours", "io", "mapping", "visual"},
    "review": {"colours", "io", "jobs"},
    "runs": {
        "budget",
        "colours",
        "datasets",
        "io",
        "jobs",
        "mapping",
        "methods",
        "miniature",
        "models",
        "objects",
        "presets",
        "result",
        "review",
        "segment",
        "text",
        "visual",
        "weights",
    },
    "evaluation": {
        "budget",
        "colours",
        "datasets",
        "io",
        "jobs",
        "mapping",
        "methods",
        "metrics",
        "miniature",
        "models",
        "objects",
        "presets",
        "result",
        "runs",
        "scoring",
        "segment",
        "text",
        "visual",
        "weights",
    },
    "cli": {
        "presets",
        "result",
        "runs",
        "jobs",
        "text",
        "weights",
        "evaluation",
        "datasets",
        "mapping",
        "viewer",
    },
}
FLOORS = {
    "paper": set(),
    "images": {"paper"},
    "maps": {"paper", "images"},
    "report": {"paper", "images"},
    "studies": {"paper", "images", "report"},
}
"""Inside evaluation: what each floor stands on."""
OF_THE_BORDER = ("torch.autocast", "torch.inference_mode")
HEAVY = {"torch", "transformers", "numpy", "PIL", "scipy", "huggingface_hub", "safetensors"}


def part_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path, *, top_level_only: bool = False) -> list[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    found = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            found += [f"{base}.{alias.name}" for alias in node.names]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_go_downward_only(path):
    part = part_of(path)
    if part == "__init__":
        return
    allowed = ALLOWED[part] | OPEN | {part}
    if part in ("types", "errors", "files", "ops", "modes"):
        allowed = ALLOWED[part] | {part}
    used = {name.split(".")[1] for name in imports(path) if name.startswith("radseg.") and "." in name}
    assert used <= allowed, f"{part} must not import {sorted(used - allowed)}"


EVALUATION = sorted((SOURCE / "evaluation").glob("*/*.py"))


@pytest.mark.parametrize("path", EVALUATION, ids=lambda p: str(p.relative_to(SOURCE)))
def test_floors_of_evaluation_stand_on_lower_ones(path):
    floor = path.parent.name
    used = {n.split(".")[2] for n in imports(path) if n.startswith("radseg.evaluation.")}
    assert used <= FLOORS[floor] | {floor}


@pytest.mark.parametrize("path", sorted((SOURCE / "methods").glob("*.py")), ids=lambda p: p.name)
def test_methods_never_import_methods(path):
    others = {p.stem for p in (SOURCE / "methods").glob("*.py")} - {"base", "__init__"}
    used = {n.split(".")[2] for n in imports(path) if n.startswith("radseg.methods.")}
    assert not used & others - {path.stem}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_one_module_tells_the_kinds_of_weights_apart(path):
    """A chain that asks a row for its kind is a table that belongs into presets/parts.py."""
    if path == SOURCE / "presets" / "parts.py":
        return
    compared = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Compare)]
    asked = [n for n in compared if isinstance(n.left, ast.Attribute) and n.left.attr == "kind"]
    constants = (c for n in asked for one in n.comparators for c in ast.walk(one))
    named = {c.value for c in constants if isinstance(c, ast.Constant)}
    assert len(named & set(get_args(Kind))) < 2


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_nothing_at_run_time_needs_the_training(path):
    assert not [name for name in imports(path) if name.split(".")[0] in ("training", "parity", "benchmarks")]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_no_file_is_longer_than_400_lines(path):
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_no_function_is_longer_than_60_lines(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            first = node.body[0]
            documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            start = node.body[1].lineno if documented and len(node.body) > 1 else first.lineno
            assert (node.end_lineno or 0) - start < 60, f"{node.name} is too long"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_forbidden_words_do_not_occur(path):
    tree = ast.parse(path.read_text())
    attributes = {f"{ast.unparse(n)}" for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    for name in (
        "sys.path",
        "torch.hub",
        "pickle.load",
        "pickle.loads",
        "torch.autocast",
        "torch.inference_mode",  # `inference` does the same and switches a caller's autocast off
        "types.MethodType",
    ):
        assert name not in attributes or (name in OF_THE_BORDER and path == SOURCE / "ops" / "inference.py")
    keywords = {
        (k.arg, ast.unparse(k.value)) for n in ast.walk(tree) if isinstance(n, ast.Call) for k in n.keywords
    }
    assert ("trust_remote_code", "True") not in keywords
    assert ("weights_only", "False") not in keywords
    assert not any(isinstance(n, ast.ExceptHandler) and n.type is None for n in ast.walk(tree)), "bare except"
    future = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module == "__future__"]
    assert not future, "jaxtyping's checks are skipped silently under postponed annotations"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_print_is_for_the_command_line(path):
    if part_of(path) == "cli":
        return
    called = {n.func.id for n in ast.walk(ast.parse(path.read_text())) if _is_named_call(n)}
    assert "print" not in called


def _is_named_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def test_every_module_says_what_it_is():
    for path in FILES:
        docstring = ast.get_docstring(ast.parse(path.read_text()))
        assert docstring, f"{path} has no docstring"
        assert len(docstring.splitlines()) <= 14, f"{path}: the module docstring is an essay"


@pytest.mark.parametrize(
    "module", ["radseg", "radseg.cli", "radseg.weights.config", "radseg.weights.catalog"]
)
def test_light_modules_load_nothing_heavy(module):
    code = f"import sys, {module}; print(sorted(set(m.split('.')[0] for m in sys.modules) & {HEAVY!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_path_or_host_of_this_machine_is_in_the_repository():
    root = SOURCE.parents[1]
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=False)
    for name in listed.stdout.split():
        path = root / name
        if path.suffix in {".py", ".md", ".toml", ".txt", ".yml", ""} and path.is_file():
            text = path.read_text(errors="ignore")
            for trace in ("/work" + "/", "/opt/" + "pypi", "/opt/" + "wheels", "/root" + "/"):
                assert trace not in text, f"{name} names {trace}"


def test_a_bare_import_in_the_tests_means_one_file():
    """pytest puts a folder of tests that is no package first in the search path: its files shadow others."""
    tests = SOURCE.parents[1] / "tests"
    searched = {
        file.parent for file in tests.rglob("test_*.py") if not (file.parent / "__init__.py").exists()
    }
    searched |= {tests, tests / "builders"}
    found: dict[str, list[Path]] = {}
    for folder in searched:
        for file in folder.glob("*.py"):
            if file.stem != "conftest":
                found.setdefault(file.stem, []).append(file.relative_to(tests))
    assert {name: files for name, files in found.items() if len(files) > 1} == {}
