"""A run over many images: what it stores, how it continues, what stops it."""

import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from radseg.errors import ImageError, InputError, ResourceError, VocabularyError
from radseg.jobs.attempt import attempt
from radseg.jobs.folder import LOCK_NAME, OnExisting, OutputFile, Report, free_folder, opened, run
from radseg.jobs.manifest import ClassRecord, Record, read_manifest
from radseg.jobs.plan import Job, Place
from radseg.jobs.sources import SourceImage

PARAMETERS = {"prompts": ["red"]}
PLACES = {"masks": Place(".png"), "overlays": Place(".jpg")}


def silent(record: Record, result: str | None) -> None:
    """Take the report, and keep nothing."""


def shout(job: Job) -> str:
    """The fake network: the file's text in capitals; a file that says "bad" is no image."""
    text = job.image.read_text()
    if text == "bad":
        raise ImageError(f"{job.image} is not an image.")
    return text.upper()


def files_of(result: str, job: Job) -> Sequence[OutputFile]:
    """Two files per image."""
    return [OutputFile("masks", ".png", result.encode()), OutputFile("overlays", ".jpg", b"")]


def test_a_lack_of_memory_is_told_with_what_can_be_done() -> None:
    def fail() -> str:
        raise MemoryError

    assert attempt(fail, relief="Buy some.") == (None, "Out of memory. Buy some.")
    assert attempt(lambda: "done", relief="") == ("done", "")


@pytest.fixture
def photos(tmp_path: Path) -> list[SourceImage]:
    """Three images in a folder."""
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for name in ("a", "b", "deep/c"):
        (folder / f"{name}.jpg").write_text(name)
    return [SourceImage(folder / f"{name}.jpg", folder) for name in ("a", "b", "deep/c")]


def go(
    folder: Path,
    images: Sequence[SourceImage],
    existing: OnExisting = "refuse",
    parameters: dict[str, object] = PARAMETERS,  # type: ignore[assignment]
) -> Report:
    """Run with the fake network."""
    with opened(folder, images, parameters, places=PLACES, existing=existing) as plan:
        return run(plan, shout, files_of, silent)


def test_the_record_says_what_each_class_has(tmp_path: Path, photos: list[SourceImage]) -> None:
    has = (ClassRecord(1, 0.5, 0.9, 0.95), ClassRecord(3, 0.0, None, 0.2))
    with opened(tmp_path / "out", photos, PARAMETERS, places=PLACES) as plan:
        run(plan, shout, files_of, silent, classes_of=lambda result: has if result == "A" else ())
    history = read_manifest(tmp_path / "out/manifest.jsonl")
    assert history is not None
    assert [history.records[name].classes for name in ("a", "b")] == [has, ()]


def test_what_classes_have_stays_where_files_are_taken_away(
    tmp_path: Path, photos: list[SourceImage]
) -> None:
    has = (ClassRecord(1, 0.5, 0.9, 0.95),)
    for places in (PLACES, {"masks": PLACES["masks"]}):
        with opened(tmp_path / "out", photos, PARAMETERS, places=places, existing="resume") as plan:
            run(plan, shout, files_of, silent, classes_of=lambda _: has)
    assert not (tmp_path / "out/overlays/a.jpg").exists()
    history = read_manifest(tmp_path / "out/manifest.jsonl")
    assert history is not None
    assert history.records["a"].classes == has


@pytest.mark.parametrize("wrong", ['"share": 2', '"share": NaN', '"share": "<b>"', '"share": 0, "x": 1'])
def test_a_share_that_is_none_is_refused(tmp_path: Path, photos: list[SourceImage], wrong: str) -> None:
    with opened(tmp_path / "out", photos, PARAMETERS, places=PLACES) as plan:
        run(plan, shout, files_of, silent, classes_of=lambda _: (ClassRecord(1, 0, None, 0.5),))
    path = tmp_path / "out/manifest.jsonl"
    path.write_text(path.read_text().replace('"share": 0', wrong, 1))
    with pytest.raises(ResourceError, match="Line 2"):
        read_manifest(path)


def outputs(folder: Path) -> dict[str, str]:
    """Return all files in the folder but the manifest and the lock."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(p.relative_to(folder)): p.read_text()
        for p in files
        if p.name not in ("manifest.jsonl", ".radseg-lock")
    }


def test_every_image_gets_its_files(tmp_path: Path, photos: list[SourceImage]) -> None:
    report = go(tmp_path / "out", photos)
    assert [record.name for record in report.done] == ["a", "b", "deep/c"]
    written = outputs(tmp_path / "out")
    assert {name: text for name, text in written.items() if name.startswith("masks/")} == {
        "masks/a.png": "A",
        "masks/b.png": "B",
        "masks/deep/c.png": "DEEP/C",
    }


def test_nothing_half_written_is_left(tmp_path: Path, photos: list[SourceImage]) -> None:
    go(tmp_path / "out", photos)
    assert not list((tmp_path / "out").rglob("*.part"))


def test_outputs_are_readable_like_any_new_file(tmp_path: Path, photos: list[SourceImage]) -> None:
    go(tmp_path / "out", photos)
    (tmp_path / "plain").touch()
    assert (tmp_path / "out/masks/a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_one_bad_image_does_not_end_the_run(tmp_path: Path, photos: list[SourceImage]) -> None:
    photos[1].path.write_text("bad")
    report = go(tmp_path / "out", photos)
    assert [record.name for record in report.done] == ["a", "deep/c"]
    assert [record.message for record in report.failed] == ["b.jpg is not an image."]


def test_an_unexpected_error_costs_one_image(
    tmp_path: Path, photos: list[SourceImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RADSEG_DEBUG", raising=False)

    def broken(job: Job) -> str:
        if job.name == "b":
            raise RuntimeError("CUDA out of memory.\nTried to allocate")
        return shout(job)

    with opened(tmp_path / "out", photos, PARAMETERS, places=PLACES) as plan:
        report = run(plan, broken, files_of, silent)
    assert [record.message for record in report.failed] == ["RuntimeError: CUDA out of memory."]


@pytest.mark.parametrize("error", [VocabularyError("no"), ResourceError("no"), KeyboardInterrupt()])
def test_what_would_stop_every_image_stops_the_run(
    tmp_path: Path, photos: list[SourceImage], error: BaseException
) -> None:
    def stop(_: Job) -> str:
        raise error

    with pytest.raises(type(error)), opened(tmp_path / "out", photos, PARAMETERS, places=PLACES) as plan:
        run(plan, stop, files_of, silent)


def test_a_full_disk_stops_the_run_and_keeps_what_is_done(
    tmp_path: Path, photos: list[SourceImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write

    def full(handle: int, data: bytes) -> int:
        if bytes(data) == b"B":
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, data)

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(ResourceError, match=r"The disk is full: .*out/masks/b\.png was not written"):
            go(out, photos)
    assert set(outputs(out)) == {"masks/a.png", "overlays/a.jpg"}
    assert [record.name for record in go(out, photos, "resume").done] == ["b", "deep/c"]


def test_resume_does_only_what_is_not_done(tmp_path: Path, photos: list[SourceImage]) -> None:
    go(tmp_path / "out", photos[:2])
    report = go(tmp_path / "out", photos, "resume")
    assert [record.name for record in report.earlier] == ["a", "b"]
    assert [record.name for record in report.done] == ["deep/c"]


def test_resume_of_nothing_starts(tmp_path: Path, photos: list[SourceImage]) -> None:
    assert len(go(tmp_path / "out", photos, "resume").done) == 3


def test_resume_does_failed_changed_and_lost_images_again(tmp_path: Path, photos: list[SourceImage]) -> None:
    photos[0].path.write_text("bad")
    go(tmp_path / "out", photos)
    photos[0].path.write_text("good")
    (tmp_path / "out/masks/b.png").unlink()
    photos[2].path.write_text("changed")
    assert [record.name for record in go(tmp_path / "out", photos, "resume").done] == ["a", "b", "deep/c"]


@pytest.mark.parametrize("how", ["renamed", "copied"])
def test_resume_knows_the_images_of_a_folder_that_moved(
    tmp_path: Path, photos: list[SourceImage], how: str
) -> None:
    go(tmp_path / "out", photos[:2])
    elsewhere = tmp_path / "elsewhere/renamed"
    shutil.copytree(tmp_path / "photos", elsewhere)
    if how == "renamed":
        shutil.rmtree(elsewhere)
        (tmp_path / "photos").rename(elsewhere)
    moved = [SourceImage(elsewhere / one.below, elsewhere) for one in photos]
    report = go(tmp_path / "out", moved, "resume")
    assert [record.name for record in report.earlier] == ["a", "b"]
    assert [record.name for record in report.done] == ["deep/c"]


def test_two_folders_with_one_name_each_never_share_an_output(tmp_path: Path) -> None:
    """Folders of two days, one run after the other into one output folder: cameras begin at 1 every day."""
    days = [SourceImage(tmp_path / day / "1.jpg", tmp_path / day) for day in ("day1", "day2", "new/day1")]
    for day in days:
        day.path.parent.mkdir(parents=True)
        day.path.write_text(f"{day.root}")
        go(tmp_path / "out", [day], "resume")
    labels = [text for name, text in outputs(tmp_path / "out").items() if name.startswith("masks/")]
    assert sorted(labels) == sorted(f"{day.root}".upper() for day in days)
    assert len(go(tmp_path / "out", days, "resume").earlier) == 3


def test_equal_copies_in_one_run_are_told_apart_by_their_folders(
    tmp_path: Path, photos: list[SourceImage]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "photos", copy)
    both = [*photos, *(SourceImage(copy / one.below, copy) for one in photos)]
    names = [record.name for record in go(tmp_path / "out", both).done]
    assert [record.name for record in go(tmp_path / "out", both[::-1], "resume").earlier] == names[::-1]


def test_resume_with_other_parameters_names_them(tmp_path: Path, photos: list[SourceImage]) -> None:
    go(tmp_path / "out", photos[:1])
    with pytest.raises(InputError, match='prompts has "blue" in place of "red".*--overwrite'):
        go(tmp_path / "out", photos, "resume", {"prompts": ["blue"]})


def test_an_earlier_run_is_not_touched_unasked(tmp_path: Path, photos: list[SourceImage]) -> None:
    go(tmp_path / "out", photos)
    before = outputs(tmp_path / "out")
    with pytest.raises(InputError, match=r"3 images done.*--resume.*--overwrite.*-o"):
        go(tmp_path / "out", photos)
    assert outputs(tmp_path / "out") == before


def test_overwrite_removes_what_the_earlier_run_recorded_and_nothing_else(
    tmp_path: Path, photos: list[SourceImage]
) -> None:
    go(tmp_path / "out", photos)
    (tmp_path / "out/notes.md").write_text("mine")
    go(tmp_path / "out", photos[:1], "overwrite")
    assert set(outputs(tmp_path / "out")) == {"masks/a.png", "overlays/a.jpg", "notes.md"}


def test_overwrite_helps_after_a_damaged_manifest(tmp_path: Path, photos: list[SourceImage]) -> None:
    go(tmp_path / "out", photos)
    manifest = tmp_path / "out/manifest.jsonl"
    manifest.write_text(manifest.read_text().replace('"status"', '"stat'))
    with pytest.raises(ResourceError, match="--overwrite"):
        go(tmp_path / "out", photos, "resume")
    assert len(go(tmp_path / "out", photos, "overwrite").done) == 3


@pytest.mark.parametrize("existing", ["refuse", "overwrite", "resume"])
def test_another_programs_manifest_is_never_touched(
    tmp_path: Path, photos: list[SourceImage], existing: OnExisting
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/manifest.jsonl").write_text('{"mine": 1}')
    with pytest.raises(InputError, match="another program's"):
        go(tmp_path / "out", photos, existing)
    assert (tmp_path / "out/manifest.jsonl").read_text() == '{"mine": 1}'


def test_files_in_the_way_stop_a_fresh_run_before_it_starts(
    tmp_path: Path, photos: list[SourceImage]
) -> None:
    (tmp_path / "out/masks").mkdir(parents=True)
    (tmp_path / "out/masks/b.png").write_text("mine")
    with pytest.raises(InputError, match=r"b\.png would be replaced.*--overwrite"):
        go(tmp_path / "out", photos)
    assert outputs(tmp_path / "out") == {"masks/b.png": "mine"}


@pytest.mark.parametrize("existing", ["refuse", "overwrite", "resume"])
def test_an_input_is_never_replaced(tmp_path: Path, existing: OnExisting) -> None:
    image = tmp_path / "masks/photo.png"
    image.parent.mkdir()
    image.write_text("precious")
    with pytest.raises(InputError, match="would replace an input image"):
        go(tmp_path, [SourceImage(image, image.parent)], existing)
    assert image.read_text() == "precious"


def test_a_link_in_place_of_an_output_is_replaced_not_written_through(
    tmp_path: Path, photos: list[SourceImage]
) -> None:
    out, victim = tmp_path / "out", tmp_path / "victim"
    (out / "masks").mkdir(parents=True)
    victim.write_text("precious")
    (out / "masks/a.png").symlink_to(victim)
    go(out, photos[:1], "overwrite")
    assert victim.read_text() == "precious"
    assert (out / "masks/a.png").read_text() == "A"


@pytest.mark.parametrize("link", ["masks/deep", "overlays"])
def test_a_linked_subfolder_that_leads_out_is_refused(
    tmp_path: Path, photos: list[SourceImage], link: str
) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    (out / "masks").mkdir(parents=True)
    other.mkdir()
    (out / link).symlink_to(other, target_is_directory=True)
    with pytest.raises(InputError, match="a link in the output folder leads there"):
        go(out, photos)
    assert not any(other.iterdir())


def test_a_tampered_manifest_cannot_make_overwrite_delete_elsewhere(
    tmp_path: Path, photos: list[SourceImage]
) -> None:
    victim = tmp_path / "victim.png"
    victim.touch()
    go(tmp_path / "out", photos[:1])
    manifest = tmp_path / "out/manifest.jsonl"
    manifest.write_text(manifest.read_text().replace('"masks/a.png"', '"../victim.png"'))
    with pytest.raises(InputError, match="would leave the output folder"):
        go(tmp_path / "out", photos[:1], "overwrite")
    assert victim.exists()


def test_two_runs_in_one_folder_are_refused(tmp_path: Path, photos: list[SourceImage]) -> None:
    with (
        opened(tmp_path / "out", photos, PARAMETERS, places={}),
        pytest.raises(ResourceError, match="Another radseg is writing"),
    ):
        go(tmp_path / "out", photos)


def test_an_output_folder_that_is_a_file_is_refused(tmp_path: Path, photos: list[SourceImage]) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(InputError, match="is a file"):
        go(tmp_path / "out", photos)


def test_an_output_folder_that_cannot_be_made_is_refused(tmp_path: Path, photos: list[SourceImage]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError, match="cannot be made"):
        go(tmp_path / "file" / "out", photos)


def test_a_read_only_output_folder_is_refused(
    tmp_path: Path, photos: list[SourceImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # the tests may run as root, who may write anywhere
    with pytest.raises(ResourceError, match="is not writable"):
        go(tmp_path / "out", photos)


def test_the_record_holds_the_size_and_time_of_the_image(tmp_path: Path, photos: list[SourceImage]) -> None:
    go(tmp_path / "out", photos[:1])
    history = read_manifest(tmp_path / "out/manifest.jsonl")
    assert history is not None
    status = photos[0].path.stat()
    (only,) = history.records.values()
    assert (only.size, only.mtime_ns) == (status.st_size, status.st_mtime_ns)


def test_the_next_free_folder_is_found(tmp_path: Path) -> None:
    assert free_folder(tmp_path / "out").name == "out"
    (tmp_path / "out").mkdir()
    (tmp_path / "out-2").touch()
    assert free_folder(tmp_path / "out").name == "out-3"


def test_a_run_that_never_began_leaves_no_folder(tmp_path: Path, photos: list[SourceImage]) -> None:
    with (
        pytest.raises(ResourceError),
        opened(tmp_path / "out", photos, PARAMETERS, places={}),
    ):
        raise ResourceError("no weights")
    assert not (tmp_path / "out").exists()


def test_overwrite_keeps_an_old_output_that_is_now_an_input(
    tmp_path: Path, photos: list[SourceImage]
) -> None:
    out = tmp_path / "out"
    go(out, photos)
    go(out, [SourceImage(out / "masks/deep/c.png", out / "masks/deep")], "overwrite")
    assert outputs(out) == {"masks/c.png": "DEEP/C", "overlays/c.jpg": "", "masks/deep/c.png": "DEEP/C"}


def test_what_a_killed_run_left_half_written_is_removed_first(
    tmp_path: Path, photos: list[SourceImage]
) -> None:
    left = [tmp_path / "out" / name for name in (".radseg-ab.part", "masks/deep/.radseg-cd.part")]
    for part in left:
        part.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
    with opened(tmp_path / "out", photos, PARAMETERS, places={"masks": Place(None)}):
        assert not any(part.exists() for part in left)


def test_a_run_that_is_refused_leaves_the_folder_of_the_one_that_runs(
    tmp_path: Path, photos: list[SourceImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that start together both find no folder; the one that comes second must not clear it away."""
    out = tmp_path / "out"
    with opened(out, photos, PARAMETERS, places={}):
        monkeypatch.setattr(Path, "exists", lambda _: False)
        with pytest.raises(ResourceError, match="Another radseg"):
            go(out, photos)
        monkeypatch.undo()
        assert (out / LOCK_NAME).exists()


@pytest.mark.parametrize("existing", ["resume", "overwrite"])
def test_a_link_to_itself_costs_one_image(
    tmp_path: Path, photos: list[SourceImage], existing: OnExisting
) -> None:
    link = tmp_path / "photos/self.jpg"
    link.symlink_to(link)
    images = [SourceImage(link, link.parent), *photos]
    for _ in range(2):
        report = go(tmp_path / "out", images, existing)
        assert [record.source for record in report.failed] == ["self.jpg"]
        assert len(report.done + report.earlier) == 3


def in_the_way(folder: Path, kind: str) -> None:
    """Put what no output can replace where the output of b.jpg belongs."""
    (folder / "overlays").mkdir(parents=True)
    if kind == "folder":
        (folder / "overlays/b.jpg").mkdir()
    elif kind == "file for a folder":
        (folder / "overlays/deep").write_text("mine")
    else:
        (folder / "overlays/deep").symlink_to(folder / "overlays/deep")


@pytest.mark.parametrize(
    ("kind", "failed"), [("folder", "b"), ("file for a folder", "deep/c"), ("link", "deep/c")]
)
def test_what_is_in_the_way_of_one_output_costs_one_image(
    tmp_path: Path, photos: list[SourceImage], kind: str, failed: str
) -> None:
    in_the_way(tmp_path / "out", kind)
    for existing in ("overwrite", "resume", "overwrite"):
        report = go(tmp_path / "out", photos, existing)  # type: ignore[arg-type]
        assert [record.name for record in report.failed] == [failed]
        assert not (tmp_path / "out/masks/b.png").exists() or kind != "folder", (
            "half of an image's outputs is none"
        )


def test_a_path_that_is_too_long_in_the_output_folder_costs_one_image(
    tmp_path: Path, photos: list[SourceImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    deep = Path(*["d" * 200] * 19)
    names = {str(photos[0].path): f"{deep}/{'e' * 200}/a"}
    monkeypatch.setattr(
        "radseg.jobs.plan.output_names",
        lambda images, **_: tuple(names.get(str(one.path), one.path.stem) for one in images),
    )
    for _ in range(2):
        report = go(tmp_path / "out", photos, "resume")
        assert [Path(record.source).name for record in report.failed] == ["a.jpg"]
        assert len(report.done + report.earlier) == 2


def test_an_old_output_that_is_a_folder_by_now_is_left(tmp_path: Path, photos: list[SourceImage]) -> None:
    go(tmp_path / "out", photos)
    (tmp_path / "out/masks/a.png").unlink()
    (tmp_path / "out/masks/a.png").mkdir()
    report = go(tmp_path / "out", photos[1:], "overwrite")
    assert (len(report.done), (tmp_path / "out/masks/a.png").is_dir()) == (2, True)
