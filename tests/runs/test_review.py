"""The page of a run as Python writes it: originals found, done without, refused."""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from radseg.cli.app import app
from radseg.errors import InputError, MissingFileError
from radseg.review.decisions import REVIEW_FORMAT, review_key
from radseg.review.page import Heading, ReviewImage, page_pieces
from radseg.runs.exporting import ExportRequest, export_run
from radseg.runs.outputs import write_classes
from radseg.runs.review import write_review
from radseg.runs.stored import read_run
from review_builders import COUNT, HOSTILE, PARAMETERS, ReviewedRun, reviewed_run


@pytest.fixture
def run(tmp_path: Path) -> ReviewedRun:
    """A run of its own for each test, which may damage it."""
    return reviewed_run(tmp_path)


def elements(page: bytes, kind: str) -> list[dict[str, Any]]:
    """Return the JSON values in the elements of a kind."""
    found = re.findall(rf'<script type="application/json" {kind}>(.*?)</script>', page.decode())
    return [json.loads(text) for text in found]


def facts(run: ReviewedRun) -> dict[str, dict[str, Any]]:
    page = (run.folder / "review.html").read_bytes()
    return {one["name"]: one for one in elements(page, 'class="facts"')}


def test_every_image_is_on_the_page_with_its_shares_and_its_original(run: ReviewedRun) -> None:
    report = write_review(run.folder, images=run.photos)
    assert (report.images, report.failed, report.without_original) == (COUNT + 1, 1, 0)
    shown = facts(run)
    assert shown["image 15"]["classes"] == [[1, 0.5, 0.9, 0.99], [2, 0.5, 0.5, 0.5]]
    assert shown["image 15"]["photo"] == "../photos/image%2015.png"
    assert shown[HOSTILE]["photo"].endswith("/%3Cb%20onclick%3Dalert%281%29%3E%26quot%3B%23%3F%2541.png")
    assert shown["z"]["message"] == "no <i>image</i>"


def test_roots_that_the_run_kept_lead_to_the_originals(run: ReviewedRun) -> None:
    write_classes(run.folder, ["a", "b", "c"], PARAMETERS, {"mark": str(run.photos)})
    assert write_review(run.folder).without_original == 0


def test_without_originals_the_masks_alone_are_shown(run: ReviewedRun) -> None:
    report = write_review(run.folder, run.folder.parent / "page.html")
    assert report.without_original == COUNT
    pixels = elements(report.page.read_bytes(), 'class="pixels"')
    assert pixels[0].keys() == {"small", "mask"}


def test_an_image_that_changed_or_lies_elsewhere_is_not_the_original(run: ReviewedRun) -> None:
    with (run.photos / "image 03.png").open("ab") as file:
        file.write(b"more")
    manifest = run.folder / "manifest.jsonl"
    manifest.write_text(manifest.read_text().replace('"image 04.png"', '"../photos/image 04.png"'))
    assert write_review(run.folder, images=run.photos).without_original == 2


def test_a_mask_that_cannot_be_read_has_failed(run: ReviewedRun) -> None:
    (run.folder / "masks/image 03.png").write_bytes(b"no image")
    (run.folder / "masks/image 04.png").unlink()
    assert write_review(run.folder, images=run.photos).failed == 3
    assert "not a label map" in facts(run)["image 03"]["message"]


def test_another_folder_of_images_is_refused(run: ReviewedRun, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="None of the run's images is below"):
        write_review(run.folder, images=tmp_path)


def test_a_run_without_label_maps_is_refused(run: ReviewedRun) -> None:
    manifest = run.folder / "manifest.jsonl"
    manifest.write_text(manifest.read_text().replace("masks/", "overlays/"))
    with pytest.raises(InputError, match="Run it with --save labels"):
        write_review(run.folder)


def test_masks_shrink_to_the_nearest_label_in_one_byte_or_two() -> None:
    labels = np.full((1000, 2000), 300, np.uint16)
    labels[:, 1000:] = 7
    heading = Heading("t", "k", [f"n{i}" for i in range(400)])
    page = b"".join(page_pieces(heading, [ReviewImage("a", "a.jpg", labels=labels)]))
    (pixels,) = elements(page, 'class="pixels"')
    mask = np.asarray(Image.open(io.BytesIO(base64.b64decode(pixels["mask"]))), np.int64)
    assert mask.shape == (320, 640, 3)
    assert set((mask[:, :320, 0] + 256 * mask[:, :320, 1]).ravel()) == {300}
    assert set((mask[:, 320:, 0] + 256 * mask[:, 320:, 1]).ravel()) == {7}


def reviewed(run: ReviewedRun, **decisions: str) -> Path:
    """Return a list as the page saves it, with these decisions on the images of these numbers."""
    stored = read_run(run.folder)
    records = (*stored.done, *stored.failed)
    rows = [{"name": f"image {at[1:]}", "decision": decision} for at, decision in decisions.items()]
    path = run.folder.parent / "review.json"
    key = review_key(stored.parameters, records)
    path.write_text(json.dumps({"format": REVIEW_FORMAT, "run": key, "images": rows}))
    return path


def test_an_export_takes_what_was_accepted_and_counts_the_rest(run: ReviewedRun, tmp_path: Path) -> None:
    path = reviewed(run, n03="accept", n04="reject", n05="accept")
    arguments = ("export", run.folder, "--to", "cityscapes", "-o", tmp_path / "set", "--review", path)
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    assert result.exit_code == 0, result.output
    assert f"Left out 1 rejected and {COUNT - 3} undecided images." in result.stdout
    stems = {file.name[:8] for file in (tmp_path / "set").rglob("*.png")}
    assert stems == {"image 03", "image 05"}


def test_an_export_of_nothing_accepted_is_refused(run: ReviewedRun, tmp_path: Path) -> None:
    request = ExportRequest(run.folder, "coco", tmp_path / "set", review=reviewed(run, n04="reject"))
    with pytest.raises(InputError, match=r"No image is accepted .*\(1 rejected, 29 undecided\)"):
        export_run(request)
    assert not (tmp_path / "set").exists()


def test_the_command_says_what_it_wrote_and_what_is_missing(run: ReviewedRun) -> None:
    result = CliRunner().invoke(app, ["review", str(run.folder)])
    assert result.exit_code == 0
    assert f"{COUNT + 1} images. Open it in a browser." in result.stdout
    assert "1 image failed; the page says why." in result.stdout
    assert f"Masks alone for {COUNT} images" in result.stdout
