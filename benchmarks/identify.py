"""Time and memory of who is who: made-up entries of many tracks, read and grouped.

python benchmarks/identify.py --entries 1000000 --tracks 100000

Entries come in batches as an engine gives them; what reading them from a disk costs is in
docs/performance-gallery.md. Seconds are those of the processor (all threads) and of the clock.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from passerby.gallery.decisions import Decisions
from passerby.gallery.identify import Asked, identify
from passerby.gallery.tracks import read_tracks

BATCH = 10_000
TRACKS_EACH = 4
"""Of a person, each by another camera."""
CAMERAS = 10


def batches(entries: int, tracks: int, width: int) -> Iterator[pa.RecordBatch]:
    """Entries of tracks one after the other; a person's tracks are an hour apart."""
    for start in range(0, entries, BATCH):
        rows = np.arange(start, min(start + BATCH, entries))
        track = rows * tracks // entries
        person, number = track // TRACKS_EACH, track % TRACKS_EACH
        noise = np.random.default_rng(start).standard_normal((len(rows), width))
        centres = {p: np.random.default_rng([1, p]).standard_normal(width) for p in set(person)}
        found = np.array([centres[p] for p in person]) + 0.6 * noise
        yield pa.RecordBatch.from_pydict({
            "key": [f"{row:08d}" for row in rows],
            "person": [""] * len(rows),
            "camera": [f"camera-{(p + n) % CAMERAS}" for p, n in zip(person, number, strict=True)],
            "track_id": [f"t{each}" for each in track],
            "timestamp": 60.0 * person + 3600.0 * number,
            "embedding": pa.FixedSizeListArray.from_arrays(
                pa.array(found.astype(np.float32).ravel()), width
            ),
        })  # fmt: skip


def main() -> None:
    """Prints what each part took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=256)
    given = parser.parse_args()
    began, used = time.perf_counter(), time.process_time()

    def told(what: str) -> None:
        nonlocal began, used
        now, cpu = time.perf_counter(), time.process_time()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{what}: {cpu - used:.1f} s processor, {now - began:.1f} s, peak {peak:.2f} GiB",
              flush=True)  # fmt: skip
        began, used = now, cpu

    made = batches(given.entries, given.tracks, given.width)
    tracks = read_tracks(made, "cosine", None)
    told(f"made and read {given.entries:,} entries of {len(tracks.tracks):,} tracks")
    found = identify(tracks, Decisions(), Asked(0.55, "cosine", None))
    told("grouped")
    right = sum(len({int(t.track_id[1:]) // TRACKS_EACH for t in g.tracks}) == 1
                for g in found.groups if all(t.track_id for t in g.tracks))  # fmt: skip
    print(f"{len(found.groups):,} groups, {right:,} of one person each; notes: {found.notes}")


if __name__ == "__main__":
    main()
