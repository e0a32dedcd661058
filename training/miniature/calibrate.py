"""Set the border between "fits" and "does not fit": the last step of training, on the unknown word alone.

The modes `background` and `independent` compare a name with a bank of phrases the miniature does not know,
which all become its one vector for "unknown". Training leaves that vector where its own losses, with many
more absent prompts than present ones, put it: too high, so that little is found. Here everything else is
frozen, and the vector moves to where the names of an image and the most similar names that are not in it are
wrong equally often, at the temperature and with the number of phrases of inference.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from radseg.methods.radseg import SelfCorrelatingAttention
from radseg.miniature.text_tower import MiniatureTextTower
from radseg.models.radio import Radio
from radseg.text.contrast import CONTRAST_PHRASES
from radseg.types import Size
from training.miniature.batches import Datasets
from training.miniature.parts import Parts
from training.miniature.recipe import PRESENT, Targets, occupancy

TEMPERATURE = 100.0  # of the softmax over names at inference (RADSeg)
HARDEST = 8  # absent names per patch that count: about as many as a person asks for in vain
SIDE, AT_ONCE = 160, 40
IMAGES = 240  # of either kind


class Evidence(NamedTuple):
    """Patches of one name each: aligned unit vectors, cosine of that name and of the hardest absent ones."""

    patches: Float[Tensor, "p e"]
    right: Float[Tensor, " p"]
    wrong: Float[Tensor, "p k"]


@torch.no_grad()
def gather(radio: Radio, tower: MiniatureTextTower, images: Datasets) -> Evidence:
    """Return what the calibration needs of the first images of either kind."""
    targets = Targets.of(tower)
    text = tower(targets.counts)[: len(targets.names)]
    found: list[Evidence] = []
    for dataset in (images.wide, images.close):
        for start in range(0, min(IMAGES, len(dataset)), AT_ONCE):
            batch = dataset.corner(Size(SIDE, SIDE), slice(start, start + AT_ONCE))
            occupied = occupancy(batch.labels, radio.patch, len(text))
            tokens = radio.encode(batch.images, SelfCorrelatingAttention()).patches
            found.append(_evidence(F.normalize(radio.to_language(tokens), dim=-1), occupied, text))
    return Evidence(*(torch.cat(part) for part in zip(*found, strict=True)))


def _evidence(
    aligned: Float[Tensor, "n p e"], occupied: Float[Tensor, "n p c"], text: Float[Tensor, "c e"]
) -> Evidence:
    cosine = aligned @ text.mT
    there: Bool[Tensor, "n 1 c"] = (occupied.mean(1) >= PRESENT / 10)[:, None]
    wrong = cosine.masked_fill(there, -1).topk(HARDEST, dim=-1).values
    share, name = occupied.max(-1)
    pure = share > 0.8
    return Evidence(aligned[pure], cosine.gather(-1, name[..., None])[..., 0][pure], wrong[pure])


def losses(vector: Float[Tensor, " e"], evidence: Evidence) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Return the logistic losses of present and of absent names with this vector as the unknown word."""
    phrases = torch.tensor(float(len(CONTRAST_PHRASES)))
    bank = TEMPERATURE * (evidence.patches @ F.normalize(vector, dim=0)) + phrases.log()
    present = F.softplus(bank - TEMPERATURE * evidence.right).mean()
    absent = F.softplus(TEMPERATURE * evidence.wrong - bank[:, None]).mean()
    return present, absent


def calibrate(tower: MiniatureTextTower, evidence: Evidence, *, steps: int = 300) -> Float[Tensor, " e"]:
    """Return the vector for the unknown word with the smallest sum of both losses; deterministic."""
    vector = tower.vectors[0].detach().clone().requires_grad_()
    optimizer = torch.optim.Adam([vector], lr=0.02 * float(vector.detach().norm()))
    for _ in range(steps):
        present, absent = losses(vector, evidence)
        loss = present + absent
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return vector.detach()


def calibrated(parts: Parts, images: Datasets) -> Parts:
    """Return the networks with the unknown word where it belongs; changes the tower in place."""
    vector = calibrate(parts.tower, gather(parts.radio, parts.tower, images))
    with torch.no_grad():
        parts.tower.vectors[0] = vector
    return parts
