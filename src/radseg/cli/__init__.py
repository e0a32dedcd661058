"""The command line. One file per verb, no logic: what a verb does lives in `radseg.runs` and below."""


def main() -> None:
    """Run the `radseg` command."""
    from radseg.cli.app import app

    app(prog_name="radseg")
