"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from radseg.cli.model_options import PROMPTS
from radseg.errors import InputError
from radseg.text.vocabulary import Vocabulary

Prompts = Annotated[
    list[str] | None,
    typer.Option(
        "-p",
        "--prompt",
        help='Names, comma separated: "sky, grass, sheep". May be given several times.',
        rich_help_panel=PROMPTS,
    ),
]
Classes = Annotated[
    Path | None,
    typer.Option(
        "--classes",
        help="File of names: one class a line, synonyms after it with ', '; or JSON, YAML, a label map.",
        rich_help_panel=PROMPTS,
    ),
]
AcceptLicense = Annotated[
    bool,
    typer.Option(
        "--accept-license", help="Accept the licence of weights that need it (radseg models license)."
    ),
]
KeepPaths = Annotated[
    bool,
    typer.Option(
        "--keep-paths",
        help="Store where the data lies on this disk; otherwise no file names a folder of it.",
        rich_help_panel="Run",
    ),
]
LogFormat = Annotated[
    Literal["text", "json"],
    typer.Option(
        "--log-format", help="text for people, json for programs: one object a line on standard output."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


def vocabulary_of(prompts: list[str] | None, classes: Path | None) -> Vocabulary | None:
    """Return the prompts of -p or --classes; None when neither is given.

    Raises:
        InputError: both are given.
        VocabularyError: an empty, repeated, or unusable name.
    """
    if prompts and classes:
        raise InputError("Both -p and --classes are given; use one of them.")
    if classes:
        return Vocabulary.read(classes)
    if not prompts:
        return None
    return Vocabulary(tuple(group for text in prompts for group in Vocabulary.parse(text).phrases))
