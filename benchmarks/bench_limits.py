"""What this machine can do at most: the floor under every other figure of the same run.

Scanning x and y reads two float32 arrays once, by the dot product of a BLAS; no picture and no
lasso that looks at every point can be faster. The matrix rate is that of a large square product.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from measuring import SIZE, Figure, cpu_time, report, within

COUNTS = (1_000_000, 2_000_000, 4_000_000, 10_000_000)
SQUARE = 2048
DISK_MB = {"tiny": 4, "small": 128, "full": 512}[SIZE]
HASHED_MB = 4 if SIZE == "tiny" else 128
BLOCK = 1 << 20


def scan(count: int) -> list[Figure]:
    """Return the CPU time of reading x and y once, and the bytes a second that it makes."""
    x, y = np.random.default_rng(0).random((2, count), np.float32)
    seconds = cpu_time(lambda: np.dot(x, y), 15, 5)
    name = f"{count:,} points, scanning x and y as float32"
    rate = (x.nbytes + y.nbytes) / seconds / 1e9
    return [
        Figure(name, 1e3 * seconds, "ms"),
        Figure(f"{name}: bandwidth", rate, "GB/s"),
    ]


def products() -> list[Figure]:
    import torch

    torch.set_num_threads(1)
    side = SQUARE if SIZE != "tiny" else 256
    a, b = np.random.default_rng(0).random((2, side, side), np.float32)
    wide_a, wide_b = torch.from_numpy(a), torch.from_numpy(b)
    flops = 2e-9 * side**3
    name = f"matrix product, {side:,} square, float32"
    return [
        Figure(f"{name}, torch", flops / cpu_time(lambda: wide_a @ wide_b, 10), "GFlop/s"),
        Figure(f"{name}, numpy", flops / cpu_time(lambda: a @ b, 10), "GFlop/s"),
    ]


def disk() -> list[Figure]:
    """Return the rates of reading a file from the disk, by the clock, and from memory."""
    block = np.random.default_rng(0).bytes(BLOCK)
    with tempfile.TemporaryDirectory(prefix="bench-limits-") as name:
        path = Path(name) / "file"
        with path.open("wb") as stream:
            for _ in range(DISK_MB):
                stream.write(block)
            stream.flush()
            os.fsync(stream.fileno())
            if hasattr(os, "posix_fadvise"):  # forget the pages: else memory is measured
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        cold, warm = (_seconds_to_read(path) for _ in range(2))
    return [
        Figure("sequential read of a file, from the disk", DISK_MB * 1.048576 / cold, "MB/s"),
        Figure("sequential read of a file, cached", DISK_MB * 1.048576 / warm, "MB/s"),
    ]


def _seconds_to_read(path: Path) -> float:
    buffer = bytearray(BLOCK)
    start = time.perf_counter()
    with path.open("rb", buffering=0) as stream:
        while stream.readinto(buffer):
            pass
    return time.perf_counter() - start


def hashing() -> list[Figure]:
    content = np.random.default_rng(0).bytes(HASHED_MB << 20)
    seconds = cpu_time(lambda: hashlib.sha256(content).digest(), 3)
    return [Figure("hashing, SHA-256", HASHED_MB * 1.048576 / seconds, "MB/CPU s")]


if __name__ == "__main__":
    scans = [figure for count in within(*COUNTS) for figure in scan(count)]
    report("limits", [*scans, *products(), *disk(), *hashing()])
