"""Camera profiles: what a model makes of one camera's pictures, learned without a label.

A camera's light, colours and view move the embeddings of everybody it sees, so that strangers in
one camera are nearer than one person in two. A profile takes the move out again. How far that may
go is an empirical Bayes question (Efron, Morris: Data analysis using Stein's estimator and its
generalizations, JASA 70, 1975), asked of tracks alone:

    x_ct = mu + b_c + u_ct,     b_c ~ N(0, tau2 I),     u_ct ~ N(0, sigma2 I)

x_ct is the mean embedding of track t in camera c, b_c the camera's move, u_ct the person on the
track. The mean of a camera's n_c tracks holds its move and the mean of its people, whose variance
is r sigma2 / n_c: r tracks are one person who came back (`RETURNS`), and count once. Hence

    E[b_c | x] = lambda_c (m_c - mu),     lambda_c = tau2 / (tau2 + r sigma2 / n_c)

is what is subtracted. Both variances are those of the one-way analysis of variance (unequal n_c,
the method of moments: Searle, Casella, McCulloch: Variance Components, 1992, section 3.6), summed
over the D numbers of an embedding; with N tracks of C cameras, n_c / r people in each,

    sigma2 = sum_ct |x_ct - m_c|^2 / sum_c max(0, n_c - r)
    tau2 = max(0, (MS - r sigma2) / n_0),    MS = sum_c n_c |m_c - m|^2 / (C - 1)
    n_0 = (N - sum_c n_c^2 / N) / (C - 1)

and mu is the mean of the m_c weighted by 1 / (tau2 + r sigma2 / n_c). With many tracks lambda_c
goes to 1; where the cameras differ no more than the people in them by chance (MS <= r sigma2), tau2
is 0 and every embedding stays as it is. So the data decide, and `Profiles.reason` says which it
was. With n tracks in each camera lambda = 1 - r sigma2 / MS, the positive-part James-Stein factor.

Pictures do not count: a hundred of one person are one person. Those without a track are left out,
unless the user says how many that follow each other show one person (`runs`).

The scale of each number was tried too (standard deviations of the cameras made equal): it changed
mAP by less than half a point; a lambda for each principal direction was worse than one for all
(docs/own_cameras.md).
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.types import InputError

RETURNS = 2.0
"""r: tracks of one camera that are taken for one person. No label says how often people come back;
1 would take every track for somebody else, and harms where they do come back (the page's table)."""


@dataclass(frozen=True)
class CameraProfile:
    """One camera's part."""

    tracks: int
    """n_c: tracks that it was learned from."""
    weight: float
    """lambda_c: share of the camera's move that is taken out; 0: embeddings stay as they are."""
    move: NDArray[np.float32] = field(repr=False, compare=False)
    """(D,) what is subtracted: lambda_c (m_c - mu)."""


@dataclass(frozen=True)
class Profiles:
    """Those of all cameras that were learned together."""

    cameras: Mapping[str, CameraProfile]
    """By camera; others stay as they are."""
    metric: str
    """Of the embeddings: under `cosine` they are divided by their length before and after."""
    ratio: float
    """MS / (r sigma2): how much more cameras differ than chance would make; NaN: not to be seen."""
    reason: str
    """Why something is taken out, or nothing."""

    @property
    def on(self) -> bool:
        """Whether any embedding changes."""
        return any(profile.weight > 0 for profile in self.cameras.values())

    @property
    def fingerprint(self) -> str:
        """Names what is done to embeddings; empty: nothing."""
        if not self.on:
            return ""
        digest = hashlib.blake2b(self.metric.encode(), digest_size=8)
        for camera, profile in sorted(self.cameras.items()):
            name = camera.encode("utf-8", "surrogatepass")
            digest.update(len(name).to_bytes(4, "big") + name + profile.move.tobytes())
        return digest.hexdigest()

    def plain(self) -> dict[str, Any]:
        """As a gallery's settings keep them."""
        return {
            "metric": self.metric,
            # NaN is not JSON's.
            "ratio": self.ratio if np.isfinite(self.ratio) else None,
            "reason": self.reason,
            "cameras": {
                name: {
                    "tracks": profile.tracks,
                    "weight": profile.weight,
                    "move": base64.b64encode(profile.move.astype("<f4").tobytes()).decode(),
                }
                for name, profile in self.cameras.items()
            },
            "fingerprint": self.fingerprint,
        }

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Profiles:
        """From what `plain` made.

        Raises:
            KeyError, TypeError, ValueError: it is damaged.
        """
        cameras = {
            str(name): CameraProfile(
                int(kept["tracks"]),
                float(kept["weight"]),
                np.frombuffer(base64.b64decode(kept["move"]), "<f4").astype(np.float32),
            )
            for name, kept in plain["cameras"].items()
        }
        ratio = np.nan if plain["ratio"] is None else float(plain["ratio"])
        found = cls(cameras, str(plain["metric"]), ratio, str(plain["reason"]))
        if found.fingerprint != plain["fingerprint"]:
            raise ValueError("camera profiles are not those of their fingerprint")
        return found

    def applied(
        self, embeddings: NDArray[np.float32], cameras: Sequence[str | None]
    ) -> NDArray[np.float32]:
        """(N, D) embeddings without their cameras' moves; the same array where nothing changes.

        Args:
            embeddings: (N, D), as the model made them.
            cameras: N cameras; those that are not known or have no profile change nothing.

        Raises:
            InputError: cameras of another number, embeddings of another width.
        """
        if len(cameras) != len(embeddings):
            raise InputError(
                f"cameras must be as many as the embeddings: {len(cameras)} for {len(embeddings)}"
            )
        names = sorted(name for name, each in self.cameras.items() if each.weight > 0)
        if not names or len(embeddings) == 0:
            return embeddings
        places = {name: place for place, name in enumerate(names)}
        whose = np.array([places.get(camera or "", -1) for camera in cameras])
        moves = np.stack([self.cameras[name].move for name in names])
        if moves.shape[1] != embeddings.shape[1]:
            raise InputError(
                f"profiles of {moves.shape[1]} numbers do not fit embeddings of "
                f"{embeddings.shape[1]}"
            )
        moved = unit(embeddings) if self.metric == "cosine" else embeddings.astype(np.float32)
        there = whose >= 0
        moved[there] -= moves[whose[there]]
        return unit(moved) if self.metric == "cosine" else moved


class Tracks:
    """Sums of embeddings by camera and track.

    Args:
        metric: of the embeddings.
    """

    def __init__(self, metric: str) -> None:
        self._metric = metric
        self._sums: dict[tuple[str, str], NDArray[np.float64]] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self.alone = 0
        """Pictures of known cameras that were left out because they have no track."""

    @property
    def empty(self) -> bool:
        """Whether there is no track of a known camera so far."""
        return not self._sums

    def add(
        self,
        embeddings: NDArray[np.float32],
        cameras: Sequence[str | None],
        tracks: Sequence[str | None],
    ) -> None:
        """Takes (N, D) embeddings with N cameras and tracks; a track counts in each of its cameras.

        Raises:
            InputError: a zero embedding under cosine.
        """
        if self._metric == "cosine":
            embeddings = unit(embeddings)
        for row, camera, track in zip(embeddings, cameras, tracks, strict=True):
            if not camera or not track:
                self.alone += bool(camera)
                continue
            key = camera, track
            if key in self._sums:
                self._sums[key] += row
                self._counts[key] += 1
            else:
                self._sums[key], self._counts[key] = row.astype(np.float64), 1

    def profiles(self, returns: float = RETURNS) -> Profiles:
        """What the tracks so far say of each camera; see the module's derivation.

        Raises:
            InputError: no track of a known camera, or `returns` below 1.
        """
        if not returns >= 1:
            raise InputError(f"tracks of one person must be at least 1: given {returns}")
        if self.empty:
            raise InputError(
                "camera profiles need tracks of known cameras: there are none"
                + (
                    f", and {self.alone:,} pictures without a track: --untracked N takes N that "
                    "follow each other for one track"
                    if self.alone
                    else ""
                )
            )
        keys = sorted(self._sums)
        means = np.stack([self._sums[key] / self._counts[key] for key in keys])
        names, whose = np.unique([camera for camera, _ in keys], return_inverse=True)
        return _learned(means, [str(name) for name in names], whose, self._metric, returns)


def runs(
    cameras: Sequence[str | None],
    tracks: Sequence[str | None],
    order: Sequence[Any],
    length: int,
) -> list[str | None]:
    """The tracks, and runs of `length` pictures where there is none: as if each showed one person.

    Args:
        cameras: N cameras; a run is of one.
        tracks: N tracks, None or empty where there is none.
        order: N values that sort pictures as they follow each other, e.g. (time, name).
        length: pictures that follow each other and show one person.

    Raises:
        InputError: a length below 1.
    """
    if length < 1:
        raise InputError(f"a run needs at least 1 picture: given {length}")
    found: list[str | None] = list(tracks)
    met: Counter[str] = Counter()
    for row in sorted(range(len(cameras)), key=lambda row: order[row]):
        camera = cameras[row]
        if camera and not tracks[row]:
            # No track is called so: a line break is in no name.
            found[row] = f"run\n{met[camera] // length}"
            met[camera] += 1
    return found


def _learned(
    x: NDArray[np.float64],
    names: list[str],
    whose: NDArray[np.int64],
    metric: str,
    returns: float,
) -> Profiles:
    """Profiles from (N, D) means of tracks and the place of each one's camera in `names`."""
    n = np.bincount(whose).astype(np.float64)
    m = np.stack([x[whose == place].mean(0) for place in range(len(names))])
    free = float(np.maximum(0, n - returns).sum())
    weight, mu, ratio = np.zeros(len(names)), x.mean(0), np.nan
    if len(names) > 1 and free > 0:
        chance = returns * ((x - m[whose]) ** 2).sum() / free
        between = (n * ((m - mu) ** 2).sum(1)).sum() / (len(names) - 1)
        n_0 = (n.sum() - (n**2).sum() / n.sum()) / (len(names) - 1)
        tau2 = max(0.0, (between - chance) / n_0)
        ratio = float(between / chance) if chance > 0 else np.inf
        if tau2 > 0:
            precision = 1 / (tau2 + chance / n)
            mu = (precision[:, None] * m).sum(0) / precision.sum()
            weight = tau2 * precision
    moves = (weight[:, None] * (m - mu)).astype(np.float32)
    cameras = {
        name: CameraProfile(int(n[place]), float(weight[place]), moves[place])
        for place, name in enumerate(names)
    }
    return Profiles(cameras, metric, ratio, _reason(len(names), free, ratio))


def _reason(cameras: int, free: float, ratio: float) -> str:
    if cameras == 1:
        return "off: there is one camera, and nothing to tell it from"
    if free == 0:
        return "off: too few tracks in every camera to tell it from the people in it"
    found = f"cameras differ {ratio:.2f} times as much as the people in them make by chance"
    return f"{'on' if ratio > 1 else 'off'}: {found}"


def unit(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, D) rows of length 1, in an array of their own.

    Raises:
        InputError: a row is zero or not finite.
    """
    lengths = np.linalg.norm(embeddings.astype(np.float32), axis=1, keepdims=True)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise InputError("cosine distances need finite embeddings other than zero")
    return np.asarray(embeddings / lengths, np.float32)
