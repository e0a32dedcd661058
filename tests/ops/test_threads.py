"""Operations that stay on the thread that calls them."""

from contextlib import suppress

import torch

from radseg.ops.threads import one_thread_each


def test_the_number_of_threads_is_one_within_and_restored_even_after_an_error():
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(2)
    try:
        with suppress(RuntimeError), one_thread_each() as threads:
            seen += [threads, torch.get_num_threads()]
            raise RuntimeError
        assert [*seen, torch.get_num_threads()] == [2, 1, 2]
    finally:
        torch.set_num_threads(before)
