"""What tests run in processes of their own: python worker.py WHAT FOLDER NUMBER."""

import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from engines import make

from passerby.gallery.filters import Filter
from passerby.gallery.new_rows import NewEntries


def embedding(name, number, width=12):
    """The embedding of an entry, which every process can tell again."""
    return np.random.default_rng([int(name), number]).standard_normal((1, width)).astype("f4")


def add(folder, name, stop=10**9):
    """Adds entries one by one; says each key when it is stored."""
    gallery = make("folder", folder)
    for number in range(stop):
        gallery.add(embedding(name, number), NewEntries(keys=[f"{name}-{number}"]))
        print(f"{name}-{number}", flush=True)


def remove(folder, name):
    """Removes every second of the entries `r0` ... `r39`, one removal each."""
    gallery = make("folder", folder)
    for number in range(0, 40, 8):
        gallery.remove(Filter(keys=[f"r{number + i}" for i in range(0, 8, 2)]))
        print("removed", number, flush=True)


def fill(folder, name):
    """Adds until no file may grow any more, as on a full disk; says how far it came."""
    gallery = make("folder", folder)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    for number in range(100):
        many = np.random.default_rng(number).standard_normal((400 * (number + 1), 12)).astype("f4")
        keys = [f"{number}-{i}" for i in range(len(many))]
        try:
            gallery.add(many, NewEntries(keys=keys))
        except OSError as error:
            print("full", error, flush=True)
            return
        print("added", number, flush=True)


if __name__ == "__main__":
    what, folder, name, *more = sys.argv[1:]
    {"add": add, "remove": remove, "fill": fill}[what](Path(folder), name, *map(int, more))
