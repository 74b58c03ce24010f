"""Measures a gallery of made-up embeddings in a folder; writes docs/performance-gallery.md.

All times are seconds of the processor, of all threads: other work on the machine changes them
little.

    python benchmarks/gallery.py [--quick] [--folder FOLDER]

`--quick` takes 2,000 and 10,000 entries and writes no page. The folder, 5 GB at full size, is
removed at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from passerby.files import atomic, write_text
from passerby.gallery.filters import Filter
from passerby.gallery.gallery import Gallery
from passerby.gallery.new_rows import NewEntries
from passerby.gallery.settings import Space

HERE = Path(__file__).resolve().parent
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
QUICK = (2_000, 10_000)
WIDTH = 512
PERSONS = 5_000
WHERE = Filter(cameras=["0", "1", "2", "3"], since=0.0, until=1e9)
"""Half of the cameras: half of the entries fulfil it."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--folder", type=Path, help="where the gallery is made")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--resident", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.resident)))
        return
    folder = Path(tempfile.mkdtemp(prefix="passerby-gallery-", dir=options.folder))
    try:
        found = grow(folder, QUICK if options.quick else SIZES)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(page(found, plot=None if options.quick else HERE.parent / "docs"))


def grow(folder, sizes):
    """Fills a gallery step by step and measures it at each size, each time in new processes."""
    place, found, filled = folder / "gallery", [], 0
    gallery = Gallery.open(place, Space("made-up"))
    for size in sizes:
        start = time.process_time()
        for first in range(filled, size, 20_000):
            add(gallery, first, min(first + 20_000, size))
        adding = (size - filled) / (time.process_time() - start)
        filled = size
        one = {"entries": size, "added_per_second": adding}
        one["bytes"] = gallery.statistics().engine["bytes"]
        for name, more in (("disk", []), ("resident", ["--resident"])):
            command = [sys.executable, __file__, "--measure", str(place), *more]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            one[name] = json.loads(output.splitlines()[-1])
        found.append(one)
        print(json.dumps(one), file=sys.stderr, flush=True)
    found[-1] |= indexed(gallery)
    start = time.process_time()
    gallery.remove(Filter(keys=["7"]))
    found[-1]["remove_one"] = time.process_time() - start
    return found


def embeddings(first, stop):
    """Clusters of unit length: a person's pictures are about 0.9 apart, strangers' 1.4."""
    numbers = np.arange(first, stop)
    centres = np.random.default_rng(0).standard_normal((PERSONS, WIDTH)).astype(np.float32)
    noise = np.random.default_rng([1, first]).standard_normal((stop - first, WIDTH))
    rows = centres[numbers % PERSONS] + 0.8 * noise.astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def add(gallery, first, stop):
    numbers = range(first, stop)
    new = NewEntries(
        keys=[str(i) for i in numbers],
        file_names=[f"camera{i % 8}/{i:08d}.jpg" for i in numbers],
        persons=[str(i % PERSONS) for i in numbers],
        cameras=[str(i // 7 % 8) for i in numbers],
        timestamps=[float(i) for i in numbers],
    )
    gallery.add(embeddings(first, stop), new)


def measure(place, resident):
    """Times of searches in this process; the first one, which loads and compiles, is told apart."""
    before = peak()
    with Gallery.open(place, resident=resident) as gallery:
        queries = embeddings(10**8, 10**8 + 11)
        times = []
        for row in range(11):
            start = time.process_time()
            found = gallery.search(queries[row : row + 1], 50, WHERE)
            times.append(time.process_time() - start)
            assert len(found[0].hits) == 50
        kept = gallery.statistics().resident_bytes
    return {
        "first": times[0],
        "median": float(np.median(times[1:])),
        "slowest": max(times[1:]),
        "peak_bytes": peak() - before,
        "resident_bytes": kept,
    }


def indexed(gallery):
    """The approximate index: time to make it, time and recall of a search."""
    start = time.process_time()
    gallery.index()
    made = time.process_time() - start
    queries = embeddings(10**8, 10**8 + 50)
    exact = gallery.search(queries, 50, WHERE)
    times, same = [], 0
    for row, answer in enumerate(exact):
        start = time.process_time()
        found = gallery.search(queries[row : row + 1], 50, WHERE, approximate=True)[0]
        times.append(time.process_time() - start)
        keys = {hit.entry.key for hit in answer.hits}
        same += len(keys & {hit.entry.key for hit in found.hits})
    return {
        "index_seconds": made,
        "approximate_median": float(np.median(times)),
        "recall": same / (50 * len(queries)),
    }


def peak():
    """Most memory that this process held; `getrusage` would count its parent's too."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def page(found, plot):
    last = found[-1]
    lines = [
        "# Performance of the gallery\n",
        "Written by `make bench` (`benchmarks/gallery.py`); do not edit. Made-up embeddings of "
        f"{WIDTH} numbers, {PERSONS:,} people, 8 cameras, in a folder. Exact search for the first "
        "50 among the half of the entries that a filter on cameras and time leaves, one query at "
        "a time, each engine in a process of its own: the first search (which reads the table, "
        "and compiles), then the median and the slowest of ten. Names of people and cameras are "
        "text. From disk means through the operating system's cache, as it is after adding. All "
        "times are CPU seconds, user and system, of all threads: on free cores a search that "
        "uses two takes less time than that.\n",
        f"Machine: {os.cpu_count()} cores, {platform.system()} {platform.machine()}; Python "
        f"{platform.python_version()}, pylance {version('pylance')}, "
        f"torch {version('torch')}. Measured {time.strftime('%Y-%m-%d', time.gmtime())}; "
        f"load average {os.getloadavg()[2]:.0f} at the end.\n",
        "| entries | from disk: first, median, slowest CPU s "
        "| resident: first, median, slowest CPU s "
        "| resident memory MB | peak memory MB: disk, resident | on disk MB | added a CPU second |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in found:
        disk, kept = one["disk"], one["resident"]
        times = [
            ", ".join(f"{each[name]:.3f}" for name in ("first", "median", "slowest"))
            for each in (disk, kept)
        ]
        lines.append(
            f"| {one['entries']:,} | {times[0]} | {times[1]} | {kept['resident_bytes'] / 1e6:,.0f} "
            f"| {disk['peak_bytes'] / 1e6:,.0f}, {kept['peak_bytes'] / 1e6:,.0f} "
            f"| {one['bytes'] / 1e6:,.0f} | {one['added_per_second']:,.0f} |"
        )
    lines.append(
        f"\nAt {last['entries']:,} entries: the approximate index is made in "
        f"{last['index_seconds']:.1f} CPU s; a search by it takes "
        f"{last['approximate_median']:.3f} CPU s (median of 50) and finds "
        f"{last['recall']:.1%} of the exact first 50. Removing one entry physically "
        f"takes {last['remove_one']:.2f} CPU s.\n"
    )
    if plot is not None:
        draw(found, plot / "performance-gallery.png")
        lines.append("![Seconds a search against entries](performance-gallery.png)\n")
        write_text(plot / "performance-gallery.md", "\n".join(lines))
    return "\n".join(lines)


def draw(found, file):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    sizes = [one["entries"] for one in found]
    for name, text in (("disk", "from disk"), ("resident", "resident")):
        axes.loglog(sizes, [one[name]["median"] for one in found], marker="o", label=text)
    axes.set_xlabel("entries")
    axes.set_ylabel("CPU seconds a search (exact, filtered, first 50)")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    with atomic(file) as temporary:
        figure.savefig(temporary, dpi=120, format="png")


if __name__ == "__main__":
    main()
