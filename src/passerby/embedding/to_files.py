"""Many pictures to files of embeddings: shard by shard, resumable, by any number of processes.

The list of pictures is cut into shards; process r of W computes the shards r, r + W, ... that are
not there yet. Nothing is said between processes: each makes the same plan from the same list, and
`embeddings.json` in the folder holds it, so that other pictures, another model or other settings
are refused there.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.embedding.embedder import Embedder
from passerby.embedding.places import Listed
from passerby.embedding.quality import Quality
from passerby.embedding.reading import Read, read_pictures
from passerby.embedding.shards import (
    FINGERPRINT,
    FORMAT,
    METRIC,
    PLAN,
    PRECISION,
    Tally,
    old_format,
    read_tally,
    shard_file,
    write_shard,
)
from passerby.files import make_folder, one_at_a_time, write_text
from passerby.parsing import parse_json
from passerby.types import CueSource, InputError, Progress, Sample

FAILED = "failed.csv"
"""Pictures that could not be read; there only if there are any."""

LEFT_OUT = "left_out.csv"
"""Pictures that were not good enough; likewise."""

LOCK = ".lock"
"""There while a process looks at the plan or writes the lists."""

Unit = tuple[Sample, ...]
"""What becomes one row: a picture, or the pictures of a track."""


@dataclass(frozen=True)
class EmbedSettings:
    """What is embedded, and in what portions."""

    tracks: bool = False
    """One mean embedding for each track (of each camera); a picture without a track has its own."""
    quality: Quality = field(default_factory=Quality)
    """What a picture must have."""
    shard_size: int = 4096
    """Pictures of a file, about: what is lost at most by an interruption."""
    batch_size: int = 64
    """Pictures at a time."""
    threads: int = 2
    """Threads that decode."""
    retry: bool = False
    """Compute shards with failed pictures again."""

    def __post_init__(self) -> None:
        for name in ("shard_size", "batch_size", "threads"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1; given {getattr(self, name)}")


@dataclass(frozen=True)
class Outcome:
    """What lies in the folder now."""

    rows: int
    """Embeddings of the shards that are there."""
    tally: Tally
    """What became of their pictures."""
    computed: int
    """Shards that this call computed."""
    shards: int
    """In all."""
    finished: bool
    """All shards are there, those of other processes too."""


def embed_to_files(
    model: Embedder,
    listed: Listed,
    out: str | Path,
    settings: EmbedSettings | None = None,
    *,
    cues: CueSource | None = None,
    process: tuple[int, int] = (0, 1),
    progress: Progress | None = None,
) -> Outcome:
    """Embeds pictures into `out/embeddings-00000.parquet`, ... (`passerby.embedding.shards`).

    A picture that cannot be read goes to `failed.csv`, one that is not good enough to
    `left_out.csv`; the others go on. Shards that are there are kept.

    Args:
        model: makes the embeddings; `Embedder.optimised` is faster.
        listed: the pictures (`passerby.embedding.places.list_places`).
        out: the folder.
        settings: None: the defaults.
        cues: where masks and joints come from, if the model wants any.
        process: (r, W): this is process r of W.
        progress: told how many of this process's pictures are done.

    Raises:
        InputError: the folder holds embeddings of other pictures, another model or other settings;
            a track with two persons.
        OSError: from the operating system, e.g. when the disk is full.
    """
    out, settings = Path(out), settings or EmbedSettings()
    rank, world = process
    fingerprint = model.fingerprint_with(cues.fingerprint if cues is not None else "")
    width = _width(model)
    shards = _cut(_units(listed.samples, settings.tracks), settings.shard_size)
    _check_plan(out, _plan(model, listed, settings, fingerprint, width, len(shards)))
    metadata = {
        FINGERPRINT: fingerprint, METRIC: model.descriptor.metric, PRECISION: model.precision,
    }  # fmt: skip
    mine = [
        (number, shards[number])
        for number in range(rank, len(shards), world)
        if _wanted(shard_file(out, number), settings.retry)
    ]
    total, done = sum(len(unit) for _, units in mine for unit in units), 0

    def advance(pictures: int) -> None:
        nonlocal done
        done += pictures
        if progress is not None:
            progress(done, total)

    for number, units in mine:
        rows, counts, embeddings, tally = _embed(model, units, settings, cues, width, advance)
        write_shard(shard_file(out, number), rows, counts, embeddings, metadata, tally)
    return _summed(out, len(shards), len(mine))


def _width(model: Embedder) -> int:
    """Numbers of an embedding, found with a black picture."""
    specs = model.inputs.specs.items()
    black = {
        name: np.zeros((spec.height, spec.width, len(spec.mean)), np.uint8) for name, spec in specs
    }
    return int(model.embed_inputs([black]).shape[1])


def _units(samples: Sequence[Sample], tracks: bool) -> list[Unit]:
    if not tracks:
        return [(sample,) for sample in samples]
    groups: dict[tuple[str | None, str, str], list[Sample]] = {}
    for place, sample in enumerate(samples):
        alone = "" if sample.track_id is not None else str(place)
        groups.setdefault((sample.camera, sample.track_id or "", alone), []).append(sample)
    for (camera, track, _), members in groups.items():
        people = sorted({sample.person or "unknown" for sample in members})
        if len(people) > 1:
            raise InputError(
                f"a track shows one person; track {track!r} of camera {camera or 'unknown'} has "
                f"the persons "
                f"{', '.join(people[:5])}"
            )
    return [tuple(members) for members in groups.values()]


def _cut(units: Sequence[Unit], size: int) -> list[list[Unit]]:
    """Consecutive units, each shard full as soon as it has `size` pictures."""
    shards: list[list[Unit]] = []
    pictures = size
    for unit in units:
        if pictures >= size:
            shards.append([])
            pictures = 0
        shards[-1].append(unit)
        pictures += len(unit)
    return shards


def _plan(
    model: Embedder,
    listed: Listed,
    settings: EmbedSettings,
    fingerprint: str,
    width: int,
    shards: int,
) -> dict[str, Any]:
    digest = hashlib.blake2b(digest_size=16)
    for s in listed.samples:
        known = (s.name, s.box, s.person, s.camera, s.timestamp, s.track_id)
        digest.update(repr(known).encode())
    return {
        "format": FORMAT,
        "fingerprint": fingerprint,
        "method": model.method.name,
        "metric": model.descriptor.metric,
        "feature": model.descriptor.feature,
        "precision": model.precision,
        "width": width,
        "pictures": len(listed.samples),
        "list": digest.hexdigest(),
        "tracks": settings.tracks,
        "quality": asdict(settings.quality),
        "shard_size": settings.shard_size,
        "shards": shards,
    }


def _check_plan(out: Path, plan: Mapping[str, Any]) -> None:
    file = out / PLAN
    make_folder(out, private=True)
    with one_at_a_time(out / LOCK):
        if not file.is_file():
            if any(out.glob("embeddings-*.parquet")):
                raise InputError(
                    f"{out}: contains embeddings, but no {PLAN}: choose another folder"
                )
            write_text(file, json.dumps(plan, indent=2) + "\n")
            return
        try:
            there = dict(parse_json(file.read_text(encoding="utf-8")))
        except ValueError as error:
            raise InputError(f"{file}: damaged: {error}") from error
    if there.get("format") == 1:
        raise InputError(old_format(out))
    differ = [name for name in plan if there.get(name) != plan[name]]
    if differ:
        name = differ[0]
        raise InputError(
            f"{out} was begun with other settings: {', '.join(differ)} (e.g. {name} "
            f"{there.get(name)}, now {plan[name]}); choose another folder"
        )


def _wanted(file: Path, retry: bool) -> bool:
    return not file.is_file() or (retry and bool(read_tally(file).failed))


def _embed(
    model: Embedder,
    units: Sequence[Unit],
    settings: EmbedSettings,
    cues: CueSource | None,
    width: int,
    advance: Callable[[int], None],
) -> tuple[list[Sample], list[int], NDArray[np.float32], Tally]:
    """The rows of a shard, how many pictures each stands for, their embeddings, and the rest."""
    samples = sorted(
        (sample for unit in units for sample in unit), key=lambda s: (str(s.file), s.box or ())
    )
    good: list[Sample] = []
    failed: dict[str, str] = {}
    left_out: dict[str, str] = {}
    missing = Counter(dict.fromkeys(sorted(model.inputs.cues), 0))

    def sorted_out(sample: Sample, read: Read) -> bool:
        advance(1)
        if read.made is None:
            (failed if read.error else left_out)[_label(sample)] = read.error or read.fault
            return False
        missing.update(read.missing)
        good.append(sample)
        return True

    found = read_pictures(
        samples, model.inputs, settings.quality, cues=cues, threads=settings.threads
    )
    made = (
        read.made
        for sample, read in zip(samples, found, strict=True)
        if sorted_out(sample, read) and read.made is not None
    )
    try:
        first = next(made)
    except StopIteration:
        embeddings = np.empty((0, width), np.float32)
    else:
        embeddings = model.embed_inputs(_chain(first, made), batch_size=settings.batch_size)
    tally = Tally(len(samples), failed, left_out, dict(missing))
    place = {(sample.name, sample.box): row for row, sample in enumerate(good)}
    kept = [[s for s in unit if (s.name, s.box) in place] for unit in units]
    kept = [unit for unit in kept if unit]
    cosine = model.descriptor.metric == "cosine"
    means = [
        embeddings[place[unit[0].name, unit[0].box]]
        if len(unit) == 1
        else track_mean(embeddings[[place[s.name, s.box] for s in unit]], cosine=cosine)
        for unit in kept
    ]
    rows = np.stack(means) if means else embeddings
    return [unit[0] for unit in kept], [len(unit) for unit in kept], rows, tally


def track_mean(embeddings: NDArray[np.float32], *, cosine: bool) -> NDArray[np.float32]:
    """The mean of (N, D) embeddings: (D,); where compared by cosine, of length 1 before and after.

    >>> track_mean(np.array([[2.0, 0.0], [0.0, 1.0]], np.float32), cosine=False).tolist()
    [1.0, 0.5]
    """
    rows = embeddings.astype(np.float64)
    if cosine:
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    mean = rows.mean(axis=0)
    if cosine:
        mean = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return np.asarray(mean, np.float32)


def _chain(first: Any, rest: Any) -> Any:
    yield first
    yield from rest


def _label(sample: Sample) -> str:
    return sample.name + ("" if sample.box is None else "#" + ",".join(map(str, sample.box)))


def _summed(out: Path, shards: int, computed: int) -> Outcome:
    """Looks at all shards that are there, and writes the two lists."""
    import pyarrow.parquet

    with one_at_a_time(out / LOCK):
        there = [f for f in (shard_file(out, n) for n in range(shards)) if f.is_file()]
        tally = Tally()
        for file in there:
            tally = tally.plus(read_tally(file))
        rows = sum(pyarrow.parquet.read_metadata(file).num_rows for file in there)
        _write_list(out / FAILED, "error", tally.failed)
        _write_list(out / LEFT_OUT, "reason", tally.left_out)
    return Outcome(rows, tally, computed, shards, len(there) == shards)


def _write_list(file: Path, title: str, pictures: Mapping[str, str]) -> None:
    if not pictures:
        file.unlink(missing_ok=True)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file_name", title])
    writer.writerows(sorted(pictures.items()))
    write_text(file, text.getvalue())
