"""From a request to a result: one process or many, resumable at any moment.

Every process appends to the log of its shard; whichever finds that all images are known writes the result.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from radseg.budget import share_one_arena
from radseg.errors import InputError
from radseg.evaluation.images.counts import ImageCounts
from radseg.evaluation.images.log import FOLDER, Log, LogWriter, known_counts, log_path, read_logs
from radseg.evaluation.images.loop import Stages, count_labels, count_objects, evaluate_images
from radseg.evaluation.images.memory import Weigher
from radseg.evaluation.images.model import load_model, predict, prepare, segmentation, session_facts
from radseg.evaluation.images.objects import class_object_scores, object_scores
from radseg.evaluation.images.request import EvalRequest
from radseg.evaluation.images.resizing import load_opencv
from radseg.evaluation.images.result import CONFUSION_NAME, IMAGES_NAME, RESULT_NAME, EvalResult, Images
from radseg.evaluation.images.summary import class_scores, scores_of, seconds_of, write_result
from radseg.files import clear_parts, counted, make_folder
from radseg.jobs.folder import Report, locked
from radseg.jobs.manifest import Record
from radseg.jobs.progress import RunReporter, announcing_stops
from radseg.jobs.record import parameters_hash, require_same
from radseg.modes import DEFAULT_MEMORY_BUDGET
from radseg.segment import Segmenter
from radseg.types import TextEmbeddings
from radseg.weights.reporters import Reporter

MERGE_LOCK = ".radseg-lock-merge"
Loaded = tuple[Segmenter, TextEmbeddings]


@dataclass(frozen=True)
class Outcome:
    """How a process ended.

    Attributes:
        result: None while other shards still have images to do; `missing` says how many.
        missing: images of the whole set that no shard has done yet.
    """

    result: EvalResult | None
    missing: int


def run_evaluation(request: EvalRequest, reporter: RunReporter[Any], downloads: Reporter) -> Outcome:
    """Evaluate the images of the request's shard and, when all shards are done, write the result.

    Raises:
        InputError: the folder holds an earlier evaluation, its parameters differ, none of the images could be
            evaluated, or the request is not possible.
        MissingExtraError: OpenCV is needed and absent.
        ResourceError: another process does this shard; disk or weights stand in the way.
        KeyboardInterrupt: what is finished is recorded, and `reporter.stopped` was called.
    """
    parameters = request.parameters()
    if request.protocol.short_side is not None:
        load_opencv()
    make_folder(request.output)
    with locked(request.output, f".radseg-lock-{request.shard.name}"):
        logs = earlier_logs(request, parameters)
        own = request.shard.share(request.ids)
        known = known_counts(logs, own)
        todo = [id for id in own if id not in known or known[id].message]
        report = Report((), (), tuple(_record(one) for one in known.values() if not one.message))
        reporter.found(len(own), ())
        if todo and not request.merge_only:
            reporter.loading(request.model.name)
            loaded = load_model(request, downloads)
            reporter.started(len(todo), len(report.earlier), request.output)
            mine = next((log for log in logs if log.path == log_path(request.output, request.shard)), None)
            with announcing_stops(reporter, request.output):
                done, failed = _evaluate(request, loaded, mine, todo, reporter)
            report = Report(tuple(done), tuple(failed), report.earlier)
    with announcing_stops(reporter, request.output):
        outcome = merge(request, parameters)
    extra = () if outcome.result is None else (RESULT_NAME, CONFUSION_NAME, IMAGES_NAME)
    reporter.ended(report, request.output, extra)
    return outcome


def earlier_logs(request: EvalRequest, parameters: dict[str, Any]) -> tuple[Log, ...]:
    """Return the logs that count towards this run, after the rules of `request.existing`."""
    folder, own = request.output, log_path(request.output, request.shard)
    alone = request.shard.count == 1
    if request.existing == "overwrite" and not request.merge_only:
        for path in (folder / FOLDER).glob("*.jsonl"):
            # Logs of this division may be those of shards that run now; all others would count as done.
            if alone or path == own or not path.stem.endswith(f"-of-{request.shard.count}"):
                path.unlink(missing_ok=True)
        for name in (RESULT_NAME, CONFUSION_NAME, IMAGES_NAME):
            (folder / name).unlink(missing_ok=True)
        return ()
    logs = read_logs(folder)
    in_the_way = [log for log in logs if alone or log.path == own]
    if (
        request.existing == "refuse"
        and not request.merge_only
        and (in_the_way or _foreign_result(folder, logs))
    ):
        raise InputError(
            f"{folder} holds an earlier evaluation. Continue it with --resume, start it again with "
            "--overwrite, or choose another folder with -o."
        )
    for log in logs:
        require_same(log.parameters, parameters)
    return logs


def merge(request: EvalRequest, parameters: dict[str, Any]) -> Outcome:
    """Write the result if every image of every shard is known, and return it.

    Raises:
        InputError: `merge_only`, and images are missing; or not one image could be evaluated.
    """
    folder = request.output
    with locked(folder, MERGE_LOCK, wait=60):  # two shards may end at the same moment
        same = parameters_hash(parameters)
        logs = [log for log in read_logs(folder) if parameters_hash(log.parameters) == same]
        known = known_counts(logs, request.ids)
        missing = [id for id in request.ids if id not in known]
        if missing and request.merge_only:
            raise InputError(
                f"{len(missing)} of {len(request.ids)} images are not done yet, such as {missing[0]}, "
                f"so {folder} cannot be merged. Run the missing shards, or do the rest here with --resume."
            )
        if missing:
            return Outcome(None, len(missing))
        clear_parts(folder)
        counts = tuple(known.values())
        result = result_of(request, counts, [s for log in logs for s in log.sessions])
        write_result(folder, result, counts)
        return Outcome(result, 0)


def result_of(
    request: EvalRequest, counts: Sequence[ImageCounts], sessions: Sequence[Mapping[str, Any]]
) -> EvalResult:
    """Return the result from all counts; `sessions` are what the processes found out, at least one."""
    done = [one for one in counts if not one.message]
    failed = {one.id: one.message for one in counts if one.message}
    if not done:
        first = next(iter(failed.values()), "there are no images")
        raise InputError(f"None of {counted(len(counts), 'image')} could be evaluated; the first: {first}")
    judged = [one.objects for one in done if one.objects is not None]
    environments = [session["environment"] for session in sessions]
    others = [e for e in environments[1:] if e != environments[0]]
    return EvalResult(
        dataset=request.images.name,
        split=request.images.split,
        protocol=request.protocol.as_dict(),
        preset=request.model.name,
        options=asdict(request.model.options),
        model=sessions[0]["model"],
        names=tuple(map(", ".join, request.prompts.phrases)),
        per_class=class_scores(done, request.images.names),
        scores=scores_of(done, len(request.images.names)) | object_scores(judged, request.stuff),
        images=Images(len(counts), len(done), failed),
        seconds=seconds_of(counts),
        objects=class_object_scores(judged, request.images.names, request.stuff),
        environment={**environments[0], "processes": len(sessions), **({"others": others} if others else {})},
        data=os.path.abspath(request.data) if request.keep_paths and request.data else None,  # noqa: PTH100
    )


def _evaluate(
    request: EvalRequest, loaded: Loaded, earlier: Log | None, todo: Sequence[str], reporter: RunReporter[Any]
) -> tuple[list[Record], list[Record]]:
    """Do the images of `todo`; return the records of those done and failed."""
    segmenter, text = loaded
    read, classes = partial(prepare, request.images, request.protocol), len(request.images.names)
    stages_of: Callable[..., Stages[Any]]
    if request.objects:
        count_all: Callable[..., ImageCounts] = partial(count_objects, stuff=request.stuff)
        whole = [name for name, is_stuff in zip(text.names, request.stuff, strict=True) if is_stuff]
        segmenter = segmenter.with_objects(whole)
        stages_of = partial(Stages, read, partial(segmentation, segmenter, text), count=count_all)
    else:
        count: Callable[..., ImageCounts] = partial(count_labels, classes=classes)
        stages_of = partial(Stages, read, partial(predict, segmenter, text), count=count)
    if segmenter.memory_budget != DEFAULT_MEMORY_BUDGET:
        share_one_arena()
    done: list[Record] = []
    failed: list[Record] = []
    path, session = log_path(request.output, request.shard), session_facts(segmenter, request)
    with LogWriter(path, request.parameters(), session, earlier) as log:
        stages = stages_of(
            store=log.add,
            folders=(request.output,) if request.data is None else (request.data, request.output),
            weigh=Weigher(request.images, request.protocol, segmenter, text),
            memory=segmenter.memory_budget,
        )
        for counts in evaluate_images(todo, stages):
            record = _record(counts)
            (failed if counts.message else done).append(record)
            reporter.finished(record, None)
    return done, failed


def _record(counts: ImageCounts) -> Record:
    """Return the counts of an image as reporters take them."""
    return Record(
        source=counts.id,
        name=counts.id,
        size=0,
        mtime_ns=0,
        status="failed" if counts.message else "done",
        outputs=(),
        seconds=counts.model_seconds,
        parameters="",
        message=counts.message,
    )


def _foreign_result(folder: Path, logs: Sequence[Log]) -> bool:
    return not logs and (folder / RESULT_NAME).exists()
