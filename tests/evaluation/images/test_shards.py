"""Which part of a set a process does, as typed or as torchrun and SLURM say."""

import pytest

from radseg.errors import InputError
from radseg.evaluation.images.shards import Shard, launched_device, launched_shard, parse_shard

IDS = tuple(map(str, range(11)))


@pytest.mark.parametrize("count", [1, 2, 3, 11, 20])
def test_the_parts_divide_all_images_without_overlap(count):
    parts = [Shard(i, count).share(IDS) for i in range(1, count + 1)]
    assert sorted(id for part in parts for id in part) == sorted(IDS)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_shard_is_typed_from_1():
    assert parse_shard("2/3") == Shard(2, 3)


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "-1/2", "1/2/3"])
def test_impossible_shards_are_refused(text):
    with pytest.raises(InputError, match="shard"):
        parse_shard(text)


def test_torchrun_and_srun_give_each_process_its_part():
    assert launched_shard({"RANK": "0", "WORLD_SIZE": "4"}) == Shard(1, 4)
    assert launched_shard({"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4"}) == Shard(4, 4)
    assert launched_shard({}) == Shard(1, 1)


def test_a_batch_script_without_srun_does_everything():
    assert launched_shard({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}) == Shard(1, 1)


def test_each_process_of_a_machine_gets_its_own_gpu():
    assert launched_device("cuda", 4, {"LOCAL_RANK": "2"}) == "cuda:2"
    assert launched_device("cuda", 2, {"SLURM_LOCALID": "3"}) == "cuda:1"
    assert launched_device("cuda", 1, {"LOCAL_RANK": "2"}) == "cuda"  # each process sees its own alone
    assert launched_device("cuda:1", 4, {"LOCAL_RANK": "2"}) == "cuda:1"
    assert launched_device("cpu", 0, {"LOCAL_RANK": "2"}) == "cpu"
    assert launched_device("cuda", 4, {}) == "cuda"
