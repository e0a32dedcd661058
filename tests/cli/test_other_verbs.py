"""`radseg text`, `models`, `doctor`, and the help."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from cli_builders import Command, events

from radseg.presets.table import PRESETS
from radseg.text.pack import load_pack, pack_vectors, save_pack
from radseg.text.vocabulary import Vocabulary
from radseg.weights import catalog
from radseg.weights.home import FileRecord, model_folder, sha256_of, write_record


def test_a_pack_gives_the_same_labels_as_its_prompts(radseg: Command, toy: Command, photo: Path) -> None:
    made = radseg("text", "-m", "toy", "-p", "red, blue", "-o", "pack.safetensors")
    assert made.exit_code == 0, made.output
    assert "pack.safetensors: 2 names in the space toy-colour" in made.stdout
    toy(photo, "--vocabulary", "pack.safetensors", "-o", "one")
    toy(photo, "-p", "red, blue", "-o", "two")
    assert Path("one/masks/photo.png").read_bytes() == Path("two/masks/photo.png").read_bytes()


def test_a_pack_can_do_without_the_contrast_bank(radseg: Command, toy: Command, photo: Path) -> None:
    made = radseg("text", "-m", "toy", "-p", "red, blue", "-o", "pack.safetensors", "--no-contrast")
    assert made.exit_code == 0
    assert load_pack("pack.safetensors").contrast is None
    refused = toy(photo, "--vocabulary", "pack.safetensors")
    assert (refused.exit_code, "needs the contrast bank" in refused.stderr) == (2, True)
    assert toy(photo, "--vocabulary", "pack.safetensors", "--mode", "assign").exit_code == 0


def test_a_pack_is_announced_in_json(radseg: Command) -> None:
    result = radseg("text", "-m", "toy", "-p", "red", "-o", "p.safetensors", "--log-format", "json")
    assert events(result) == [
        {
            "event": "pack",
            "output": "p.safetensors",
            "names": ["red"],
            "space": "toy-colour",
            "contrast": True,
        }
    ]


def test_how_to_use_a_pack_names_the_same_checkpoint(
    radseg: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = pack_vectors(Vocabulary.parse(["red"]), torch.eye(1), "elsewhere")
    monkeypatch.setattr("radseg.runs.packs.make_pack", lambda *_: pack)
    Path("own.safetensors").touch()
    told = "radseg segment photo.jpg --vocabulary p.safetensors -m radseg-b"
    for words in (("-m", "own.safetensors"), ("--checkpoint", "own.safetensors")):
        done = radseg("text", *words, "-p", "red", "-o", "p.safetensors")
        assert f"{told} --checkpoint own.safetensors\n" in done.stdout, done.output
    assert f"{told}\n" in radseg("text", "-m", "radseg-b", "-p", "red", "-o", "p.safetensors").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "p.safetensors"], "with -p or --classes"),
        (["-p", "red", "-o", "p.npz"], "must end in .safetensors"),
        (["-p", "red"], "Missing option"),
        (["-p", "red", "-o", "p.safetensors", "-m", "nothing"], "nothing"),
    ],
)
def test_wrong_use_of_text_is_explained(radseg: Command, arguments: list[str], message: str) -> None:
    result = radseg("text", *arguments)
    assert (result.exit_code, message in result.stderr) == (2, True), result.output


def test_a_pack_of_another_model_is_refused(radseg: Command, toy: Command, photo: Path) -> None:
    save_pack("other.safetensors", pack_vectors(Vocabulary.parse(["red", "blue"]), torch.eye(2), "elsewhere"))
    result = toy(photo, "--vocabulary", "other.safetensors", "--mode", "assign")
    assert result.exit_code == 2
    assert "space 'elsewhere', the image features in 'toy-colour'" in result.stderr


def test_a_pack_that_is_no_pack_is_refused(toy: Command, photo: Path) -> None:
    Path("pack.safetensors").write_bytes(b"junk")
    result = toy(photo, "--vocabulary", "pack.safetensors")
    assert (result.exit_code, "is not a vocabulary pack" in result.stderr) == (2, True)


def test_models_are_listed_with_what_they_need(radseg: Command) -> None:
    result = radseg("models", "list", "--all")
    assert result.exit_code == 0
    assert "radseg-b" in result.stdout
    assert "siglip2-so400m-patch16-naflex" in result.stdout
    assert "about 1 mIoU" in " ".join(result.stdout.split())


def test_models_are_listed_in_json(radseg: Command) -> None:
    listed = {one["model"]: one for one in events(radseg("models", "list", "--log-format", "json"))}
    assert listed["toy"]["cached"] is True
    assert listed["radseg-b"]["cached"] is False
    assert listed["radseg-b"]["weights"] == ["c-radio_v3-b", "siglip2-so400m-patch16-naflex"]
    assert (listed["radseg-b"]["paper"], listed["radseg-v4-h"]["paper"]) == ("A.2", None)


def test_models_are_listed_with_their_size_and_what_of_it_is_not_here(radseg: Command) -> None:
    file = model_folder("c-radio_v3-b") / "c-radio_v3-b_half.pth.tar"
    file.parent.mkdir(parents=True)
    file.touch()
    tower, radio = catalog.row(catalog.SO400M_NAFLEX).bytes, catalog.row("c-radio_v3-b").bytes
    listed = events(radseg("models", "list", "--all", "--log-format", "json"))
    facts = {one.get("model") or one["weights"]: (one["bytes"], one["bytes_to_fetch"]) for one in listed}
    assert facts["radseg-b"] == (radio + tower, tower)
    assert (facts["c-radio_v3-b"], facts["toy"]) == ((radio, 0), (0, 0))
    lines = radseg("models", "list", "--all").stdout.splitlines()
    assert any(line.split()[:6] == ["radseg-b", "3.38", "GB", "2.83", "GB", "A.2"] for line in lines)
    assert any(line.split()[:4] == ["c-radio_v3-b", "547", "MB", "-"] for line in lines)


@pytest.mark.parametrize("columns", [80, 120])
def test_the_list_fits_its_terminal_and_cuts_no_name(
    radseg: Command, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = radseg("models", "list", "--all").stdout
    assert max(len(line) for line in text.splitlines()) <= columns
    assert {one.strip(",") for one in text.split()} >= {*PRESETS, *(row.name for row in catalog.ROWS)}


def test_licences_say_whether_they_must_be_accepted(radseg: Command) -> None:
    result = radseg("models", "license", "radio_v2.5-b", "radseg-b")
    assert result.exit_code == 0
    assert "radio_v2.5-b: NVIDIA Source Code License-NC" in result.stdout
    assert result.stdout.count("needs --accept-license") == 1
    assert events(radseg("models", "license", "radseg-b", "--log-format", "json"))[0]["must_accept"] is False


def test_an_unknown_name_lists_the_known(radseg: Command) -> None:
    result = radseg("models", "pull", "radseg-z")
    assert (result.exit_code, "Known: radseg-b" in result.stderr) == (2, True)


def test_pull_without_network_says_where_to_put_the_file(
    radseg: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radseg.weights.hub.is_offline", lambda: True)
    result = radseg("models", "pull", "c-radio_v3-b")
    assert result.exit_code == 3
    assert "put it at" in result.stderr


def test_verify_finds_a_changed_file(radseg: Command) -> None:
    path = model_folder("c-radio_v3-b") / "weights.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    write_record("c-radio_v3-b", FileRecord("weights.bin", sha256_of(path), 7, "a test", "none"))
    assert radseg("models", "verify").exit_code == 0
    path.write_bytes(b"changed")
    result = radseg("models", "verify", "c-radio_v3-b")
    assert (result.exit_code, "weights.bin: content is" in result.stdout) == (1, True)


def test_verify_of_nothing_says_so(radseg: Command) -> None:
    assert "No weights are on this machine" in radseg("models", "verify").stdout
    result = radseg("models", "verify", "sam-vit-h")
    assert (result.exit_code, "radseg models pull sam-vit-h" in result.stdout) == (1, True)


def test_doctor_checks_everything(radseg: Command) -> None:
    found = {one["subject"]: one for one in events(radseg("doctor", "--log-format", "json"))}
    assert found["torch"]["verdict"] == "ok"
    assert {"radseg", "Python", "processor", "images", "cache", "disk", "network"} <= set(found)


def test_doctor_counts_what_the_chosen_model_needs(radseg: Command) -> None:
    found = {
        one["subject"]: one for one in events(radseg("doctor", "-m", "radseg-b+", "--log-format", "json"))
    }
    assert "radseg-b+ still needs 3.40 GB" in found["disk"]["value"]
    assert radseg("doctor", "-m", "radseg-z").exit_code == 2


def test_doctor_gives_the_command_for_a_problem(radseg: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radseg.runs.health.free_bytes", lambda _: 10**6)
    result = radseg("doctor")
    assert result.exit_code == 3
    assert "Fix disk: export RADSEG_HOME=" in result.stdout


def test_the_version_is_printed(radseg: Command) -> None:
    result = radseg("--version")
    assert (result.exit_code, result.stdout.startswith("radseg ")) == (0, True)


def test_help_lists_the_verbs_and_exit_codes(radseg: Command) -> None:
    result = radseg("--help")
    assert all(verb in result.stdout for verb in ("segment", "text", "models", "doctor", "130 interrupted"))


def test_help_loads_nothing_heavy(repository: Path) -> None:
    code = (
        "import json, sys, time\n"
        "from typer.testing import CliRunner\n"
        "from radseg.cli.app import app\n"
        "assert CliRunner().invoke(app, ['segment', '--help']).exit_code == 0\n"
        "heavy = {'torch', 'numpy', 'transformers', 'PIL', 'scipy', 'huggingface_hub', 'safetensors'}\n"
        "print(json.dumps([sorted(heavy & set(sys.modules)), time.process_time()]))\n"
    )
    plain = (
        "import json, time, typer\n"
        "from typer.testing import CliRunner\n"
        "app = typer.Typer()\n"
        "app.command()(lambda: None)\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "print(json.dumps([[], time.process_time()]))\n"
    )
    env = {"PYTHONPATH": str(repository / "src")}

    def best_of_five(text: str) -> tuple[list[str], float]:
        """What was loaded, and the least processor seconds: one run can be slow under load."""
        command = [sys.executable, "-c", text]
        runs = [subprocess.run(command, capture_output=True, check=True, env=env) for _ in range(5)]
        told = [json.loads(run.stdout) for run in runs]
        return told[0][0], min(seconds for _, seconds in told)

    loaded, seconds = best_of_five(code)
    assert loaded == []
    assert seconds < 3 * best_of_five(plain)[1]  # twice the help of an app without options was seen


def test_the_page_of_the_command_line_is_current(repository: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, 'docs'); import generate_cli; sys.stdout.write(generate_cli.page())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=repository,
        env={"PYTHONPATH": "src", "PYTHONIOENCODING": "utf-8"},
    )
    written = (repository / "docs/cli.md").read_text(encoding="utf-8")
    assert written == done.stdout, "run: python docs/generate_cli.py"


def test_pull_embeds_the_bank_of_models_alone(radseg: Command) -> None:
    result = radseg("models", "pull", "miniature", "--contrast")
    assert (result.exit_code, "needs no preparation" in result.stderr) == (0, True)
    result = radseg("models", "pull", "--contrast")
    assert result.exit_code == 2


def narrow(pack: Path, space: str | None = None) -> None:
    """Cut two numbers off each vector of a pack, and give it another space."""
    old = load_pack(pack)
    text, bank = (
        replace(one, values=one.values[:, 2:], space=space or one.space)
        for one in (old.embeddings, old.contrast)
        if one is not None
    )
    save_pack(pack, replace(old, embeddings=text, contrast=bank))


def test_a_pack_of_another_width_is_refused_once(radseg: Command, photos: Path) -> None:
    radseg("text", "-m", "toy", "-p", "red, blue", "-o", "pack.safetensors")
    narrow(Path("pack.safetensors"))
    result = radseg("segment", "-m", "toy", photos, "--vocabulary", "pack.safetensors")
    assert (result.exit_code, result.output.count("Each text embedding has")) == (2, 1)
    assert "Failed" not in result.output


def test_a_pack_of_another_width_is_refused_before_weights_are_asked_for(
    radseg: Command, photo: Path
) -> None:
    radseg("text", "-m", "toy", "-p", "red, blue", "-o", "pack.safetensors")
    narrow(Path("pack.safetensors"), "siglip2-so400m-patch16-naflex")
    result = radseg("segment", "-m", "radseg-b", photo, "--vocabulary", "pack.safetensors")
    assert result.exit_code == 2
    assert "the space 'siglip2-so400m-patch16-naflex' has 1152" in result.stderr
