"""What one piece of a run may do to the others: nothing, unless it would stop all of them."""

import os
from collections.abc import Callable
from typing import TypeVar

from radseg.errors import InputError, OutputPathError, ResourceError, SpaceMismatchError, VocabularyError

ResultT = TypeVar("ResultT")


def attempt(work: Callable[[], ResultT], *, relief: str = "") -> tuple[ResultT | None, str]:
    """Return the result, or None and why there is none; let pass what would stop every piece of a run.

    Args:
        relief: what a person can do where the memory does not suffice, a sentence.

    Raises:
        VocabularyError, SpaceMismatchError: the prompts cannot work for any image.
        ResourceError: the disk or the weights stand in the way, and not the path of one file.
    """
    try:
        return work(), ""
    except OutputPathError as error:
        return None, str(error)
    except (VocabularyError, SpaceMismatchError, ResourceError):
        raise
    except (InputError, OSError) as error:
        return None, str(error) or type(error).__name__
    except MemoryError:
        return None, f"Out of memory. {relief}".rstrip()
    except Exception as error:  # a bug or a full GPU on one image must not cost the other nine thousand
        if os.environ.get("RADSEG_DEBUG") == "1":
            raise
        return None, f"{type(error).__name__}: {error}".splitlines()[0]
