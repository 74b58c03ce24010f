"""How well people are followed in drawn videos; writes docs/performance-tracking.md.

    python benchmarks/tracking.py [--videos FOLDER FOLDER ...] [--model RUN] [--trackers all]
    python benchmarks/tracking.py --quick

The videos are drawn as `passerby synth FOLDER --video --seed N` draws them, N being the folder's
place from 1 (and are left there); folders that hold some already are taken as they are. HOTA
(Luiten et al. 2021), CLEAR (Bernardin, Stiefelhagen 2008) and IDF1 (Ristani et al. 2016) come from
the library TrackEval: its own matching, at an intersection over union of 0.5 for CLEAR and IDF1.
Truth are the people of whom at least a tenth is seen. In a camera, who was away for 3 s counts as
somebody else, for to know people again is not the tracker's task. Across cameras a person is one
person everywhere: tracklets are embedded as `passerby watch` embeds them, and grouped by
`Gallery.identify` below a threshold that was calibrated on other drawn people, those of the next
folder, with and without camera profiles. Boxes are the true ones, and those of the made-up
detector. The numbers also go to docs/results/runs/tracking.json. `--quick` draws 6 s and writes
nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import platform
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from passerby.drawing import VideoRecipe, write_video_set
from passerby.embedding.embedder import Embedder
from passerby.evaluation.results import write_plain
from passerby.files import write_text
from passerby.gallery.gallery import Gallery
from passerby.gallery.new_rows import NewEntries
from passerby.video.boxes import Boxes
from passerby.video.embeddings import mean_embedding
from passerby.video.following import FollowSettings
from passerby.video.frames import Frame, open_video
from passerby.video.joining import JoinSettings
from passerby.video.tracker import Tracker, TrackerSettings
from passerby.video.tracklets import Collector, Tracklet, TrackletSettings

PAGE = Path(__file__).parents[1] / "docs" / "performance-tracking.md"
RESULTS = PAGE.parent / "results" / "runs" / "tracking.json"
LEAST_SEEN = 0.1
RECIPE = VideoRecipe()
QUICK = VideoRecipe(cameras=2, people=4, visits=1, minutes=0.1, width=160, height=96)
SETS = 3
AWAY = 3.0
"""Seconds."""
FALSE_MATCHES = 0.025
"""Rate of false matches that the threshold is calibrated for."""
TRACKERS = ("bytetrack", "ocsort", "botsort")
BOXES = {"true boxes": "gt/gt.txt", "made-up detector": "det/det.txt"}


@dataclass(frozen=True)
class Camera:
    """One camera's truth and boxes, frame by frame."""

    folder: Path
    rate: float
    size: tuple[int, int]
    truth: list[np.ndarray]
    """Rows of gt.txt."""
    boxes: list[Boxes]


@dataclass(frozen=True)
class Followed:
    """What became of the boxes of a camera."""

    numbers: list[np.ndarray]
    """The tracker's, of each box of each frame."""
    tracklets: list[Tracklet]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=Path, nargs="+")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--trackers", choices=("bytetrack", "all"), default="bytetrack")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    model = Embedder.default() if given.model is None else Embedder.load(given.model)
    trackers = TRACKERS if given.trackers == "all" else TRACKERS[:1]
    with tempfile.TemporaryDirectory() as temporary:
        roots = given.videos or [Path(temporary) / str(n + 1) for n in range(SETS)]
        for seed, root in enumerate(roots, 1):
            if not (root / "video.json").is_file():
                write_video_set(root, replace(QUICK if given.quick else RECIPE, seed=seed))
        inside = [one for root in roots for one in in_cameras(root, trackers)]
        across = [] if given.quick else list(across_cameras(roots, model))
        recipes = [json.loads((root / "video.json").read_text()) for root in roots]
        print(page(recipes, model, inside, across))
        if not given.quick:
            write_text(PAGE, page(recipes, model, inside, across))
            found = {"model": model.fingerprint, "videos": recipes, "in a camera": inside,
                     "across cameras": across}  # fmt: skip
            write_plain(RESULTS, found)


def in_cameras(root: Path, trackers: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Lines of the first table: all cameras of a folder together."""
    from trackeval.metrics import CLEAR, HOTA, Identity

    metrics = {"HOTA": HOTA(), "CLEAR": CLEAR({"PRINT_CONFIG": False}),
               "Identity": Identity({"PRINT_CONFIG": False})}  # fmt: skip
    for kind in BOXES:
        for by in trackers:
            cameras = [(one, numbers_of(one, by)) for one in cameras_of(root, kind)]
            found = {name: {} for name in metrics}
            for camera, numbers in cameras:
                joined = collected(camera, numbers, JoinSettings())
                truth = by_visit(camera.truth, AWAY * camera.rate)
                data = sequence(truth, camera, joined, globals_of(joined, camera.folder.name))
                for name, metric in metrics.items():
                    with contextlib.redirect_stdout(io.StringIO()):
                        found[name][camera.folder.name] = metric.eval_sequence(data)
            whole = {name: metric.combine_sequences(found[name])
                     for name, metric in metrics.items()}  # fmt: skip
            hota, clear, identity = whole["HOTA"], whole["CLEAR"], whole["Identity"]
            yield {
                "boxes": kind, "tracker": by, "HOTA": float(np.mean(hota["HOTA"])),
                "AssA": float(np.mean(hota["AssA"])), "MOTA": float(clear["MOTA"]),
                "switches": float(clear["IDSW"]), "IDF1": float(identity["IDF1"]),
            }  # fmt: skip


def across_cameras(roots: Sequence[Path], model: Embedder) -> Iterator[dict[str, Any]]:
    """Lines of the second table; each folder's threshold is that of the next one's people."""
    made = {}
    for root in roots:
        for kind in BOXES:
            cameras = [
                (one, seen(one, numbers_of(one, TRACKERS[0]))) for one in cameras_of(root, kind)
            ]
            named = entries_of(cameras, model, named=True) if kind == "true boxes" else None
            made[root, kind] = cameras, entries_of(cameras, model), named
    for place, root in enumerate(roots):
        known = made[roots[(place + 1) % len(roots)], "true boxes"][2]
        for kind in BOXES:
            cameras, entries, _ = made[root, kind]
            for profiled in (False, True):
                with tempfile.TemporaryDirectory() as folder:
                    threshold = calibrated(Path(folder) / "known", known, model, profiled)
                    names, groups = identified(
                        Path(folder) / "people", entries, model, profiled, threshold
                    )
                score = one_person_everywhere(cameras, names)
                yield {
                    "boxes": kind, "profiles": "on" if profiled else "off",
                    "tracklets": len(entries[1].keys), "groups": groups,
                    **{name: float(score[name]) for name in ("IDP", "IDR", "IDF1")},
                }  # fmt: skip


def cameras_of(root: Path, kind: str) -> Iterator[Camera]:
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        about = dict(
            line.split("=") for line in (folder / "seqinfo.ini").read_text().split() if "=" in line
        )
        count, rate = int(about["seqLength"]), float(about["frameRate"])
        truth = by_frame(folder / "gt" / "gt.txt", count)
        truth = [rows[rows[:, 8] >= LEAST_SEEN] for rows in truth]
        given = truth if kind == "true boxes" else by_frame(folder / BOXES[kind], count)
        size = int(about["imHeight"]), int(about["imWidth"])
        yield Camera(folder, rate, size, truth, [boxes_of(rows) for rows in given])


def boxes_of(rows: np.ndarray) -> Boxes:
    corners = rows[:, 2:6].astype(np.float32)
    corners[:, 2:] += corners[:, :2]
    return Boxes(corners, rows[:, 6].astype(np.float32))


def numbers_of(camera: Camera, by: str) -> list[np.ndarray]:
    tracker = Tracker(TrackerSettings(by), camera.rate)
    return [
        tracker.update(boxes, number / camera.rate) for number, boxes in enumerate(camera.boxes)
    ]


def collected(camera: Camera, numbers: list[np.ndarray], join: JoinSettings) -> Followed:
    """The tracklets of a camera without a look at its frames."""
    black = np.zeros((*camera.size, 3), np.uint8)
    frames = (Frame(black, number, number / camera.rate) for number in range(len(numbers)))
    return gathered(camera, numbers, join, frames, TrackletSettings(1, shortest=0))


def seen(camera: Camera, numbers: list[np.ndarray]) -> Followed:
    """The tracklets of a camera with their best crops, as `passerby watch` keeps them."""
    frames = open_video(camera.folder / f"{camera.folder.name}.mp4").frames()
    return gathered(camera, numbers, JoinSettings(), frames, TrackletSettings())


def gathered(camera: Camera, numbers: list[np.ndarray], join: JoinSettings,
             frames: Iterator[Frame], settings: TrackletSettings) -> Followed:  # fmt: skip
    patience = 1.2 * FollowSettings().tracker.patience + 2 / camera.rate
    collector = Collector(settings, patience, join)
    found = []
    for frame, boxes, tracks in zip(frames, camera.boxes, numbers, strict=True):
        found += collector.add(frame, boxes, tracks)
    return Followed(numbers, found + collector.close())


def globals_of(followed: Followed, camera: str) -> dict[int, str]:
    """A name for each of the tracker's numbers."""
    return {number: f"{camera}/{one.track}" for one in followed.tracklets for number in one.numbers}


def sequence(
    truth: list[np.ndarray], camera: Camera, followed: Followed, names: dict[int, str]
) -> dict[str, object]:
    """Truth and tracks, as TrackEval's metrics take them."""
    people, persons = relabelled([rows[:, 1].astype(int) for rows in truth])
    kept = [np.array([number in names for number in numbers], bool) for numbers in followed.numbers]
    told = [
        np.array([names[number] for number in numbers[inside]], object)
        for numbers, inside in zip(followed.numbers, kept, strict=True)
    ]
    tracks, others = relabelled([one.astype(str) for one in told])
    return {
        "num_timesteps": len(truth), "num_gt_ids": people, "num_tracker_ids": tracks,
        "num_gt_dets": sum(map(len, persons)), "num_tracker_dets": sum(map(len, others)),
        "gt_ids": persons, "tracker_ids": others,
        "similarity_scores": [
            overlap(rows[:, 2:6] + np.pad(rows[:, 2:4], ((0, 0), (2, 0))), boxes.corners[inside])
            for rows, boxes, inside in zip(truth, camera.boxes, kept, strict=True)
        ],
    }  # fmt: skip


def entries_of(cameras: list[tuple[Camera, Followed]], model: Embedder, named: bool = False
               ) -> tuple[np.ndarray, NewEntries]:  # fmt: skip
    """Embeddings and entries of all tracklets; who they are, where they are to be named."""
    keys, places, times, people, embeddings = [], [], [], [], []
    for camera, followed in cameras:
        who = majority(camera, followed) if named else {}
        for one in followed.tracklets:
            person = who.get(one.numbers[0])
            if named and person is None:
                continue
            keys.append(f"{camera.folder.name}/{one.track}")
            places.append(camera.folder.name)
            times.append(one.start)
            people.append(None if person is None else str(person))
            embeddings.append(mean_embedding(model, one))
    return np.stack(embeddings), NewEntries(
        keys=keys, cameras=places, timestamps=times, track_ids=keys, persons=people
    )


def majority(camera: Camera, followed: Followed) -> dict[int, int]:
    """Of whom most boxes of each number are: with true boxes each box is somebody's."""
    votes: dict[int, list[int]] = {}
    for rows, numbers in zip(camera.truth, followed.numbers, strict=True):
        for row, number in zip(rows, numbers, strict=True):
            votes.setdefault(int(number), []).append(int(row[1]))
    return {number: max(set(ids), key=ids.count) for number, ids in votes.items() if number >= 0}


def calibrated(place: Path, entries: tuple[np.ndarray, NewEntries], model: Embedder,
               profiled: bool) -> float:  # fmt: skip
    """The threshold of known other people."""
    with Gallery.open(place, model) as gallery:
        gallery.add(*entries)
        if profiled:
            gallery.profile()
        gallery.calibrate(FALSE_MATCHES)
        assert gallery.settings.calibration is not None
        return gallery.settings.calibration.threshold


def identified(place: Path, entries: tuple[np.ndarray, NewEntries], model: Embedder, profiled: bool,
               threshold: float) -> tuple[dict[str, str], int]:  # fmt: skip
    """A person for each tracklet by `Gallery.identify`, and how many groups it found."""
    with Gallery.open(place, model) as gallery:
        gallery.add(*entries)
        if profiled:
            gallery.profile()
        groups = gallery.identify(threshold, pairs="other-camera").groups
    names = {str(key): str(key) for key in entries[1].keys}
    for number, group in enumerate(groups):
        names |= dict.fromkeys(group.keys, f"group {number}")
    return names, len(groups)


def one_person_everywhere(cameras: list[tuple[Camera, Followed]], names: dict[str, str]
                          ) -> dict[str, float]:  # fmt: skip
    """IDF1 of all cameras as one long sequence."""
    from trackeval.metrics import Identity

    parts = []
    for camera, followed in cameras:
        own = globals_of(followed, camera.folder.name)
        parts.append((camera, followed, {number: names[key] for number, key in own.items()}))
    whole = Camera(
        cameras[0][0].folder, cameras[0][0].rate, cameras[0][0].size,
        [rows for camera, _, _ in parts for rows in camera.truth],
        [boxes for camera, _, _ in parts for boxes in camera.boxes],
    )  # fmt: skip
    # Numbers of different cameras must not meet.
    numbers, told = [], {}
    for shift, (_, followed, own) in enumerate(parts):
        base = shift * 10**6
        numbers += [np.where(one >= 0, one + base, -1) for one in followed.numbers]
        told |= {number + base: name for number, name in own.items()}
    data = sequence(whole.truth, whole, Followed(numbers, []), told)
    with contextlib.redirect_stdout(io.StringIO()):
        return Identity({"PRINT_CONFIG": False}).eval_sequence(data)


def by_frame(file: Path, count: int) -> list[np.ndarray]:
    rows = np.loadtxt(file, delimiter=",", ndmin=2)
    rows = rows if rows.size else np.empty((0, 9))
    order = np.argsort(rows[:, 0], kind="stable")
    edges = np.searchsorted(rows[order, 0], np.arange(1, count + 2))
    return [rows[order[a:b]] for a, b in zip(edges, edges[1:], strict=False)]


def by_visit(truth: list[np.ndarray], away: float) -> list[np.ndarray]:
    """A person who was away for so many frames comes back as another: to know them again is not
    the tracker's task."""
    visits: dict[int, tuple[int, int]] = {}
    found = []
    for number, rows in enumerate(truth):
        rows = rows.copy()
        for row in rows:
            person = int(row[1])
            last, visit = visits.get(person, (number, 0))
            visit += number - last > away
            visits[person] = number, visit
            row[1] = 1000 * visit + person
        found.append(rows)
    return found


def relabelled(ids: list[np.ndarray]) -> tuple[int, list[np.ndarray]]:
    """Numbers from 0 without gaps."""
    known = np.unique(np.concatenate(ids))
    return len(known), [np.searchsorted(known, one) for one in ids]


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(A, B) intersection over union of corners."""
    wide = np.minimum(a[:, None, 2], b[:, 2]) - np.maximum(a[:, None, 0], b[:, 0])
    tall = np.minimum(a[:, None, 3], b[:, 3]) - np.maximum(a[:, None, 1], b[:, 1])
    common = wide.clip(0) * tall.clip(0)
    areas = [(c[:, 2] - c[:, 0]) * (c[:, 3] - c[:, 1]) for c in (a, b)]
    return common / np.maximum(areas[0][:, None] + areas[1] - common, 1e-9)


def about(recipes: Sequence[dict[str, Any]]) -> str:
    recipe, seeds = recipes[0], ", ".join(str(one["seed"]) for one in recipes)
    return (
        f"{recipe['cameras']} cameras, {recipe['people']} people, {recipe['visits']} "
        f"{'visit' if recipe['visits'] == 1 else 'visits'} each, {recipe['minutes']:g} min at "
        f"{recipe['rate']} frames/s, {recipe['width']} x {recipe['height']}, seeds {seeds}"
    )


def lines_of(found: Sequence[dict[str, Any]], by: Sequence[str]) -> str:
    """Rows of a table: the mean of the seeds, and each of them in brackets."""
    rows: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for one in found:
        rows.setdefault(tuple(one[name] for name in by), []).append(one)
    lines = []
    for key, each in rows.items():
        cells = []
        for name in each[0]:
            if name in by:
                continue
            form = "{:.0f}" if name in ("switches", "tracklets", "groups") else "{:.3f}"
            cell = form.format(np.mean([one[name] for one in each]))
            alone = ", ".join(form.format(one[name]) for one in each)
            cells.append(f"{cell} ({alone})" if name in ("HOTA", "IDF1") else cell)
        lines.append("| " + " | ".join([*key, *cells]) + " |")
    return "\n".join(lines)


def page(recipes: Sequence[dict[str, Any]], model: Embedder, inside: list[dict[str, Any]],
         across: list[dict[str, Any]]) -> str:  # fmt: skip
    own = model.fingerprint == Embedder.default().fingerprint
    return f"""# Following people: how well

`python benchmarks/tracking.py`, on drawn videos ([video.md](video.md)): {about(recipes)}. \
Metrics by TrackEval {version("trackeval")}, trackers of trackers {version("trackers")} with \
passerby's defaults; Python {platform.python_version()}. Drawn people walk straight and steadily, \
so that nothing here says how it is on a real street. Mean of the seeds, in brackets each. Without \
`--videos` the command draws {SETS} sets of {RECIPE.cameras} cameras at {RECIPE.rate} frames/s.

## In a camera

All cameras together; who was away for {AWAY:g} s counts as somebody else. Tracks whose way leads \
from one to the next are one (`--gap`). The first frame of each track is not yet confirmed and \
counts as missed.

| boxes | tracker | HOTA | AssA | MOTA | switches | IDF1 |
|---|---|---|---|---|---|---|
{lines_of(inside, ("boxes", "tracker"))}

## Across cameras

A person is one person everywhere, whether in another camera or at another visit. Tracklets by \
bytetrack, joined; mean embeddings of their crops by \
{"the model that comes with passerby" if own else "a run"} (`{model.fingerprint[:12]}`); \
groups by `gallery identify`, all that it suggests below a threshold for {FALSE_MATCHES:.1%} false \
matches of the people of the next seed (true boxes).

| boxes | profiles | tracklets | groups of several | IDP | IDR | IDF1 |
|---|---|---|---|---|---|---|
{lines_of(across, ("boxes", "profiles"))}
"""


if __name__ == "__main__":
    main()
