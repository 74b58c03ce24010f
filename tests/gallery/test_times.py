"""Entries by camera and time, against a naive count."""

import numpy as np
import pyarrow as pa
import pytest

from passerby.gallery.entries import NO_TIME
from passerby.gallery.times import times_of


def batches(rows):
    keys, cameras, times = zip(*rows, strict=True) if rows else ((), (), ())
    table = pa.table({
        "key": pa.array(keys, pa.string()), "camera": pa.array(cameras, pa.string()),
        "timestamp": pa.array(times, pa.float64()),
    })  # fmt: skip
    return table.to_batches(max_chunksize=7)


def made(seed, count=100):
    rng = np.random.default_rng(seed)
    return [
        (f"k{n}", rng.choice(["gate", "yard", ""]),
         NO_TIME if rng.random() < 0.1 else float(rng.integers(0, 50)))
        for n in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize(("since", "until"), [(None, None), (10.0, 30.0), (None, 20.0), (70, None)])
def test_counts_of_each_camera(since, until):
    rows = made(1)
    found = times_of(batches(rows), 8, 1000, since, until)
    timed = [row for row in rows if row[2] != NO_TIME]
    begin = min(t for _, _, t in timed) if since is None else since
    end = max(t for _, _, t in timed) + 1 if until is None else until
    end = max(end, begin + 1e-3)
    wanted = {}
    for _, camera, time in timed:
        for column in range(8):
            low, high = (begin + (end - begin) * edge / 8 for edge in (column, column + 1))
            if low <= time < high:
                wanted.setdefault(camera, [0] * 8)[column] += 1
    assert {camera: row.tolist() for camera, row in found.counts.items()} == wanted
    assert list(found.counts) == sorted(wanted)
    assert found.untimed == len(rows) - len(timed)
    inside = sorted((t, n) for n, (_, _, t) in enumerate(rows) if begin <= t < end)
    assert found.total == len(inside)
    assert [int(key[1:]) for key in found.keys] == [n for _, n in inside]


def test_many_entries_are_counted_only():
    assert times_of(batches(made(2)), 4, 10).keys == ()


def test_nobody():
    found = times_of(batches([]), 4, 10)
    assert (found.counts, found.total, found.keys, found.untimed) == ({}, 0, (), 0)
    alone = times_of(batches([("a", "gate", NO_TIME)]), 4, 10)
    assert (alone.total, alone.untimed) == (0, 1)
