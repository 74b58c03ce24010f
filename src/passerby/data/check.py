"""Broken pictures, found before a training starts rather than in its third hour."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from passerby.data.images import read_image
from passerby.files import write_text
from passerby.parsing import parse_json
from passerby.types import InputError, Sample, Split

Entry = list[int | str]
"""Size in bytes, time of change in ns, height, width, what is wrong ("": nothing)."""

Broken = list[tuple[Sample, str]]
"""Samples that cannot be used, each with one line that says why."""


def cache_folder() -> Path:
    """Where results are kept: `PASSERBY_CACHE`, or `~/.cache/passerby`."""
    named = os.environ.get("PASSERBY_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "passerby"


def check_pictures(
    samples: Sequence[Sample],
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Broken:
    """Decodes every picture, in parallel; those that kept size and time are not read again.

    Args:
        samples: any parts of a data set.
        cache: folder for the results, e.g. `cache_folder()`; None: none.
        progress: told (done, all) after each picture that was decoded.

    Returns:
        The samples whose picture cannot be read or whose box lies outside, in the samples' order.
    """
    files = sorted({sample.file for sample in samples})
    if not files:
        return []
    store = None if cache is None else _store(cache, files)
    known = {} if store is None else _read(store)
    entries: dict[str, Entry] = {}
    stale = []
    for file in files:
        entry = known.get(_key(file))
        if entry is not None and entry[:2] == _stamp(file):
            entries[_key(file)] = entry
        else:
            stale.append(file)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, (file, entry) in enumerate(zip(stale, pool.map(_examine, stale), strict=True), 1):
            entries[_key(file)] = entry
            if progress is not None:
                progress(done, len(stale))
    if store is not None and stale:
        # Without a place for the results the check is as good, only slow the next time.
        with suppress(OSError):
            write_text(store, json.dumps(known | entries))
    verdicts = ((sample, _verdict(sample, entries[_key(sample.file)])) for sample in samples)
    return [(sample, wrong) for sample, wrong in verdicts if wrong]


def without(split: Split, broken: Broken) -> Split:
    """The split without the broken pictures, which `Split.warnings` counts and names."""
    bad = {(sample.file, sample.box) for sample, _ in broken}
    if not bad:
        return split

    def kept(samples: Iterable[Sample]) -> tuple[Sample, ...]:
        return tuple(sample for sample in samples if (sample.file, sample.box) not in bad)

    names = sorted({sample.name for sample, _ in broken})
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return replace(
        split,
        train=kept(split.train),
        query=kept(split.query),
        gallery=kept(split.gallery),
        multi_query=kept(split.multi_query),
        warnings=(
            *split.warnings,
            f"left out {len(names)} broken pictures: {', '.join(names[:5])}{more}",
        ),
    )


def _key(file: Path) -> str:
    return str(file.absolute())


def _verdict(sample: Sample, entry: Entry) -> str:
    height, width, wrong = int(entry[2]), int(entry[3]), str(entry[4])
    if wrong or sample.box is None:
        return wrong
    x, y, w, h = sample.box
    if x < width and y < height and x + w > 0 and y + h > 0 and w > 0 and h > 0:
        return ""
    return (
        f"{sample.file}: the box x {x}, y {y}, width {w}, height {h} lies outside "
        f"the picture of {width} x {height} pixels (width x height)"
    )


def _examine(file: Path) -> Entry:
    # The stamp comes first: a change during the look is then seen the next time.
    stamp = _stamp(file)
    try:
        height, width = read_image(file).shape[:2]
    except InputError as error:
        return [*stamp, 0, 0, str(error)]
    return [*stamp, height, width, ""]


def _stamp(file: Path) -> Entry:
    try:
        status = file.stat()
    except OSError:
        return [-1, -1]
    return [status.st_size, status.st_mtime_ns]


def _store(cache: Path, files: Sequence[Path]) -> Path:
    """One file for each data set: its name is a hash of the folder that all pictures share."""
    shared = os.path.commonpath([file.absolute() for file in files])
    return cache / f"pictures-{hashlib.sha256(shared.encode()).hexdigest()[:16]}.json"


def _read(store: Path) -> dict[str, Entry]:
    """What an earlier check found; a file that is not ours counts as none."""
    try:
        known = parse_json(store.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {file: e for file, e in known.items() if isinstance(e, list) and len(e) == 5}
