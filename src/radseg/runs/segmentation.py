"""From a request as typed to a folder of results: sources, prompts, model, run, files of the whole run."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radseg.errors import ImageError, InputError, MemoryBudgetError, MissingFileError, ResourceError
from radseg.files import counted, open_regular, shown
from radseg.jobs.folder import OutputFile, Report, opened, run
from radseg.jobs.manifest import Record
from radseg.jobs.naming import inside
from radseg.jobs.plan import Job, OnEarlierRun, Plan
from radseg.jobs.progress import RunReporter, announcing_stops
from radseg.jobs.record import parameters_hash
from radseg.jobs.remote import FOLDER, fetched
from radseg.jobs.sources import Sources, collect
from radseg.modes import NAMES_APART, STUFF, Keep, Mode
from radseg.runs.keeping import features_of, may_change, saved, size_of_features, with_features
from radseg.runs.outputs import (
    COCO_NAME,
    KINDS,
    OF_FEATURES,
    OF_IMAGE,
    OUTPUT_BYTES,
    Kind,
    Segmented,
    files_of,
    kinds_in,
    places_of,
    require_kinds,
    write_classes,
    write_coco,
)
from radseg.runs.shares import class_records
from radseg.text.vocabulary import Vocabulary
from radseg.weights.reporters import Reporter

if TYPE_CHECKING:
    from torch import Tensor

    from radseg.io import Admit, DecodedImage
    from radseg.presets.spec import ModelSpec
    from radseg.result import Segmentation
    from radseg.runs.kept_features import Origin
    from radseg.segment import Segmenter
    from radseg.text.pack import VocabularyPack
    from radseg.types import LanguageFeatures, Size

DEFAULT_OUTPUT = Path("radseg-output")
SMALL = 32 * 2**20
"""Bytes of decoding below which every budget suffices that a model can work with."""
RELIEF = "Lower --memory-budget or --short-side."


@dataclass(frozen=True)
class SegmentRequest:
    """What a person asked for.

    Attributes:
        sources: files, folders, globs, list files, addresses; see `sources.collect`, `remote.fetched`.
        prompts: the vocabulary, or the file of a vocabulary pack.
        model: the model with its options.
        mode: how the names compete.
        output: folder for the results.
        existing: what to do with an earlier run there.
        keep_paths: whether `classes.json` names the folders the images are from; else no file does.
        kinds: what to store for each image; objects are looked for where "objects" is among it.
        keep: features to store beside it, so that other prompts need no second look; None keeps what an
            earlier run in the folder kept.
        stuff: names that are one object each.
        formats: exchange formats to write when all images are done; see `runs.exporting`.
    """

    sources: tuple[str, ...]
    prompts: Vocabulary | Path
    output: Path
    model: "ModelSpec"
    mode: Mode = "background"
    existing: OnEarlierRun = "refuse"
    kinds: tuple[Kind, ...] = KINDS[:2]
    keep: Keep | None = None
    keep_paths: bool = False
    stuff: frozenset[str] = STUFF
    formats: tuple[str, ...] = ()


def segment_sources(
    request: SegmentRequest, reporter: "RunReporter[Segmentation]", downloads: Reporter
) -> Report:
    """Segment every image of the request into its folder.

    Checks come first, then weights: sources, prompts and folder are checked before anything large is loaded.

    Raises:
        ImageError: the only image cannot be read; of several, one that fails is in the report instead.
        RadsegError: wrong use, or the environment; see `jobs.folder.opened` and `presets.load`.
        KeyboardInterrupt: what is finished is recorded, and `reporter.stopped` was called.
    """
    require_kinds(request.kinds)
    request = with_features(request)
    folder = request.output
    sources = collect(fetched(request.sources, folder / FOLDER), exclude=[folder])
    parameters = parameters_of(request)
    lone = sources.images[0].path if len(sources.images) == 1 else None
    first = {} if lone is None else read_at_once(lone)  # said before anything is loaded, and not read again
    reporter.found(len(sources.images), notes_of(sources))
    with opened(
        folder,
        sources.images,
        parameters,
        places=places_of(request.kinds),
        existing=request.existing,
        changeable=may_change,
    ) as plan:
        report, extra = _work(plan, _Lazy(request, plan, reporter, downloads, first))
    reporter.ended(report, folder, extra)
    return report


def _work(plan: Plan, work: "_Lazy") -> tuple[Report, tuple[str, ...]]:
    """Load what is needed, do the images, write the files of the run; return the report and their names."""
    from radseg.runs.exporting import export_within, remove_exports, require_formats  # noqa: PLC0415

    request, reporter = work.request, work.reporter
    images = [(record.source, record.name) for record in plan.done]
    require_formats(request.formats, [*images, *((job.found.below, job.name) for job in plan.todo)])
    if any(job.kinds for job in plan.todo):  # else files are only taken away
        work.load()
        remove_exports(plan.folder)
    reporter.started(len(plan.todo), len(plan.done), plan.folder)
    if kept := sum(work.kept_features(job) is not None for job in plan.todo):
        reporter.note(f"{kept} of {len(plan.todo)} images have kept features and are not encoded again.")
    with announcing_stops(reporter, plan.folder):
        roots = plan.roots if request.keep_paths else {}
        extra = [write_classes(plan.folder, work.names(), plan.parameters, roots)]
        report = run(
            plan,
            work.segment,
            work.files_of,
            work.finished,
            classes_of=lambda one: class_records(one.result),
            relief=RELIEF,
        )
        if "coco" in request.kinds:
            extra.append(write_coco(plan.folder, (*report.earlier, *report.done)))
        elif "coco" in saved(plan.history):
            (plan.folder / COCO_NAME).unlink(missing_ok=True)
        if report.earlier or report.done:
            extra += [export_within(plan.folder, name) for name in request.formats]
    if stored := [record for record in (*report.earlier, *report.done) if features_of(record)]:
        reporter.note(size_of_features(plan.folder, stored))
    return report, tuple(extra)


def parameters_of(request: SegmentRequest) -> dict[str, Any]:
    """Return everything that decides the results, for the manifest and for `--resume`."""
    import radseg  # noqa: PLC0415

    if isinstance(request.prompts, Vocabulary):
        prompts: dict[str, Any] = {"prompts": [list(group) for group in request.prompts.phrases]}
    else:
        prompts = {"vocabulary": _sha256(request.prompts)}
    return {
        "radseg": radseg.__version__,
        **request.model.parameters(),
        **prompts,
        "mode": request.mode,
        "save": sorted(request.kinds),
        **({"stuff": sorted(request.stuff)} if "objects" in request.kinds else {}),
    }


def notes_of(sources: Sources) -> tuple[str, ...]:
    """Return in plain sentences what the search for images left out."""
    notes = []
    if sources.skipped:
        example = sources.skipped[0].name
        notes.append(
            f"Left out {counted(len(sources.skipped), 'file')} of no image format, such as {example}."
        )
    if sources.repeated:
        notes.append(f"{counted(sources.repeated, 'file')} named more than once; each is done once.")
    if sources.earlier_outputs:
        folders = sources.earlier_outputs
        notes.append(f"Left out {counted(len(folders), 'folder')} of results, such as {folders[0]}.")
    return tuple(notes)


class _Lazy:
    """The model and the embedded prompts, loaded when there is something to do."""

    def __init__(
        self,
        request: SegmentRequest,
        plan: Plan,
        reporter: "RunReporter[Segmentation]",
        downloads: Reporter,
        read: "dict[Path, DecodedImage]",
    ) -> None:
        self.request = request
        self.plan = plan
        self.model_hash = parameters_hash({k: v for k, v in plan.parameters.items() if not may_change(k)})
        self.downloads = downloads
        self.reporter = reporter
        self.read = read
        self.segmenter: Segmenter | None = None
        self.pack: VocabularyPack | None = None

    def load(self) -> None:
        """Load the model and embed the prompts once for all images."""
        from radseg.models.stored_text_encoder import StoredTextEncoder  # noqa: PLC0415
        from radseg.presets.load import ensure, load  # noqa: PLC0415
        from radseg.text.pack import VocabularyPack, load_pack  # noqa: PLC0415
        from radseg.types import Size  # noqa: PLC0415

        request = self.request
        self._check()
        prompts = request.prompts if isinstance(request.prompts, Vocabulary) else load_pack(request.prompts)
        if isinstance(prompts, VocabularyPack) and request.model.checkpoint is None:
            _require_known_width(prompts)
        weights = ensure(request.model, self.downloads, with_text=isinstance(prompts, Vocabulary))
        self.reporter.loading(request.model.name)
        segmenter = load(request.model, weights=weights, reporter=self.downloads)
        if "objects" in request.kinds:
            segmenter = segmenter.with_objects(request.stuff)
        text, contrast = segmenter.embed(prompts, mode=request.mode)
        if isinstance(segmenter.text_encoder, StoredTextEncoder):
            segmenter.text_encoder.release()  # all is embedded, and the tower is larger than the model
        self.segmenter, self.pack = segmenter, VocabularyPack(text, contrast)
        try:
            self._admit("Even an image")(Size(1, 1), 0)
        except MemoryBudgetError as error:
            raise InputError(str(error)) from error  # of the request, not of one image

    def _admit(self, name: str) -> "Admit":
        """Return what refuses an image that the memory budget does not allow."""
        assert self.segmenter is not None
        assert self.pack is not None
        output = max(OUTPUT_BYTES[kind] for kind in self.request.kinds)
        return self.segmenter.admitting(self.pack.embeddings, self.pack.contrast, name, output=output)

    def _check(self) -> None:
        """Say what is wrong with the request before anything is fetched."""
        from radseg.presets.load import check, method_of  # noqa: PLC0415

        request, model = self.request, self.request.model
        check(model)
        unusable = sorted(OF_FEATURES & set(request.kinds))
        if unusable and method_of(model).needs_prompts(model.options):
            raise InputError(
                f"{model.name} reads the prompts before it has features: there are none to draw or keep. "
                f"Leave {unusable[0]} out, or use a vocabulary-free model such as radseg-b."
            )
        if model.options.refine not in NAMES_APART and request.mode == "independent":
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

    def kept_features(self, job: Job) -> Path | None:
        """Return the file of features that serve for what is to be made of an image; None where none do."""
        if job.earlier is None or not job.unchanged or not job.kinds:
            return None
        if "features-float32" in kinds_in(job.kinds):  # exact ones are to be made, and half precision is not
            return None
        name = features_of(job.earlier)
        return None if name is None else inside(self.plan.folder, name)

    def segment(self, job: Job) -> Segmented:
        """Return the result of one image."""
        from radseg.ops.stopwatch import Stopwatch  # noqa: PLC0415
        from radseg.runs.kept_features import unusable  # noqa: PLC0415
        from radseg.types import LanguageFeatures, Size  # noqa: PLC0415

        assert self.segmenter is not None
        assert self.pack is not None
        kinds, file, clock = set(kinds_in(job.kinds)), self.kept_features(job), Stopwatch()
        text, contrast, mode = self.pack.embeddings, self.pack.contrast, self.request.mode
        image = self._image(job.image) if file is None or self._shows(kinds) else None
        seen: LanguageFeatures | Tensor
        if file is not None:
            seen, size = self._read_features(file, job)
            if image is not None and size != Size(*image.shape[:2]):
                raise unusable(file, "they are of an image of another size")
        else:
            assert image is not None
            size = Size(*image.shape[:2])
            with clock("encode"):
                (seen,) = self.segmenter.encode_many([image], text, contrast)
        result = self.segmenter.decode(seen, size, text, contrast, mode=mode, image=image, clock=clock)
        features = seen if kinds & OF_FEATURES and isinstance(seen, LanguageFeatures) else None
        return Segmented(result, features, self._origin(job))

    def _shows(self, kinds: set[Kind]) -> bool:
        """Return whether an image itself is needed beside its features: to be shown, or for a refinement."""
        assert self.segmenter is not None
        segmenter = self.segmenter
        return bool(kinds & OF_IMAGE) or segmenter.refine is not None or segmenter.sharpen is not None

    def _image(self, path: Path) -> "DecodedImage":
        return self.read.pop(path) if path in self.read else _read(path, self._admit(shown(path)))

    def _read_features(self, file: Path, job: Job) -> "tuple[LanguageFeatures, Size]":
        """Return kept features on the model's device, and the size of their image."""
        from radseg.runs.kept_features import read_features  # noqa: PLC0415

        assert self.pack is not None
        text, most = self.pack.embeddings, self.request.model.options.memory_budget
        features, size = read_features(
            file, self._origin(job), space=text.space, width=text.values.shape[1], most=most
        )
        self._admit(shown(job.image))(size, 0)
        return features.to(self.request.model.device), size

    def _origin(self, job: Job) -> "Origin":
        from radseg.runs.kept_features import Origin  # noqa: PLC0415

        return Origin(job.name, self.model_hash)

    def files_of(self, segmented: Segmented, job: Job) -> Iterator[OutputFile]:
        """Yield the files that are to be made of an image."""
        return files_of(segmented, job.image, kinds_in(job.kinds))


def _require_known_width(pack: "VocabularyPack") -> None:
    """Refuse a pack of another width than its text tower's before weights are loaded."""
    from radseg.models.text_towers import TOWERS  # noqa: PLC0415

    for tower in TOWERS:
        if tower.space == pack.embeddings.space:
            pack.embeddings.require_width(tower.width_out)


def read_at_once(image: Path) -> "dict[Path, DecodedImage]":
    """Return an image file by its path; none where only the loaded model can tell whether its memory does."""

    def admit(_: object, decoding: int) -> None:
        if decoding > SMALL:
            raise MemoryBudgetError

    try:
        return {image: _read(image, admit)}
    except MemoryBudgetError:
        return {}


def _read(image: Path, admit: "Admit") -> "DecodedImage":
    """Return an image file, or raise ImageError: whatever is wrong with one file, the next may be fine."""
    from radseg.io import read_pixels  # noqa: PLC0415

    try:
        return read_pixels(image, admit)
    except (MissingFileError, ResourceError) as error:
        raise ImageError(str(error)) from error


def _sha256(path: Path) -> str:
    try:
        with open_regular(path, most=None) as stream:  # tens of thousands of names take more than other files
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise MissingFileError(
            f"There is no vocabulary pack {path}. Make one with: radseg text -p … -o {path.name}"
        ) from error
    except OSError as error:
        raise InputError(f"The vocabulary pack {path} cannot be read: {error.strerror}.") from error
