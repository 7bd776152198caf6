"""What is found by sorting numbers, where NumPy's own takes longer for some thousands of them."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from sparkperso.recommend.arrays.numbers import Ints

Numbers = TypeVar("Numbers", npt.NDArray[np.int32], npt.NDArray[np.int64])


def largest(numbers: Ints, n: int) -> Ints:
    """Returns the n largest numbers, growing."""
    if len(numbers) > n:
        numbers = np.partition(numbers, len(numbers) - n)[-n:]
    return np.sort(numbers)


def distinct(numbers: Numbers) -> Numbers:
    """Returns each number once, growing; in half the time of np.unique."""
    found = np.sort(numbers)
    return found[is_first(found)]


def is_first(numbers: Numbers) -> npt.NDArray[np.bool_]:
    """Returns where a run of equal numbers begins."""
    found = np.ones(len(numbers), dtype=bool)
    np.not_equal(numbers[1:], numbers[:-1], out=found[1:])
    return found


def sums_of_runs(numbers: Ints, firsts: Ints) -> Ints:
    """Returns the sums of the runs that begin at `firsts`, each up to the next one's begin."""
    if not len(firsts):
        return firsts
    return np.add.reduceat(numbers[firsts[0] :], firsts - firsts[0])
