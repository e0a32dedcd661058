import json
from pathlib import Path

from radseg.presets import plugins
from written_paths import named


def test_the_table_is_printed_and_written(radseg, tmp_path):
    done = radseg(
        "bench", "-m", "toy", "--on", "voc20", "--repeats", 2, "--warmup", 0, "-o", tmp_path / "out"
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "| toy " in done.stdout
    (row,) = json.loads((tmp_path / "out/bench.json").read_text())["rows"]
    assert row["input"] == [336, 448]
    assert row["timing"]["repeats"] == 2
    assert (tmp_path / "out/bench.csv").read_text().count("\n") == 2
    assert named(tmp_path / "out", tmp_path) == named(tmp_path / "out", Path.home()) == 0


def test_an_error_in_the_measuring_process_is_told_in_one_line(radseg):
    done = radseg("bench", "-m", "toy", "--random-weights", "--on", "voc20")
    assert done.exit_code == 2
    assert "brings its own weights" in done.output


def test_a_measuring_process_that_does_not_start_ends_the_command(radseg, tmp_path, monkeypatch):
    monkeypatch.setattr(plugins, "loaded_files", lambda: (tmp_path / "gone.py",))
    done = radseg("bench", "-m", "toy", "--on", "voc20", "--repeats", 1)
    assert done.exit_code == 3, done.output
    assert "ended without an answer" in done.output
