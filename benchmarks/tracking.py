"""How well people are followed in drawn videos; writes docs/performance-tracking.md.

    python benchmarks/tracking.py [--videos FOLDER]
    python benchmarks/tracking.py --quick

The videos are drawn as `passerby synth FOLDER --video` draws them, small enough for minutes. HOTA
(Luiten et al. 2021), CLEAR (Bernardin, Stiefelhagen 2008) and IDF1 (Ristani et al. 2016) in each
camera come from the library TrackEval: its own matching, at an intersection over union of 0.5 for
CLEAR and IDF1. Truth are the people of whom at least a tenth is seen; who was away for 3 s counts
as somebody else, for to know people again is not the tracker's task. Boxes are the true ones, and
those of the made-up detector; frames are not looked at. `--quick` draws 6 s and writes no page.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

from passerby.drawing import VideoRecipe, write_video_set
from passerby.files import write_text
from passerby.video.boxes import Boxes
from passerby.video.tracker import Tracker, TrackerSettings

PAGE = Path(__file__).parents[1] / "docs" / "performance-tracking.md"
LEAST_SEEN = 0.1
RECIPE = VideoRecipe(cameras=3, people=12, minutes=1.5, rate=5)
AWAY = 3.0
"""Seconds."""
TRACKERS = ("bytetrack", "ocsort", "botsort")
BOXES = {"true boxes": "gt/gt.txt", "made-up detector": "det/det.txt"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=Path)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = given.videos or Path(temporary) / "videos"
        if given.quick:
            recipe = VideoRecipe(cameras=1, people=4, visits=1, minutes=0.1, width=160, height=96)
            write_video_set(Path(temporary) / "quick", recipe)
            root = Path(temporary) / "quick"
        elif not (root / "video.json").is_file():
            write_video_set(root, RECIPE)
        lines = [line for kind in BOXES for by in TRACKERS for line in measured(root, kind, by)]
        table = "\n".join(lines)
        print(table)
        if not given.quick:
            write_text(PAGE, page(root, table))


def measured(root: Path, kind: str, by: str) -> list[str]:
    """One line of the table: all cameras together."""
    from trackeval.metrics import CLEAR, HOTA, Identity

    metrics = {"HOTA": HOTA(), "CLEAR": CLEAR({"PRINT_CONFIG": False}),
               "Identity": Identity({"PRINT_CONFIG": False})}  # fmt: skip
    found: dict[str, dict[str, dict[str, object]]] = {name: {} for name in metrics}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        data = sequence(folder, BOXES[kind], by)
        for name, metric in metrics.items():
            with contextlib.redirect_stdout(io.StringIO()):
                found[name][folder.name] = metric.eval_sequence(data)
    whole = {name: metric.combine_sequences(found[name]) for name, metric in metrics.items()}
    hota, clear, identity = whole["HOTA"], whole["CLEAR"], whole["Identity"]
    return [
        f"| {kind} | {by} | {np.mean(hota['HOTA']):.3f} | {np.mean(hota['AssA']):.3f} "
        f"| {clear['MOTA']:.3f} | {clear['IDSW']:.0f} | {identity['IDF1']:.3f} |"
    ]


def sequence(folder: Path, boxes: str, by: str) -> dict[str, object]:
    """A camera's truth and tracks, as TrackEval's metrics take them."""
    about = dict(
        line.split("=") for line in (folder / "seqinfo.ini").read_text().split() if "=" in line
    )
    count, rate = int(about["seqLength"]), float(about["frameRate"])
    truth = by_frame(folder / "gt" / "gt.txt", count)
    truth = by_visit([rows[rows[:, 8] >= LEAST_SEEN] for rows in truth], AWAY * rate)
    given = by_frame(folder / boxes, count)
    if boxes.startswith("gt"):
        given = truth
    tracker = Tracker(TrackerSettings(by), rate)
    tracks = []
    for number, rows in enumerate(given):
        corners = rows[:, 2:6].astype(np.float32)
        corners[:, 2:] += corners[:, :2]
        numbers = tracker.update(Boxes(corners, rows[:, 6].astype(np.float32)), number / rate)
        tracks.append((numbers[numbers >= 0], corners[numbers >= 0]))
    people, persons = relabelled([rows[:, 1].astype(int) for rows in truth])
    kept, others = relabelled([numbers for numbers, _ in tracks])
    return {
        "num_timesteps": count,
        "num_gt_ids": people, "num_tracker_ids": kept,
        "num_gt_dets": sum(map(len, persons)), "num_tracker_dets": sum(map(len, others)),
        "gt_ids": persons, "tracker_ids": others,
        "similarity_scores": [
            overlap(rows[:, 2:6] + np.pad(rows[:, 2:4], ((0, 0), (2, 0))), corners)
            for rows, (_, corners) in zip(truth, tracks, strict=True)
        ],
    }  # fmt: skip


def by_frame(file: Path, count: int) -> list[np.ndarray]:
    rows = np.loadtxt(file, delimiter=",", ndmin=2)
    rows = rows if rows.size else np.empty((0, 9))
    return [rows[rows[:, 0] == number] for number in range(1, count + 1)]


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


def page(root: Path, table: str) -> str:
    recipe = json.loads((root / "video.json").read_text())
    return f"""# Following people: how well

`python benchmarks/tracking.py`, on drawn videos ([video.md](video.md)): {recipe["cameras"]} \
cameras, {recipe["people"]} people, {recipe["visits"]} visits each, {recipe["minutes"]:g} minutes \
at {recipe["rate"]} frames/s, {recipe["width"]} x {recipe["height"]}, seed {recipe["seed"]}. In \
each camera, all cameras together; who was away for {AWAY:g} s \
counts as somebody else; metrics by TrackEval {version("trackeval")}, trackers of \
trackers {version("trackers")} with passerby's defaults; Python {platform.python_version()}. \
The first two frames of each track are not yet confirmed and count as missed; \
drawn people walk straight and steadily, so that nothing here says how it is on a real street.

| boxes | tracker | HOTA | AssA | MOTA | switches | IDF1 |
|---|---|---|---|---|---|---|
{table}
"""


if __name__ == "__main__":
    main()
