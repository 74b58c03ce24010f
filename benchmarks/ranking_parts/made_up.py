"""Features of made-up people: clusters, a shift for each camera, distractors and junk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CAMERAS = 6


@dataclass(frozen=True)
class Search:
    """What `passerby.evaluate` takes."""

    query: np.ndarray
    gallery: np.ndarray
    query_ids: np.ndarray
    gallery_ids: np.ndarray
    query_cameras: np.ndarray
    gallery_cameras: np.ndarray

    @property
    def arguments(self):
        return (
            self.query, self.gallery, self.query_ids, self.gallery_ids,
            self.query_cameras, self.gallery_cameras,
        )  # fmt: skip

    def ranked_only(self):
        """Without junk, as other programs need it."""
        kept = self.gallery_ids != -1
        return Search(
            self.query, self.gallery[kept], self.query_ids, self.gallery_ids[kept],
            self.query_cameras, self.gallery_cameras[kept],
        )  # fmt: skip


def search(queries, gallery, width, *, people=750, junk=0.19, distractors=0.14, room=None, seed=0):
    """Market-1501's shares by default; `room(shape)` makes the gallery array, e.g. on disk."""
    random = np.random.default_rng(seed)
    centers = random.standard_normal((people, width), dtype=np.float32)
    shifts = 0.5 * random.standard_normal((CAMERAS, width), dtype=np.float32)
    query_ids = random.integers(0, people, queries)
    gallery_ids = random.integers(0, people, gallery)
    kind = random.random(gallery)
    gallery_ids[kind < junk] = -1
    gallery_ids[kind >= 1 - distractors] = people
    query_cameras = random.integers(0, CAMERAS, queries)
    gallery_cameras = random.integers(0, CAMERAS, gallery)

    def features(ids, cameras, out):
        for start in range(0, len(ids), 8192):
            part = slice(start, min(start + 8192, len(ids)))
            known = (ids[part] >= 0) & (ids[part] < people)
            block = 1.3 * random.standard_normal((len(known), width), dtype=np.float32)
            own = np.flatnonzero(known)
            block[own] += centers[ids[part][own]]
            block[~known] += random.standard_normal((int((~known).sum()), width), dtype=np.float32)
            out[part] = block + shifts[cameras[part]]
        return out

    make = room or (lambda shape: np.empty(shape, np.float32))
    return Search(
        features(query_ids, query_cameras, np.empty((queries, width), np.float32)),
        features(gallery_ids, gallery_cameras, make((gallery, width))),
        query_ids, gallery_ids, query_cameras, gallery_cameras,
    )  # fmt: skip
