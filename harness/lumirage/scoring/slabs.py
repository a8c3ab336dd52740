"""Runs compiled kernels over slabs of a volume. The slabs never depend on the number of threads, so neither do the
results."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

SLAB_PLANES = 8
"""Planes of the first axis for each kernel call: 20 to 45 calls for a volume, enough for any reasonable number of
threads."""

T = TypeVar("T")
Item = TypeVar("Item")


def map_slabs(kernel: Callable[[int, int], T], length: int, threads: int) -> list[T]:
    """`kernel(start, stop)` for each slab of an axis of `length` planes, in order. Kernels must release the GIL."""
    starts = range(0, length, SLAB_PLANES)
    return map_items(lambda start: kernel(start, min(start + SLAB_PLANES, length)), list(starts), threads)


def map_items(function: Callable[[Item], T], items: list[Item], threads: int) -> list[T]:
    """`function(item)` for each item, in order, on `threads` threads (1: on the calling one)."""
    if threads <= 1 or len(items) <= 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, items))
