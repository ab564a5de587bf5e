"""Numbers drawn from identifiers: a source keeps its part whatever stands beside it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STEP = 0x9E3779B97F4A7C15  # of splitmix64, the golden ratio of 2^64


def mixed(source_id: NDArray[np.int64], start: int) -> NDArray[np.uint64]:
    """Mix ids (N,) into uniform 64-bit numbers: the finaliser of splitmix64 (Steele et al. 2014).

    Another `start` gives numbers that have nothing to do with the first.
    """
    with np.errstate(over="ignore"):
        x = source_id.astype(np.uint64) + np.uint64(start % 2**64)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))
