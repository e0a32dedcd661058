"""The hooks before a commit run what `make check` runs; the forms of an issue ask for what is needed."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


def commands_of_make_check():
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    return [line.strip().replace("$(VENV)", ".venv") for line in recipe.splitlines()]


def test_the_hooks_run_what_make_check_runs():
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert local["repo"] == "local"
    assert [hook["entry"] for hook in local["hooks"]] == commands_of_make_check()
    assert not any(hook["pass_filenames"] for hook in local["hooks"]), "make check looks at all files"


@pytest.mark.parametrize("form", ["bug", "request"])
def test_a_form_asks_for_the_command_and_the_output_of_doctor(form):
    fields = yaml.safe_load((ROOT / f".github/ISSUE_TEMPLATE/{form}.yml").read_text())["body"]
    asked = " ".join(str(field["attributes"]) for field in fields)
    assert "radseg doctor" in asked
    assert "command" in asked.lower()
