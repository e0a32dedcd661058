"""The exchange formats by the names that people type."""

from collections.abc import Mapping

from radseg.io.formats.cityscapes import CITYSCAPES
from radseg.io.formats.coco_dataset import COCO, FIFTYONE, SUPERVISION
from radseg.io.formats.coco_panoptic import COCO_PANOPTIC
from radseg.io.formats.colour_maps import CVAT_MASKS, VOC
from radseg.io.formats.cvat import CVAT
from radseg.io.formats.dataset import Format
from radseg.io.formats.label_studio import LABEL_STUDIO
from radseg.io.formats.yolo import YOLO

FORMATS: Mapping[str, Format] = {
    "coco": COCO,
    "coco-panoptic": COCO_PANOPTIC,
    "yolo": YOLO,
    "voc": VOC,
    "cityscapes": CITYSCAPES,
    "cvat": CVAT,
    "cvat-masks": CVAT_MASKS,
    "label-studio": LABEL_STUDIO,
    "fiftyone": FIFTYONE,
    "supervision": SUPERVISION,
}
