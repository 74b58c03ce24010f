"""Embeddings of people who are known, out of files, to calibrate on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from passerby.gallery.entries import embeddings_of
from passerby.gallery.settings import Space, another_space
from passerby.gallery.transfer import parquet_files, read_batches, space_of_file
from passerby.types import InputError


def read_labelled(
    paths: Sequence[str | Path], space: Space
) -> tuple[NDArray[np.float32], list[str | None], list[str | None]]:
    """(N, D) embeddings with N names of people and N of cameras, None where one is not known.

    Args:
        paths: Parquet files that `passerby embed` or `gallery export` wrote, or folders of them.
        space: of the gallery that is to be calibrated.

    Raises:
        InputError: not readable, of another model, or without anybody who is known.
    """
    embeddings: list[NDArray[np.float32]] = []
    people: list[str | None] = []
    cameras: list[str | None] = []
    for file in parquet_files([Path(path) for path in paths]):
        theirs = space_of_file(file)
        if theirs is not None and theirs != space:
            raise InputError(another_space(str(file), theirs, space))
        for rows in read_batches(file):
            if "person" not in rows.column_names:
                raise InputError(f"{file}: the column person is missing: no people are named")
            embeddings.append(np.array(embeddings_of(rows)))
            people += (name or None for name in rows.column("person").to_pylist())
            there = "camera" in rows.column_names
            names = rows.column("camera").to_pylist() if there else [None] * rows.num_rows
            cameras += (name or None for name in names)
    if not embeddings:
        raise InputError(f"no embedding in {', '.join(map(str, paths))}")
    if not any(people):
        raise InputError(
            f"{', '.join(map(str, paths))}: no people are named: passerby embed takes person_id "
            "from a manifest, passerby gallery export from the gallery"
        )
    return np.concatenate(embeddings), people, cameras
