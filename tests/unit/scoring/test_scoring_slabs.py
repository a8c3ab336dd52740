"""Work on a volume is divided into slabs that do not depend on the number of threads."""

import threading

import pytest

from lumirage.scoring.slabs import map_items, map_slabs


@pytest.mark.parametrize("threads", [1, 2])
def test_slabs_cover_the_axis_in_order_whatever_the_threads(threads: int) -> None:
    assert map_slabs(lambda start, stop: (start, stop), 19, threads) == [(0, 8), (8, 16), (16, 19)]


@pytest.mark.parametrize(("items", "threads", "here"), [(3, 1, True), (1, 2, True), (0, 2, True), (3, 2, False)])
def test_one_thread_or_one_item_starts_no_other_thread(items: int, threads: int, here: bool) -> None:
    ran = map_items(lambda item: threading.get_ident(), list(range(items)), threads)
    assert len(ran) == items
    assert (set(ran) <= {threading.get_ident()}) == here
