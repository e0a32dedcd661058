import json

from evaluation_builders import paper_run


def test_results_become_one_page(radseg, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/result.json").write_text(paper_run().to_json())
    (tmp_path / "voc.json").write_text(paper_run("voc20", miou=80.0).to_json())
    done = radseg("report", tmp_path / "out", tmp_path / "voc.json", "--output", "new/report.md", "--classes")
    assert done.exit_code == 0, done.output
    text = (tmp_path / "new/report.md").read_text()
    assert "agrees" in text
    assert "below" in text
    assert "## Classes: voc20 mid" in text
    assert "agrees" in radseg("report", tmp_path / "out").stdout


def test_what_is_no_result_is_named(radseg, tmp_path):
    done = radseg("report", tmp_path)
    assert done.exit_code == 2
    assert "result.json" in done.output


def test_a_plot_puts_models_with_costs_among_the_papers(radseg, tmp_path):
    (tmp_path / "ade.json").write_text(paper_run().to_json())
    row = {"preset": "radseg-b-paper", "parameters": 1e8, "device": "cpu", "timing": {"median": 0.2}}
    (tmp_path / "bench.json").write_text(json.dumps({"format": "radseg-bench/1", "rows": [row]}))
    typed = ["report", tmp_path / "ade.json", "--costs", tmp_path / "bench.json"]
    assert radseg(*typed).exit_code == 2
    done = radseg(*typed, "--plot", tmp_path / "new/figure-1.png")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "new/figure-1.png").stat().st_size > 10_000


def test_cells_that_can_get_a_verdict_are_counted_without_results(radseg):
    done = radseg("report", "--cells")
    assert done.exit_code == 0, done.output
    assert "mIoU of a set" in done.stdout
    assert "Cells without, and why" in done.stdout
    assert radseg("report").exit_code == 2
