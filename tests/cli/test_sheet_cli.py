from PIL import Image

from radseg.cli.sheet import spread


def test_columns_may_be_the_rows_of_an_ablation(radseg, tmp_path):
    done = radseg(
        "sheet", "miniature", "-m", "miniature", "--sweep", "windows", "--images", 1, "-o", tmp_path / "s"
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    page = (tmp_path / "s/sheet.html").read_text()
    assert "single pass, no SCGA: mIoU" in page
    assert page.count("<img") == 2 + 2 * 3
    assert Image.open(tmp_path / "s/sheet.png").width == 10 + 5 * 310


def test_a_sweep_is_of_one_preset(radseg):
    done = radseg("sheet", "miniature", "-m", "miniature", "-m", "toy", "--sweep", "windows")
    assert done.exit_code == 2
    assert "name one with --preset" in done.output


def test_images_are_spread_over_the_set():
    ids = tuple("abcdefghij")
    assert spread(ids, 3) == ("a", "d", "g")
    assert spread(ids, 20) == ids
