"""An evaluation in 3D: every scene of a set, one result each as it is done, then the mean beside the paper's.

The score of a set is the plain mean over its scenes (mapping spec 3.8), not a pooled count.
"""

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import radseg
from radseg.errors import CheckpointError, InputError, RadsegError
from radseg.evaluation.images.objects import SCORE_TITLES, ObjectCounts, object_scores
from radseg.evaluation.maps.object_truth import count_objects, object_classes, object_truth
from radseg.evaluation.maps.scenes import SceneResult, evaluate_scene
from radseg.evaluation.maps.sets import Scene, open_scene, scenes_of
from radseg.evaluation.paper.map_protocols import MAP_PROTOCOLS, MapProtocol, Space, row_of
from radseg.files import bytes_of, counted, json_of, make_folder, without_folders, write_bytes
from radseg.jobs.folder import OnExisting, locked
from radseg.jobs.record import require_same
from radseg.presets.load import fetch_and_load
from radseg.presets.spec import ModelSpec
from radseg.presets.table import Preset
from radseg.runs.lifting import encoder_of, feature_mapper, probability_mapper
from radseg.runs.map_query import alignment
from radseg.weights.reporters import Reporter

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from radseg.mapping.aligned import Align
    from radseg.mapping.mapper import Mapper
    from radseg.segment import Segmenter

FORMAT = "radseg-map-eval/1"
RESULT, PARAMETERS, SCENES = "result.json", "parameters.json", "scenes"
SCORES = ("miou", "fmiou", "accuracy")


@dataclass(frozen=True)
class MapEvalRequest:
    """One evaluation in 3D.

    Attributes:
        protocol: a row of MAP_PROTOCOLS, possibly with published rules.
        space: what is averaged in the voxels.
        data: root folder of the set; None for one that is rendered.
        model: with the protocol's options among its own: `model_spec(…, defaults=model_options(protocol))`.
        limit: only the first scenes.
        partial: accept a set that lacks scenes.
        keep_paths: whether the result names the root folder; else no file that is written does.
        objects: judge objects too.
    """

    protocol: MapProtocol
    space: Space
    data: Path | None
    model: ModelSpec
    output: Path
    existing: OnExisting = "refuse"
    limit: int | None = None
    partial: bool = False
    keep_paths: bool = False
    objects: bool = False


def parse_protocol(dataset: str, name: str | None) -> tuple[MapProtocol, Space]:
    """Return the row of a set and the space that `--protocol` names.

    "features" (default) and "probabilities" use the clean rules; "-published" after it uses RayFronts'.

    Raises:
        InputError: another name.
    """
    space, _, rules = (name or "features").partition("-")
    if space not in ("features", "probabilities") or rules not in ("", "published"):
        raise InputError(
            f"There is no protocol {name!r} in 3D; choose features, probabilities, features-published or "
            "probabilities-published."
        )
    row = MAP_PROTOCOLS[dataset]
    chosen: Space = "features" if space == "features" else "probabilities"
    return (replace(row, rules="published") if rules else row), chosen


def model_options(protocol: MapProtocol) -> Callable[[Preset], dict[str, Any]]:
    """Return what gives options in place of a preset's: the protocol sizes the images and sets the step."""

    def options(preset: Preset) -> dict[str, Any]:
        if protocol.source == "rendered":
            return {}
        sizes: dict[str, Any] = {"short_side": None, "long_side": None}
        return sizes | ({"stride": protocol.stride} if preset.published else {})

    return options


def run_map_evaluation(
    request: MapEvalRequest, reporter: Callable[[str], None], downloads: Reporter
) -> dict[str, Any]:
    """Evaluate all scenes that are not done yet and return the result, which is written too.

    A scene that fails is recorded with its reason and the others go on. `reporter` is given a line per scene.

    Raises:
        InputError: the folder holds another evaluation, no scene could be evaluated, or objects are to be
            judged where nobody knows the true ones or the map is of probabilities.
        MissingFileError: scenes are missing.
    """
    names = scenes_of(request.protocol, request.data, partial=request.partial)[: request.limit]
    if request.objects:
        object_classes(request.protocol)
        if request.space != "features":
            raise InputError("--objects asks a map of features; leave out --protocol probabilities.")
    make_folder(request.output)
    with locked(request.output):
        _claim(request)
        segmenter = fetch_and_load(request.model, downloads)
        for i, name in enumerate(names):
            file = request.output / SCENES / f"{name}.json"
            if _done(file):
                continue
            entry = _scene_entry(request, segmenter, name)
            file.parent.mkdir(exist_ok=True)
            _write_json(file, entry)
            reporter(f"[{i + 1}/{len(names)}] {_line(entry)}")
        entries = [_read_json(request.output / SCENES / f"{name}.json") for name in names]
        result = _summary(request, segmenter, entries)
        _write_json(request.output / RESULT, result)
    return result


def result_lines(result: Mapping[str, Any]) -> list[str]:
    """Return scores per scene, their mean and the paper's values, in per cent."""
    lines = [
        f"{result['dataset']}, {result['space']}, {result['protocol']['rules']} rules, {result['preset']}:"
    ]
    lines += [f"  {_line(entry)}" for entry in result["scenes"]]
    mean = result["mean"]
    if mean["miou"] is not None:
        lines.append(f"  {'mean':16} mIoU {100 * mean['miou']:6.2f}  f-mIoU {100 * mean['fmiou']:6.2f}")
    for name, title in SCORE_TITLES.items() if "objects" in result else ():
        if (score := result["objects"].get(name)) is not None:
            low, high = score["low"], score["high"]
            interval = "" if low is None else f"  [{100 * low:.2f}, {100 * high:.2f}]"
            lines.append(f"  {title:16} {100 * score['value']:11.2f}{interval}")
    if result["paper"] is not None:
        miou, fmiou = result["paper"]
        note = f"  ({result['paper_note']})" if result["paper_note"] else ""
        lines.append(f"  {'paper':16} mIoU {miou:6.2f}  f-mIoU {fmiou:6.2f}{note}")
    return lines


def _scene_entry(request: MapEvalRequest, segmenter: "Segmenter", name: str) -> dict[str, Any]:
    """Return what is written of a scene: its scores, or the reason why there are none."""
    try:
        scene = open_scene(request.protocol, request.data, name)
        result = _evaluate(request, segmenter, scene)
        judged = _objects(request, segmenter, scene, result)
    except CheckpointError:
        raise
    except RadsegError as error:  # one bad scene never ends a run
        return {"scene": name, "failed": _written(request, str(error))}
    skipped = {frame: _written(request, reason) for frame, reason in result.skipped.items()}
    return {"scene": name, **_as_json(replace(result, skipped=skipped)), **judged}


def _objects(
    request: MapEvalRequest, segmenter: "Segmenter", scene: Scene, result: SceneResult
) -> dict[str, Any]:
    """Return the counts of a scene's objects as JSON values; nothing where they are not judged."""
    if not request.objects:
        return {}
    truth = object_truth(request.protocol, request.data, scene)
    return {"objects": count_objects(result.map, segmenter, truth).as_line()}


def _object_scores(request: MapEvalRequest, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return AP and PQ over all scenes, with intervals, as JSON values; nothing where they are not judged."""
    if not request.objects:
        return {}
    counts = [ObjectCounts.from_line(entry["objects"]) for entry in entries]
    scores = object_scores(counts, object_classes(request.protocol).stuff)
    return {"objects": {name: asdict(score) for name, score in scores.items()}}


def _written(request: MapEvalRequest, reason: str) -> str:
    """Return a reason as it is stored, without the paths of data and output."""
    folders = (request.output,) if request.data is None else (request.data, request.output)
    return without_folders(reason, *folders)


def _evaluate(request: MapEvalRequest, segmenter: "Segmenter", scene: Scene) -> SceneResult:
    mapper, text, align = lifted(segmenter, request.space, scene.names, request.protocol)
    return evaluate_scene(
        scene.name,
        scene.sequence,
        scene.truth,
        mapper,
        text,
        names=scene.names,
        align=align,
        protocol=request.protocol,
    )


def lifted(
    segmenter: "Segmenter", space: Space, names: Sequence[str], protocol: MapProtocol
) -> "tuple[Mapper, Float[Tensor, 'c e'], Align | None]":
    """Return what maps a scene, the rows that averages are compared with, and what is done to them first."""
    if space == "features":
        mapper = feature_mapper(segmenter, protocol.voxel_size)
        return mapper, segmenter.embed(list(names), mode="assign")[0].values, _align(segmenter, mapper)
    return probability_mapper(segmenter, list(names), protocol.voxel_size), torch.eye(len(names)), None


def _align(segmenter: "Segmenter", mapper: Any) -> Any:
    from radseg.mapping.voxel_map import VoxelMap  # noqa: PLC0415

    return alignment(VoxelMap(mapper.description).to_semantic_map(), segmenter)


def _claim(request: MapEvalRequest) -> None:
    """Note what is evaluated, or compare it with what is noted in the folder."""
    file = request.output / PARAMETERS
    parameters = _parameters(request)
    if file.is_file():
        if request.existing == "refuse":
            raise InputError(
                f"{request.output} holds an evaluation; go on with --resume, begin again with --overwrite, "
                "or name another folder with -o."
            )
        if request.existing == "resume":
            require_same(_read_json(file), parameters)
            return
        for old in (request.output / SCENES).glob("*.json"):
            old.unlink()
        (request.output / RESULT).unlink(missing_ok=True)
    _write_json(file, parameters)


def _parameters(request: MapEvalRequest) -> dict[str, Any]:
    raw = {
        "protocol": asdict(request.protocol),
        "space": request.space,
        **request.model.parameters(),
        **({"objects": True} if request.objects else {}),
    }
    parsed: dict[str, Any] = json.loads(json.dumps(raw))  # tuples become lists, as when read again
    return parsed


def _summary(
    request: MapEvalRequest, segmenter: "Segmenter", entries: list[dict[str, Any]]
) -> dict[str, Any]:
    done = [entry for entry in entries if "failed" not in entry]
    if not done:
        raise InputError(f"No scene could be evaluated. {entries[0]['scene']}: {entries[0]['failed']}")
    refined = request.model.options.refine != "none"
    row = row_of(request.model.name, request.space, refined=refined)
    judged = {score: [e[score] for e in done if e[score] is not None] for score in SCORES}
    return {
        "format": FORMAT,
        "dataset": request.protocol.name,
        "space": request.space,
        "preset": request.model.name,
        "protocol": _parameters(request)["protocol"],
        "model": dict(encoder_of(segmenter)),
        "mean": {score: sum(v) / len(v) if v else None for score, v in judged.items()},
        **_object_scores(request, done),
        "paper": getattr(row, request.protocol.name, None),
        "paper_note": "" if row is None else row.note,
        "scenes": entries,
        "environment": {"radseg": radseg.__version__, "torch": torch.__version__},
        "data": os.path.abspath(request.data) if request.keep_paths and request.data else None,  # noqa: PTH100
    }


def _as_json(result: SceneResult) -> dict[str, Any]:
    scores = result.scores
    rows = zip(scores.names, scores.tp, scores.fp, scores.fn, scores.iou, strict=True)
    return {
        **{name: _number(getattr(scores, name)) for name in SCORES},
        "voxels": len(result.map),
        "frames": result.frames,
        "skipped": dict(result.skipped),
        "seconds": {key: round(value, 3) for key, value in result.seconds.items()},
        "classes": [
            {"name": name, "tp": int(tp), "fp": int(fp), "fn": int(fn), "iou": _number(float(iou))}
            for name, tp, fp, fn, iou in rows
        ],
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _line(entry: Mapping[str, Any]) -> str:
    if "failed" in entry:
        return f"{entry['scene']:16} failed: {entry['failed']}"
    if entry["miou"] is None:
        return f"{entry['scene']:16} has no judged voxel"
    return (
        f"{entry['scene']:16} mIoU {100 * entry['miou']:6.2f}  f-mIoU {100 * entry['fmiou']:6.2f}  "
        f"accuracy {100 * entry['accuracy']:6.2f}  {counted(entry['voxels'], 'voxel')}, "
        f"{counted(entry['frames'], 'frame')}"
    )


def _done(file: Path) -> bool:
    try:
        return "failed" not in _read_json(file)
    except (OSError, InputError):
        return False


def _read_json(file: Path) -> dict[str, Any]:
    """Return the object in a file of an earlier run; raises InputError where it holds none."""
    try:
        content = json_of(bytes_of(file))
        if isinstance(content, dict):
            return content
        problem = f"it holds a {type(content).__name__}"
    except InputError:
        raise
    except ValueError as error:
        problem = str(error)
    raise InputError(f"{file} is not a file that radseg wrote ({problem}). Start again with --overwrite.")


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_bytes(path, json.dumps(content, indent=1, allow_nan=False).encode() + b"\n")
