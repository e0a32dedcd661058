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
