"""The house rules that a machine can check: who imports whom, how long files are, what is never written."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "radseg"
FILES = sorted(SOURCE.rglob("*.py"))

# What each part may import of radseg; those in OPEN are open to all.
OPEN = {"types", "errors", "files", "ops", "modes"}
ALLOWED = {
    "types": {"errors"},
    "errors": set(),
    "files": {"errors"},
    "jobs": set(),
    "ops": {"types", "errors"},
    "colours": set(),
    "nn": set(),
    "weights": set(),
    "text": {"io"},
    "io": {"colours"},
    "visual": {"colours", "io"},
    "export": {"colours", "io"},
    "result": {"colours", "io", "visual", "export"},
    "scoring": set(),
    "models": {"nn", "weights", "text"},
    "methods": {"models", "nn"},
    "refine": {"models", "methods", "scoring", "nn", "weights"},
    "segment": {"io", "result", "scoring", "methods", "refine", "text"},
    "testing": {"text"},
    "miniature": {
        "io",
        "methods",
        "metrics",
        "models",
        "nn",
        "refine",
        "scoring",
        "segment",
        "text",
        "weights",
    },
    "modes": set(),
    "options": {"methods", "text"},
    "preset_table": {"miniature", "options"},
    "preset_methods": {"methods", "models", "nn", "options", "refine"},
    "presets": {
        "preset_methods",
        "preset_table",
        "options",
        "methods",
        "miniature",
        "models",
        "nn",
        "refine",
        "segment",
        "testing",
        "text",
        "weights",
    },
    "runs": {
        "datasets",
        "jobs",
        "preset_methods",
        "preset_table",
        "models",
        "colours",
        "export",
        "io",
        "mapping",
        "methods",
        "miniature",
        "presets",
        "result",
        "segment",
        "text",
        "visual",
        "weights",
    },
    "cli": {
        "jobs",
        "presets",
        "result",
        "runs",
        "text",
        "weights",
        "evaluation",
        "datasets",
        "mapping",
        "viewer",
    },
    "metrics": set(),
    "datasets": {"io"},
    "evaluation": {
        "scoring",
        "colours",
        "datasets",
        "export",
        "io",
        "jobs",
        "metrics",
        "miniature",
        "models",
        "methods",
        "options",
        "preset_methods",
        "presets",
        "runs",
        "segment",
        "text",
        "visual",
        "weights",
        "mapping",
    },
    "viewer": {"colours", "io", "mapping", "visual"},
    "mapping": {"io", "jobs", "scoring"},
}
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
    if part in ("types", "errors", "files", "ops"):
        allowed = ALLOWED[part] | {part}
    used = {name.split(".")[1] for name in imports(path) if name.startswith("radseg.") and "." in name}
    assert used <= allowed, f"{part} must not import {sorted(used - allowed)}"


@pytest.mark.parametrize("path", sorted((SOURCE / "methods").glob("*.py")), ids=lambda p: p.name)
def test_methods_never_import_methods(path):
    others = {p.stem for p in (SOURCE / "methods").glob("*.py")} - {
        "base",
        "last_block",
        "on_radio",
        "proxy_mixing",
        "residual",
        "windowed",
        "windows",
        "__init__",
    }
    used = {n.split(".")[2] for n in imports(path) if n.startswith("radseg.methods.")}
    assert not used & others


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
        "types.MethodType",
    ):
        assert name not in attributes
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
