"""Writes a synthetic set in the layout of Market-1501, with masks and joints."""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from PIL import Image

from passerby.drawing.layout import BOXES, FOLDERS, Entry, Recipe, World
from passerby.drawing.v1.plan import SyntheticRecipe
from passerby.files import one_at_a_time, write_text
from passerby.parsing import read_json
from passerby.types import InputError, Progress
from passerby.workers import told_of_killed

DONE, UNFINISHED = "synthetic.json", "synthetic.unfinished"
"""Written last; written first and removed last."""
LOCK = ".lock"
"""There while a process draws the set; another one waits for it."""
_PATIENCE = 3600.0
_OURS = (*FOLDERS, "masks", "joints.json", "people.csv", DONE, UNFINISHED)

_CHUNK = 16


def is_finished(root: Path, recipe: Recipe) -> bool:
    """Whether `root` holds this very set; clears an unfinished one.

    Raises:
        InputError: `root` holds something else.
    """
    if not root.exists():
        return False
    names = {path.name for path in root.iterdir()} - {LOCK}
    if UNFINISHED in names:
        _clear(root, names)
        return False
    if DONE in names:
        held = read_json(root / DONE)
        wanted = {"version": recipe.version, "recipe": asdict(recipe)}
        for key, value in wanted.items():
            if held.get(key) != value:
                raise InputError(
                    f"{root} contains another synthetic set: {key} {held.get(key)}, wanted {value}"
                )
        for folder, count in held["counts"].items():
            found = sum(1 for _ in (root / folder).glob("*.jpg"))
            if found != count:
                raise InputError(
                    f"{root / folder} had {count} pictures when it was written and has {found} now"
                )
        return True
    if names:
        raise InputError(f"{root} is not empty (it contains {min(names)}): choose an empty folder")
    return False


def _clear(root: Path, names: set[str]) -> None:
    """Removes what an interrupted run left, half-written files of `atomic` included."""
    half = tuple(f".{name}." for name in _OURS)
    foreign = {name for name in names - set(_OURS) if not name.startswith(half)}
    if foreign:
        raise InputError(f"{root} contains {min(foreign)}, which is not part of a synthetic set")
    # The mark of an unfinished set is the last name: clearing may itself be interrupted.
    for name in sorted(names):
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


_world: World | None = None


def _start(world: World) -> None:
    global _world
    _world = world


def _start_process(world: World) -> None:
    # Ctrl-C is the parent's to handle; it ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _start(world)


def _write_chunk(task: tuple[str, list[Entry]]) -> list[tuple[str, list[list[float]]]]:
    """Draws and writes a few pictures; gives the joints by file name."""
    assert _world is not None
    root, chunk = Path(task[0]), task[1]
    out: list[tuple[str, list[list[float]]]] = []
    for entry in chunk:
        drawn = _world.draw(entry)
        jpeg, png = io.BytesIO(), io.BytesIO()
        Image.fromarray(drawn.image).save(jpeg, "JPEG", quality=drawn.quality)
        Image.fromarray(drawn.mask).save(png, "PNG", compress_level=1)
        joints = [[round(float(v), 2) for v in joint] for joint in drawn.joints]
        for folder in (entry.folder, BOXES) if entry.also_boxes else (entry.folder,):
            (root / folder / f"{entry.stem}.jpg").write_bytes(jpeg.getvalue())
            (root / "masks" / folder / f"{entry.stem}.png").write_bytes(png.getvalue())
            out.append((f"{folder}/{entry.stem}.jpg", joints))
    return out


def _results(world: World, tasks: list[tuple[str, list[Entry]]],
             workers: int) -> Iterator[list[tuple[str, list[list[float]]]]]:  # fmt: skip
    if workers == 1 or len(tasks) == 1:
        _start(world)
        yield from map(_write_chunk, tasks)
        return
    # What is compiled at first use is compiled once here, not in every process.
    world.draw(tasks[0][1][0])
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("fork" if "fork" in methods else "spawn")
    # Not `multiprocessing.Pool`, which waits for ever for what a killed process was to draw.
    pool = ProcessPoolExecutor(min(workers, len(tasks)), context, _start_process, (world,))
    with _termination_as_interrupt(), told_of_killed("draws pictures"):
        try:
            yield from pool.map(_write_chunk, tasks)
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """While processes draw, SIGTERM is a Ctrl-C: they end with this one instead of failing later.

    Left alone where somebody else handles it, or this is not the main thread.
    """
    own = threading.current_thread() is threading.main_thread()
    if not own or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def write_synthetic(root: str | Path, recipe: Recipe | None = None, *,
                    workers: int | None = None,
                    progress: Progress | None = None) -> None:  # fmt: skip
    """Draws people and writes them as a data set in the layout of Market-1501.

    Beside the pictures: `masks/` (same folders and stems, PNG, 255 = the person, exact),
    `joints.json` (file name -> 18 x [x, y, confidence], OpenPose order, pixels; 1 seen, 0.3
    hidden, 0 outside the picture), `synthetic.json` (version, recipe, counts) and, of version 2,
    `people.csv` (what each person is drawn as). The bytes depend
    on the recipe alone. A finished folder is left as it is, an unfinished one is written anew.

    Args:
        root: the folder; made when it is not there.
        recipe: what to draw; default `synthetic v1`.
        workers: processes; default one for each core.
        progress: called with pictures done and pictures in all.

    Raises:
        InputError: `root` holds something else or misses pictures, or `workers` is less than 1.
    """
    root, recipe = Path(root), recipe or SyntheticRecipe()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = workers if workers is not None else cores or 1
    if workers < 1:
        raise InputError(f"workers must be at least 1; given {workers}")
    if root.exists() and not root.is_dir():
        raise InputError(f"{root} is a file: choose a folder for the synthetic set")
    with one_at_a_time(root / LOCK, _PATIENCE):
        if not is_finished(root, recipe):
            _write(root, recipe, workers, progress)


def _write(root: Path, recipe: Recipe, workers: int, progress: Progress | None) -> None:
    root.mkdir(parents=True, exist_ok=True)
    (root / UNFINISHED).touch()
    for folder in FOLDERS:
        (root / folder).mkdir()
        (root / "masks" / folder).mkdir(parents=True)
    plan, world = recipe.entries(), recipe.world()
    tasks = [(str(root), plan[i : i + _CHUNK]) for i in range(0, len(plan), _CHUNK)]
    joints: dict[str, list[list[float]]] = {}
    done = 0
    for result, task in zip(_results(world, tasks, workers), tasks, strict=True):
        joints.update(result)
        done += len(task[1])
        if progress is not None:
            progress(done, len(plan))
    write_text(root / "joints.json", json.dumps(joints, sort_keys=True, separators=(",", ":")))
    _write_people(root, world, plan)
    counts = {folder: sum(1 for name in joints if name.startswith(f"{folder}/"))
              for folder in FOLDERS}  # fmt: skip
    about = {
        "version": recipe.version,
        "seed": recipe.seed,
        "recipe": asdict(recipe),
        "counts": counts,
    }
    write_text(root / DONE, json.dumps(about, indent=1) + "\n")
    (root / UNFINISHED).unlink()


def _write_people(root: Path, world: World, plan: list[Entry]) -> None:
    """`people.csv`: what is known of each person as drawn, so that scores can be split by it."""
    rows = [
        {"person_id": person, **world.attributes(identity)}
        for person, identity in sorted({(e.person, e.identity) for e in plan if e.person > 0})
    ]
    if len(rows[0]) > 1:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(root / "people.csv", text.getvalue())
