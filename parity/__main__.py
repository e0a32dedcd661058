"""`python -m parity FOLDER`: print the worst error of every case and stage; exit 1 beyond the tolerance."""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from parity.golden_set import Case, GoldenSet
from parity.map_golden_set import is_map_folder
from parity.maps import compare_maps
from parity.method_tables import write_tables
from parity.methods import compare_methods
from parity.methods_golden_set import MethodsGoldenSet, is_methods_folder
from parity.refine_stages import parity_stages
from parity.report import Row, compare, uncovered
from parity.stages import LoadRadio, case_stages
from radseg.models.radio import Radio, load_radio


def main() -> int:
    """Compare every case of the folder and return the exit code."""
    parser = argparse.ArgumentParser(prog="parity", description=__doc__)
    parser.add_argument("folder", type=Path, help="a golden folder with its manifest.json")
    parser.add_argument("--case", action="append", help="only this case; may be repeated")
    parser.add_argument("--device", default="cpu", help="where the networks run, e.g. cuda")
    parser.add_argument(
        "--table", type=Path, metavar="DOCS", help="write the tables at the end of the methods' pages"
    )
    options = parser.parse_args()
    if is_map_folder(options.folder):  # maps are made on the CPU
        rows, left_out = compare_maps(options.folder, options.case)
    elif is_methods_folder(options.folder):
        return compare_published(options.folder, options.case, options.table)
    else:
        rows, left_out = compare_cases(options.folder, options.case, options.device)
    for name, stages in left_out.items():
        print(f"not compared: {name}: {', '.join(stages)}")
    failed = [row for row in rows if not row.ok]
    print(
        f"{len(rows)} stages compared, {len(failed)} beyond tolerance, "
        f"{sum(map(len, left_out.values()))} not compared"
    )
    return 1 if failed or not rows else 0


def compare_published(folder: Path, only: Sequence[str] | None, pages: Path | None = None) -> int:
    """Compare a folder of published methods and return the exit code; what is not compared fails too."""
    rows, missing, reasons = compare_methods(folder, only)
    if pages is not None:
        write_tables(MethodsGoldenSet(folder), rows, pages)
    for name, stages in missing.items():
        print(f"NOT COMPARED: {name}: {', '.join(stages)}")
    for name, why in reasons.items():
        print(*(f"left out: {name}: {stage}: {reason}" for stage, reason in why.items()), sep="\n")
    failed = sum(not row.ok for row in rows)
    left = sum(map(len, missing.values()))
    print(
        f"{len(rows)} stages compared, {failed} beyond tolerance, {left} not compared, "
        f"{sum(map(len, reasons.values()))} left out for a stated reason"
    )
    return 1 if failed or left or not rows else 0


def compare_cases(
    folder: Path, only: Sequence[str] | None = None, device: str = "cpu"
) -> tuple[list[Row], dict[str, list[str]]]:
    """Return the rows of every case of the segmenter's goldens, and the stages that were not compared."""
    goldens = GoldenSet(folder, device)
    rows: list[Row] = []
    left_out: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        load = seeded_loader(goldens, Path(scratch))
        for name in only or goldens.case_names:
            case = goldens.case(name)
            own = list(compare_case(goldens, case, load))
            for row in own:
                print(row, flush=True)
            rows += own
            if missing := list(uncovered(case, own)):
                left_out[name] = missing
    return rows, left_out


def compare_case(goldens: GoldenSet, case: Case, load: LoadRadio) -> Iterator[Row]:
    """Yield one row per stage of a case."""
    for stage, full in case_stages(goldens, case, load):
        yield compare(case, stage, full)
    params = case.params
    refined = case.kind == "encoder" and params["encoder"]["sam_refinement"]
    radio = load(params["config"], params["weights_seed"]) if refined else None
    for stage, full in parity_stages(goldens, case, radio).items():
        yield compare(case, stage, full)


def seeded_loader(goldens: GoldenSet, scratch: Path) -> LoadRadio:
    """Return a loader that takes the way of a user's file: `.pth.tar`, conversion, loading."""

    @cache
    def load(config: str, seed: str) -> Radio:
        path = scratch / f"{config}-{seed}.pth.tar"
        goldens.write_checkpoint(config, seed, path)
        adaptors = tuple(goldens.manifest["weights"][config]["teachers"])
        return load_radio(path, adaptors=adaptors, device=goldens.device)

    return load


if __name__ == "__main__":
    sys.exit(main())
