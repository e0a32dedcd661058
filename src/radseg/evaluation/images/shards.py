"""Which part of a set a process evaluates: `--shard i/n`, or what torchrun and SLURM say."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from radseg.errors import InputError


@dataclass(frozen=True)
class Shard:
    """Part `number` of `count`, from 1: every count-th image.

    Raises:
        InputError: no such part.
    """

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise InputError(f"There is no shard {self.number}/{self.count}; shards go from 1/n to n/n.")

    @property
    def name(self) -> str:
        """For file names."""
        return f"{self.number}-of-{self.count}"

    def share(self, ids: Sequence[str]) -> tuple[str, ...]:
        """Return the ids of this part; the parts divide all ids without overlap."""
        return tuple(ids[self.number - 1 :: self.count])


def parse_shard(text: str) -> Shard:
    """Return the shard of a text such as "2/8".

    Raises:
        InputError: not two whole numbers, or no such part.
    """
    number, _, count = text.partition("/")
    if not (number.strip().isdecimal() and count.strip().isdecimal()):
        raise InputError(f"{text!r} is not a shard; write part and number of parts, such as 1/4 … 4/4.")
    return Shard(int(number), int(count))


def launched_shard(environment: Mapping[str, str] = os.environ) -> Shard:
    """Return the part of this process among those that torchrun or srun started; 1/1 when it is alone.

    torchrun: RANK and WORLD_SIZE. srun: SLURM_PROCID and SLURM_STEP_NUM_TASKS; SLURM_NTASKS would be wrong,
    as sbatch sets it in the batch script too, where only one process runs.
    """
    for rank, size in (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS")):
        if rank in environment and size in environment:
            return Shard(int(environment[rank]) + 1, int(environment[size]))
    return Shard()


def launched_device(device: str, devices: int, environment: Mapping[str, str] = os.environ) -> str:
    """Return the device of this process: "cuda" becomes the launched process's own GPU of `devices`."""
    local = environment.get("LOCAL_RANK", environment.get("SLURM_LOCALID"))
    if device != "cuda" or local is None or devices < 2:
        return device
    return f"cuda:{int(local) % devices}"
