"""One photo, several models: each segments it with the same prompts; the results go onto one sheet."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from radseg.errors import InputError, RadsegError
from radseg.files import write_bytes
from radseg.modes import Mode
from radseg.text.vocabulary import Vocabulary
from radseg.weights.options import Known
from radseg.weights.reporters import Reporter

if TYPE_CHECKING:
    from radseg.presets.spec import ModelSpec
    from radseg.result import Segmentation
    from radseg.segment import Segmenter
    from radseg.types import Rgb


@dataclass(frozen=True)
class CompareRequest:
    """What a person asked for.

    Attributes:
        models: in the order of the panels.
    """

    image: Path
    prompts: Vocabulary
    models: "tuple[ModelSpec, ...]"
    output: Path
    mode: Mode = "background"


@dataclass(frozen=True, eq=False)
class Compared:
    """One model's answer, or why there is none.

    Attributes:
        preset: title of the model.
        seconds: of one call after another one, so that what happens once is left out; weights loaded and
            prompts embedded before.
    """

    preset: str
    result: "Segmentation | None" = None
    seconds: float = 0.0
    failure: str = ""


def compare(request: CompareRequest, downloads: Reporter, tell: Callable[[Compared], None]) -> list[Compared]:
    """Segment the image with every model, tell each answer as it comes, and write the sheet.

    A model that cannot be loaded or fails is reported and left out; the others go on.

    Raises:
        InputError: no model, one that cannot be loaded as asked, or an ending that is no image's.
        ImageError: the image cannot be read.
        RadsegError: not one preset gave an answer; the reason of the first.
        ResourceError: the sheet cannot be written.
    """
    from radseg.io import image_bytes, read_image, to_uint8  # noqa: PLC0415
    from radseg.presets.spec import titles_of  # noqa: PLC0415
    from radseg.visual.comparison import Panel, comparison  # noqa: PLC0415

    _check(request)
    image = read_image(request.image)
    load = _loader(request, downloads)
    answers = []
    for title, model in zip(titles_of(request.models), request.models, strict=True):
        answers.append(_answer(request, title, model, image, load))
        tell(answers[-1])
    panels = [Panel(a.preset, f"{a.seconds:.2f} s", a.result.labels) for a in answers if a.result is not None]
    if not panels:
        raise RadsegError(f"No model gave an answer. {answers[0].preset}: {answers[0].failure}")
    sheet = comparison(to_uint8(image), panels, request.prompts.names)
    write_bytes(request.output, image_bytes(sheet, request.output.suffix))
    return answers


def _check(request: CompareRequest) -> None:
    """Say what is wrong before anything is fetched or loaded."""
    from radseg.io import IMAGE_ENDINGS  # noqa: PLC0415
    from radseg.presets.load import check  # noqa: PLC0415

    if not request.models:
        raise InputError("Name the models to compare: -m radseg-b -m naradio-b.")
    if request.output.suffix.lower() not in IMAGE_ENDINGS:
        raise InputError(f"The sheet {request.output} must end in one of {', '.join(IMAGE_ENDINGS)}.")
    for model in request.models:
        check(model)


def _loader(request: CompareRequest, downloads: Reporter) -> "Callable[[ModelSpec], Segmenter]":
    """Return what loads a model, once all that has to be fetched for all of them was told."""
    from radseg.presets.announce import announce_all  # noqa: PLC0415
    from radseg.presets.load import fetch_and_load  # noqa: PLC0415

    known: Known = {}
    with suppress(RadsegError):  # the model that it is about says so itself, and is left out
        announce_all(request.models, downloads, known)
    return partial(fetch_and_load, reporter=downloads, known=known)


def _answer(
    request: CompareRequest,
    title: str,
    model: "ModelSpec",
    image: "Rgb",
    load: "Callable[[ModelSpec], Segmenter]",
) -> Compared:
    from radseg.text.pack import VocabularyPack  # noqa: PLC0415

    try:
        segmenter = load(model)
        text, contrast = segmenter.embed(request.prompts, mode=request.mode)
        prompts = VocabularyPack(text, contrast)
        segmenter.segment(image, prompts, mode=request.mode)
        start = time.perf_counter()
        result = segmenter.segment(image, prompts, mode=request.mode)
        return Compared(title, result, time.perf_counter() - start)
    except RadsegError as error:
        return Compared(title, failure=str(error))
