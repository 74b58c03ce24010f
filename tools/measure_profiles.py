"""Measures camera profiles on drawn and on real people: the numbers of docs/own_cameras.md.

python tools/measure_profiles.py RUN OUT.json --drawn SET --pku FOLDER --mars FOLDER

RUN is a model that saw none of these people. SET is a drawn set (`passerby synth`), the others are
in Market-1501's layout and a manifest with tracks. No label is looked at to learn a profile: labels
say how well the ranking then is.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import passerby
from passerby.evaluation.by_track import by_track
from passerby.evaluation.results import write_plain
from passerby.gallery.calibration import calibrate
from passerby.gallery.settings import Space
from passerby.ranking.profiles import RETURNS, CameraProfile, Profiles, Tracks, runs, unit
from passerby.types import Sample, Split

REPEATS = 10
UNTRACKED = 6
"""Pictures of one person by one camera in `pku_reid`'s gallery."""

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Side:
    """Pictures with their embeddings."""

    samples: Sequence[Sample]
    rows: Matrix = field(repr=False)

    @property
    def cameras(self) -> list[str]:
        """By picture."""
        return [str(sample.camera_id) for sample in self.samples]

    @property
    def tracks(self) -> list[str | None]:
        """By picture; Market-1501's names hold none."""
        return [sample.track_id for sample in self.samples]

    def among(self, keep: NDArray[np.bool_]) -> Side:
        """Some of them."""
        kept = [sample for sample, yes in zip(self.samples, keep, strict=True) if yes]
        return Side(kept, self.rows[keep])


@dataclass(frozen=True)
class Case:
    """A data set, how its pictures become tracks, and how it is ranked."""

    split: Split
    query: Side
    gallery: Side
    tracks: Callable[[Side], list[str | None]]
    same_camera_filter: bool = True

    def scores(self, profiles: Profiles | None) -> list[float]:
        """Rank-1 and mAP in per cent, with what is taken out."""
        sides = (self.query, self.gallery)
        moved = [s.rows if profiles is None else profiles.applied(s.rows, s.cameras) for s in sides]
        return _scores(moved, sides, self.same_camera_filter)

    def learned(self, learning: Side, returns: float = RETURNS) -> Profiles:
        """Profiles from some pictures."""
        tracks = Tracks("cosine")
        tracks.add(learning.rows, learning.cameras, self.tracks(learning))
        return tracks.profiles(returns)


def whole_mean(learning: Side) -> Profiles:
    """Each camera's mean picture subtracted whole, pictures and not tracks counted: as is usual."""
    rows, cameras = unit(learning.rows), np.array(learning.cameras)
    found = {}
    for name in sorted(set(learning.cameras)):
        here = rows[cameras == name]
        found[name] = CameraProfile(len(here), 1.0, here.mean(0))
    return Profiles(found, "cosine", np.nan, "on: as asked")


def curve(case: Case, learning: Side, counts: Sequence[int], groups: list[str]) -> list[Any]:
    """Scores by how many tracks (`groups` names them) of each camera were seen; means and worst."""
    random, named, found = np.random.default_rng(0), np.array(groups), []
    cameras = np.array(learning.cameras)
    for count in counts:
        scores: dict[str, list[list[float]]] = {"profile": [], "whole mean": []}
        weights = []
        for _ in range(REPEATS):
            keep = np.zeros(len(named), bool)
            for camera in np.unique(cameras):
                here = np.unique(named[cameras == camera])
                chosen = random.choice(here, min(count, len(here)), replace=False)
                keep |= (cameras == camera) & np.isin(named, chosen)
            some = learning.among(keep)
            profiles = case.learned(some)
            weights.append(np.mean([each.weight for each in profiles.cameras.values()]))
            scores["profile"].append(case.scores(profiles))
            scores["whole mean"].append(case.scores(whole_mean(some)))
        line = {"tracks": count, "taken out": round(float(np.mean(weights)), 3)}
        for name, values in scores.items():
            line[name] = np.round(np.mean(values, 0), 1).tolist()
            line[f"{name}, worst"] = np.round(np.min(values, 0), 1).tolist()
        found.append(line)
        print(line, flush=True)
    return found


def described(profiles: Profiles) -> dict[str, Any]:
    """What was learned, without the moves."""
    cameras = {n: [p.tracks, round(p.weight, 3)] for n, p in profiles.cameras.items()}
    return {"reason": profiles.reason, "tracks and share by camera": cameras}


def table(case: Case) -> dict[str, Any]:
    """Raw, whole means, profiles, and the control of cameras dealt at random."""
    learning = case.gallery
    found: dict[str, Any] = {"raw": case.scores(None)}
    found["whole mean"] = case.scores(whole_mean(learning))
    for returns in (1.0, 1.5, RETURNS, 3.0):
        profiles = case.learned(learning, returns)
        found[f"profile, {returns:g} tracks a person"] = {
            "scores": case.scores(profiles), **described(profiles)
        }  # fmt: skip
    names = case.tracks(learning)
    control = Tracks("cosine")
    dealt = {name: str(i % 2) for i, name in enumerate(sorted({n for n in names if n}))}
    control.add(learning.rows, [dealt[n] if n else None for n in names], names)
    found["control: tracks dealt to two cameras at random"] = described(control.profiles())
    print(found, flush=True)
    return found


def thresholds(case: Case) -> dict[str, Any]:
    """FNMR at FMR 1 % of the gallery's pairs: three rules raw, then with profiles."""
    side = case.gallery
    people = np.array([sample.person_id for sample in side.samples])
    cameras = np.array([sample.camera_id for sample in side.samples])
    moved = case.learned(side).applied(side.rows, side.cameras)
    found: dict[str, Any] = {}
    for name, rows in {"raw": side.rows, "profiles": moved}.items():
        for pairs in ("other-camera", "any"):
            one = calibrate(
                rows, people, cameras, Space("measured", "cosine"), false_match_rate=0.01,
                now=0.0, pairs=pairs,  # type: ignore[arg-type]
            )  # fmt: skip
            found[f"{name}, {pairs}"] = [
                [
                    r.false_match_rate,
                    r.threshold,
                    r.false_non_match_rate,
                    r.false_non_match_interval,
                ]
                for r in one.rates
            ]
        found[f"{name}, mixed: one person other-camera, two any"] = _mixed(rows, people, cameras)
    print(found, flush=True)
    return found


def _mixed(rows: Matrix, people: NDArray[Any], cameras: NDArray[Any]) -> list[list[float]]:
    """FNMR as it was measured before both kinds of pairs followed one rule."""
    unit_rows = unit(rows)
    above = np.triu(np.ones((len(rows), len(rows)), bool), 1)
    same, other = people[:, None] == people, cameras[:, None] != cameras
    distances = 1 - unit_rows @ unit_rows.T
    genuine, impostor = distances[above & same & other], np.sort(distances[above & ~same])
    found = []
    for rate in (0.1, 0.01, 0.001):
        threshold = impostor[int(rate * len(impostor))]
        found.append([rate, float(threshold), float((genuine >= threshold).mean())])
    return found


def _scores(
    moved: Sequence[Matrix], sides: Sequence[Side], same_camera_filter: bool
) -> list[float]:
    ids = [[sample.person_id for sample in side.samples] for side in sides]
    cameras = [[sample.camera_id for sample in side.samples] for side in sides]
    given = cameras if same_camera_filter else [None, None]
    found = passerby.evaluate(*moved, *ids, *given, metric="cosine")
    return [round(100 * float(found.cmc[0]), 1), round(100 * found.mean_ap, 1)]


def _case(
    model: Any, split: Split, tracks: Callable[[Side], list[str | None]], **options: Any
) -> Case:
    sides = [
        Side(samples, model.embed_samples(samples)) for samples in (split.query, split.gallery)
    ]
    return Case(split, *sides, tracks, **options)


def _of_person(side: Side) -> list[str | None]:
    """Of drawn people: one camera sees a person once, all its pictures of one are a track."""
    return [str(sample.person_id) for sample in side.samples]


def _by_name(side: Side) -> list[str | None]:
    names = [sample.name for sample in side.samples]
    return runs(side.cameras, side.tracks, names, UNTRACKED)


def main() -> None:
    """Runs what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    for name in ("drawn", "pku", "mars"):
        parser.add_argument(f"--{name}", type=Path)
    given = parser.parse_args()
    model, began = passerby.Embedder.load(given.run).optimised(), time.time()
    found: dict[str, Any] = {"model": model.fingerprint, "config": model.config, "metric": "cosine"}
    if given.pku:
        case = _case(model, passerby.load("market1501", given.pku), _by_name)
        people = _of_person(case.gallery)
        found["pku_reid"] = {
            "table": table(case),
            "curve": curve(case, case.gallery, (2, 3, 5, 8, 12, 17, 25, 34), people),
            "thresholds": thresholds(case),
        }
    if given.mars:
        split = passerby.load("manifest", given.mars)
        case = _case(model, split, lambda side: side.tracks, same_camera_filter=False)
        found["mars_part"] = {"table": table(case)}
        reduced, q, g = by_track(split, case.query.rows, case.gallery.rows, "cosine")
        sides = Side(reduced.query, q), Side(reduced.gallery, g)
        tracked = Case(reduced, *sides, case.tracks, same_camera_filter=False)
        found["mars_part"]["by track, raw"] = tracked.scores(None)
        found["mars_part"]["by track, profile"] = tracked.scores(case.learned(case.gallery))
    if given.drawn:
        case = _case(model, passerby.load("synthetic", given.drawn), _of_person)
        people = _of_person(case.gallery)
        found["drawn"] = {
            "table": table(case),
            "curve": curve(case, case.gallery, (2, 3, 5, 10, 20, 50, 100, 200, 300), people),
        }
    found["seconds"] = round(time.time() - began)
    write_plain(given.out, found)


if __name__ == "__main__":
    main()
