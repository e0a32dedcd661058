"""What is trained: the shapes of the miniature, its start values, and the losses. No loop, no files."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from radseg.miniature.store import LANGUAGE, SURFACE
from radseg.miniature.text_tower import SPACE, MiniatureTextTower, MiniatureTokenizer
from radseg.miniature.world.names import held_out_names, training_names
from radseg.models.radio import Radio, build_radio
from radseg.models.sam import SamDecoder
from radseg.refine.sources import TEACHER
from radseg.types import PatchTokens
from radseg.weights.config import AdaptorConfig, HeadConfig, RadioConfig, SamSizes
from training.miniature.surface import CHANNELS, surface_summary

SAM_FEATURES = 128
SAM_SIZES = SamSizes(frame=480, features=SAM_FEATURES, channels=96, heads=4, mlp_width=192, masks=1)
PRESENT, ABSENT = 0.02, 0.002  # share of the image from which a name counts as there; below which as not
SYNONYMS = {
    "sphere": "ball",
    "crate": "box",
    "cube": "box",
    "couch": "sofa",
    "column": "pillar",
    "desk": "table",
    "bookshelf": "shelf",
    "bookcase": "shelf",
    "image": "painting",
    "carpeted": "carpet",
    "wood": "wooden",
    "bricks": "brick",
    "tile": "tiled",
    "tiles": "tiled",
    "metallic": "metal",
    "steel": "metal",
    "stripy": "striped",
    "violet": "purple",
    "shelves": "shelf",
}
"""Other words for the same; the first column is understood as the second."""


def words() -> tuple[str, ...]:
    """Return every single word of the world, sorted."""
    return tuple(sorted({word for name in (*training_names(), *held_out_names()) for word in name.split()}))


def miniature_config(*, width: int = 192, depth: int = 6, heads: int = 3, language: int = 96) -> RadioConfig:
    """Return the shape of the miniature: patch 16 and a CLS token per teacher, as in the big models."""

    def head(width_out: int) -> HeadConfig:
        return HeadConfig("mlp_v2", width_in=width, hidden=192, width_out=width_out, blocks=1)

    return RadioConfig(
        version="miniature",
        width=width,
        depth=depth,
        heads=heads,
        mlp_width=4 * width,
        patch=16,
        position_grid=10,
        cls_tokens=2,
        registers=3,
        layer_scale=False,
        summary_tokens=(0,),
        adaptors=(
            AdaptorConfig(LANGUAGE, token=0, space=SPACE, summary=head(language), features=None),
            AdaptorConfig(SURFACE, token=1, space=None, summary=head(CHANNELS), features=head(CHANNELS)),
            AdaptorConfig(TEACHER, token=1, space=None, summary=None, features=head(SAM_FEATURES)),
        ),
    )


class Student(nn.Module):
    """Everything that learns: RADIO, the text tower, SAM's decoder, and the scales of the losses."""

    def __init__(self, config: RadioConfig, sam: SamSizes = SAM_SIZES) -> None:
        super().__init__()
        self.radio: Radio = build_radio(config)
        self.sam = SamDecoder(sam)
        head = config.adaptor(LANGUAGE).summary
        assert head is not None
        self.tower = MiniatureTextTower(MiniatureTokenizer(words(), SYNONYMS), width=head.width_out)
        self.scales = nn.Parameter(torch.tensor([2.5, 3.0]))  # log of: summary sigmoid, region softmax

    def start(self, seed: int) -> None:
        """Fill all parameters with their start values."""
        torch.manual_seed(seed)
        for name, parameter in self.radio.named_parameters():
            if parameter.ndim >= 2:
                nn.init.trunc_normal_(parameter, std=min(0.05, parameter.shape[-1] ** -0.5))
            elif "norm" in name and name.endswith("weight"):
                nn.init.ones_(parameter)
            else:
                nn.init.zeros_(parameter)
        nn.init.trunc_normal_(self.radio.vit.position, std=0.02)
        nn.init.normal_(self.tower.vectors, std=1.0)
        self.radio.conditioner.mean.fill_(0.45)
        self.radio.conditioner.std.fill_(0.25)
        # The random frequencies of the positions are drawn once and never learnt, as in SAM.
        frequencies = self.sam.prompt_encoder.shared_embedding.positional_embedding
        nn.init.normal_(frequencies).requires_grad_(False)


@dataclass(frozen=True, eq=False)
class Targets:
    """The prompts of training and what each of its names says about them.

    Attributes:
        names: all names; labels are indices into them.
        counts: word counts of the prompts: first the names, then the single words, then, last, an unknown
            word.
        says: names × prompts without the last, whether something of this name may be called by this prompt.
    """

    names: tuple[str, ...]
    counts: Float[Tensor, "q v"]
    says: Bool[Tensor, "c q-1"]

    @classmethod
    def of(cls, tower: MiniatureTextTower) -> "Targets":
        """Return the targets for the world's training names, on the tower's device."""
        names = training_names()
        prompts = (*names, *words(), "?")
        parts = [frozenset(prompt.split()) for prompt in prompts]
        says = torch.tensor([[part <= frozenset(name.split()) for part in parts[:-1]] for name in names])
        device = tower.vectors.device
        return cls(names, tower.counts(prompts).to(device), says.to(device))


def occupancy(labels: Int[Tensor, "n H W"], patch: int, names: int) -> Float[Tensor, "n p c"]:
    """Return the share of every patch that each name covers."""
    n, height, width = labels.shape
    cells = labels.unflatten(2, (width // patch, patch)).unflatten(1, (height // patch, patch))
    flat = cells.permute(0, 1, 3, 2, 4).reshape(n, -1, patch * patch).long()
    counts = torch.zeros(*flat.shape[:2], names, device=labels.device)
    return counts.scatter_add_(2, flat, counts.new_ones(1).expand(flat.shape)) / patch**2


def yes_no_logits(student: Student, cosine: Float[Tensor, "n q"]) -> Float[Tensor, "n q-1"]:
    """Return the logits of "this prompt fits": its cosine against that of the unknown word, the last column.

    So the unknown word learns where the border runs, which is what a contrast bank is for at inference.
    """
    return student.scales[0].exp() * (cosine[:, :-1] - cosine[:, -1:])


def summary_loss(
    student: Student, tokens: PatchTokens, share: Float[Tensor, "n c"], targets: Targets
) -> Float[Tensor, ""]:
    """Return the sigmoid loss between CLS embeddings and every prompt: is it in the image or not?

    Present and absent prompts weigh the same; names that cover next to nothing are left out.
    """
    seen = F.normalize(student.radio.summary_of(LANGUAGE, tokens), dim=-1)
    logits = yes_no_logits(student, seen @ student.tower(targets.counts).mT)
    extent = (share @ targets.says.float()).clamp(max=1)
    there, away = (extent >= PRESENT).float(), (extent < ABSENT).float()
    loss = F.binary_cross_entropy_with_logits(logits, there, reduction="none")
    # every present prompt counts once; the many absent ones together count as four present ones
    present = (loss * there).sum() / there.sum().clamp(min=1)
    absent = (loss * away).sum() / there.sum().clamp(min=1)
    return present + absent


def caption_loss(
    student: Student, tokens: PatchTokens, share: Float[Tensor, "n c"], targets: Targets
) -> Float[Tensor, ""]:
    """Return the softmax contrast between images and their captions in the batch, both ways."""
    seen = F.normalize(student.radio.summary_of(LANGUAGE, tokens), dim=-1)
    spoken = (share >= PRESENT).float() @ targets.counts[: len(targets.names)]
    spoken = spoken / spoken.sum(1, keepdim=True).clamp(min=1e-6)
    logits = student.scales[1].exp() * (seen @ student.tower(spoken).mT)
    same = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, same) + F.cross_entropy(logits.mT, same)) / 2


def region_loss(
    student: Student,
    tokens: PatchTokens,
    occupied: Float[Tensor, "n p c"],
    targets: Targets,
    *,
    drop: float,
    rng: torch.Generator,
) -> Float[Tensor, ""]:
    """Return how badly the CLS head reads patch tokens averaged over what one name covers.

    `drop` of the patches of every region are left out at random, so that the mean is over few of them at
    times.
    """
    weight = occupied * (torch.rand(occupied.shape, generator=rng, device=rng.device) >= drop)
    mass = weight.sum(1)
    image, name = (mass > 0.5).nonzero(as_tuple=True)
    pooled = torch.einsum("npc,npd->ncd", weight, tokens.patches)[image, name] / mass[image, name, None]
    seen = F.normalize(student.radio.to_language(pooled), dim=-1)
    cosine = seen @ student.tower(targets.counts).mT
    rare = 1 / torch.bincount(name, minlength=len(targets.names)).clamp(min=1).float().sqrt()
    weights = rare[name] / rare[name].sum()
    choice = F.cross_entropy(
        student.scales[1].exp() * cosine[:, : len(targets.names)], name, reduction="none"
    )
    said = targets.says[name].float()
    logits = yes_no_logits(student, cosine)
    yes_no = F.binary_cross_entropy_with_logits(logits, said, reduction="none").sum(1) / 4
    return (weights * (choice + yes_no)).sum()


def surface_loss(student: Student, tokens: PatchTokens, targets: Float[Tensor, "n p 5"]) -> Float[Tensor, ""]:
    """Return how far both surface heads are from what the renderer knows."""
    patches = F.smooth_l1_loss(student.radio.to_teacher(SURFACE, tokens.patches), targets)
    summary = F.smooth_l1_loss(student.radio.summary_of(SURFACE, tokens), surface_summary(targets))
    return patches + summary
