"""`radseg text`: prompts embedded once, into a pack that needs no text tower afterwards."""

from pathlib import Path
from typing import Annotated

import typer

from radseg.cli import options
from radseg.cli.failures import emit, printable
from radseg.cli.model_options import PROMPTS, ModelChoice, takes_model
from radseg.errors import InputError
from radseg.files import counted


@takes_model("model", "templates", "weights", "auxiliary", "device")
def text(
    output: Annotated[Path, typer.Option("-o", "--output", help="The pack to write.", show_default=False)],
    choice: ModelChoice,
    prompts: options.Prompts = None,
    classes: options.Classes = None,
    contrast: Annotated[
        bool,
        typer.Option(
            "--contrast/--no-contrast",
            help="Include the contrast bank; without it only --mode assign works.",
            rich_help_panel=PROMPTS,
        ),
    ] = True,
    log_format: options.LogFormat = "text",
    quiet: options.Quiet = False,
) -> None:
    """Embed prompts into a vocabulary pack.

    `radseg segment --vocabulary PACK` then needs no text tower: for robots, edge devices, offline machines.

    Example: radseg text -p "sky, grass, sheep" -o farm.safetensors
    """
    from radseg.cli.downloads import download_reporter
    from radseg.runs.packs import PackRequest, make_pack

    vocabulary = options.vocabulary_of(prompts, classes)
    if vocabulary is None:
        raise InputError("Say which prompts to embed with -p or --classes.")
    if output.suffix != ".safetensors":
        raise InputError(f"The pack {output} must end in .safetensors.")
    request = PackRequest(
        prompts=vocabulary,
        output=output,
        model=choice.spec(quiet=quiet),
        contrast=contrast,
    )
    pack = make_pack(request, download_reporter(log_format, quiet=quiet))
    names, space = pack.embeddings.names, pack.embeddings.space
    if log_format == "json":
        facts = {"output": str(output), "names": list(names), "space": space, "contrast": contrast}
        emit(event="pack", **facts)
    elif not quiet:
        typer.echo(printable(f"{output}: {counted(len(names), 'name')} in the space {space}. Use it with:"))
        own = f" --checkpoint {request.model.checkpoint}" if request.model.checkpoint else ""
        model = f"-m {request.model.name}{own}"
        typer.echo(printable(f"  radseg segment photo.jpg --vocabulary {output} {model}"))
