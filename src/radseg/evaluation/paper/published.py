"""What the paper prints (RADSeg, arXiv 2511.19704), as data, with the table each number stands in.

Two texts of the paper were at hand: an "earlier" one with its main part, and the supplement of a "later" one.
They differ in the RADSeg+ rows. Tables are numbered as in the later text. Neither text carries page numbers,
so a table's number is its address. Averages are the means of the five printed values: where the paper's own
average is another number, `average` is the recomputed one and `note` says what is printed. Figures A.1 and
A.3 are figures without printed values.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from radseg.errors import InputError

ModelSize = Literal["base", "large", "huge"]
Resolution = Literal["low", "mid", "high"]
Edition = Literal["earlier", "later", "both"]
Five = tuple[float, float, float, float, float]

DATASETS = ("context59", "voc20", "cocostuff", "ade20k", "cityscapes")
"""The data sets of the 2D tables, in the order of their columns: CTX, VOC, Stuff, ADE, City."""


@dataclass(frozen=True)
class Scores:
    """One row of a 2D table.

    Attributes:
        table: its number, e.g. "A.2".
        values: mIoU in percent, in the order of DATASETS.
        average: mean of `values`, percent; recomputed where the paper misprints it.
        edition: which text of the paper; "both" where they agree.
        note: what a reader of the paper should know of this row.
    """

    table: str
    method: str
    size: ModelSize
    resolution: Resolution
    values: Five
    average: float
    edition: Edition = "both"
    note: str = ""

    def of(self, dataset: str) -> float:
        """Return the mIoU on one data set, percent.

        Raises:
            InputError: not one of DATASETS.
        """
        if dataset not in DATASETS:
            raise InputError(f"The paper has no column {dataset!r}; it has {', '.join(DATASETS)}.")
        return self.values[DATASETS.index(dataset)]


class Cost(NamedTuple):
    """One row of Table A.3: V100, mid resolution, float32.

    Attributes:
        seconds: mean latency per image, in the order of DATASETS.
        average: mean of `seconds`.
        parameters: of the vision side, millions.
        miou: average over the data sets, percent; recomputed where misprinted.
    """

    method: str
    size: ModelSize
    seconds: Five
    average: float
    parameters: int
    miou: float
    edition: Edition = "both"
    note: str = ""


class Score3d(NamedTuple):
    """One row of one half of Table 2: (mIoU, f-mIoU) in percent; all models are base.

    Attributes:
        lifted: what is unprojected into the voxels.
        note: what the published number carries.
    """

    method: str
    lifted: Literal["features", "probabilities"]
    replica: tuple[float, float]
    scannet: tuple[float, float]
    scannetpp: tuple[float, float]
    note: str = ""


_RAW = "its code gave the networks images that were not normalised"
"""The encoders of RayFronts and Trident in RADSeg's released code (commit e0443d6). RayFronts' authors
corrected theirs in July 2026 (5efcfb7, 0b7b4a7): its Replica office0 went from 31.47/42.22 to 32.40/43.00."""


def _a2(
    method: str,
    size: ModelSize,
    resolution: Resolution,
    values: Five,
    average: float,
    edition: Edition = "both",
    note: str = "",
) -> Scores:
    return Scores("A.2", method, size, resolution, values, average, edition, note)


def _mid(
    table: str,
    method: str,
    values: Five,
    average: float,
    size: ModelSize = "base",
    edition: Edition = "both",
    note: str = "",
) -> Scores:
    return Scores(table, method, size, "mid", values, average, edition, note)


TABLE_A2: tuple[Scores, ...] = (
    _a2("NACLIP", "base", "low", (35.17, 79.71, 23.30, 17.42, 35.49), 38.22),
    _a2("NACLIP", "base", "mid", (34.70, 80.29, 23.64, 17.78, 35.98), 38.48),
    _a2("NACLIP", "base", "high", (33.86, 72.57, 20.04, 17.80, 36.74), 36.20),
    _a2("ResCLIP", "base", "low", (36.80, 82.32, 24.70, 18.03, 35.85), 39.54),
    _a2("ResCLIP", "base", "mid", (36.75, 85.89, 25.07, 18.55, 36.19), 40.49),
    _a2("ResCLIP", "base", "high", (35.98, 76.60, 22.01, 18.57, 36.88), 38.01),
    _a2("RayFronts", "base", "low", (36.81, 72.59, 25.34, 23.38, 36.29), 38.88),
    _a2("RayFronts", "base", "mid", (38.07, 80.12, 27.39, 24.63, 40.47), 42.14),
    _a2("RayFronts", "base", "high", (36.99, 67.39, 23.92, 24.18, 39.13), 38.32),
    _a2("ProxyCLIP", "base", "low", (38.74, 78.18, 26.11, 19.71, 39.69), 40.49),
    _a2("ProxyCLIP", "base", "mid", (37.88, 80.31, 26.41, 19.67, 40.39), 40.93),
    _a2("ProxyCLIP", "base", "high", (34.85, 70.44, 21.63, 19.18, 38.84), 36.99),
    _a2("SC-CLIP", "base", "low", (40.12, 84.29, 26.62, 20.06, 41.02), 42.42),
    _a2("SC-CLIP", "base", "mid", (39.87, 87.67, 27.25, 20.68, 40.49), 43.19),
    _a2("SC-CLIP", "base", "high", (38.68, 77.67, 22.89, 20.34, 41.24), 40.16),
    _a2("Talk2DINO", "base", "low", (39.43, 85.68, 27.43, 20.42, 38.05), 42.20),
    _a2("Talk2DINO", "base", "mid", (40.31, 85.66, 27.89, 21.67, 39.47), 43.00),
    _a2("Talk2DINO", "base", "high", (40.23, 84.15, 27.06, 21.70, 41.15), 42.86),
    _a2("Trident", "base", "low", (41.62, 83.74, 28.22, 21.17, 41.86), 43.32),
    _a2("Trident", "base", "mid", (42.16, 84.50, 28.24, 21.98, 42.08), 43.79),
    _a2("Trident", "base", "high", (40.70, 80.75, 25.45, 20.81, 42.19), 41.98),
    _a2("TextRegion", "base", "low", (41.53, 83.83, 27.39, 21.21, 40.49), 42.89, note="printed 43.17"),
    _a2("TextRegion", "base", "mid", (42.29, 84.21, 27.13, 21.74, 41.26), 43.33),
    _a2("TextRegion", "base", "high", (42.88, 83.19, 28.62, 22.55, 42.15), 43.88),
    _a2("RADSeg", "base", "low", (44.49, 87.24, 29.79, 27.16, 42.04), 46.14),
    _a2("RADSeg", "base", "mid", (45.64, 89.28, 30.76, 28.96, 45.35), 48.00),
    _a2("RADSeg", "base", "high", (45.14, 84.07, 29.05, 28.93, 48.79), 47.20),
    _a2("RADSeg+", "base", "low", (48.23, 88.69, 31.66, 29.44, 45.59), 48.72, "earlier"),
    _a2("RADSeg+", "base", "low", (48.24, 88.46, 31.69, 29.63, 45.58), 48.72, "later", note="printed 48.84"),
    _a2("RADSeg+", "base", "mid", (48.59, 90.35, 32.45, 30.86, 47.82), 50.01, "earlier"),
    _a2("RADSeg+", "base", "mid", (48.48, 90.14, 32.48, 30.83, 48.10), 50.01, "later"),
    _a2("RADSeg+", "base", "high", (48.01, 86.17, 30.40, 30.71, 50.72), 49.20, "earlier"),
    _a2("RADSeg+", "base", "high", (47.86, 85.70, 30.43, 30.86, 50.96), 49.16, "later", note="printed 49.49"),
    _a2("RayFronts", "huge", "low", (31.67, 72.59, 23.31, 20.46, 28.98), 35.40),
    _a2("RayFronts", "huge", "mid", (32.29, 73.36, 23.44, 21.19, 31.84), 36.42),
    _a2("RayFronts", "huge", "high", (32.19, 67.64, 22.13, 21.08, 34.27), 35.46),
    _a2("ProxyCLIP", "huge", "low", (39.16, 78.02, 26.19, 23.90, 43.64), 42.18),
    _a2("ProxyCLIP", "huge", "mid", (38.31, 83.03, 27.76, 24.05, 43.92), 43.41, note="printed 43.21"),
    _a2("ProxyCLIP", "huge", "high", (37.03, 71.66, 21.81, 23.65, 43.09), 39.45),
    _a2("Trident", "huge", "low", (43.16, 87.97, 28.55, 25.64, 46.87), 46.44),
    _a2("Trident", "huge", "mid", (44.32, 88.67, 28.52, 26.70, 46.30), 46.90),
    _a2("Trident", "huge", "high", (43.77, 87.22, 25.72, 27.02, 47.34), 46.21),
    _a2("TextRegion", "huge", "low", (44.04, 89.53, 30.19, 24.53, 47.35), 47.13),
    _a2("TextRegion", "huge", "mid", (44.76, 89.42, 29.85, 26.42, 47.04), 47.50),
    _a2("TextRegion", "huge", "high", (46.13, 89.36, 31.22, 27.30, 46.88), 48.18),
    _a2("RADSeg", "huge", "low", (42.27, 89.58, 28.30, 25.96, 38.85), 44.99),
    _a2("RADSeg", "huge", "mid", (44.80, 89.74, 28.93, 28.21, 42.93), 46.92),
    _a2("RADSeg", "huge", "high", (45.01, 88.52, 29.46, 27.15, 47.75), 47.58),
    _a2("RADSeg+", "huge", "low", (45.44, 90.04, 30.12, 27.75, 41.66), 47.00, "earlier"),
    _a2("RADSeg+", "huge", "low", (45.75, 90.39, 30.17, 27.86, 42.49), 47.33, "later", note="printed 47.73"),
    _a2("RADSeg+", "huge", "mid", (47.74, 90.14, 30.44, 29.92, 45.78), 48.80, "earlier"),
    _a2("RADSeg+", "huge", "mid", (47.76, 90.44, 30.50, 30.09, 46.48), 49.05, "later", note="printed 49.38"),
    _a2("RADSeg+", "huge", "high", (47.92, 89.24, 30.84, 29.82, 50.01), 49.57, "earlier"),
    _a2("RADSeg+", "huge", "high", (47.98, 89.40, 30.79, 29.99, 50.58), 49.75, "later", note="printed 50.19"),
)
"""mIoU per method, model size and resolution limit. Table 1 is the best of these up to a limit (§4.1)."""

TABLE_4: tuple[Scores, ...] = (
    _mid("4", "plain", (40.40, 88.07, 27.41, 27.30, 39.94), 44.62, "base", "earlier"),
    _mid("4", "+ SCRA", (43.07, 88.03, 29.87, 27.69, 44.50), 46.63, "base", "earlier"),
    _mid("4", "+ SCRA + SCGA", (45.64, 89.28, 30.76, 28.96, 45.35), 48.00, "base", "earlier"),
    _mid("4", "+ SCRA + SCGA + RADIO-SAM", (48.48, 90.14, 32.48, 30.83, 48.10), 50.01, "base", "earlier"),
)
"""The components, each row with those above it."""

TABLE_A4: tuple[Scores, ...] = (
    _mid("A.4", "Rv2.5, plain", (34.24, 84.99, 24.66, 23.11, 32.78), 39.96, "base", "later"),
    _mid("A.4", "Rv2.5, + SCRA + SCGA", (44.52, 87.59, 30.52, 28.27, 43.56), 46.89, "base", "later"),
    _mid("A.4", "Rv2.5, plain", (31.70, 83.88, 23.68, 21.00, 32.49), 38.55, "large", "later"),
    _mid("A.4", "Rv2.5, + SCRA + SCGA", (38.85, 89.02, 28.14, 25.53, 43.72), 45.05, "large", "later"),
    _mid("A.4", "Rv2.5, plain", (31.12, 79.04, 23.00, 21.92, 29.78), 36.97, "huge", "later"),
    _mid("A.4", "Rv2.5, + SCRA + SCGA", (38.67, 82.52, 27.31, 25.81, 36.63), 42.19, "huge", "later"),
    _mid("A.4", "Rv3, plain", (40.40, 88.07, 27.41, 27.30, 39.94), 44.62, "base", "later"),
    _mid("A.4", "Rv3, + SCRA + SCGA", (45.64, 89.28, 30.76, 28.96, 45.35), 48.00, "base", "later"),
    _mid("A.4", "Rv3, plain", (35.23, 88.35, 24.55, 24.34, 33.74), 41.24, "huge", "later"),
    _mid("A.4", "Rv3, + SCRA + SCGA", (44.80, 89.74, 28.93, 28.21, 42.93), 46.92, "huge", "later"),
)
"""SCRA and SCGA on other RADIO versions. v3-L is left out there: its patches are not aligned."""

TABLE_A5 = {1: 48.0, 2: 47.5, 3: 47.0}
"""Average mIoU over how often SCRA is applied, with SCGA (later text only)."""

TABLE_A6: tuple[Scores, ...] = (
    _mid("A.6", "windows", (45.64, 89.28, 30.76, 28.96, 45.35), 48.00, "base", "later"),
    _mid("A.6", "single pass", (47.52, 89.02, 31.47, 29.51, 41.96), 47.90, "base", "later"),
    _mid("A.6", "single pass, no SCGA", (47.52, 87.81, 31.29, 28.81, 43.83), 47.85, "base", "later"),
)
"""One pass over the whole image against windows."""

TABLE_A7: tuple[Scores, ...] = (
    _mid("A.7", "Rv2.5-SigLIP, CLS head", (34.24, 84.99, 24.66, 23.11, 32.78), 39.96),
    _mid("A.7", "Rv2.5-SigLIP, CLS head", (31.70, 83.88, 23.68, 21.00, 32.49), 38.55, "large"),
    _mid("A.7", "Rv2.5-SigLIP, CLS head", (31.12, 79.04, 23.00, 21.92, 29.78), 36.97, "huge"),
    _mid("A.7", "Rv2.5-CLIP, CLS head", (33.42, 86.55, 23.56, 22.37, 31.24), 39.43),
    _mid("A.7", "Rv2.5-CLIP, CLS head", (31.09, 84.57, 22.68, 20.10, 30.53), 37.79, "large"),
    _mid("A.7", "Rv2.5-CLIP, CLS head", (27.81, 79.70, 21.08, 20.03, 25.65), 34.85, "huge"),
    _mid("A.7", "Rv2.5-SigLIP, patch head", (0.31, 1.00, 0.06, 0.14, 0.09), 0.32),
    _mid("A.7", "Rv2.5-SigLIP, patch head", (0.27, 0.97, 0.06, 0.12, 0.14), 0.31, "large"),
    _mid("A.7", "Rv2.5-SigLIP, patch head", (0.37, 1.06, 0.06, 0.17, 0.13), 0.36, "huge"),
    _mid("A.7", "Rv3-SigLIP2, CLS head", (40.40, 88.07, 27.41, 27.30, 39.94), 44.62),
    _mid("A.7", "Rv3-SigLIP2, CLS head", (1.00, 1.46, 0.52, 0.15, 1.18), 0.86, "large"),
    _mid("A.7", "Rv3-SigLIP2, CLS head", (35.23, 88.35, 24.55, 24.34, 33.74), 41.24, "huge"),
    _mid("A.7", "Rv3-CLIP, CLS head", (37.90, 86.89, 26.36, 24.48, 35.99), 42.32),
    _mid("A.7", "Rv3-CLIP, CLS head", (0.67, 1.71, 0.07, 0.12, 1.17), 0.75, "large"),
    _mid("A.7", "Rv3-CLIP, CLS head", (29.48, 84.07, 21.85, 21.39, 27.16), 36.79, "huge"),
    _mid("A.7", "Rv3-SigLIP2, patch head", (0.11, 2.47, 0.05, 0.14, 0.89), 0.73),
    _mid("A.7", "Rv3-SigLIP2, patch head", (0.12, 2.50, 0.04, 0.14, 0.98), 0.76, "large"),
    _mid("A.7", "Rv3-SigLIP2, patch head", (0.12, 0.84, 0.05, 0.12, 0.14), 0.25, "huge"),
)
"""Language adaptors (Table A.3 of the earlier text); Table 3 is their averages."""

TABLE_A8: tuple[Scores, ...] = (
    _mid("A.8", "NACLIP", (34.70, 80.28, 23.65, 17.78, 35.98), 38.48),
    _mid("A.8", "NARADIO", (40.85, 86.25, 27.93, 27.19, 40.47), 44.54),
    _mid("A.8", "ProxyCLIP", (37.76, 80.24, 26.40, 19.65, 40.28), 40.87),
    _mid("A.8", "ProxyRADIO-D", (41.62, 86.52, 29.28, 26.90, 42.87), 45.44),
    _mid("A.8", "ProxyRADIO-S", (41.99, 87.90, 29.33, 27.00, 44.04), 46.05),
    _mid("A.8", "ResCLIP", (36.52, 85.79, 24.91, 18.43, 36.02), 40.33),
    _mid("A.8", "ResRADIO", (41.79, 87.96, 28.74, 26.63, 40.77), 45.18),
    _mid("A.8", "RADSeg", (45.64, 89.28, 30.76, 28.96, 45.35), 48.00),
)
"""Table 5 per data set; its costs are those of Table A.3. Its CLIP rows differ from A.2's: windows of an
image in one batch, it seems (methods spec 0.5)."""

TABLE_A3: tuple[Cost, ...] = (
    Cost("NACLIP", "base", (0.091, 0.025, 0.074, 0.111, 0.144), 0.089, 86, 38.48),
    Cost("ResCLIP", "base", (0.252, 0.152, 0.266, 0.325, 0.311), 0.261, 86, 40.33),
    Cost("RayFronts", "base", (0.106, 0.035, 0.087, 0.109, 0.218), 0.111, 103, 42.14),
    Cost("ProxyCLIP", "base", (0.689, 0.262, 0.247, 0.693, 1.446), 0.667, 171, 40.87),
    Cost("SC-CLIP", "base", (0.148, 0.059, 0.111, 0.174, 0.243), 0.147, 86, 41.86),
    Cost("Trident", "base", (0.353, 0.229, 0.348, 0.414, 0.923), 0.454, 264, 43.79),
    Cost("TextRegion", "base", (0.410, 0.403, 0.438, 0.428, 1.729), 0.682, 167, 43.33),
    Cost("Talk2DINO", "base", (0.150, 0.043, 0.155, 0.188, 0.289), 0.165, 86, 43.00),
    Cost("RADSeg", "base", (0.109, 0.036, 0.088, 0.112, 0.228), 0.115, 105, 48.00, "earlier"),
    Cost("RADSeg", "base", (0.109, 0.036, 0.088, 0.112, 0.228), 0.115, 106, 48.00, "later"),
    Cost("RADSeg+", "base", (0.261, 0.156, 0.286, 0.360, 0.709), 0.354, 125, 50.01, "earlier"),
    Cost("RADSeg+", "base", (0.261, 0.156, 0.286, 0.360, 0.709), 0.354, 119, 50.01, "later"),
    Cost("RayFronts", "huge", (0.619, 0.204, 0.460, 0.598, 1.362), 0.649, 661, 36.40),
    Cost(
        "ProxyCLIP", "huge", (1.297, 0.494, 0.451, 1.280, 3.168), 1.338, 717, 43.41, "both", "printed 43.21"
    ),
    Cost("Trident", "huge", (1.426, 0.900, 1.123, 1.444, 2.365), 1.451, 1349, 46.90),
    Cost("TextRegion", "huge", (0.732, 0.670, 0.711, 0.744, 2.476), 1.067, 857, 47.50),
    Cost("RADSeg", "huge", (0.617, 0.202, 0.457, 0.594, 1.363), 0.647, 664, 46.92),
    Cost(
        "RADSeg+", "huge", (1.172, 0.734, 1.074, 1.341, 2.128), 1.290, 684, 49.05, "earlier", "its A.2: 48.80"
    ),
    Cost("RADSeg+", "huge", (1.172, 0.734, 1.074, 1.341, 2.128), 1.290, 677, 49.05, "later", "printed 49.38"),
)
"""Latency per image, parameters and average mIoU (Table A.5 of the earlier text)."""

TABLE_2: tuple[Score3d, ...] = (
    Score3d("SC-CLIP", "features", (21.33, 43.57), (28.04, 40.57), (19.24, 37.68)),
    Score3d("SC-CLIP", "probabilities", (21.98, 44.31), (28.59, 40.89), (20.97, 38.10)),
    Score3d("Talk2DINO", "features", (23.12, 35.07), (28.58, 32.88), (24.88, 30.96)),
    Score3d("Talk2DINO", "probabilities", (23.94, 36.86), (29.13, 34.47), (25.43, 32.37)),
    Score3d("Trident", "features", (23.62, 47.18), (32.23, 43.12), (23.11, 41.56), _RAW),
    Score3d("Trident", "probabilities", (25.44, 47.48), (32.78, 43.67), (24.21, 42.23), _RAW),
    Score3d("Trident with refinement", "probabilities", (27.38, 49.81), (32.63, 44.17), (26.24, 44.51), _RAW),
    Score3d("TextRegion", "features", (27.15, 50.50), (34.42, 44.47), (24.08, 45.86)),
    Score3d("TextRegion", "probabilities", (28.35, 50.90), (35.83, 46.09), (24.59, 45.91)),
    Score3d("RayFronts", "features", (28.39, 52.05), (31.02, 42.14), (26.34, 38.91), _RAW),
    Score3d("RayFronts", "probabilities", (31.28, 53.28), (31.05, 42.30), (26.86, 40.55), _RAW),
    Score3d("RADSeg", "features", (32.29, 58.96), (36.29, 45.64), (31.95, 46.53)),
    Score3d("RADSeg", "probabilities", (32.68, 57.02), (36.41, 46.92), (32.90, 47.76)),
    Score3d("RADSeg+", "probabilities", (33.05, 59.21), (38.58, 48.49), (33.27, 48.35)),
)
"""3D segmentation on voxels of 5 cm."""

FIGURE_A2: dict[str, dict[ModelSize, float]] = {
    "C-RADIOv3": {"base": 0.48, "large": -0.04, "huge": 0.38},
    "RADIOv2.5": {"base": 0.47, "huge": 0.30},
    "DFN CLIP": {"base": 0.36, "huge": 0.22},
    "DINOv2": {"large": 0.04},
    "SigLIP2": {"base": 0.0, "large": 0.0, "huge": 0.0},
}
"""Mean CLS-patch cosine over 1,000 ImageNet validation images, as far as the text prints it (A6)."""

TABLES: tuple[Scores, ...] = (*TABLE_A2, *TABLE_4, *TABLE_A4, *TABLE_A6, *TABLE_A7, *TABLE_A8)
"""Every row with one value per data set."""


def find(
    method: str,
    size: ModelSize,
    resolution: Resolution = "mid",
    *,
    table: str = "A.2",
    edition: Literal["earlier", "later"] = "later",
) -> Scores:
    """Return one row; where the two texts differ, that of `edition`.

    Raises:
        InputError: the paper has no such row.
    """
    same = [row for row in TABLES if (row.table, row.method, row.size) == (table, method, size)]
    for row in same:
        if row.resolution == resolution and row.edition in (edition, "both"):
            return row
    for row in same:  # tables that one text alone holds
        if row.resolution == resolution:
            return row
    known = sorted({row.method for row in TABLES if row.table == table and row.size == size})
    raise InputError(
        f"Table {table} has no {method!r} of size {size} at {resolution} resolution. "
        f"It has: {', '.join(known) or 'nothing of this size'}."
    )
