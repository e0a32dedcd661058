"""`radseg text`: vocabulary embedded once, into a pack that needs no text tower afterwards."""

import json
from pathlib import Path
from typing import Annotated

import typer

from radseg.cli import options
from radseg.cli.failures import printable
from radseg.errors import InputError


def text(
    output: Annotated[Path, typer.Option("-o", "--output", help="The pack to write.", show_default=False)],
    prompts: options.Prompts = None,
    classes: options.Classes = None,
    templates: options.Templates = None,
    text_tower: options.TextTower = None,
    contrast: Annotated[
        bool,
        typer.Option(
            "--contrast/--no-contrast",
            help="Include the contrast bank; without it only --mode assign works.",
            rich_help_panel=options.WORDS,
        ),
    ] = True,
    model: options.Model = None,
    device: options.Device = "cpu",
    accept_license: options.AcceptLicense = False,
    log_format: options.LogFormat = "text",
    quiet: options.Quiet = False,
) -> None:
    """Embed vocabulary into a vocabulary pack.

    `radseg segment --vocabulary PACK` then needs no text tower: for robots, edge devices, offline machines.

    Example: radseg text -p "sky, grass, sheep" -o farm.safetensors
    """
    from radseg.cli.downloads import fetching
    from radseg.runs.packs import PackRequest, make_pack

    vocabulary = options.vocabulary_of(prompts, classes)
    if vocabulary is None:
        raise InputError("Say which prompts to embed with -p or --classes.")
    if output.suffix != ".safetensors":
        raise InputError(f"The pack {output} must end in .safetensors.")
    model = options.chosen_model(model, quiet=quiet)
    request = PackRequest(
        prompts=vocabulary,
        output=output,
        model=model,
        templates=templates,
        contrast=contrast,
        device=device,
        text_tower=text_tower,
        accept_license=accept_license,
    )
    pack = make_pack(request, fetching(log_format, quiet=quiet))
    names, space = pack.embeddings.names, pack.embeddings.space
    if log_format == "json":
        facts = {"output": str(output), "names": list(names), "space": space, "contrast": contrast}
        typer.echo(json.dumps({"event": "pack", **facts}))
    elif not quiet:
        typer.echo(printable(f"{output}: {len(names)} names in the space {space}. Use it with:"))
        typer.echo(printable(f"  radseg segment photo.jpg --vocabulary {output} -m {model}"))
