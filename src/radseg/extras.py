"""Optional libraries, imported when they are needed; what is missing comes with the line that installs it."""

from importlib import import_module
from typing import Any

from radseg.errors import MissingExtraError


def require(module: str, extra: str) -> Any:
    """Import and return an optional library.

    Raises:
        MissingExtraError: it is not installed; the message holds the pip line.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtraError(
            f"This needs {package}, which is not installed. Install it: pip install 'radseg[{extra}]'"
        ) from error
