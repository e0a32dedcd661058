"""Public names are the field's words: the private dialect that a glossary replaced does not come back."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "radseg"
FILES = sorted(SOURCE.rglob("*.py"))

# A word of a name, whatever stands beside it: what to say instead.
WORDS = {
    **dict.fromkeys(("picture", "pictures", "pictured"), "image"),
    **dict.fromkeys(("helper", "helpers"), "auxiliary weights"),
    **dict.fromkeys(("mend", "mends", "mended", "mending"), "corrected"),
    **dict.fromkeys(("thing", "things"), "object, instance"),
    **dict.fromkeys(("likeness", "likenesses"), "similarity"),
    **dict.fromkeys(("quantum", "quanta"), "size_divisor, feature_stride"),
    **dict.fromkeys(("pupil", "pupils"), "student"),
    **dict.fromkeys(("album", "albums"), "dataset"),
    **dict.fromkeys(("tally", "tallies"), "counts"),
    **dict.fromkeys(("obtain", "obtained"), "ensure_downloaded"),
    "told": "reporter",
    "words": "prompts; text encoder",
}
# A part of a name in snake case, and the beginning of one.
PARTS = {
    "number_type": "dtype",
    "is_here": "is_cached",
    "focal_x": "fx",
    "focal_y": "fy",
    "centre_x": "cx",
    "centre_y": "cy",
    "environment_failure": "ResourceError",
}
PREFIXES = {"least": "min", "most": "max"}
# A whole name of one kind.
WHOLE = {
    "class": {
        **dict.fromkeys(
            ("Typed", "Chosen", "Found", "Coarse"), "a noun: Selection, SearchResult, CoarseResult"
        ),
        "Terms": "DownloadOptions",
    },
    "function": {"look": "encode, render, validate", "finish": "decode, decide, postprocess"},
    "variable": {"heat": "score, probability"},
    "key": {"heat": "score, probability"},
}
ALLOWED = {
    (
        "miniature/text_tower.py",
        "words",
    ): "the miniature's tokenizer has a list of single words, and its file too",
}


def snake(name: str) -> str:
    """Return a name of any case in snake case."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return spaced.strip("-").replace("-", "_").lower()


def names_of(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield (kind, name) of what a module defines: classes, functions, variables, string keys, options."""
    for node in ast.walk(tree):
        yield from _names_of_node(node)
    for node in getattr(tree, "body", ()):  # constants of the module
        if isinstance(node, ast.Assign):
            yield from (("variable", t.id) for t in node.targets if isinstance(t, ast.Name))


def _names_of_node(node: ast.AST) -> list[tuple[str, str]]:
    match node:
        case ast.ClassDef(name=name):
            return [("class", name)]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return [("function", name)]
        case (
            ast.arg(arg=name)
            | ast.Attribute(attr=name, ctx=ast.Store())
            | ast.AnnAssign(target=ast.Name(id=name))
        ):
            return [("variable", name)]
        case ast.Dict(keys=keys):
            values = [key.value for key in keys if isinstance(key, ast.Constant)]
            return [("key", value) for value in values if isinstance(value, str)]
        case ast.Constant(value=str(text)) if re.fullmatch(r"--[a-z][a-z-]*(/--[a-z-]+)?", text):
            return [("option", option) for option in text.split("/")]
    return []


def better(kind: str, name: str) -> str | None:
    """Return what to say instead of a name's forbidden word, None if it has none."""
    plain = snake(name)
    parts = plain.split("_")
    for word in parts:
        if word in WORDS:
            return WORDS[word]
    for part, instead in PARTS.items():
        if f"_{part}_" in f"_{plain}_":
            return instead
    if len(parts) > 1 and parts[0] in PREFIXES:
        return f"{PREFIXES[parts[0]]}_{'_'.join(parts[1:])}"
    return WHOLE.get(kind, {}).get(name)


def is_public(kind: str, name: str) -> bool:
    """Whether a name is seen from outside; of keys only those that are names."""
    return re.fullmatch(r"[A-Za-z][\w-]*", name) is not None if kind == "key" else not name.startswith("_")


def offenders(path: Path) -> dict[str, str]:
    """Return the forbidden names of a file and what to say instead."""
    where = path.relative_to(SOURCE).as_posix()
    defined = [("module", part) for part in where.removesuffix(".py").split("/")]
    defined += names_of(ast.parse(path.read_text()))
    found = {name: better(kind, name) for kind, name in defined if is_public(kind, name)}
    return {name: instead for name, instead in found.items() if instead and (where, name) not in ALLOWED}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_public_names_are_the_fields_words(path):
    found = offenders(path)
    assert not found, f"say instead: {found}"


@pytest.mark.parametrize(("where", "name"), ALLOWED)
def test_every_allowed_exception_is_still_there(where, name):
    assert name in {one for _, one in names_of(ast.parse((SOURCE / where).read_text()))}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("class", "PictureOfRoom"),
        ("class", "Chosen"),
        ("class", "EnvironmentFailure"),
        ("function", "look"),
        ("function", "map_words"),
        ("variable", "least_voxels"),
        ("variable", "NUMBER_TYPE"),
        ("variable", "focal_x"),
        ("option", "--helper"),
        ("option", "--least-voxels"),
        ("key", "heat"),
    ],
)
def test_a_word_of_the_private_dialect_is_noticed(kind, name):
    assert better(kind, name)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("function", "heat_map"), ("variable", "finish"), ("variable", "chosen"), ("class", "CoarseResult")],
)
def test_ordinary_english_is_no_offence(kind, name):
    assert better(kind, name) is None
