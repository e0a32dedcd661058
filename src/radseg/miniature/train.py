"""Train the miniature and write its weights.

    python -m radseg.miniature.train PICTURES OUT [--steps 7000] [--regions-from 1000] [--seed 1]

PICTURES is the folder made by `radseg.miniature.pictures`; files that land there later are taken up. A line
of numbers is logged every 50 steps and a checkpoint written every 250, from which the same command
continues. A file named "finish" in OUT makes the run cool down and end from the next 50 steps on; the log
says how many steps that makes.
"""

import argparse
import json
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from radseg.miniature.pictures import SIDE, load_pictures
from radseg.miniature.recipe import (
    Pupil,
    Targets,
    caption_loss,
    miniature_config,
    occupancy,
    region_loss,
    summary_loss,
)
from radseg.miniature.store import save_parts
from radseg.weights.config import RadioConfig


@dataclass(frozen=True)
class Settings:
    """One training run.

    Attributes:
        tokens: patches per step; small crops come in larger batches.
        cooldown: steps at the end in which the learning rate falls linearly to a hundredth.
        sides: crop sides in pixels, drawn anew for every step.
        odds: how likely each side is.
        regions_from: first step with the region loss; before it, patch alignment is left to emerge from the
            CLS.
        regions: share of the steps with the region loss from then on.
        drop: share of a region's patches left out of its mean.
    """

    steps: int = 7000
    tokens: int = 1200
    cooldown: int = 4000
    rate: float = 1.5e-3
    decay: float = 0.05
    sides: tuple[int, ...] = (32, 48, 64, 96, 128, 160, 176)
    odds: tuple[float, ...] = (0.04, 0.06, 0.1, 0.1, 0.2, 0.3, 0.2)
    regions_from: int = 1000
    regions: float = 1.0
    drop: float = 0.5
    seed: int = 1


class Pictures(NamedTuple):
    """Images "n S S 3" and labels "n S S", uint8."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]


def draw_batch(
    pictures: Pictures, side: int, count: int, rng: np.random.Generator
) -> tuple[Float[Tensor, "n 3 H W"], Int[Tensor, "n H W"]]:
    """Return random crops of random pictures, half of them mirrored, a little brighter or darker."""
    chosen = rng.integers(len(pictures.images), size=count)
    images, labels = np.empty((count, side, side, 3), np.uint8), np.empty((count, side, side), np.uint8)
    for row, index in enumerate(chosen):
        top, left = rng.integers(0, SIDE - side + 1, 2)
        flip = slice(None, None, -1 if rng.random() < 0.5 else 1)
        window = (slice(top, top + side), slice(left, left + side))
        images[row], labels[row] = (
            pictures.images[index][window][:, flip],
            pictures.labels[index][window][:, flip],
        )
    light = torch.from_numpy(rng.uniform(0.88, 1.14, (count, 1, 1, 1)).astype(np.float32))
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    return (tensor * light).clamp(0, 1), torch.from_numpy(labels)


def learning_rate(step: int, settings: Settings) -> float:
    """Return the rate of a step: linear warm-up over 150 steps, constant, linear fall in the cool-down."""
    warm, left = min(1.0, (step + 1) / 150), (settings.steps - step) / settings.cooldown
    return settings.rate * warm * min(1.0, max(0.01, left))


@torch.inference_mode()
def look(pupil: Pupil, pictures: Pictures, targets: Targets) -> dict[str, float]:
    """Return how well single patches are read on pictures not learnt from, shares in 0 … 1.

    "here" chooses among the names in the picture, "all" among all names, both per patch of one name;
    "presence" is the mean over pictures of the share of present names among the best CLS scores, as many as
    are present.
    """
    right_here = right_all = total = 0
    recall: list[float] = []
    cosines: list[float] = []
    text = pupil.tower(targets.counts)[: len(targets.names)]
    for start in range(0, len(pictures.images), 40):
        images = torch.from_numpy(pictures.images[start : start + 40, :160, :160]).permute(0, 3, 1, 2) / 255.0
        occupied = occupancy(torch.from_numpy(pictures.labels[start : start + 40, :160, :160]), 16, len(text))
        tokens = pupil.radio.encode(images)
        reading = torch.nn.functional.normalize(pupil.radio.to_language(tokens.patches), dim=-1)
        scores = reading @ text.mT
        share = occupied.mean(1)
        pure, truth = (values.flatten() for values in occupied.max(-1))
        sure = pure > 0.8
        here = scores.masked_fill((share < 0.002)[:, None], -9).argmax(-1).flatten()
        right_here += int((here == truth)[sure].sum())
        right_all += int((scores.argmax(-1).flatten() == truth)[sure].sum())
        total += int(sure.sum())
        seen = torch.nn.functional.normalize(pupil.radio.summary_of("words", tokens), dim=-1)
        cosines.append(float((reading * seen[:, None]).sum(-1).mean()))
        for row, there in zip(seen @ text.mT, share >= 0.02, strict=True):
            best = row.topk(int(there.sum())).indices
            recall.append(float(there[best].float().mean()))
    return {
        "here": right_here / total,
        "all": right_all / total,
        "presence": float(np.mean(recall)),
        "cls_patch_cosine": float(np.mean(cosines)),
    }


class Run:
    """One training run and all its state: what it learns, where it is, what it draws from."""

    def __init__(self, out: Path, settings: Settings, config: RadioConfig) -> None:
        self.out, self.settings = out, settings
        self.rng = np.random.default_rng(settings.seed)
        self.torch_rng = torch.Generator().manual_seed(settings.seed)
        self.pupil = Pupil(config)
        self.pupil.start(settings.seed)
        self.targets = Targets.of(self.pupil.tower)
        matrices = [p for p in self.pupil.parameters() if p.ndim >= 2]
        vectors = [p for p in self.pupil.parameters() if p.ndim < 2]
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": settings.decay}, {"params": vectors, "weight_decay": 0.0}],
            betas=(0.9, 0.98),
            fused=True,
        )
        self.step = 0
        self.seconds = 0.0
        self.running = {"summary": 0.0, "caption": 0.0, "region": 0.0}

    def take_step(self, known: Pictures) -> None:
        """Learn from one batch."""
        settings, pupil = self.settings, self.pupil
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, settings)
        side = int(self.rng.choice(settings.sides, p=settings.odds))
        count = min(160, settings.tokens // (side // 16) ** 2)
        images, labels = draw_batch(known, side, count, self.rng)
        occupied = occupancy(labels, pupil.radio.patch, len(self.targets.names))
        share = occupied.mean(1)
        tokens = pupil.radio.encode(images)
        losses = {
            "summary": summary_loss(pupil, tokens, share, self.targets),
            "caption": caption_loss(pupil, tokens, share, self.targets),
        }
        total = 0.5 * losses["summary"] + 0.25 * losses["caption"]
        if self.step >= settings.regions_from and self.rng.random() < settings.regions:
            losses["region"] = region_loss(
                pupil, tokens, occupied, self.targets, drop=settings.drop, rng=self.torch_rng
            )
            total = total + losses["region"]
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(pupil.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        for key, loss in losses.items():
            self.running[key] += (0.05 if self.running[key] else 1.0) * (
                float(loss.detach()) - self.running[key]
            )

    def save(self) -> None:
        """Write the weights, and everything needed to continue."""
        save_parts(self.out, self.pupil.radio, self.pupil.tower)
        state = {
            "pupil": self.pupil.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "rng": json.dumps(self.rng.bit_generator.state),
            "torch_rng": self.torch_rng.get_state(),
        }
        torch.save(state, self.out / "state.part")
        (self.out / "state.part").rename(self.out / "state.pt")

    def continue_if_begun(self) -> None:
        """Take up the state that an earlier run left in the folder."""
        if not (self.out / "state.pt").is_file():
            return
        state = torch.load(self.out / "state.pt", weights_only=True)
        self.pupil.load_state_dict(state["pupil"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rng.bit_generator.state = json.loads(state["rng"])
        self.torch_rng.set_state(state["torch_rng"])
        self.step, self.seconds = state["step"], state["seconds"]


def split_pictures(folder: Path) -> tuple[Pictures, Pictures]:
    """Return the pictures to learn from, and those of the first file, which are only looked at."""
    everything = Pictures(*load_pictures(folder))
    unseen = Pictures(*load_pictures(folder, most=1))
    return Pictures(*(part[len(unseen.labels) :] for part in everything)), unseen


def train(folder: Path, out: Path, settings: Settings, config: RadioConfig | None = None) -> None:
    """Run `settings` on the pictures of `folder`; write weights, words and log.jsonl to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    run = Run(out, settings, config or miniature_config())
    run.continue_if_begun()
    known, unseen = split_pictures(folder)
    files = len(list(folder.glob("rooms_*.npz")))
    with (out / "log.jsonl").open("a", buffering=1) as log:
        log.write(json.dumps({"settings": asdict(settings), "pictures": len(known.images)}) + "\n")
        while run.step < run.settings.steps:
            began = time.process_time()
            run.take_step(known)
            run.seconds += time.process_time() - began
            if run.step % 50:
                continue
            if (out / "finish").exists() and run.step < run.settings.steps - settings.cooldown:
                run.settings = replace(settings, steps=run.step + settings.cooldown)
                log.write(json.dumps({"steps": run.settings.steps}) + "\n")
            line: dict[str, float] = {"step": run.step, "cpu_seconds": run.seconds, **run.running}
            if run.step % 250 == 0 or run.step == run.settings.steps:
                line |= look(run.pupil, unseen, run.targets)
                run.save()
                if (landed := len(list(folder.glob("rooms_*.npz")))) > files:
                    files, (known, unseen) = landed, split_pictures(folder)
                line["pictures"] = len(known.images)
            log.write(json.dumps({key: round(value, 4) for key, value in line.items()}) + "\n")


def main() -> None:
    """Train as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("out", type=Path)
    for name in ("steps", "tokens", "cooldown", "regions_from", "seed"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(Settings(), name))
    for name in ("rate", "decay", "regions", "drop"):
        parser.add_argument(f"--{name}", type=float, default=getattr(Settings(), name))
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    chosen = vars(parser.parse_args())
    torch.set_num_threads(chosen.pop("threads"))
    train(chosen.pop("pictures"), chosen.pop("out"), Settings(**chosen))


if __name__ == "__main__":
    main()
