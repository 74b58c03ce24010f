"""Embeddings in two dimensions, by principal components."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.figures.saving import check_target, new_figure, save_figure
from passerby.types import JUNK_ID, InputError, Split

MARKS = "os^vDPX*<>hd"
"""One for each camera, over again where there are more."""


@dataclass(frozen=True)
class Plane:
    """Embeddings as points."""

    points: NDArray[np.float64]
    """(N, 2)."""
    shares: tuple[float, float]
    """Of the variance, that each axis shows."""
    people: NDArray[np.int64]
    """(N,) person ids."""
    cameras: NDArray[np.int64]
    """(N,) camera ids."""


def principal_plane(embeddings: NDArray[Any]) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """(N, D) -> (N, 2) along the first two principal components, and their shares of the variance.

    The sign of an axis is free: the entry of the component that is greatest in size is positive.

    Raises:
        InputError: fewer than three embeddings, or of fewer than two numbers.
    """
    if embeddings.ndim != 2 or len(embeddings) < 3 or embeddings.shape[1] < 2:
        raise InputError(f"a plane needs embeddings (N > 2, D > 1): given {embeddings.shape}")
    centred = embeddings.astype(np.float64) - embeddings.mean(axis=0, dtype=np.float64)
    _, lengths, components = np.linalg.svd(centred, full_matrices=False)
    axes = components[:2].T
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), [0, 1]] < 0, -1, 1)
    whole = float((lengths**2).sum())
    shares = (lengths[:2] ** 2 / whole).tolist() if whole > 0 else [0.0, 0.0]
    return centred @ axes, (shares[0], shares[1])


def plane_of(
    split: Split,
    query_embeddings: NDArray[Any],
    gallery_embeddings: NDArray[Any],
    *,
    metric: str,
    people: int = 10,
    seed: int = 0,
) -> Plane:
    """The test pictures of some people, and the plane that shows most of how these differ.

    Args:
        split: the data set.
        query_embeddings: (Q, D), in the order of `split.query`.
        gallery_embeddings: (G, D), in the order of `split.gallery`.
        metric: `cosine` brings embeddings to length 1 first.
        people: how many of the queries' persons, chosen at random; all where there are fewer.
        seed: of the choice.

    Raises:
        InputError: embeddings that do not fit the split, people below 1, or fewer than three
            pictures.
    """
    samples = [*split.query, *split.gallery]
    embeddings = np.concatenate([query_embeddings, gallery_embeddings])
    if len(embeddings) != len(samples) or len(query_embeddings) != len(split.query):
        raise InputError(
            f"{len(split.query)} queries and {len(split.gallery)} gallery pictures need as many "
            f"embeddings: given {len(query_embeddings)} and {len(gallery_embeddings)}"
        )
    if people < 1:
        raise InputError(f"a plane shows at least one person: given {people}")
    ids = np.array([sample.person_id for sample in samples], np.int64)
    known = np.setdiff1d([sample.person_id for sample in split.query], [JUNK_ID])
    chosen = np.random.Generator(np.random.PCG64(seed)).permutation(known)[:people]
    shown = np.isin(ids, chosen)
    if metric == "cosine":
        lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
        embeddings = embeddings / np.maximum(lengths, np.finfo(np.float32).tiny)
    points, shares = principal_plane(embeddings[shown])
    cameras = np.array([sample.camera_id for sample in samples], np.int64)
    return Plane(points, shares, ids[shown], cameras[shown])


def draw_plane(plane: Plane, target: str | Path, *, title: str = "") -> None:
    """Draws a point for each picture: its colour is the person, its form the camera.

    Args:
        plane: from `plane_of`.
        target: the .png or .svg, written atomically.
        title: above.

    Raises:
        InputError: another ending than .png or .svg.
    """
    import matplotlib

    check_target(target, "embeddings")
    figure, (axes,) = new_figure(height=5)
    people, cameras = np.unique(plane.people), np.unique(plane.cameras)
    colours = matplotlib.colormaps["tab10" if len(people) <= 10 else "tab20"]
    for order, person in enumerate(people):
        for place, camera in enumerate(cameras):
            here = (plane.people == person) & (plane.cameras == camera)
            form, colour = MARKS[place % len(MARKS)], colours(order % colours.N)
            axes.plot(*plane.points[here].T, form, color=colour, markersize=5, alpha=0.8)
    for place, camera in enumerate(cameras):
        axes.plot([], [], MARKS[place % len(MARKS)], color="grey", label=f"camera {camera}")
    axes.legend(fontsize="small")
    for name, share in zip(("x", "y"), plane.shares, strict=True):
        number = "first" if name == "x" else "second"
        getattr(axes, f"set_{name}label")(f"{number} component, {share:.0%} of the variance")
    axes.set_title(title or f"{len(people)} people, a colour each", fontsize="medium")
    save_figure(figure, target)
