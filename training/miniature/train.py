"""Train the miniature from nothing: render its images, learn, calibrate, write its weights.

    python -m training.miniature.train OUT [--device cuda] [--steps 10000] [--regions 1.0] [--seed 1]

Everything lands in OUT: the images, a log with a line of numbers every 50 steps, a checkpoint every 500
from which the same command continues, and at the end the four files that the package ships. About two hours
on two CPU cores, minutes on a GPU.
"""

import argparse
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from radseg.refine.sources import TEACHER
from radseg.types import PatchTokens, Size
from radseg.weights.config import RadioConfig
from training.miniature.batches import Batch, Datasets
from training.miniature.calibrate import calibrated
from training.miniature.masks import draw_prompts, mask_loss
from training.miniature.parts import Parts, save_parts
from training.miniature.recipe import (
    Student,
    Targets,
    caption_loss,
    miniature_config,
    occupancy,
    region_loss,
    summary_loss,
    surface_loss,
)
from training.miniature.renders import ROOMS, WIDE, load_renders, render_all, render_files
from training.miniature.surface import surface_targets
from training.miniature.validate import validate

WEIGHTS = {"summary": 0.5, "caption": 0.25, "region": 1.0, "surface": 0.2, "mask": 0.3}
"""Of the losses in their sum."""

FINISHED = "finished"
"""File in the output folder once the weights there are calibrated."""


@dataclass(frozen=True)
class Settings:
    """One training run.

    Attributes:
        tokens: patches per step in crops; small crops come in larger batches.
        cooldown: steps at the end in which the learning rate falls linearly to a hundredth.
        sides: crop sides in pixels, drawn anew for every step.
        odds: how likely each side is.
        regions_from: first step with the region loss; before it, patch alignment is left to emerge from the
            CLS.
        regions: share of the steps with the region loss from then on; 0 never trains the patches on text.
        drop: share of a region's patches left out of its mean.
        whole_every: steps from one batch of whole everyday views, with masks, to the next.
        whole: how many views such a batch has.
        prompts: masks asked for in each.
    """

    steps: int = 10_000
    tokens: int = 1800
    cooldown: int = 6000
    rate: float = 1.2e-3
    decay: float = 0.05
    sides: tuple[int, ...] = (32, 48, 64, 96, 128, 160, 176)
    odds: tuple[float, ...] = (0.04, 0.06, 0.1, 0.1, 0.2, 0.3, 0.2)
    regions_from: int = 1000
    regions: float = 1.0
    drop: float = 0.5
    whole_every: int = 4
    whole: int = 4
    prompts: int = 6
    seed: int = 1


def learning_rate(step: int, settings: Settings) -> float:
    """Return the rate of a step: linear warm-up over 150 steps, constant, linear fall in the cool-down."""
    warm, left = min(1.0, (step + 1) / 150), (settings.steps - step) / settings.cooldown
    return settings.rate * warm * min(1.0, max(0.01, left))


class Run:
    """One training run and all its state: what it learns, where it is, what it draws from."""

    def __init__(self, out: Path, settings: Settings, config: RadioConfig, device: str) -> None:
        self.out, self.settings = out, settings
        self.rng = np.random.default_rng(settings.seed)
        self.torch_rng = torch.Generator(device).manual_seed(settings.seed)
        self.student = Student(config)
        self.student.start(settings.seed)
        self.student.to(device)
        self.targets = Targets.of(self.student.tower)
        learning = [p for p in self.student.parameters() if p.requires_grad]
        matrices, vectors = [p for p in learning if p.ndim >= 2], [p for p in learning if p.ndim < 2]
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": settings.decay}, {"params": vectors, "weight_decay": 0.0}],
            betas=(0.9, 0.98),
            fused=True,
        )
        self.step = 0
        self.seconds = 0.0
        self.running: dict[str, float] = {}

    @property
    def parts(self) -> Parts:
        """The networks that are kept."""
        return Parts(self.student.radio, self.student.tower, self.student.sam)

    def take_step(self, known: Datasets) -> None:
        """Learn from one batch of crops and, every few steps, one of whole views."""
        settings = self.settings
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, settings)
        side = int(self.rng.choice(settings.sides, p=settings.odds))
        count = min(160, settings.tokens // (side // 16) ** 2)
        aligned = self.step >= settings.regions_from and self.rng.random() < settings.regions
        losses = self._crop_losses(known.draw(side, max(2, count), self.rng), aligned=aligned)
        if self.step % settings.whole_every == 0:
            batch = known.wide.draw(Size(*WIDE), settings.whole, self.rng)
            losses |= self._whole_losses(batch, aligned=aligned)
        total = torch.stack([WEIGHTS[name.split()[-1]] * loss for name, loss in losses.items()]).sum()
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        self._note({name: loss.detach() for name, loss in losses.items()})

    def _crop_losses(self, batch: Batch, *, aligned: bool) -> dict[str, Tensor]:
        student, targets = self.student, self.targets
        occupied = occupancy(batch.labels, student.radio.patch, len(targets.names))
        share = occupied.mean(1)
        tokens = student.radio.encode(batch.images)
        losses = {
            "summary": summary_loss(student, tokens, share, targets),
            "caption": caption_loss(student, tokens, share, targets),
            "surface": self._surface(tokens, batch),
        }
        if aligned:
            losses["region"] = self._region(tokens, occupied)
        return losses

    def _whole_losses(self, batch: Batch, *, aligned: bool) -> dict[str, Tensor]:
        student, settings = self.student, self.settings
        tokens = student.radio.encode(batch.images)
        losses = {"whole surface": self._surface(tokens, batch)}
        if aligned:
            occupied = occupancy(batch.labels, student.radio.patch, len(self.targets.names))
            losses["whole region"] = self._region(tokens, occupied)
        prompts = draw_prompts(
            batch.regions, each=settings.prompts, patch=student.radio.patch, rng=self.torch_rng
        )
        if prompts is not None:
            features = student.radio.to_teacher(TEACHER, tokens.patches).mT.unflatten(2, tuple(tokens.grid))
            losses["mask"], iou = mask_loss(student.sam, features, prompts)
            self._note({"mask iou": torch.tensor(iou)})
        return losses

    def _surface(self, tokens: PatchTokens, batch: Batch) -> Tensor:
        known = surface_targets(batch.depth, batch.focal, patch=self.student.radio.patch)
        return surface_loss(self.student, tokens, known)

    def _region(self, tokens: PatchTokens, occupied: Tensor) -> Tensor:
        drop, rng = self.settings.drop, self.torch_rng
        return region_loss(self.student, tokens, occupied, self.targets, drop=drop, rng=rng)

    def _note(self, values: dict[str, Tensor]) -> None:
        """Keep running means, on three of ten steps, because reading a value makes a GPU wait."""
        if self.step % 10 > 2:
            return
        for name, value in values.items():
            before = self.running.get(name, float(value))
            self.running[name] = before + 0.1 * (float(value) - before)

    def save(self) -> None:
        """Write the weights, and everything needed to continue."""
        save_parts(self.out, self.parts)
        state = {
            "student": self.student.state_dict(),
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
        self.student.load_state_dict(state["student"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rng.bit_generator.state = json.loads(state["rng"])
        self.torch_rng.set_state(state["torch_rng"])
        self.step, self.seconds = state["step"], state["seconds"]


def train(
    out: Path, files: list[Path], settings: Settings, config: RadioConfig | None = None, device: str = "cpu"
) -> None:
    """Run `settings` on the renders of `files`, all but the first; write weights, tower and log to `out`.

    The first file is only looked at.
    """
    out.mkdir(parents=True, exist_ok=True)
    run = Run(out, settings, config or miniature_config(), device)
    run.continue_if_begun()
    if (out / FINISHED).exists():
        return
    known, unseen = (Datasets.of(load_renders(part), device) for part in (files[1:], files[:1]))
    with (out / "log.jsonl").open("a", buffering=1) as log:
        counts = {"wide": len(known.wide), "close": len(known.close)}
        log.write(json.dumps({"settings": asdict(settings), "device": device, "images": counts}) + "\n")
        while run.step < settings.steps:
            began = time.perf_counter()
            run.take_step(known)
            run.seconds += time.perf_counter() - began
            if run.step % 50 and run.step != settings.steps:
                continue
            line: dict[str, float] = {"step": run.step, "seconds": run.seconds, **run.running}
            if run.step % 500 == 0 or run.step == settings.steps:
                line |= validate(run.student, unseen, run.targets)
                run.save()
            log.write(json.dumps({key: round(value, 4) for key, value in line.items()}) + "\n")
    save_parts(out, calibrated(run.parts, known))
    (out / FINISHED).touch()


def main() -> None:
    """Render, train and calibrate as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--images", type=Path, help="folder for the images; OUT/images by default")
    parser.add_argument("--rooms", type=int, default=ROOMS)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    for name in ("steps", "tokens", "cooldown", "regions_from", "whole_every", "seed"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(Settings(), name))
    for name in ("rate", "decay", "regions", "drop"):
        parser.add_argument(f"--{name}", type=float, default=getattr(Settings(), name))
    chosen = vars(parser.parse_args())
    out, folder = chosen.pop("out"), chosen.pop("images")
    rooms, device, threads = (chosen.pop(name) for name in ("rooms", "device", "threads"))
    folder = folder or out / "images"
    render_all(folder, rooms=rooms, processes=threads)
    torch.set_num_threads(threads)
    train(out, render_files(folder), Settings(**chosen), device=device)


if __name__ == "__main__":
    main()
