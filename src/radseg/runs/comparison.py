"""One photo, several models: each segments it by the same words; the answers go onto one sheet."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radseg.errors import InputError, RadsegError
from radseg.files import write_bytes
from radseg.modes import Mode
from radseg.runs.models import Fetching, needed_rows, obtain
from radseg.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from radseg.result import Segmentation
    from radseg.segment import Segmenter
    from radseg.types import Rgb


@dataclass(frozen=True)
class CompareRequest:
    """What a person asked for.

    Attributes:
        presets: names of presets, in the order of the panels.
        settings: arguments of `presets.load`, the same for all (device, …).
    """

    image: Path
    prompts: Vocabulary
    presets: tuple[str, ...]
    output: Path
    mode: Mode = "background"
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Compared:
    """One preset's answer, or why there is none.

    Attributes:
        seconds: of one call after another one, so that what happens once is left out; weights loaded and
            prompts embedded before.
    """

    preset: str
    result: "Segmentation | None" = None
    seconds: float = 0.0
    failure: str = ""


def compare(request: CompareRequest, fetching: Fetching, tell: Callable[[Compared], None]) -> list[Compared]:
    """Segment the image with every preset, tell each answer as it comes, and write the sheet.

    A preset that cannot be loaded or fails is told and left out; the others go on.

    Raises:
        InputError: an unknown preset, one named twice, or an ending that is no image's.
        ImageError: the image cannot be read.
        RadsegError: not one preset gave an answer; the reason of the first.
        ResourceError: the sheet cannot be written.
    """
    from radseg.io import image_bytes, read_image, to_uint8  # noqa: PLC0415
    from radseg.visual.comparison import Panel, comparison  # noqa: PLC0415

    _check(request)
    image = read_image(request.image)
    answers = []
    for preset in request.presets:
        answers.append(_answer(request, preset, image, fetching))
        tell(answers[-1])
    panels = [Panel(a.preset, f"{a.seconds:.2f} s", a.result.labels) for a in answers if a.result is not None]
    if not panels:
        raise RadsegError(f"No model gave an answer. {answers[0].preset}: {answers[0].failure}")
    sheet = comparison(to_uint8(image), panels, request.prompts.names)
    write_bytes(request.output, image_bytes(sheet, request.output.suffix))
    return answers


def _check(request: CompareRequest) -> None:
    """Say what is wrong before anything is fetched or loaded."""
    from radseg import presets  # noqa: PLC0415
    from radseg.io import IMAGE_ENDINGS  # noqa: PLC0415

    if not request.presets:
        raise InputError("Name the models to compare: --presets radseg-b,naradio-b.")
    repeated = {name for name in request.presets if request.presets.count(name) > 1}
    if repeated:
        raise InputError(f"--presets names {', '.join(sorted(repeated))} more than once.")
    if request.output.suffix.lower() not in IMAGE_ENDINGS:
        raise InputError(f"The sheet {request.output} must end in one of {', '.join(IMAGE_ENDINGS)}.")
    about: dict[str, Any] = {}
    changes: dict[str, Any] = {}
    for name, value in request.settings.items():
        if name != "accept_license":
            (about if name in ("device", "dtype") else changes)[name] = value
    for name in request.presets:
        presets.check(name, changes=changes, **about)


def _answer(request: CompareRequest, preset: str, image: "Rgb", fetching: Fetching) -> Compared:
    try:
        segmenter = _load(request, preset, fetching)
        text, contrast = segmenter.embed(request.prompts, mode=request.mode)
        if contrast is None:
            prompts: Any = text
        else:
            from radseg.text.pack import VocabularyPack  # noqa: PLC0415

            prompts = VocabularyPack(text, contrast)
        segmenter.segment(image, prompts, mode=request.mode)
        start = time.perf_counter()
        result = segmenter.segment(image, prompts, mode=request.mode)
        return Compared(preset, result, time.perf_counter() - start)
    except RadsegError as error:
        return Compared(preset, failure=str(error))


def _load(request: CompareRequest, preset: str, fetching: Fetching) -> "Segmenter":
    from radseg import presets  # noqa: PLC0415

    accept = bool(request.settings.get("accept_license", False))
    obtain(needed_rows(preset, request.settings), fetching, accept_license=accept)
    return presets.load(preset, **request.settings)
