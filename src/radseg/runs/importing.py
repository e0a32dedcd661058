"""From another tool's data set to a folder that `radseg eval folder` takes: images, label files, classes."""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from radseg.datasets.base import IGNORE, Truth
from radseg.datasets.folder import CLASS_FILE, IMAGE_FOLDER, LABEL_FOLDERS
from radseg.datasets.foreign.base import IMAGE_SUFFIXES, ForeignImage, ForeignSet, below, visible
from radseg.datasets.foreign.coco import open_coco
from radseg.datasets.foreign.cvat import open_cvat
from radseg.datasets.foreign.voc import open_voc
from radseg.datasets.foreign.yolo import open_yolo
from radseg.errors import ImageError, InputError, MissingExtraError, MissingFileError
from radseg.files import shortened, shown
from radseg.io import image_bytes, label_dtype, read_pixels
from radseg.runs.folders import appearing, pieces_of, write_in
from radseg.text.vocabulary import Vocabulary

READERS: Mapping[str, Callable[[Path], ForeignSet]] = {
    "coco": open_coco,
    "yolo": open_yolo,
    "cvat": open_cvat,
    "voc": open_voc,
}


@dataclass(frozen=True)
class ImportRequest:
    """What a person asked for.

    Attributes:
        source: the data set: a folder, or its file of annotations.
        form: one of `READERS`.
        output: folder for images and labels.
        images: folder of the images; None looks where the format keeps them.
        background: a class for the pixels that no annotation covers; None leaves them unjudged.
        replace: whether an earlier import in the folder is replaced.
    """

    source: Path
    form: str
    output: Path
    images: Path | None = None
    background: str | None = None
    replace: bool = False


@dataclass
class ImportReport:
    """What was imported.

    Attributes:
        names: the classes.
        images: how many images.
        failed: reasons by the name of the image.
        left_out: annotations without pixels by what they are.
    """

    names: tuple[str, ...]
    images: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)


def import_set(request: ImportRequest) -> ImportReport:
    """Write the folder; an image that cannot be taken is in the report and does not stop the others.

    Raises:
        InputError: no such format, the source is not of it, the folder is not to be replaced, or no image can
            be taken.
        MissingFileError: there is no such source.
        MissingExtraError: a package that the format takes is absent.
        ResourceError: the disk stands in the way.
    """
    if request.form not in READERS:
        raise InputError(f"There is no format {request.form!r} to import; there are {', '.join(READERS)}.")
    foreign = READERS[request.form](request.source)
    names = foreign.names if request.background is None else (*foreign.names, request.background)
    Vocabulary.parse(list(names))  # what `eval` makes of them, said now
    report = ImportReport(names, left_out=foreign.left_out)
    search = _Search(foreign.places if request.images is None else (request.images,))
    taken: set[str] = set()
    with appearing(request.output, replace=request.replace) as folder:
        write_in(folder, CLASS_FILE, [f"{json.dumps(names, ensure_ascii=False, indent=1)}\n".encode()])
        for image in foreign.images:
            try:
                name = _take(image, search, request, len(foreign.names), folder, taken)
            except MissingExtraError:
                raise
            except (ImageError, MissingFileError) as error:
                report.failed[image.name] = str(error)
            except (ValueError, TypeError, KeyError, OverflowError) as error:
                report.failed[image.name] = f"{shortened(image.name, 80)} holds {error}."
            else:
                taken.add(_key(name))
                report.images += 1
        if not report.images:
            reason = next(iter(report.failed.values()), "it names no image")
            raise InputError(f"Nothing of {shown(request.source)} can be imported: {reason}")
    return report


def _take(
    image: ForeignImage,
    search: "_Search",
    request: ImportRequest,
    classes: int,
    folder: Path,
    taken: set[str],
) -> str:
    """Write one image and its labels; return its new name."""
    path = search.find(image.name) if image.file is None else image.file
    height, width = read_pixels(path).shape[:2]
    truth = image.truth((height, width))
    name = _name(image.name, taken)
    count = classes
    if request.background is not None:
        truth[truth == IGNORE] = classes
        count += 1
    stem = PurePosixPath(name).with_suffix("").as_posix()
    write_in(folder, f"{LABEL_FOLDERS[0]}/{stem}.png", [_label_bytes(truth, count)])
    write_in(folder, f"{IMAGE_FOLDER}/{name}", pieces_of(path))
    return name


def _label_bytes(truth: Truth, classes: int) -> bytes:
    dtype = label_dtype(classes)
    values = np.where(truth == IGNORE, np.iinfo(dtype).max, truth).astype(dtype)
    return image_bytes(Image.fromarray(values))


def _name(name: str, taken: set[str]) -> str:
    """Return the name of an image in the folder: its own, unless it leads elsewhere or is another's."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        path = PurePosixPath(_last(name))
    if any(part.startswith(".") for part in path.parts):
        raise ImageError(f"{shortened(name, 80)} begins with a dot; rename it, hidden files are not read.")
    while _key(path.as_posix()) in taken:
        path = path.with_name(f"{path.name}{path.suffix}")
    return path.as_posix()


def _key(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix().casefold()


def _last(name: str) -> str:
    return re.split(r"[\\/]", name)[-1]


class _Search:
    """Finds images below some folders by the names of a foreign file.

    By the whole name; else, as many tools write paths of the machine they ran on, by the last part of it
    where one image alone is called so.
    """

    def __init__(self, places: Sequence[Path]) -> None:
        self._places = [place for place in places if place.is_dir()]
        self._by_name: dict[str, list[Path]] | None = None

    def find(self, name: str) -> Path:
        """Return the file.

        Raises:
            ImageError: a link is on the way, or several images are called so.
            MissingFileError: there is none.
        """
        path = PurePosixPath(name)
        if path.parts and not path.is_absolute() and ".." not in path.parts and "\0" not in name:
            for place in self._places:
                if (file := below(place, name)).is_file():
                    return file
        same = self._called(_last(name))
        if len(same) > 1:
            raise ImageError(
                f"{shortened(name, 80)} may be {shown(same[0])} or {shown(same[1])}; rename one."
            )
        if not same:
            where = shown(self._places[-1]) if self._places else "any folder of images"
            raise MissingFileError(
                f"There is no image {shortened(name, 80)} below {where}; name its folder with --images."
            )
        return same[0]

    def _called(self, name: str) -> list[Path]:
        if self._by_name is None:
            self._by_name = {}
            for path in dict.fromkeys(path for place in self._places for path in visible(place)):
                if path.suffix.lower() in IMAGE_SUFFIXES:
                    self._by_name.setdefault(path.name, []).append(path)
        return self._by_name.get(name, [])
