"""One photo, several models: each segments it with the same prompts; the results go onto one sheet."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from radseg.errors import InputError, RadsegError
from radseg.files import shown, write_bytes
from radseg.modes import Mode
from radseg.runs.segmentation import read_at_once
from radseg.text.vocabulary import Vocabulary
from radseg.weights.options import Known
from radseg.weights.reporters import Reporter

if TYPE_CHECKING:
    from radseg.io import DecodedImage
    from radseg.presets.spec import ModelSpec
    from radseg.result import Segmentation
    from radseg.segment import Segmenter


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
    from radseg.io import image_bytes  # noqa: PLC0415
    from radseg.presets.spec import titles_of  # noqa: PLC0415
    from radseg.visual.comparison import Panel, comparison  # noqa: PLC0415

    _check(request)
    image = read_at_once(request.image).get(request.image)
    load = _loader(request, downloads)
    answers = []
    for title, model in zip(titles_of(request.models), request.models, strict=True):
        answers.append(_answer(request, title, model, image, load))
        tell(answers[-1])
    given = [(one, one.result) for one in answers if one.result is not None]
    if not given:
        failed = ", ".join(one.preset for one in answers)
        raise RadsegError(f"No model gave an answer: {failed}. The first: {answers[0].failure}")
    panels = [Panel(one.preset, f"{one.seconds:.2f} s", result.labels) for one, result in given]
    seen = given[0][1].image
    assert seen is not None, "every segmentation of pixels keeps them"
    sheet = comparison(seen, panels, request.prompts.names)
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
    image: "DecodedImage | None",
    load: "Callable[[ModelSpec], Segmenter]",
) -> Compared:
    """Return a model's answer; an image that was not read yet is read within the model's memory budget."""
    from radseg.io import read_pixels  # noqa: PLC0415
    from radseg.text.pack import VocabularyPack  # noqa: PLC0415

    try:
        segmenter = load(model)
        text, contrast = segmenter.embed(request.prompts, mode=request.mode)
        if image is None:
            image = read_pixels(request.image, segmenter.admitting(text, contrast, shown(request.image)))
        prompts = VocabularyPack(text, contrast)
        segmenter.segment(image, prompts, mode=request.mode)
        start = time.perf_counter()
        result = segmenter.segment(image, prompts, mode=request.mode)
        return Compared(title, result, time.perf_counter() - start)
    except RadsegError as error:
        return Compared(title, failure=str(error))
