"""`radseg eval` as a person types it."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from published_folders import any_shape, clip_folder, dino_folder
from radseg.cli import eval as eval_verb
from radseg.cli.app import app
from radseg.evaluation.images.result import EvalResult
from radseg.models.stored_text_encoder import StoredTextEncoder
from radseg.presets import parts
from radseg.types import TextEmbeddings
from written_paths import named

NAMES = ("red", "green")


@pytest.fixture
def data(tmp_path):
    for sub in ("images", "labels"):
        (tmp_path / "data" / sub).mkdir(parents=True)
    for i in range(3):
        labels = np.zeros((16, 24), np.uint8)
        labels[:, 8 * (i % 2) :] = 1
        image = np.where(labels[..., None] == 0, (220, 30, 30), (30, 160, 50)).astype(np.uint8)
        Image.fromarray(image).save(tmp_path / f"data/images/{i}.png")
        Image.fromarray(labels).save(tmp_path / f"data/labels/{i}.png")
    (tmp_path / "data/classes.txt").write_text("\n".join(NAMES))
    return tmp_path / "data"


def radseg(*words):
    done = CliRunner().invoke(app, ["eval", *map(str, words)])
    return done.exit_code, done.output


def evaluate(data, *more):
    return radseg("folder", "--data", data, "--preset", "toy", "-o", data.parent / "out", *more)


def test_a_folder_is_measured_and_its_scores_are_printed(data):
    code, output = evaluate(data)
    assert code == 0, output
    assert "mIoU" in output
    assert "100.00 %" in output
    result = EvalResult.read(data.parent / "out")
    assert result.scores["miou"].value == 1.0
    assert result.protocol["name"] == "own"


def test_options_reach_the_method_and_the_record(data):
    code, output = evaluate(data, "--denoise", "0.9", "--limit", 2, "--protocol", "own")
    assert code == 0, output
    result = EvalResult.read(data.parent / "out")
    assert result.options["denoising"] == 0.9
    assert result.images.total == 2


@pytest.fixture
def selected(monkeypatch):
    """Call `radseg eval` on a dataset that another module evaluates; return what that is given."""
    seen = []
    module = type(sys)("another_kind")
    module.run = lambda typed: seen.append(typed) or 1
    monkeypatch.setitem(sys.modules, "another_kind", module)
    monkeypatch.setitem(eval_verb.HANDLERS, "replica", "another_kind:run")

    def evaluate(*words):
        code, output = radseg("replica", "--data", "rooms", *words)
        assert code == 1, output
        return seen.pop()

    return evaluate


def test_scra_and_scga_can_be_left_out(selected):
    words = ("--crop", "whole", "--stride", 112, "--size-rule", "patch", "--scra", "off", "--scga", 5)
    more = ("--denoise", 0.1, "--refine", "none", "--templates", "simple")
    assert selected(*words, *more).choice.options == {
        "crop": None,
        "stride": 112,
        "size_rule": "patch",
        "scra_temperature": None,
        "scga_temperature": 5.0,
        "denoising": 0.1,
        "refine": "none",
        "templates": "simple",
    }
    assert selected().choice.options == selected().choice.places == {}


def test_the_default_folder_names_dataset_protocol_and_preset(data, monkeypatch):
    monkeypatch.chdir(data.parent)
    assert radseg("folder", "--data", data, "-m", "toy", "-q")[0] == 0
    assert (data.parent / "radseg-eval/folder-own-toy/result.json").exists()


def test_a_second_run_needs_resume_or_overwrite(data):
    evaluate(data)
    code, output = evaluate(data)
    assert code == 2
    assert "--resume" in output
    assert evaluate(data, "--resume")[0] == 0
    assert evaluate(data, "--overwrite")[0] == 0
    assert evaluate(data, "--overwrite", "--resume")[0] == 2


def test_shards_say_what_is_left_and_the_last_one_prints_the_scores(data):
    code, output = evaluate(data, "--shard", "1/2")
    assert code == 0
    assert "1 image left to other shards" in output
    assert evaluate(data, "--merge")[0] == 2
    assert "mIoU" in evaluate(data, "--shard", "2/2")[1]
    assert "mIoU" in evaluate(data, "--merge")[1]


def test_merge_and_overwrite_exclude_each_other(data):
    evaluate(data)
    code, output = evaluate(data, "--merge", "--overwrite")
    assert code == 2
    assert "use one of them" in output
    assert evaluate(data, "--merge")[0] == 0


def test_torchrun_variables_choose_the_shard(data, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert evaluate(data)[0] == 0
    assert [p.name for p in (data.parent / "out/shards").iterdir()] == ["2-of-3.jsonl"]


def test_a_failed_image_is_exit_code_1(data):
    (data / "images/1.png").write_bytes(b"")
    code, output = evaluate(data)
    assert code == 1
    assert "1.png" in output
    assert "mIoU" in output


def test_json_lines_end_with_the_scores(data):
    _, output = evaluate(data, "--log-format", "json")
    events = [json.loads(line) for line in output.splitlines()]
    assert [e["event"] for e in events] == ["found", "loading", "started", *["image"] * 3, "ended", "result"]
    assert events[-1]["scores"]["miou"]["value"] == 1.0


def test_progress_tells_images_per_second_and_time_left(data):
    _, output = evaluate(data)
    assert "images/s" in output.splitlines()[1]
    assert "s left" in output.splitlines()[1]


def test_check_reads_everything_and_evaluates_nothing(data):
    code, output = radseg("folder", "--data", data, "--check")
    assert code == 0
    assert "3 images read, 2 classes" in output
    Image.fromarray(np.full((16, 24), 7, np.uint8)).save(data / "labels/0.png")
    code, output = radseg("folder", "--data", data, "--check", "-o", data.parent / "out")
    assert code == 1
    assert "holds the label 7" in output
    assert not (data.parent / "out").exists()
    assert radseg("folder", "--data", data, "--check", "--ignore", 7)[0] == 0


def test_check_counts_a_benchmark(tmp_path, shared):
    code, output = radseg("ade20k", "--data", shared / "data/ade20k_sample", "--check")
    assert code == 1
    assert "2 images, officially 2000. Get it: ADEChallengeData2016.zip" in output


def test_check_accepts_a_part_of_a_benchmark_where_eval_would(shared):
    asked = ("ade20k", "--data", shared / "data/ade20k_sample", "--check", "--log-format", "json")
    code, output = radseg(*asked)
    assert code == 1
    (lack,) = json.loads(output)["shortfall"]
    assert lack.startswith("2 images, officially 2000. Get it: ADEChallengeData2016.zip")
    code, output = radseg(*asked, "--partial")
    assert (code, json.loads(output)["shortfall"]) == (0, [])


def test_check_reads_the_images_that_would_be_evaluated(data):
    (data / "images/2.png").write_bytes(b"")
    code, output = radseg("folder", "--data", data, "--check", "--limit", 2)
    assert code == 0, output
    assert "2 images read" in output
    assert radseg("folder", "--data", data, "--check", "--limit", 3)[0] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("imagenet", "--data", "x"), "choose from voc20, context59, cocostuff, ade20k"),
        (("ade20k",), "Add --data"),
        (("miniature", "--data", "x"), "leave --data out"),
        (("voc20", "--data", "x", "--ignore", 3), "--ignore and --first-label are for"),
        (("miniature", "--protocol", "huge"), "no protocol 'huge'"),
        (("miniature", "--shard", "3/2", "--preset", "miniature"), "no shard 3/2"),
        (
            ("miniature", "--preset", "radseg-x"),
            "no model 'radseg-x' and no such file. Did you mean radseg-h",
        ),
        (("miniature", "--preset", "toy", "--crop", "64"), "no crop"),
    ],
)
def test_wrong_use_is_refused_before_anything_is_loaded(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, output = radseg(*words)
    assert code == 2
    assert message in output
    assert list(tmp_path.iterdir()) == []


def test_another_module_may_take_a_dataset_over(selected):
    seen = selected("--preset", "radseg-h", "--limit", 4)
    assert (seen.images.dataset, str(seen.images.data), seen.choice.names, seen.images.limit) == (
        "replica",
        "rooms",
        ("radseg-h",),
        4,
    )


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from typer.testing import CliRunner; from radseg.cli.app import app; "
        "r = CliRunner().invoke(app, ['eval', '--help']); assert r.exit_code == 0, r.output; "
        "heavy = {'torch', 'numpy', 'transformers', 'cv2', 'scipy'}; "
        "print(sorted(set(m.split('.')[0] for m in sys.modules) & heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture
def proxyclip(data, tmp_path, monkeypatch):
    """Call `radseg eval` with CLIP from a folder and words made up."""
    any_shape(monkeypatch)
    clip = clip_folder(tmp_path / "clip")
    fetched, resolve = [], parts.resolve

    def without_network(name, place, options):
        return resolve(name, place, options) if place else fetched.append(name)

    monkeypatch.setattr(parts, "resolve", without_network)
    monkeypatch.setattr(StoredTextEncoder, "embed", lambda words, _: made_up(words.space))
    fixed = ("--data", data, "--preset", "proxyclip-b", "--checkpoint", clip, "-o", tmp_path / "out")
    more = ("--crop", 112, "--stride", 112)
    return lambda *words: (*radseg("folder", *fixed, *more, *words), list(fetched))


def made_up(space):
    generator = torch.Generator().manual_seed(0)
    return TextEmbeddings(NAMES, torch.randn(2, 20, generator=generator), (0, 1), space)


def test_a_further_network_may_come_from_a_folder(proxyclip, tmp_path):
    dino = dino_folder(tmp_path / "dino")
    code, output, fetched = proxyclip("--aux", f"dino-vit-b-8={dino}")
    assert code == 0, output
    assert fetched == ["clip-vit-b-16-openai"]  # the words' tower alone
    given = EvalResult.read(tmp_path / "out").model["given"]
    assert given == {"checkpoint": "clip", "dino-vit-b-8": "dino"}
    assert named(tmp_path / "out", tmp_path) == 0
    dino_folder(tmp_path / "dino", seed=9)  # exchanged under the same name
    code, output, _ = proxyclip("--aux", f"dino-vit-b-8={dino}", "--resume")
    assert code == 2
    assert "weights of dino-vit-b-8" in output


def test_auxiliary_weights_of_another_method_are_refused_before_anything_is_fetched(proxyclip, tmp_path):
    code, output, fetched = proxyclip("--aux", f"sam-vit-b-whole={tmp_path}")
    assert code == 2
    assert "uses no 'sam-vit-b-whole'" in " ".join(output.split())
    assert not fetched
