"""What has to be fetched for some rows: reckoned by the hub's own numbers, and told before the first byte."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from huggingface_hub import constants

from radseg.weights import catalog
from radseg.weights.converted import CONVERTED_KINDS, made_before
from radseg.weights.fetch import Span, remaining, require_space, whole
from radseg.weights.home import home
from radseg.weights.hub import NotPublishedError, RemoteFile, is_offline
from radseg.weights.installed import stored
from radseg.weights.options import DownloadOptions
from radseg.weights.published import Published
from radseg.weights.reduced import reduced_name
from radseg.weights.reporters import FetchPlan, PlannedFetch


def announce(rows: Sequence[catalog.Row], options: DownloadOptions, purpose: str = "") -> None:
    """Say once what has to be fetched for these rows; of each row it is said once in a command.

    The hub is asked for sizes, headers and indices only. Where nothing is to be fetched nothing is said.

    Args:
        rows: in the order in which they will be made: what one fetches whole, the next one need not.
        purpose: the models they are for; "" where single weights were asked for.

    Raises:
        InputError: weights that this release cannot use.
        WeightsUnavailableError: licence not accepted, or the hub is out of reach; says what to do.
        ResourceError: the disk has no room for all of it.
    """
    for row in rows:
        catalog.require_supported(row)
    if is_offline():
        return
    planned: set[tuple[str, str]] = set()
    untold = [one for row in rows if not (one := Published.of(row, options)).announced]
    fetches = [_planned(one, options, planned) for one in untold]
    wanted = tuple(one for one in fetches if one is not None and one.bytes)
    if wanted:
        plan = FetchPlan(purpose, wanted, urlsplit(constants.ENDPOINT).netloc, home() / "models")
        require_space(plan.folder, plan.bytes, purpose or ", ".join(one.name for one in wanted))
        options.reporter.plan(plan)
    for one in untold:
        one.announced = True


def _planned(
    published: Published, options: DownloadOptions, planned: set[tuple[str, str]]
) -> PlannedFetch | None:
    row = published.row
    published.made = bool(made_before(row, options) or (row.kind not in CONVERTED_KINDS and stored(row)))
    if published.made:
        return None
    with published.explained():
        files = _wanted(published, planned)
    left = sum(remaining(*file) for file in files)
    total = sum(span.stop - span.start for file in files for span in file.spans)
    return PlannedFetch(row.name, catalog.KINDS[row.kind], left, total - left, row.license)


class _Wanted(NamedTuple):
    """A file of the row's folder that has to be fetched, as `fetch.fetch` makes it."""

    target: Path
    begin: bytes
    spans: tuple[Span, ...]


def _wanted(published: Published, planned: set[tuple[str, str]]) -> list[_Wanted]:
    """Return the files that have to be fetched; to `planned` those are added that come whole."""
    row, folder = published.row, published.folder
    found = [_Wanted(folder / one.name, b"", whole(one)) for one in _small(published)]
    published.compare_copies()
    if published.weights_here() or any((row.repository, name) in planned for name in row.candidates):
        return found
    if (made_of := published.parts()) is not None:
        return [*found, _Wanted(folder / reduced_name(row), *made_of)]
    planned |= {(row.repository, name) for name in row.candidates}
    return found + [_Wanted(folder / one.name, b"", whole(one)) for one in published.whole()]


def _small(published: Published) -> list[RemoteFile]:
    """Return what has to be fetched beside the weights."""
    row, found = published.row, []
    for name in (*row.beside, *row.optional):
        if published.local(name) is None:
            may_lack = name in row.optional or row.activation  # the catalogue can write its config.json
            with suppress(*([NotPublishedError] if may_lack else [])):
                found.append(published.locate(name))
    return found
