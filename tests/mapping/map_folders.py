"""Building map folders in tests: a walk that can be stopped, one call, and what is in the folder then."""

import signal
import time
from dataclasses import dataclass

import torch

from mapping.map_builders import description, frame, grid_lift
from radseg.errors import ImageError
from radseg.jobs.folder import LOCK_NAME
from radseg.mapping.mapper import Mapper
from radseg.mapping.voxel_map import VoxelMap
from radseg.runs.map_facts import verify_map
from radseg.runs.mapping import BuildRequest, MapSettings, build_map, merge_into


@dataclass
class Walk:
    """A sequence of `frames` frames; those in `broken` cannot be read, `stop` is where a person stops it."""

    frames: int = 6
    broken: tuple[int, ...] = ()
    stop: int | None = None

    def frame_ids(self):
        return tuple(f"{index:03}" for index in range(self.frames))

    def read(self, frame_id):
        if int(frame_id) in self.broken:
            raise ImageError(f"{frame_id}.depth.png is cut short.")
        if int(frame_id) == self.stop:
            raise KeyboardInterrupt
        return frame(int(frame_id))


@dataclass
class Silent:
    def started(self, todo, earlier, folder):
        self.todo, self.earlier = todo, earlier

    def frame(self, frame_id, points, reason):
        pass

    def ended(self, manifest, progress, folder):
        self.manifest = manifest


def mapper():
    return Mapper(description(dtype="float16"), grid_lift())


def geometry():
    return Mapper(description(space="none", channels=0), None)


def build(folder, walk, *, make_mapper=mapper, skip=0, components=None, **request):
    watcher = Silent()
    settings = MapSettings(skip=skip, components=components)
    request = BuildRequest(folder, settings, model_parameters={"model": "grid"}, **request)
    progress = build_map(request, walk, make_mapper, watcher)
    return progress, watcher


def tight(frames=6):
    """The smallest budget that refuses no frame of a walk; one tile stays in memory beside the frame."""
    maker = mapper()
    views = [frame(index) for index in range(frames)]
    sums = max(sum(array.nbytes for array in maker.sums(view)) for view in views)
    return maker.frame_bytes(views[0]) + 2 * sums


def content(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*")
            if p.is_file() and p.name != LOCK_NAME}  # fmt: skip


def is_sound(folder):
    return not [fault for _, fault in verify_map(folder) if fault]


class Slow(Walk):
    """Tells the parent when it begins a frame, and takes its time over it."""

    def __init__(self, frames, begun):
        super().__init__(frames)
        self.begun = begun

    def read(self, frame_id):
        self.begun.release()
        time.sleep(0.002)
        return super().read(frame_id)


def build_slowly(folder, begun, existing="resume"):
    """What the child process does."""
    torch.set_num_threads(1)
    build(folder, Slow(150, begun), existing=existing, checkpoint_seconds=0, budget=tight(150) + 40_000)


def merge_slowly(folder, begun, sources):
    """What another child process does; it tells the parent of each tile that it adds."""
    torch.set_num_threads(1)
    add = VoxelMap.add

    def slow(self, sums):
        begun.release()
        time.sleep(0.01)
        add(self, sums)

    VoxelMap.add = slow
    merge_into(sources, folder, budget=1, overwrite=True)
    begun.release()
    time.sleep(60)  # whole now, and to be killed all the same


def killed(processes, folder, moments, *arguments, work=build_slowly, steps=5):
    """Do `work` in a process of its own and kill it in or between the first `steps` frames or tiles."""
    begun = processes.Semaphore(0)
    child = processes.Process(target=work, args=(folder, begun, *arguments))
    child.start()
    for _ in range(moments.randint(1, steps)):  # steps rather than seconds: a busy machine is no failure
        assert begun.acquire(timeout=60)
    time.sleep(moments.uniform(0, 0.015))
    child.kill()
    child.join()
    assert child.exitcode == -signal.SIGKILL, "the build ended before it was killed"
