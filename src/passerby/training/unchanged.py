"""One process trains a run, and on the pictures that it was started with."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from passerby.files import write_text
from passerby.types import CueSource, InputError, Sample

PICTURES = "pictures.csv"
LOCK = "run.lock"
CUES = "masks and joints"
"""Stands in `PICTURES` for what the cues' fingerprint stands for."""

Stamp = tuple[str, str, str]
"""Size in bytes, time of change in ns, hash of the content."""


@contextmanager
def alone(run: Path) -> Iterator[None]:
    """Keeps other processes from training the run.

    Raises:
        InputError: another process trains it.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(run / LOCK, timeout=0, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(f"{run} is being trained by another process: wait for it to end") from None
    try:
        yield
    finally:
        lock.release()


def check_unchanged(run: Path, samples: Sequence[Sample], cues: CueSource | None) -> None:
    """Refuses to go on with other pictures, masks or joints than the run was started with.

    `pictures.csv` in the run's folder says which those were. A file of the same size and time
    counts as the same; otherwise its content decides, so that a copied data set is the same one.

    Raises:
        InputError: a picture, or the masks and joints, changed.
    """
    known = _read(run / PICTURES)
    files = {sample.name: sample.file for sample in samples}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        stamps = pool.map(lambda name: _stamp(files[name], known.get(name)), files)
        now = dict(zip(files, stamps, strict=True))
    if cues is not None:
        now[CUES] = ("", "", cues.fingerprint)
    changed = [name for name, stamp in now.items() if name in known and known[name][2] != stamp[2]]
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise InputError(
            f"{run}: {changed[0]}{more} changed since the run was started: start a new run"
        )
    # Another list of pictures is not this one's affair: a checkpoint refuses that, and names it.
    if now != known and (not known or now.keys() == known.keys()):
        text = io.StringIO()
        rows = ((name, *stamp) for name, stamp in now.items())
        csv.writer(text, lineterminator="\n").writerows([("name", "size", "time", "hash"), *rows])
        write_text(run / PICTURES, text.getvalue())


def _stamp(file: Path, known: Stamp | None) -> Stamp:
    status = file.stat()
    size, time = str(status.st_size), str(status.st_mtime_ns)
    if known is not None and known[:2] == (size, time):
        return known
    return size, time, hashlib.blake2b(file.read_bytes(), digest_size=8).hexdigest()


def _read(file: Path) -> dict[str, Stamp]:
    if not file.is_file():
        return {}
    try:
        with file.open(newline="", encoding="utf-8") as opened:
            return {
                name: (size, time, found)
                for name, size, time, found in list(csv.reader(opened))[1:]
            }
    except (ValueError, csv.Error) as error:
        raise InputError(f"{file}: damaged: {error}") from error
