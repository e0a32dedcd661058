"""The published methods' own numbers, stage by stage; a failure names case and stage."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from parity.__main__ import compare_published
from parity.method_tables import HEADING, PAGES, sources_of
from parity.methods import compare_method, left_out_of
from parity.methods_golden_set import MethodsGoldenSet, is_methods_folder


@pytest.fixture(scope="module")
def goldens(shared):
    return MethodsGoldenSet(shared / "golden/methods")


def test_every_stage_of_every_case_equals_the_published_code(goldens):
    for name in goldens.names:
        case = goldens.case(name)
        rows = list(compare_method(case))
        assert not [str(row) for row in rows if not row.ok]
        assert not left_out_of(case, rows)[0], f"{name}: not compared"


def test_the_three_kinds_of_folders_are_told_apart(shared):
    kinds = {name: is_methods_folder(shared / "golden" / name) for name in ("2d", "3d", "methods")}
    assert kinds == {"2d": False, "3d": False, "methods": True}


@pytest.fixture
def copied(goldens, tmp_path):
    """Two cases in a folder of their own, whose manifest and arrays a test may change."""
    entries = {name: goldens.manifest["cases"][name] for name in ("proxyclip_batch", "talk2dino_windows")}
    for entry in entries.values():
        shutil.copy(goldens.folder / entry["file"], tmp_path / entry["file"])
    manifest = json.loads(json.dumps(goldens.manifest | {"cases": entries}))
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path, manifest


def changed(folder, file, key, change):
    with np.load(folder / file) as stored:
        arrays = dict(stored)
    change(arrays[key])
    (folder / file).unlink()
    np.savez(folder / file, **arrays)


def test_a_folder_of_its_own_is_read_from_its_manifest(copied, capsys):
    folder, _ = copied
    assert compare_published(folder, None) == 0
    assert "9 stages compared, 0 beyond tolerance, 0 not compared" in capsys.readouterr().out


def test_a_golden_moved_beyond_the_tolerance_fails(copied):
    folder, _ = copied

    def move(array):
        array[0, 0, 0] += 3e-5 * np.abs(array).max()

    changed(folder, "proxyclip_batch.npz", "out/mixed", move)
    rows = {row.stage: row.ok for row in compare_method(MethodsGoldenSet(folder).case("proxyclip_batch"))}
    assert rows == {"tokens_before_last": True, "mixed": False, "features": True}


def test_labels_may_differ_only_where_the_manifest_says_so(copied):
    folder, _ = copied

    def other(array):
        array[3, 3] = (array[3, 3] + 1) % 5

    changed(folder, "talk2dino_windows.npz", "out/labels_0", other)
    rows = {row.stage: row.ok for row in compare_method(MethodsGoldenSet(folder).case("talk2dino_windows"))}
    assert [stage for stage, ok in rows.items() if not ok] == ["labels_0"]


def test_a_case_that_nothing_here_knows_is_named_and_fails(copied, capsys):
    folder, manifest = copied
    manifest["cases"]["another_method"] = manifest["cases"].pop("proxyclip_batch")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert compare_published(folder, None) == 1
    assert "NOT COMPARED: another_method: features, mixed, tokens_before_last" in capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES)
def test_the_page_of_a_method_names_what_it_is_compared_with(goldens, page):
    """Fresh without running anything: same functions at the same commits, the same number of stages."""
    text = Path(f"docs/methods/{page}.md").read_text().partition(HEADING)[2]
    said = [line.strip("| ").split(" | ")[:4] for line in text.splitlines() if line.startswith("| ")][1:]
    found = sources_of(goldens, page).items()
    assert said == [[repo, commit[:7], function, str(len(s))] for (repo, commit, function), s in found]
