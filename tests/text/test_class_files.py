"""Class files as other tools write them; the writers' own libraries make the files where there are such."""

import json
from pathlib import Path

import pytest
import yaml

from radseg.errors import VocabularyError
from radseg.text.vocabulary import Vocabulary

NAMES = ["sky", "no", "traffic light", "café, bar"]


def read(folder: Path, text: str, name: str = "names.txt") -> Vocabulary:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return Vocabulary.read(path)


@pytest.mark.parametrize("dump", [json.dumps, yaml.safe_dump])
@pytest.mark.parametrize(
    "value",
    [
        NAMES,
        {"names": NAMES, "nc": 4, "train": "images/train"},
        {"names": dict(enumerate(NAMES)), "path": "."},
        {"categories": [{"id": 9 * (4 - i), "name": name} for i, name in enumerate(NAMES[::-1])]},
        {"format": "radseg-classes", "classes": [{"id": i, "name": name} for i, name in enumerate(NAMES, 1)]},
        {"id2label": {str(i): name for i, name in enumerate(NAMES)}},
        {str(i): name for i, name in enumerate(NAMES)},
        {name: i for i, name in enumerate(NAMES)},
        [{"name": name} for name in NAMES],
    ],
    ids=["list", "yolo", "yolo-table", "coco", "classes.json", "transformers", "ids", "label2id", "entries"],
)
def test_names_come_in_the_order_of_their_numbers(tmp_path: Path, dump: object, value: object) -> None:
    ending = "json" if dump is json.dumps else "yaml"
    assert read(tmp_path, dump(value), f"names.{ending}").names == tuple(NAMES)  # type: ignore[operator]


@pytest.mark.parametrize(
    "text",
    [
        "0: sky\n1: car, automobile\n10: tree",
        "1. sky\n2. car, automobile\n3. tree",
        "2) car, automobile\n1) sky\n# a comment\n\n3) tree",
        "0\tsky\n1\tcar, automobile\n2\ttree",
        "- sky\n- [car, automobile]\n- tree",
        "names:\n- sky\n- - car\n  - automobile\n- tree",
    ],
)
def test_numbered_lines_and_yaml_without_its_ending_keep_synonyms(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text).phrases == (("sky",), ("car", "automobile"), ("tree",))


def test_a_label_map_of_cvat_names_classes_without_the_background(tmp_path: Path) -> None:
    text = "# label:color_rgb:parts:actions\nbackground:0,0,0::\nsky:70,130,180::\ntraffic light:::\n"
    assert read(tmp_path, text, "labelmap.txt").names == ("sky", "traffic light")


def test_a_label_map_of_tensorflow_names_classes_by_id(tmp_path: Path) -> None:
    text = "item {\n  id: 2\n  name: '/m/1'\n  display_name: \"car\"\n}\nitem {\n  name: 'sky'\n  id: 1\n}\n"
    assert read(tmp_path, text, "map.pbtxt").names == ("sky", "car")


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("names: [sky, *x]", "a.yaml", "no YAML in line 1"),
        ("a: " + "[" * 3000, "a.yaml", "no YAML"),
        ("train: images", "a.yaml", "names no classes"),
        ("sky", "a.yaml", "no list of names"),
        ('{"a": true}', "a.json", "names no classes"),
        ('[{"id": 1}]', "a.json", 'no "name"'),
        ("1: sky\n1: tree", "a.txt", "number 1 is given twice"),
        ("1: sky\ntree", "a.txt", "Line 1, '1: sky', is a numbered entry"),
        ("item { id: 1 }", "a.pbtxt", "no id or no name"),
        ('["sky", {"a": 1}]', "a.json", "must be text"),
        ('["sky", [["a"]]]', "a.json", "must be text"),
        ("", "a.yaml", "no list of names"),
    ],
)
def test_what_is_no_vocabulary_is_refused_with_the_file(
    tmp_path: Path, text: str, name: str, message: str
) -> None:
    with pytest.raises(VocabularyError, match=message) as caught:
        read(tmp_path, text, name)
    assert name in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_name_that_yaml_takes_for_code_is_text(tmp_path: Path) -> None:
    assert read(tmp_path, "- !!python/object/apply:os.getcwd [sky]\n", "a.yaml").names == ("sky",)


def test_aliases_of_yaml_do_not_multiply(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, y]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)), "names: *a59"]
    with pytest.raises(VocabularyError, match="must be text"):
        read(tmp_path, "\n".join(lines), "a.yaml")
