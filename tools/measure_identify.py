"""Measures who is who on drawn and on real people: the numbers of docs/own_cameras.md.

python tools/measure_identify.py OUT.json --drawn SET SET... --mars FOLDER --pku FOLDER

SET is a drawn set (`passerby synth --version 2`), whose cameras see each person once: these
pictures are a track. Thresholds are those of other people: of the next set for each drawn one, of
the first drawn one for those of pku_reid (34 and, apart, its 40 training people) and for
`mars_part`, of pku_reid for that as well; never of the people that are reported. Drawn
tracks have made-up times: everybody walks from camera to camera (`walks`). `--model RUN` takes
another model than passerby's own.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

import passerby
from passerby.evaluation.results import write_plain
from passerby.gallery.gallery import Gallery
from passerby.gallery.identified import Identified
from passerby.gallery.new_rows import NewEntries
from passerby.gallery.settings import Pairs, Space
from passerby.gallery.travel import Travel
from passerby.ranking.profiles import Tracks

RATE = 0.01
"""FMR of the calibration: how far suggestions go."""
GOAL, LOWER = 0.98, 0.95
"""Pairwise precisions."""
WAY = 60.0
"""Least seconds between two neighbouring cameras of a drawn place, which stand in a row."""
HOURS = 2.0
"""From the first to the last person who begins to walk."""

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Pictures:
    """Pictures with their embeddings, and who they are."""

    rows: Matrix = field(repr=False)
    people: Sequence[str]
    cameras: Sequence[str]
    tracks: Sequence[str]
    times: Sequence[float | None]

    @property
    def keys(self) -> list[str]:
        """Track and number: the person is no part of it."""
        return [f"{track}/{i:05d}" for i, track in enumerate(self.tracks)]


@dataclass(frozen=True)
class Scores:
    """Of one grouping of tracks."""

    precision: float | None
    """Share of the joined pairs of tracks that are one person; None: nothing was joined."""
    recall: float
    """Share of the pairs of tracks of one person that are joined."""
    idf1: float
    """Of the pictures: each person is one group at most, each group one person."""
    pairs: int
    """Joined."""
    groups: int
    """Of two tracks or more."""


def pictures_of(model: Any, samples: Sequence[Any], one_track: bool, seed: int) -> Pictures:
    """Embeds a data set; `one_track`: each camera sees each person once."""
    people, cameras = [str(s.person) for s in samples], [str(s.camera) for s in samples]
    if one_track:
        tracks = [f"{p}-{c}" for p, c in zip(people, cameras, strict=True)]
        numbers = {name: i for i, name in enumerate(sorted(set(tracks), key=_shuffled(seed)))}
        times: list[float | None] = list(walks(people, cameras, seed))
        tracks = [f"t{numbers[name]:05d}" for name in tracks]
    else:
        tracks, times = [str(s.track_id) for s in samples], [None] * len(samples)
    return Pictures(model.embed_samples(samples), people, cameras, tracks, times)


def walks(people: Sequence[str], cameras: Sequence[str], seed: int) -> list[float]:
    """A time for each picture: people walk past their cameras in random order, with pauses."""
    draw = np.random.default_rng(seed)
    begins: dict[tuple[str, str], float] = {}
    seen: dict[str, set[str]] = {}
    for person, camera in zip(people, cameras, strict=True):
        seen.setdefault(person, set()).add(camera)
    places = {name: i for i, name in enumerate(sorted(set(cameras)))}
    for person in sorted(seen):
        now, before = draw.uniform(0, HOURS * 3600), None
        for camera in draw.permutation(sorted(seen[person])):
            if before is not None:
                now += 20 + WAY * abs(places[camera] - places[before]) + draw.exponential(120)
            begins[person, camera], before = now, camera
    return [begins[p, c] + draw.uniform(0, 20) for p, c in zip(people, cameras, strict=True)]


def travel_of(cameras: Sequence[str]) -> Travel:
    """What is known of the ways."""
    names = sorted(set(cameras))
    return Travel({
        frozenset((one, other)): WAY * (names.index(other) - i)
        for i, one in enumerate(names) for other in names[i + 1 :]
    })  # fmt: skip


def scores(groups: Sequence[Sequence[str]], pictures: Pictures) -> Scores:
    """Compares groups of tracks with who they are."""
    tracks, whose = np.unique(pictures.tracks, return_index=True)
    people = np.unique(np.array(pictures.people)[whose], return_inverse=True)[1]
    place = {str(name): i for i, name in enumerate(tracks)}
    label = np.arange(len(tracks))
    for group in groups:
        rows = [place[name] for name in group]
        label[rows] = label[rows[0]]
    above = np.triu(np.ones((len(tracks),) * 2, bool), 1)
    joined, true = (label[:, None] == label) & above, (people[:, None] == people) & above
    right, pairs = int((joined & true).sum()), int(joined.sum())
    counts = np.unique(pictures.tracks, return_counts=True)[1]
    table = np.zeros((len(tracks), people.max() + 1))
    np.add.at(table, (label, people), counts)
    match = linear_sum_assignment(-table)
    return Scores(
        right / pairs if pairs else None, right / max(1, int(true.sum())),
        float(table[match].sum() / counts.sum()), pairs, len(groups),
    )  # fmt: skip


def up_to(found: Identified, steps: int) -> list[list[str]]:
    """The groups after so many steps, by track."""
    above: dict[str, str] = {}

    def top(name: str) -> str:
        while above.setdefault(name, name) != name:
            name = above[name]
        return name

    for step in found.suggestions[:steps]:
        above[top(_track(step.other.key))] = top(_track(step.one.key))
    groups: dict[str, list[str]] = {}
    for name in list(above):
        groups.setdefault(top(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def identified(
    pictures: Pictures, known: Pictures, pairs: Pairs, profiled: bool, travel: Travel | None
) -> Identified:
    """What a gallery of these pictures suggests, calibrated on the known ones.

    The known ones get profiles of their own, where there are profiles: they walked elsewhere.
    """
    rows = _profiled(known) if profiled else known.rows
    with (
        tempfile.TemporaryDirectory() as folder,
        Gallery.open(Path(folder) / "g", Space("measured", "cosine")) as gallery,
    ):
        gallery.add(pictures.rows, NewEntries(
            keys=pictures.keys, cameras=list(pictures.cameras),
            track_ids=list(pictures.tracks), timestamps=list(pictures.times),
        ))  # fmt: skip
        if profiled:
            gallery.profile()
        # Cameras that the gallery has no profile of: these rows stay as they are.
        elsewhere = [f"elsewhere {camera}" for camera in known.cameras]
        gallery.calibrate(RATE, rows, list(known.people), elsewhere, pairs=pairs)
        return gallery.identify(travel=travel, precision=GOAL)


def measured(
    pictures: Pictures, known: Pictures, pairs: Pairs, profiled: bool, travel: Travel | None
) -> dict[str, Any]:
    """One line of a table: what is joined at two bounds, and what is suggested."""
    found = identified(pictures, known, pairs, profiled, travel)
    sure = sum((step.precision or 0) >= LOWER for step in found.suggestions)
    return {
        "tracks": found.tracks,
        f"bound {GOAL}": asdict(scores([_names(g.tracks) for g in found.groups], pictures)),
        f"bound {LOWER}": asdict(scores(up_to(found, sure), pictures)),
        "all suggestions": asdict(scores(up_to(found, len(found.suggestions)), pictures)),
        "notes": list(found.notes),
    }


def table(pictures: Pictures, known: Pictures, pairs: Pairs, timed: bool) -> dict[str, Any]:
    """With and without profiles, times and ways; and the controls."""
    way = travel_of(pictures.cameras) if timed else None
    plain = replace(pictures, times=[None] * len(pictures.times))
    found = {"plain": measured(plain, known, pairs, False, None)}
    found["profiles"] = measured(plain, known, pairs, True, None)
    if timed:
        found["profiles, times"] = measured(pictures, known, pairs, True, None)
        found["profiles, times, ways"] = measured(pictures, known, pairs, True, way)
    draw = np.random.default_rng(0)
    random = draw.standard_normal(pictures.rows.shape).astype(np.float32)
    found["control: random embeddings"] = measured(
        replace(plain, rows=random), known, pairs, False, None
    )
    dealt = replace(plain, rows=pictures.rows[draw.permutation(len(pictures.rows))])
    found["control: pictures dealt to tracks at random"] = measured(
        dealt, known, pairs, False, None
    )
    for name, line in found.items():
        print(name, {k: v for k, v in line.items() if k != "notes"}, flush=True)
    return found


def _profiled(pictures: Pictures) -> Matrix:
    tracks = Tracks("cosine")
    tracks.add(pictures.rows, pictures.cameras, pictures.tracks)
    return tracks.profiles().applied(pictures.rows, pictures.cameras)


def _track(key: str) -> str:
    return key.rpartition("/")[0]


def _names(tracks: Sequence[Any]) -> list[str]:
    return [_track(track.key) for track in tracks]


def _shuffled(seed: int) -> Any:
    """An order of names that says nothing of who they are."""
    return lambda name: np.random.default_rng([seed, *name.encode()]).random()


def main() -> None:
    """Runs what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--drawn", type=Path, nargs="+", required=True)
    parser.add_argument("--model", type=Path)
    for name in ("mars", "pku"):
        parser.add_argument(f"--{name}", type=Path)
    given = parser.parse_args()
    if len(given.drawn) < 2:
        parser.error("--drawn needs two sets at least: each is calibrated on another")
    load = passerby.Embedder.load
    model = (load(given.model) if given.model else passerby.Embedder.default()).optimised()
    found: dict[str, Any] = {"model": model.fingerprint, "metric": "cosine", "rate": RATE}

    def embedded(
        kind: str, root: Path, one_track: bool, seed: int = 0, part: str = "test"
    ) -> Pictures:
        split = passerby.load(kind, root)
        samples = split.train if part == "train" else [*split.query, *split.gallery]
        return pictures_of(model, samples, one_track, seed)

    real: dict[str, Pictures] = {}

    drawn = [embedded("synthetic", root, True, seed) for seed, root in enumerate(given.drawn)]
    for root, pictures, known in zip(given.drawn, drawn, drawn[1:] + drawn[:1], strict=True):
        found[f"drawn {root.name}"] = table(pictures, known, "other-camera", True)
    if given.pku:
        for part in ("train", "test"):
            real[part] = embedded("market1501", given.pku, True, 98, part)
            found[f"pku_reid {part}, calibrated on drawn people"] = table(
                real[part], drawn[0], "other-camera", False
            )
    if given.mars:
        pictures = embedded("manifest", given.mars, False)
        found["mars_part, calibrated on drawn people"] = table(pictures, drawn[0], "any", False)
        if given.pku:
            found["mars_part, calibrated on pku_reid"] = table(pictures, real["test"], "any", False)
    write_plain(given.out, found)


if __name__ == "__main__":
    main()
