"""The command line. One file per verb, no logic: what a verb does lives in `radseg.runs` and below."""

import os
import sys


def main() -> None:
    """Run the `radseg` command."""
    for name in ("stdout", "stderr"):  # Python leaves None for a stream that the shell closed, as with `2>&-`
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115 - kept open to the end
    from radseg.cli.app import app

    app(prog_name="radseg")
