"""`radseg eval`: a labelled dataset in, its scores and everything that decided them out."""

import json
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radseg.cli import options
from radseg.cli.failures import ExitCode, emit, printable
from radseg.cli.model_options import ModelChoice, takes_model
from radseg.cli.segment import Overwrite, Resume, existing, resume_command, terminated_like_interrupted
from radseg.errors import InputError
from radseg.files import counted

if TYPE_CHECKING:
    from radseg.datasets.base import ImageSet
    from radseg.evaluation.images.result import EvalResult
    from radseg.evaluation.images.run import Outcome
    from radseg.evaluation.images.sets import Selection
    from radseg.jobs.folder import OnExisting

_SET = "Dataset"
_RUN = "Run"
_LISTED = 20
DEFAULT = "radseg-b"

HANDLERS: dict[str, str] = {
    "replica": "radseg.cli.eval_maps:evaluate_maps",
    "scannet": "radseg.cli.eval_maps:evaluate_maps",
    "scannetpp": "radseg.cli.eval_maps:evaluate_maps",
    "walks": "radseg.cli.eval_maps:evaluate_maps",
}
"""Datasets that another module evaluates: name to "module:function", from an EvalChoice to an exit code."""

Dataset = Annotated[
    str,
    typer.Argument(
        metavar="DATASET",
        help="voc20, context59, cocostuff, ade20k, cityscapes, cocopanoptic; folder: your own images and "
        "labels; miniature: rendered rooms, needs no data. In 3D: replica, scannet, scannetpp; walks: "
        "through rendered rooms.",
        show_default=False,
    ),
]
Data = Annotated[
    Path | None, typer.Option("--data", help="Folder of the dataset, or one above it.", rich_help_panel=_SET)
]
Check = Annotated[
    bool, typer.Option("--check", help="Only verify counts, files and labels.", rich_help_panel=_SET)
]
Partial = Annotated[
    bool,
    typer.Option(
        "--partial", help="Accept fewer images than the dataset officially has.", rich_help_panel=_SET
    ),
]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, help="Only the first images.", rich_help_panel=_SET)
]
Classes = Annotated[
    Path | None,
    typer.Option(
        "--classes", help="Names to ask for, one class a line; folder: its classes.", rich_help_panel=_SET
    ),
]
Ignore = Annotated[
    list[int] | None,
    typer.Option("--ignore", help="folder: a label that is not judged, beside 255.", rich_help_panel=_SET),
]
FirstLabel = Annotated[
    int | None,
    typer.Option(
        "--first-label", min=0, max=1, help="folder: label of the first class: 0, or 1 where 0 is none.",
        rich_help_panel=_SET,
    ),
]  # fmt: skip
ProtocolOption = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        help="low, mid, high, …-released, …-patch; own: images at their own size. 3D: features, "
        "probabilities, each also …-published. "
        "Default: mid; own for folder and miniature.",
        show_default=False,
    ),
]
Objects = Annotated[
    bool,
    typer.Option(
        "--objects", help="Judge objects too: AP and panoptic quality; miniature, cocopanoptic, "
        "walks, scannet.",
        rich_help_panel=_RUN,
    ),
]  # fmt: skip
Output = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", help="Folder for the result. Default: radseg-eval/DATASET-PROTOCOL-PRESET.",
        rich_help_panel=_RUN, show_default=False,
    ),
]  # fmt: skip
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard", metavar="I/N", help="Do part I of N; under torchrun and srun each process does its own.",
        rich_help_panel=_RUN,
    ),
]  # fmt: skip
Merge = Annotated[
    bool, typer.Option("--merge", help="Only sum up finished shards.", rich_help_panel=_RUN)
]  # fmt: skip


@dataclass(frozen=True)
class EvalChoice:
    """What the command line asks for, for the handlers of other kinds of datasets; None is "not given"."""

    images: "Selection"
    choice: ModelChoice
    protocol: str | None
    output: Path | None
    existing: "OnExisting"
    check: bool
    shard: str | None
    merge: bool
    objects: bool
    log_format: options.LogFormat
    quiet: bool
    keep_paths: bool


@takes_model("model", "templates", "method", "weights", "auxiliary", "device", "memory", default=DEFAULT)
def evaluate(
    dataset: Dataset,
    choice: ModelChoice,
    data: Data = None,
    protocol: ProtocolOption = None,
    check: Check = False,
    partial: Partial = False,
    limit: Limit = None,
    classes: Classes = None,
    ignore: Ignore = None,
    first_label: FirstLabel = None,
    output: Output = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    shard: ShardOption = None,
    merge: Merge = False,
    keep_paths: options.KeepPaths = False,
    objects: Objects = False,
    log_format: options.LogFormat = "text",
    quiet: options.Quiet = False,
) -> None:
    """Measure a model on labelled images, as the paper does.

    The result holds scores with intervals, the confusion matrix and every choice behind them.

    Example: radseg eval ade20k --data ADEChallengeData2016 --protocol mid
    """
    if merge and overwrite:
        raise InputError("--merge sums up what is done and --overwrite deletes it; use one of them.")
    from radseg.evaluation.images.sets import Selection

    chosen = EvalChoice(
        images=Selection(dataset, data, partial, limit, classes, ignore, first_label),
        choice=choice,
        protocol=protocol,
        output=output,
        existing=existing(resume=resume, overwrite=overwrite),
        check=check,
        shard=shard,
        merge=merge,
        objects=objects,
        log_format=log_format,
        quiet=quiet,
        keep_paths=keep_paths,
    )
    if dataset in HANDLERS:
        module, _, function = HANDLERS[dataset].partition(":")
        code = getattr(import_module(module), function)(chosen)
    else:
        code = _check(chosen) if check else _run(chosen)
    if code:
        raise typer.Exit(code)


def _run(chosen: EvalChoice) -> int:
    from radseg.cli.downloads import download_reporter
    from radseg.cli.reporters import reporter
    from radseg.evaluation.images.request import EvalRequest
    from radseg.evaluation.images.run import run_evaluation
    from radseg.evaluation.images.sets import default_protocol, open_set, vocabulary_of
    from radseg.evaluation.images.shards import launched_shard, parse_shard
    from radseg.evaluation.paper.protocols import protocol

    selection = chosen.images
    images = open_set(selection)
    row = protocol(selection.dataset, chosen.protocol or default_protocol(selection.dataset))
    model = chosen.choice.spec(default=DEFAULT, defaults=row.options)
    folder = chosen.output or Path("radseg-eval") / f"{selection.dataset}-{row.name}-{model.name}"
    request = EvalRequest(
        images=images,
        protocol=row,
        model=model,
        output=folder,
        existing=chosen.existing,
        shard=launched_shard() if chosen.shard is None else parse_shard(chosen.shard),
        limit=selection.limit,
        vocabulary=vocabulary_of(selection),
        merge_only=chosen.merge,
        data=selection.data,
        keep_paths=chosen.keep_paths,
        objects=chosen.objects,
    )
    with terminated_like_interrupted():
        command = resume_command(sys.argv[1:], folder)
        events = reporter(chosen.log_format, quiet=chosen.quiet, resume=command)
        outcome = run_evaluation(request, events, download_reporter(chosen.log_format, quiet=chosen.quiet))
    if not chosen.quiet:
        _show(outcome, folder, chosen.log_format)
    failed = outcome.result is not None and outcome.result.images.failed
    return ExitCode.SOME_FAILED if failed else ExitCode.DONE


def _check(chosen: EvalChoice) -> int:
    """Read every image that would be evaluated and say what is wrong with the set."""
    from dataclasses import asdict

    from radseg.datasets.check import check_set
    from radseg.evaluation.images.sets import open_set, shortfall

    selection = chosen.images
    images: ImageSet = open_set(selection, partial=True)
    report = check_set(images, limit=selection.limit)
    lacking = () if selection.partial else shortfall(selection)
    problems = [*lacking, *report.problems.values()]
    if chosen.log_format == "json":
        emit(event="check", dataset=selection.dataset, shortfall=lacking, **asdict(report))
    else:
        typer.echo(
            f"{images.name}, {images.split}: {counted(report.images, 'image')} read, "
            f"{len(images.names)} classes,"
        )
        typer.echo(f"{report.judged:.1%} of the pixels are judged.")
        if report.absent:
            typer.echo(printable(f"Classes in no image: {', '.join(report.absent[:_LISTED])}."))
        for line in problems[:_LISTED]:
            typer.echo(printable(f"  {line}"), err=True)
        if len(problems) > _LISTED:
            typer.echo(f"  … {len(problems) - _LISTED} more", err=True)
        typer.echo("Ready to evaluate." if not problems else f"{counted(len(problems), 'problem')}.")
    return ExitCode.SOME_FAILED if problems else ExitCode.DONE


def _show(outcome: "Outcome", folder: Path, log_format: str) -> None:
    """Print the scores, or how many images other shards still have."""
    result = outcome.result
    if log_format == "json":
        scores = None if result is None else json.loads(result.to_json())["scores"]
        emit(event="result", missing=outcome.missing, scores=scores, folder=str(folder))
    elif result is None:
        typer.echo(
            f"{counted(outcome.missing, 'image')} left to other shards; the last to end writes the result."
        )
    else:
        for line in score_lines(result):
            typer.echo(printable(line))


def score_lines(result: "EvalResult") -> list[str]:
    """Return the scores in per cent with their intervals, one a line."""
    from radseg.evaluation.images.objects import SCORE_TITLES

    lines = [f"{result.dataset}, {result.split}, protocol {result.protocol['name']}, {result.preset}:"]
    titles = {
        "miou": "mIoU",
        "fmiou": "f-mIoU",
        "pixel_accuracy": "pixel accuracy",
        "mean_accuracy": "class accuracy",
        "boundary_iou": "boundary IoU",
        **SCORE_TITLES,
    }
    for name, title in titles.items():
        if name not in result.scores:  # objects were not judged, or there are none
            continue
        score = result.scores[name]
        line = f"  {title:15}{100 * score.value:6.2f} %"
        if score.low is not None and score.high is not None:
            line += f"  [{100 * score.low:.2f}, {100 * score.high:.2f}]"
        lines.append(line)
    seconds, done = result.seconds, result.images.done
    lines.append(
        f"  {counted(done, 'image')}, {seconds.per_image:.2f} s each in the model, "
        f"{done / max(seconds.loop, 1e-9):.3g} images/s"
    )
    return lines
