"""One plan of what several models of one command need from the hub."""

from collections.abc import Sequence

from radseg.presets.load import required
from radseg.presets.spec import ModelSpec
from radseg.weights import catalog
from radseg.weights.options import DownloadOptions, Known
from radseg.weights.plan import announce
from radseg.weights.reporters import Reporter


def announce_all(specs: Sequence[ModelSpec], reporter: Reporter, known: Known) -> None:
    """Say once what several models need that is not here; a model that may not be fetched is left out.

    Args:
        known: to be handed to `presets.load.ensure` for each of them, so that nothing is said or asked twice.

    Raises:
        As `presets.load.ensure`.
    """
    chosen = [spec for spec in specs if all(_obtainable(row, spec) for row in required(spec))]
    rows = tuple(dict.fromkeys(row for spec in chosen for row in required(spec)))
    if rows:
        names = ", ".join(dict.fromkeys(spec.name for spec in chosen))
        accepted = any(spec.accept_license for spec in chosen)
        announce(rows, DownloadOptions(accepted, chosen[0].drop, reporter, rows=known), names)


def _obtainable(row: catalog.Row, spec: ModelSpec) -> bool:
    return row.supported and (spec.accept_license or not row.license.requires_acceptance)
