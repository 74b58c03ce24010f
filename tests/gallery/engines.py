"""The galleries that the tests run on, and made-up entries with a plain search over them."""

import os
import uuid

import numpy as np

from passerby.gallery.gallery import Gallery
from passerby.gallery.new_rows import NewEntries
from passerby.gallery.settings import Space

ENGINES = ["folder", "resident", "milvus"]
SERVER = os.environ.get("PASSERBY_TEST_MILVUS")
"""Address of a Milvus server to run the tests on, instead of Milvus Lite."""

NOW = 2_000_000.0
CAMERAS = ["entrance", "été 'n\"\\", "0002", "3"]


def who(number):
    """The name of a made-up person."""
    return f"{number:04d}" if number % 2 else f'Zoë o\'"{number}" \\'


def make(engine, folder, metric="euclidean", model="model-a", now=NOW):
    """A gallery that does not exist yet."""
    place = folder / "gallery"
    if engine == "milvus":
        name = f"t{uuid.uuid4().hex}"
        place = f"{SERVER}/{name}" if SERVER else folder / "gallery.db"
    return Gallery.open(
        str(place),
        Space(model, metric),
        resident=engine == "resident",
        clock=lambda: now,
        audit=folder / "audit.jsonl",
    )


class MadeUp:
    """N entries with all that may be known of them; searched by going through all of them."""

    def __init__(self, count=240, width=12, seed=0):
        rng = np.random.default_rng(seed)
        self.embeddings = rng.standard_normal((count, width)).astype(np.float32)
        self.keys = [f'cam{i % 3}/it\'s "{i}".jpg' for i in range(count)]
        self.persons = [None if i % 5 == 0 else who(int(rng.integers(0, 25))) for i in range(count)]
        self.cameras = [None if i % 17 == 0 else CAMERAS[i % 4] for i in range(count)]
        self.times = [None if i % 11 == 0 else 1_000_000.0 + 10 * i for i in range(count)]
        self.tracks = [None if i % 7 == 0 else f"t{i // 3}" for i in range(count)]
        self.boxes = [None if i % 2 else (i, 2, 30, 60) for i in range(count)]
        self.expires = [NOW - 1 if i % 31 == 0 else None for i in range(count)]

    def new(self, rows=slice(None)):
        return NewEntries(
            keys=self.keys[rows],
            file_names=[key + "?" for key in self.keys[rows]],
            persons=self.persons[rows],
            cameras=self.cameras[rows],
            timestamps=self.times[rows],
            boxes=self.boxes[rows],
            track_ids=self.tracks[rows],
            expires=self.expires[rows],
        )

    def add_to(self, gallery, rows=slice(None)):
        return gallery.add(self.embeddings[rows], self.new(rows))

    def search(self, query, k, wanted=lambda i: True, metric="euclidean"):
        """Keys and distances of the nearest entries that are wanted and not expired."""
        found = []
        for i, row in enumerate(self.embeddings.astype(np.float64)):
            if self.expires[i] is not None or not wanted(i):
                continue
            if metric == "cosine":
                cosine = row @ query / np.sqrt((row @ row) * (query @ query))
                found.append((1 - cosine, self.keys[i]))
            else:
                found.append((float(np.sqrt(((row - query) ** 2).sum())), self.keys[i]))
        found.sort()
        return [key for _, key in found[:k]], [distance for distance, _ in found[:k]]


def hits_of(answer):
    return [hit.entry.key for hit in answer.hits], [hit.distance for hit in answer.hits]
