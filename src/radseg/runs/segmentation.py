"""From a request as typed to a folder of results: sources, words, model, run, files of the whole run."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from radseg.errors import EnvironmentFailure, ImageError, InputError, MissingFileError
from radseg.runs.folder import OnExisting, OutputFile, Report, free_folder, opened, run
from radseg.runs.outputs import KINDS, Kind, endings_of, files_of, require_kinds, write_run_files
from radseg.runs.progress import RunReporter
from radseg.runs.sources import Sources, collect
from radseg.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from radseg.result import Segmentation
    from radseg.segment import Segmenter
    from radseg.text.pack import VocabularyPack

DEFAULT_OUTPUT = Path("radseg-output")
Mode = Literal["assign", "background", "independent"]


@dataclass(frozen=True)
class SegmentRequest:
    """What a person asked for.

    Attributes:
        sources: files, folders, globs, list files; see `sources.collect`.
        words: the vocabulary, or the file of a vocabulary pack.
        model: name of a preset, or a checkpoint file or folder.
        mode: how the names compete.
        output: folder for the results; None takes the first free of radseg-output, radseg-output-2, …
        existing: what to do with an earlier run in that folder.
        kinds: what to store for each image.
        settings: arguments of `presets.load` that decide the results (crop, denoising, …); part of the manifest.
        machine: arguments that do not (device, memory_budget, accept_license).
    """

    sources: tuple[str, ...]
    words: Vocabulary | Path
    model: str = "radseg-b"
    mode: Mode = "background"
    output: Path | None = None
    existing: OnExisting = "refuse"
    kinds: tuple[Kind, ...] = KINDS[:2]
    settings: Mapping[str, Any] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.existing == "resume" and self.output is None:
            raise InputError("--resume needs the folder of the run to continue: add -o FOLDER.")


def segment_sources(request: SegmentRequest, reporter: RunReporter) -> Report:
    """Segment every image of the request into its folder.

    Checks come first, then weights: sources, words and folder are looked at before anything large is loaded.

    Raises:
        RadsegError: wrong use, or the environment; see `folder.opened` and `presets.load`.
        KeyboardInterrupt: finished images are recorded; the message says how to continue.
    """
    folder = free_folder(DEFAULT_OUTPUT) if request.output is None else request.output
    require_kinds(request.kinds)
    sources = collect(request.sources, exclude=[folder])
    parameters = parameters_of(request)
    reporter.found(len(sources.images), notes_of(sources))
    endings = endings_of(request.kinds)
    with opened(folder, sources.images, parameters, endings=endings, existing=request.existing) as plan:
        work = _Lazy(request, reporter)
        if plan.todo:
            work.load()
        reporter.started(len(plan.todo), len(plan.done), folder)
        report = run(
            plan, work.segment, lambda result, image: files_of(result, image, request.kinds), reporter
        )
        names = work.names()
        extra = write_run_files(folder, names, request.kinds, (*report.earlier, *report.done), parameters)
    reporter.ended(report, folder, extra)
    return report


def parameters_of(request: SegmentRequest) -> dict[str, Any]:
    """Return everything that decides the results, for the manifest and for `--resume`."""
    import radseg

    if isinstance(request.words, Vocabulary):
        words: dict[str, Any] = {"prompts": [list(group) for group in request.words.phrases]}
    else:
        words = {"vocabulary": _sha256(request.words)}
    model: dict[str, Any] = {"model": request.model}
    path = checkpoint_path(request.model)
    if path is not None:
        model = {"model": str(path.resolve()), "checkpoint": _state_of(path)}
    return {
        "radseg": radseg.__version__,
        **model,
        **words,
        "mode": request.mode,
        "save": sorted(request.kinds),
        **{key: value for key, value in request.settings.items() if value is not None},
    }


def notes_of(sources: Sources) -> tuple[str, ...]:
    """Return in plain sentences what the search for images left out."""
    notes = []
    if sources.skipped:
        example = sources.skipped[0].name
        notes.append(f"Left out {len(sources.skipped)} files that are no images, such as {example}.")
    if sources.repeated:
        notes.append(f"{sources.repeated} files were named more than once; each is done once.")
    if sources.earlier_outputs:
        notes.append(
            f"Left out {len(sources.earlier_outputs)} folders of results, such as {sources.earlier_outputs[0]}."
        )
    return tuple(notes)


class _Lazy:
    """The model and the embedded words, loaded when there is something to do."""

    def __init__(self, request: SegmentRequest, reporter: RunReporter) -> None:
        self.request = request
        self.reporter = reporter
        self.segmenter: Segmenter | None = None
        self.pack: VocabularyPack | None = None

    def load(self) -> None:
        """Load the model and embed the words once for all images."""
        from radseg.text.pack import VocabularyPack, load_pack

        request = self.request
        words = request.words if isinstance(request.words, Vocabulary) else load_pack(request.words)
        self.reporter.loading(request.model)
        segmenter = load_segmenter(request.model, {**request.settings, **request.machine})
        text, contrast = segmenter.embed(words, mode=request.mode)
        self.segmenter, self.pack = segmenter, VocabularyPack(text, contrast)

    def names(self) -> tuple[str, ...]:
        """Return the class names in order."""
        if self.pack is not None:
            return self.pack.embeddings.names
        if isinstance(self.request.words, Vocabulary):
            return self.request.words.names
        from radseg.text.pack import load_pack

        return load_pack(self.request.words).embeddings.names

    def segment(self, image: Path) -> "Segmentation":
        """Return the result of one image file."""
        from radseg.io import read_image

        assert self.segmenter is not None and self.pack is not None
        try:
            picture = read_image(image)
        except EnvironmentFailure as error:  # this file cannot be read; the next may be
            raise ImageError(str(error)) from error
        return self.segmenter.segment(picture, self.pack, mode=self.request.mode)


def load_segmenter(model: str, options: Mapping[str, Any]) -> "Segmenter":
    """Return the segmenter of a preset's name, or of a checkpoint path with the default preset.

    Args:
        options: keyword arguments of `presets.load`; those that are None are left to the preset.
    """
    from radseg import presets

    given = {key: value for key, value in options.items() if value is not None}
    path = checkpoint_path(model)
    if path is not None:
        return presets.load(SegmentRequest.model, checkpoint=path, **given)
    return presets.load(model, **given)


def checkpoint_path(model: str) -> Path | None:
    """Return the path that `model` is, or None when it is a preset's name.

    A path has a slash or is an existing file. A folder beside you that is called like a preset is not taken for a
    checkpoint: write ./radseg-b for that.

    Raises:
        MissingFileError: it is a path, and nothing is there.
    """
    path = Path(model)
    if not path.is_file() and len(path.parts) == 1 and not model.startswith("."):
        return None
    if not path.exists():
        raise MissingFileError(
            f"There is no checkpoint {model}. `radseg models list` shows the models by name."
        )
    return path


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError as error:
        raise MissingFileError(
            f"There is no vocabulary pack {path}. Make one with: radseg text -p … -o {path.name}"
        ) from error
    except OSError as error:
        raise InputError(f"The vocabulary pack {path} cannot be read: {error.strerror}.") from error


def _state_of(path: Path) -> list[list[str | int]]:
    """Return name, bytes and time of each file of a checkpoint: enough to notice that it was exchanged."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    stats = [(file.name, file.stat()) for file in files if file.is_file()]
    return [[name, status.st_size, status.st_mtime_ns] for name, status in stats]
