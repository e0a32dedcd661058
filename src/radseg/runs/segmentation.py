"""From a request as typed to a folder of results: sources, prompts, model, run, files of the whole run."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radseg.errors import ImageError, InputError, MissingFileError, ResourceError
from radseg.jobs.folder import OnExisting, Plan, Report, opened, run
from radseg.jobs.manifest import Record
from radseg.jobs.progress import RunReporter
from radseg.jobs.sources import Sources, collect
from radseg.modes import Mode
from radseg.runs.models import FOR_CHECKPOINTS, Fetching, checkpoint_path, needed_rows, obtain
from radseg.runs.outputs import (
    KINDS,
    Kind,
    Segmented,
    endings_of,
    files_of,
    require_kinds,
    write_classes,
    write_coco,
)
from radseg.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from radseg.result import Segmentation
    from radseg.segment import Segmenter
    from radseg.text.pack import VocabularyPack
    from radseg.types import Rgb

Reporter = RunReporter["Segmentation"]
DEFAULT_OUTPUT = Path("radseg-output")
RELIEF = "Lower --memory-budget or --short-side."


@dataclass(frozen=True)
class SegmentRequest:
    """What a person asked for.

    Attributes:
        sources: files, folders, globs, list files; see `sources.collect`.
        prompts: the vocabulary, or the file of a vocabulary pack.
        model: name of a preset, or a checkpoint file or folder.
        mode: how the names compete.
        output: folder for the results.
        existing: what to do with an earlier run there.
        kinds: what to store for each image.
        settings: arguments of `presets.load` that decide the results (crop, …), where given; they go into the
            manifest.
        machine: arguments that do not (device, memory_budget, accept_license).
    """

    sources: tuple[str, ...]
    prompts: Vocabulary | Path
    output: Path
    model: str = "radseg-b"
    mode: Mode = "background"
    existing: OnExisting = "refuse"
    kinds: tuple[Kind, ...] = KINDS[:2]
    settings: Mapping[str, Any] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)


def segment_sources(
    request: SegmentRequest, reporter: "RunReporter[Segmentation]", fetching: Fetching
) -> Report:
    """Segment every image of the request into its folder.

    Checks come first, then weights: sources, words and folder are looked at before anything large is loaded.

    Raises:
        ImageError: the only image cannot be read; of several, one that fails is in the report instead.
        RadsegError: wrong use, or the environment; see `jobs.folder.opened` and `presets.load`.
        KeyboardInterrupt: what is finished is recorded, and `reporter.stopped` was told.
    """
    require_kinds(request.kinds)
    folder = request.output
    sources = collect(request.sources, exclude=[folder])
    parameters = parameters_of(request)
    if len(sources.images) == 1:
        _read(sources.images[0].path)
    reporter.found(len(sources.images), notes_of(sources))
    endings = endings_of(request.kinds)
    with opened(folder, sources.images, parameters, endings=endings, existing=request.existing) as plan:
        report, extra = _work(plan, _Lazy(request, reporter, fetching))
    reporter.ended(report, folder, extra)
    return report


def _work(plan: Plan, work: "_Lazy") -> tuple[Report, tuple[str, ...]]:
    """Load what is needed, do the images, write the files of the run; return the report and their names."""
    request, reporter = work.request, work.reporter
    if plan.todo:
        work.load()
    extra = [write_classes(plan.folder, work.names(), plan.parameters)]
    reporter.started(len(plan.todo), len(plan.done), plan.folder)
    try:
        report = run(plan, work.segment, partial(files_of, kinds=request.kinds), work.finished, relief=RELIEF)
    except (KeyboardInterrupt, ResourceError, OSError):
        reporter.stopped(plan.folder)
        raise
    if "coco" in request.kinds:
        extra.append(write_coco(plan.folder, (*report.earlier, *report.done)))
    return report, tuple(extra)


def parameters_of(request: SegmentRequest) -> dict[str, Any]:
    """Return everything that decides the results, for the manifest and for `--resume`."""
    import radseg  # noqa: PLC0415

    if isinstance(request.prompts, Vocabulary):
        prompts: dict[str, Any] = {"prompts": [list(group) for group in request.prompts.phrases]}
    else:
        prompts = {"vocabulary": _sha256(request.prompts)}
    model: dict[str, Any] = {"model": request.model}
    path = checkpoint_path(request.model)
    if path is not None:
        model = {"model": str(path.resolve()), "checkpoint": _state_of(path)}
    own = Path(request.settings.get("checkpoint", ""))
    if "checkpoint" in request.settings and own.exists():
        model["weights"] = _state_of(own)
    for name, source in request.settings.get("auxiliary", {}).items():
        model[f"weights of {name}"] = _state_of(Path(source))
    return {
        "radseg": radseg.__version__,
        **model,
        **prompts,
        "mode": request.mode,
        "save": sorted(request.kinds),
        **request.settings,
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
        folders = sources.earlier_outputs
        notes.append(f"Left out {len(folders)} folders of results, such as {folders[0]}.")
    return tuple(notes)


class _Lazy:
    """The model and the embedded prompts, loaded when there is something to do."""

    def __init__(
        self, request: SegmentRequest, reporter: "RunReporter[Segmentation]", fetching: Fetching
    ) -> None:
        self.request = request
        self.fetching = fetching
        self.reporter = reporter
        self.segmenter: Segmenter | None = None
        self.pack: VocabularyPack | None = None

    def load(self) -> None:
        """Load the model and embed the prompts once for all images."""
        from radseg import presets  # noqa: PLC0415
        from radseg.models.stored_text_encoder import StoredTextEncoder  # noqa: PLC0415
        from radseg.text.pack import VocabularyPack, load_pack  # noqa: PLC0415

        request = self.request
        self._check()
        prompts = request.prompts if isinstance(request.prompts, Vocabulary) else load_pack(request.prompts)
        accept, drop = bool(request.machine.get("accept_license", False)), request.settings.get("drop", ())
        rows = needed_rows(request.model, request.settings, with_tower=isinstance(prompts, Vocabulary))
        obtain(rows, self.fetching, accept_license=accept, drop=drop)
        self.reporter.loading(request.model)
        segmenter = presets.load(request.model, **request.settings, **request.machine)
        text, contrast = segmenter.embed(prompts, mode=request.mode)
        if isinstance(segmenter.text_encoder, StoredTextEncoder):
            segmenter.text_encoder.release()  # all words are embedded, and the tower is larger than the model
        self.segmenter, self.pack = segmenter, VocabularyPack(text, contrast)

    def _check(self) -> None:
        """Say what is wrong with the request before anything is fetched."""
        from radseg import presets  # noqa: PLC0415
        from radseg.preset_methods import METHODS  # noqa: PLC0415

        request = self.request
        settings = {**request.settings, **request.machine}
        about = {name: settings.pop(name) for name in ("device", "dtype") if name in settings}
        for name in ("checkpoint", "sam", "auxiliary", "drop", "text_tower", "accept_license"):
            settings.pop(name, None)
        name = FOR_CHECKPOINTS if checkpoint_path(request.model) is not None else request.model
        preset, options = presets.check(name, changes=settings, **about)
        presets.require_auxiliary(preset, request.settings.get("auxiliary", {}))
        if "pca" in request.kinds and METHODS[preset.method].text_dependent:
            raise InputError(
                f"{name} looks at the words while it looks at the image: it has no features to draw. "
                "Leave pca out of --save, or use a vocabulary-free model such as radseg-b."
            )
        if options.refine != "none" and request.mode == "independent":
            raise InputError("Refinement needs one label per pixel: use --mode background or assign with it.")

    def names(self) -> tuple[str, ...]:
        """Return the class names in order."""
        if self.pack is not None:
            return self.pack.embeddings.names
        if isinstance(self.request.prompts, Vocabulary):
            return self.request.prompts.names
        from radseg.text.pack import load_pack  # noqa: PLC0415

        return load_pack(self.request.prompts).embeddings.names

    def finished(self, record: Record, result: Segmented | None) -> None:
        """Pass on one image to the reporter, without what only the writers need."""
        self.reporter.finished(record, None if result is None else result.result)

    def segment(self, path: Path) -> Segmented:
        """Return the result of one image file."""
        from radseg.ops.resize import image_size  # noqa: PLC0415

        assert self.segmenter is not None
        assert self.pack is not None
        image = _read(path)
        if "pca" not in self.request.kinds:
            return Segmented(self.segmenter.segment(image, self.pack, mode=self.request.mode))
        features = self.segmenter.encode(image)
        result = self.segmenter.decode(
            features,
            image_size(image),
            self.pack.embeddings,
            self.pack.contrast,
            mode=self.request.mode,
            image=image,
        )
        return Segmented(result, features)


def _read(image: Path) -> "Rgb":
    """Return an image file, or raise ImageError: whatever is wrong with one file, the next may be fine."""
    from radseg.io import read_image  # noqa: PLC0415

    try:
        return read_image(image)
    except (MissingFileError, ResourceError) as error:
        raise ImageError(str(error)) from error


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
