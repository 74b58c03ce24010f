"""Wall time, CPU time and memory of a piece of work; the machine's rate of matrix products."""

from __future__ import annotations

import gc
import re
import statistics
import time
from pathlib import Path

import torch

REPEATS = 5


def memory(field):
    """VmRSS (now) or VmHWM (most so far) in MB."""
    return int(re.search(rf"{field}:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def timed(work, repeats=REPEATS, *, warm=True):
    """Median wall and CPU seconds of `repeats`, after one run that is not counted.

    `memory` is the most that a run needed beyond what was held before it, in MB.
    """
    if warm:
        work()
    wall, cpu, needed = [], [], []
    for _ in range(repeats):
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # the most so far starts anew
        held = memory("VmRSS")
        start, used = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - used)
        needed.append(memory("VmHWM") - held)
    return {
        "wall": statistics.median(wall),
        "cpu": statistics.median(cpu),
        "memory": max(needed),
        "repeats": repeats,
    }


def product_rate(width, repeats=REPEATS):
    """Floating point operations a second of the machine's best float32 product of this width.

    The best of torch's and oneDNN's, whole and in tiles that each run on one core; by CPU second
    and by wall second.
    """
    from passerby.ranking.product import RightSide, has_fast_linear, in_parallel

    rows, columns, tile = 3072, 4096, 512
    left, right = torch.randn(rows, width), torch.randn(columns, width)
    operations = 2 * rows * columns * width
    bias = torch.zeros(tile)

    def in_tiles():
        def work(_, start):
            side = RightSide(right[start : start + tile], bias, rows // 256, 256)
            for row in range(0, rows, 256):
                side.times(left[row : row + 256])

        in_parallel(range(0, columns, tile), work)

    ways = [lambda: left @ right.T, in_tiles]
    if has_fast_linear():
        ways.append(lambda: torch.ops.mkldnn._linear_pointwise(left, right, None, "none", [], ""))
    found = [timed(way, repeats) for way in ways]
    return {
        "cpu": max(operations / one["cpu"] for one in found),
        "wall": max(operations / one["wall"] for one in found),
    }
