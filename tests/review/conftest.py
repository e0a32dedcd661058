"""A run and its page, for the tests of this folder."""

import pytest

from radseg.runs.review import write_review
from review_builders import ReviewedRun, reviewed_run


@pytest.fixture(scope="session")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> ReviewedRun:
    """The run of `review_builders`; `review.html` in its folder is its page."""
    run = reviewed_run(tmp_path_factory.mktemp("review"))
    write_review(run.folder, images=run.photos)
    return run
