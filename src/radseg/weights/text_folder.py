"""The folder of a text tower: what lies beside its weights, and towers of one's own in other layouts."""

import hashlib
import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from radseg.errors import MissingFileError, WeightsUnavailableError
from radseg.weights import catalog
from radseg.weights.home import (
    FileRecord,
    converted_folder,
    remembered_sha256,
    replacing,
    sha256_of,
    write_record,
)

if TYPE_CHECKING:
    from radseg.weights.published import Published

_WEIGHTS, _CONFIG = "model.safetensors", "config.json"


def lay_beside(published: "Published") -> None:
    """Put into a row's folder what its weights are of no use without.

    Raises:
        WeightsUnavailableError: the repository lacks it, or is out of reach.
    """
    from radseg.weights.hub import NotPublishedError, is_offline  # noqa: PLC0415 - loads the hub client

    row = published.row
    for file in row.beside:
        if not row.activation or published.local(file) is not None:
            published.copy(file)
        elif not is_offline():  # else, and where it is not published, the catalogue can write it
            with suppress(NotPublishedError):
                published.copy(file)
    for file in row.optional:
        published.copy_optional(file)
    if row.one_of and not any((published.folder / file).is_file() for file in row.one_of):
        raise WeightsUnavailableError(f"{row.repository} has no tokenizer ({', '.join(row.one_of)}).")


def describe(row: catalog.Row, weights: Path) -> None:
    """Write the config.json of a tower whose repository has none, from the catalogue and the tensors."""
    target = weights.with_name(_CONFIG)
    if not row.activation or target.is_file():
        return
    from radseg.weights.convert.open_clip import library_config  # noqa: PLC0415
    from radseg.weights.tensors import read_safetensors  # noqa: PLC0415 - loads torch

    assert row.shape is not None
    config = library_config(row.shape, row.activation, read_safetensors(weights).tensors, row.repository)
    with replacing(target) as part:
        part.write_text(json.dumps(config, indent=1), encoding="utf-8")
    record = FileRecord(_CONFIG, sha256_of(target), target.stat().st_size, "catalogue", "none")
    write_record(row.name, record)


def tower_from(folder: Path) -> Path:
    """Return a folder of one's own as a tower's: itself, or one made of its shards or its pickle.

    Raises:
        MissingFileError: it lacks a file.
        CheckpointError: a file is damaged, or holds no text tower.
    """
    if not (folder / _CONFIG).is_file() and (folder / _WEIGHTS).is_file():
        raise MissingFileError(f"{folder} has no {_CONFIG}; a text tower's folder holds it.")
    if (folder / _WEIGHTS).is_file():
        return folder
    from radseg.weights.reduced import reduced_tensors  # noqa: PLC0415
    from radseg.weights.resolve import weights_in  # noqa: PLC0415 - calls this module
    from radseg.weights.tensors import save_tensors  # noqa: PLC0415 - loads torch

    try:
        files = weights_in(folder)
    except MissingFileError as error:
        raise MissingFileError(f"{folder} has no {_WEIGHTS}; a text tower's folder holds it.") from error
    beside = [folder / name for name in (_CONFIG, *catalog.TOKENIZER) if (folder / name).is_file()]
    if not beside or beside[0].name != _CONFIG:
        raise MissingFileError(f"{folder} has no {_CONFIG}; a text tower's folder holds it.")
    digests = "".join(remembered_sha256(file) for file in (*files, *beside))
    made = converted_folder() / f"text-{hashlib.sha256(digests.encode()).hexdigest()[:24]}"
    if not (made / _WEIGHTS).is_file():
        for file in beside:
            with replacing(made / file.name) as part:
                shutil.copyfile(file, part)
        row = catalog.row(catalog.OPENAI_B)  # any text row: what is kept of a tower is the same for all
        save_tensors(made / _WEIGHTS, reduced_tensors(row, files), {"format": "pt"}, source=str(files[0]))
    return made
