"""`radseg` in this process, with its refusals raised."""

from pathlib import Path

from typer.testing import CliRunner

from campaign.witness import TRACES
from radseg.cli.app import app
from radseg.cli.failures import ExitCode
from radseg.errors import InputError


def radseg(*arguments: str | Path) -> str:
    """Run a verb and return what it printed; of a run over many, some may have failed and be listed.

    Raises:
        InputError: what the verb printed last as it ended with the exit code of a refusal.
        AssertionError: it ended in another way.
    """
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    printed = result.output
    assert not any(trace in printed for trace in TRACES), f"printed {printed[-500:]}"
    if result.exit_code == ExitCode.DONE:
        return printed
    if f"\n{printed}".count("\nradseg: "):
        raise InputError(printed[printed.rindex("radseg: ") :].strip())
    assert result.exit_code == ExitCode.SOME_FAILED, f"exit code {result.exit_code}: {printed[-300:]}"
    assert printed.strip(), "exit code 1 without a word"
    return printed
