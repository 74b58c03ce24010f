"""What the triplets of a training set cost: random ones, and Mask-guided TriHard.

Run by `make bench`; writes docs/performance-mining.md. Made-up features and masks of the size of
Market-1501's training part. CPU time of all threads beyond the embedding pass, and memory.
"""

import platform
import resource
import time
from pathlib import Path

import numpy as np
import torch

from passerby.ranking.mining import hardest
from passerby.ranking.triplets import mask_guided_triplets, packed_masks, random_triplets

TARGET = Path(__file__).parents[1] / "docs" / "performance-mining.md"
PICTURES, PEOPLE, CAMERAS, WIDTH, SIZE = 12_936, 751, 6, 1_536, (384, 128)


def made_up():
    random = np.random.default_rng(0)
    ids, cameras = random.integers(0, PEOPLE, PICTURES), random.integers(0, CAMERAS, PICTURES)
    centers = random.normal(size=(PEOPLE, WIDTH)).astype(np.float32)
    features = centers[ids] + random.normal(size=(PICTURES, WIDTH)).astype(np.float32)
    rows, columns = np.indices(SIZE)
    masks = []
    for _ in range(PICTURES):  # an upright ellipse somewhere near the middle
        y, x = random.normal((192, 64), (20, 10))
        tall, wide = random.normal((150, 35), (15, 6))
        inside = ((rows - y) / tall) ** 2 + ((columns - x) / wide) ** 2 < 1
        masks.append(packed_masks(inside[None]))
    return features, ids, cameras, np.concatenate(masks)


def measured(work):
    """CPU seconds of a second call, and the memory's peak in MB."""
    work()
    started = time.process_time()
    work()
    return time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    features, ids, cameras, masks = made_up()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    works = {
        "random": lambda: random_triplets(ids, np.random.default_rng(0)),
        "10 farthest positives, 10 nearest negatives": lambda: hardest(features, ids, cameras),
        "Mask-guided TriHard, whole": lambda: mask_guided_triplets(features, ids, cameras, masks),
    }
    lines = [
        "# What triplets cost",
        "",
        f"Written by `make bench` (`benchmarks/{Path(__file__).name}`); do not edit. "
        f"{PICTURES:,} pictures of {PEOPLE} people in {CAMERAS} cameras, {WIDTH:,}-d features, "
        f"masks of {SIZE[0]} x {SIZE[1]} as bits ({masks.nbytes / 2**20:.0f} MB); every picture is "
        "an anchor. CPU time of all threads beyond the embedding pass, second call (the first one "
        "compiles). *Memory*: the peak of the process beyond features and masks.",
        "",
        f"Machine: {platform.machine()}, {torch.get_num_threads()} threads, Python "
        f"{platform.python_version()}, torch {torch.__version__}, NumPy {np.__version__}. "
        f"Measured {time.strftime('%Y-%m-%d', time.gmtime())}.",
        "",
        "| triplets | CPU s | memory MB |",
        "|---|---|---|",
    ]
    for name, work in works.items():
        seconds, peak = measured(work)
        lines.append(f"| {name} | {seconds:.2f} | {max(peak - before, 0):.0f} |")
        print(lines[-1], flush=True)
    TARGET.write_text("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
