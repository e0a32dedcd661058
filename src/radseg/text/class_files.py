"""What a class file says, in the forms that other tools write: JSON, YAML, numbered lines, label maps.

Forms are told apart by content, YAML also by the ending. Names come back in the order of their numbers.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from radseg.errors import VocabularyError
from radseg.files import lines_of
from radseg.text.clean import shown

Group = str | Sequence[str]
"""A name, or a name and its synonyms."""

YAML_ENDINGS = (".yaml", ".yml")
SYNONYMS = ", "  # the separator of the published class files
_COMMENT = "#"
_BACKGROUND = "background"  # CVAT's label maps name what nobody asks for
_TABLES = ("names", "classes", "categories", "labels", "id2label")
"""Keys below which names are found: YOLO and ultralytics; this package's runs; COCO; others; transformers."""
_NUMBERED = re.compile(r"(\d+)\s*(?:[:.)]\s+|\t\s*)(\S.*)")
_LABEL_MAP = re.compile(r"([^:]+):(?:\d+,\d+,\d+)?:[^:]*:[^:]*")
_YAML = re.compile(r"-\s+\S.*|(names|nc|train|val|test|path|categories|classes)\s*:.*")
_ITEM = re.compile(r"item\s*\{([^{}]*)\}")
_FIELD = re.compile(r"""(\w+)\s*:\s*(?:"([^"]*)"|'([^']*)'|(\d+))""")
_FOREIGN = (
    (r".+:(\d+,\d+,\d+)?:.*:.*", "a line of CVAT's label map, and not every line is one"),
    (r"names\s*:.*|nc\s*:\s*\d+|(train|val|test|path)\s*:.*", "a line of YOLO's data.yaml"),
    (r"\d+\s*:\s*\S.*", "a numbered entry, as in YOLO's data.yaml, and not every line is one"),
    (r"-\s+\S.*", "an entry of a YAML list"),
    (r"[\[{\]}],?|\".*\",?|\".*\"\s*:.*", "a line of JSON, and the whole is none"),
)
"""Lines of other tools' files that stand among others: pattern, and what it is."""


def groups_of(text: str, ending: str) -> list[Group]:
    """Return the names in the text of a class file, each alone or with its synonyms.

    Args:
        ending: of the file's name, such as ".yaml".

    Raises:
        VocabularyError: damaged JSON or YAML, no names in it, numbers given twice, or a mixture of forms.
    """
    if ending.lower() in YAML_ENDINGS:
        return _named(_yaml(text))
    stripped = text.strip()
    if stripped.startswith(("[", "{")) and (value := _json(stripped)) is not None:
        return _named(value)
    lines = [line for line in map(str.strip, lines_of(text)) if line and not line.startswith(_COMMENT)]
    if lines and _YAML.fullmatch(lines[0]):
        return _named(_yaml(text))
    if lines and re.match(r"item\s*\{", lines[0]):
        return _numbered(_item(body) for body in _ITEM.findall(text))
    return _of_lines(lines)


def _of_lines(lines: Sequence[str]) -> list[Group]:
    if mapped := _every(_LABEL_MAP, lines):
        return [match[1].strip() for match in mapped if match[1].strip() != _BACKGROUND]
    if numbered := _every(_NUMBERED, lines):
        return _numbered((match[1], match[2].split(SYNONYMS)) for match in numbered)
    for number, line in enumerate(lines, start=1):
        for pattern, what in _FOREIGN:
            if re.fullmatch(pattern, line):
                raise VocabularyError(
                    f"Line {number}, {shown(line)}, is {what}, not a name. Class files have a name a line, "
                    "synonyms after ', ', or are JSON, YAML, numbered lines or a label map as a whole."
                )
    return [line.split(SYNONYMS) for line in lines]


def _every(pattern: re.Pattern[str], lines: Sequence[str]) -> list[re.Match[str]]:
    """Return a match for every line, or nothing."""
    matches = [match for line in lines if (match := pattern.fullmatch(line))]
    return matches if len(matches) == len(lines) else []


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None  # such as "[sky]" as a name; lines of JSON are refused as such


def _yaml(text: str) -> Any:
    """Return what YAML says, every scalar as text: a class called `no` is no boolean."""
    import yaml  # noqa: PLC0415

    try:
        return yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise VocabularyError(f"It is no YAML{where}: {getattr(error, 'problem', error)}.") from error
    except (RecursionError, ValueError) as error:
        raise VocabularyError("It is no YAML that can be read: nested too deeply, or damaged.") from error


def _named(value: Any) -> list[Group]:
    """Return the names in a list, in a table by number, or below one of the known keys."""
    if isinstance(value, dict):
        for key in _TABLES:
            if isinstance(value.get(key), list | dict):
                return _named(value[key])
        if value and all(str(key).isdecimal() for key in value):
            return _numbered(value.items())
        if value and all(
            str(number).isdecimal() and not isinstance(number, bool) for number in value.values()
        ):
            return _numbered((number, name) for name, number in value.items())
        raise VocabularyError(
            "It names no classes: write a list, a table from numbers to names or from names to numbers, or "
            f"one of them below {', '.join(_TABLES)}."
        )
    if not isinstance(value, list):
        raise VocabularyError("It holds no list of names.")
    if value and all(isinstance(entry, dict) for entry in value):
        return _of_entries(value)
    return value


def _of_entries(entries: Sequence[dict[str, Any]]) -> list[Group]:
    """Return the names of entries such as {"id": 1, "name": "sky"}, as they come where they lack numbers."""
    if not all("name" in entry for entry in entries):
        raise VocabularyError('An entry of the list has no "name".')
    if all(str(entry.get("id", "")).isdecimal() for entry in entries):
        return _numbered((entry["id"], entry["name"]) for entry in entries)
    return [entry["name"] for entry in entries]


def _item(body: str) -> tuple[str, Group]:
    """Return number and name of an item of a TensorFlow label map."""
    fields = {key: double or single or number for key, double, single, number in _FIELD.findall(body)}
    name = fields.get("display_name") or fields.get("name")
    if name is None or not fields.get("id", "").isdecimal():
        raise VocabularyError(f"An item of the label map has no id or no name: {shown(body.strip())}.")
    return fields["id"], name


def _numbered(pairs: Iterable[tuple[Any, Group]]) -> list[Group]:
    """Return names by their numbers; gaps are fine, the same number twice is not."""
    by_number: dict[int, Group] = {}
    for text, name in pairs:
        number = int(text)
        if number in by_number:
            raise VocabularyError(f"The number {number} is given twice. Number the names one by one.")
        by_number[number] = name
    return [by_number[number] for number in sorted(by_number)]
