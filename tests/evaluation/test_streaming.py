from pathlib import Path

import numpy as np
import pytest

from passerby.evaluation.streaming import embed_in_chunks
from passerby.types import Sample

SAMPLES = [Sample(Path(f"{i}.jpg"), f"{i}.jpg", i, 1) for i in range(23)]


def embed(samples, progress):
    for done in range(1, len(samples) + 1):
        progress(done, len(samples))
    return np.array([[s.person_id, -s.person_id] for s in samples], np.float32)


@pytest.mark.parametrize("chunk", [5, 23, 100])
@pytest.mark.parametrize("in_memory", [0, 2**20])
def test_any_chunk_gives_the_same(chunk, in_memory):
    told = []
    found = embed_in_chunks(embed, SAMPLES, lambda *now: told.append(now), chunk, in_memory)
    np.testing.assert_array_equal(found, embed(SAMPLES, lambda *_: None))
    assert told == [(done, 23) for done in range(1, 24)]
    assert isinstance(found, np.memmap) == (chunk == 5 and in_memory == 0)


def test_a_file_keeps_no_more_than_a_chunk_and_leaves_no_name(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    largest = 0

    def watched(samples, progress):
        nonlocal largest
        largest = max(largest, len(samples))
        return embed(samples, progress)

    found = embed_in_chunks(watched, SAMPLES, lambda *_: None, chunk=4, in_memory=8)
    assert largest == 4
    assert list(tmp_path.iterdir()) == []
    assert found[22].tolist() == [22, -22]
