"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from radseg.errors import InputError
from radseg.text.vocabulary import Vocabulary

PROMPTS = "Prompts"

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
        help="File of names: one class a line, synonyms after it with ', '.",
        rich_help_panel=PROMPTS,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--model",
        "--preset",
        help="A model by name (radseg models list), or the path of a checkpoint. Default: radseg-b or "
        "another whose weights are here; where none are, the embedded miniature.",
    ),
]
Templates = Annotated[
    str | None,
    typer.Option(
        "--templates",
        help="Sentences around each name: imagenet80 (default), imagenet7, simple, none.",
        rich_help_panel=PROMPTS,
    ),
]
TextTower = Annotated[
    Path | None,
    typer.Option(
        "--text-tower", help="Folder of the text tower, if not from the cache.", rich_help_panel=PROMPTS
    ),
]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, mps.", rich_help_panel="Machine")]
AcceptLicense = Annotated[
    bool,
    typer.Option(
        "--accept-license",
        help="Accept the licence of weights that need it (radseg models license).",
        rich_help_panel="Machine",
    ),
]
LogFormat = Annotated[
    Literal["text", "json"],
    typer.Option(
        "--log-format", help="text for people, json for programs: one object a line on standard output."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


def chosen_model(typed: str | None, *, quiet: bool) -> str:
    """Return the model to use; where nobody named one and no weights are here, say what is used instead."""
    if typed is not None:
        return typed
    from radseg.runs.models import default_model

    model = default_model()
    if not model.weights and not quiet:
        typer.echo(
            f"No weights are here, so this uses the {model.note}. For photos add -m radseg-b: it is fetched "
            "once and is the default from then on.",
            err=True,
        )
    return model.name


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
