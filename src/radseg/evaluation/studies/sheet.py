"""A sheet to look at: input, truth, and what several models make of it, like Fig. A.3 of the paper.

Per image two rows: labels with their mIoU, and below them the features' three strongest directions. The
numbers are those of the one image alone, mean over the classes that its truth or the prediction has.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from radseg.colours import Colour, colours, patterns
from radseg.datasets.base import IGNORE, Truth
from radseg.errors import InputError, RadsegError
from radseg.evaluation.images.loop import Labels, Prepared
from radseg.evaluation.images.model import answer
from radseg.io import to_uint8
from radseg.metrics.confusion import Counts, confusion_matrix, mean_iou
from radseg.segment import Segmenter
from radseg.types import FeatureMap, LanguageFeatures, Size, TextEmbeddings
from radseg.visual import paint, pca_images
from radseg.visual.legend import FAINT, INK, PANEL, Entry, with_legend
from radseg.visual.text import legible, shorten

DecodedImage = UInt8[np.ndarray, "H W 3"]
CELL = 300
"""Width of one cell of the sheet, pixels."""
GAP, LINE = 10, 28
NO_FEATURES = "no features without prompts"
BAR, FULL = (88, 166, 255), (48, 54, 61)


@dataclass(frozen=True, eq=False)
class Answer:
    """What one model makes of an image: labels at the truth's size (0 = none), features on the patch grid.

    A text-dependent method has no features: None.
    """

    labels: Labels
    features: LanguageFeatures | None


Model = Callable[[Prepared], Answer]


@dataclass(frozen=True, eq=False)
class Panel:
    """What one model shows of one image; `miou` is 0 to 1, NaN where nothing is judged.

    `features` is None for a method that has none without prompts.
    """

    model: str
    miou: float
    labels: DecodedImage
    features: DecodedImage | None


@dataclass(frozen=True, eq=False)
class Strip:
    """Everything the sheet shows of one image; `present` are the names to be seen, with colour and pattern.

    Names of the truth come first, the largest in front.
    """

    id: str
    image: DecodedImage
    truth: DecodedImage
    panels: tuple[Panel, ...]
    present: tuple[tuple[str, Colour, int], ...]


def model_of(segmenter: Segmenter, text: TextEmbeddings) -> Model:
    """Return a model that answers as an evaluation does, and shows its features."""
    return partial(_answer, segmenter, text)


def _answer(segmenter: Segmenter, text: TextEmbeddings, image: Prepared) -> Answer:
    seen = segmenter.encode_many([image.image], text, None)[0]
    features = seen if isinstance(seen, LanguageFeatures) else None
    return Answer(answer(segmenter, seen, text, image), features)


def image_miou(truth: Truth, labels: Labels, classes: int) -> float:
    """Return the mIoU of one image alone, 0 to 1; NaN where nothing is judged."""
    return float(mean_iou(Counts.of(confusion_matrix(truth, labels, classes=classes, ignore=IGNORE))))


def strips(
    ids: Iterable[str],
    read: Callable[[str], Prepared],
    models: Mapping[str, Model],
    names: Sequence[str],
    failed: dict[str, str],
) -> Iterator[Strip]:
    """Yield one strip per image; one that cannot be read or segmented goes to `failed` with its reason.

    Args:
        models: by name, in the order of their columns.
        names: the classes; class i is label i + 1.
    """
    for id in ids:
        try:
            image = read(id)
            answers = {name: model(image) for name, model in models.items()}
        except (RadsegError, OSError) as error:
            failed[id] = str(error)
            continue
        yield _strip(id, image, answers, names)


def _strip(id: str, image: Prepared, answers: Mapping[str, Answer], names: Sequence[str]) -> Strip:
    height, width = image.truth.shape
    size = Size(max(1, round(height * CELL / width)), CELL)
    judged = image.truth != IGNORE
    truth = np.where(judged, image.truth.astype(np.int64) + 1, 0).astype(np.uint16)
    shown = to_uint8(torch.nn.functional.interpolate(image.image[None].cpu(), tuple(size), mode="area")[0])

    def painted(labels: Labels) -> DecodedImage:
        small = Image.fromarray(labels.astype(np.int32)).resize(
            (size.width, size.height), Image.Resampling.NEAREST
        )
        return paint(shown, np.asarray(small).astype(np.uint16), names)

    seen = _feature_images(answers, size)
    panels = tuple(
        Panel(
            model,
            image_miou(image.truth, one.labels, len(names)),
            painted(one.labels),
            seen.get(model),
        )
        for model, one in answers.items()
    )
    areas = np.bincount(truth.ravel(), minlength=len(names) + 1) * 1.0
    for one in answers.values():  # after everything in the truth comes what the models see
        areas += np.bincount(one.labels.ravel(), minlength=len(names) + 1) * 1e-9
    order = 1 + np.argsort(-areas[1:], kind="stable")
    # Of all names, as in the painted cells: which are present moves colours.
    table, lines = colours(names), patterns(names)
    present = tuple((names[i - 1], _colour(table[i - 1]), int(lines[i - 1])) for i in order if areas[i] > 0)
    return Strip(id, shown, painted(truth), panels, present)


def _feature_images(answers: Mapping[str, Answer], size: Size) -> dict[str, DecodedImage]:
    """Return the features of the models that have some: those of one space in the same colours."""
    spaces: dict[str, dict[str, FeatureMap]] = {}
    for model, one in answers.items():
        if one.features is not None:
            spaces.setdefault(one.features.space, {})[model] = one.features.values
    images: dict[str, DecodedImage] = {}
    for maps in spaces.values():
        images |= zip(maps, pca_images(list(maps.values()), size), strict=True)
    return images


def draw_figure(shown: Sequence[Strip], *, title: str) -> Image.Image:
    """Return the sheet as one image.

    Raises:
        InputError: there is nothing to draw.
    """
    if not shown:
        raise InputError("There is no image to put on the sheet.")
    blocks = [draw_strip(strip) for strip in shown]
    width = max(block.width for block in blocks)
    canvas = Image.new("RGB", (width, 2 * LINE + sum(block.height for block in blocks)), PANEL)
    _write(ImageDraw.Draw(canvas), title, (GAP, LINE), width - 2 * GAP, size=20)
    top = 2 * LINE
    for block in blocks:
        canvas.paste(block, (0, top))
        top += block.height
    return canvas


def draw_strip(strip: Strip) -> Image.Image:
    """Return the two rows of one image with captions, bars of mIoU, and the colours of the names below."""
    height, step = strip.image.shape[0], strip.image.shape[0] + LINE + GAP
    canvas = Image.new("RGB", (GAP + (2 + len(strip.panels)) * (CELL + GAP), 2 * step), PANEL)
    draw = ImageDraw.Draw(canvas)

    def place(column: int, top: int, image: DecodedImage, caption: str) -> None:
        left = GAP + column * (CELL + GAP)
        _write(draw, caption, (left, top + LINE // 2), CELL)
        canvas.paste(Image.fromarray(image), (left, top + LINE))

    place(0, 0, strip.image, strip.id)
    place(1, 0, strip.truth, "truth")
    for column, panel in enumerate(strip.panels, start=2):
        place(column, 0, panel.labels, f"{panel.model}: mIoU {percent(panel.miou)}")
        if panel.features is None:
            _write(draw, NO_FEATURES, (GAP + column * (CELL + GAP), step + LINE // 2), CELL)
        else:
            place(column, step, panel.features, "features, three strongest directions")
    _bars(draw, strip.panels, top=step + LINE, height=height)
    entries = [Entry(name, "", colour, name, lines) for name, colour, lines in strip.present]
    return with_legend(canvas, entries)


def _colour(row: UInt8[np.ndarray, " 3"]) -> Colour:
    red, green, blue = (int(value) for value in row)
    return red, green, blue


def _bars(draw: ImageDraw.ImageDraw, panels: Sequence[Panel], *, top: int, height: int) -> None:
    """Draw the mIoU of every model as a bar over the width of the two free cells; the frame is 100 %."""
    thick = min(LINE, height // max(1, 2 * len(panels)))
    width = 2 * CELL + GAP
    for number, panel in enumerate(panels):
        y = top + number * 2 * thick
        _write(
            draw, f"{panel.model} {percent(panel.miou)}", (GAP, y + thick // 2), width, size=min(14, thick)
        )
        draw.rectangle((GAP, y + thick, GAP + width, y + thick + thick // 2), fill=FULL)
        share = 0.0 if np.isnan(panel.miou) else panel.miou
        if share > 0:
            draw.rectangle((GAP, y + thick, GAP + round(width * share), y + thick + thick // 2), fill=BAR)


def percent(share: float) -> str:
    """Return a share in percent, one decimal; "not judged" for NaN."""
    return "not judged" if np.isnan(share) else f"{100 * share:.1f} %"


def _write(
    draw: ImageDraw.ImageDraw, text: str, place: tuple[int, int], width: int, *, size: int = 14
) -> None:
    """Write one line, its middle at the height of `place`, cut off at `width` pixels."""
    line = shorten(legible(text, size=max(8, size), otherwise="?"), width)
    draw.text(place, line.letters, font=line.font, fill=INK if size > 10 else FAINT, anchor="lm")
