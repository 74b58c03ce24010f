"""Ranked lists: queries at left, what the gallery gives for each at right; of one or two runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.figures.lists_drawing import RankedList, lists_figure
from passerby.figures.saving import check_target, save_image
from passerby.ranking.matches import Identities, check_identities, find_matches
from passerby.ranking.metrics import scores
from passerby.ranking.nearest import nearest_first
from passerby.ranking.tiles import tiles
from passerby.types import InputError, Scores, Split

CHOICES = ("random", "best", "worst")
"""Which queries are drawn: any, or those of highest or lowest average precision."""

CHOICES_OF_TWO = (*CHOICES, "gained", "lost")
"""The same by the first of two runs; or where its average precision is most above, or below."""


@dataclass(frozen=True)
class Side:
    """One of two runs that are compared."""

    name: str
    """Stands above its lists."""
    query: NDArray[Any]
    """(Q, D) embeddings, in the order of `split.query`."""
    gallery: NDArray[Any]
    """(G, D) embeddings, in the order of `split.gallery`."""
    metric: str
    """`euclidean`, `squared_euclidean` or `cosine`."""


def draw_ranked_lists(
    split: Split,
    query_embeddings: NDArray[Any],
    gallery_embeddings: NDArray[Any],
    target: str | Path,
    *,
    metric: str,
    name: str = "",
    rows: int = 8,
    top: int = 10,
    choice: str = "random",
    seed: int = 0,
) -> None:
    """Draws queries with a match and their nearest gallery pictures, framed green or red.

    Green is the query's person, red another one. Junk, and pictures of the query's person from
    the query's own camera, are left out as in the evaluation.

    Args:
        split: the data set; its picture files are read.
        query_embeddings: (Q, D), in the order of `split.query`.
        gallery_embeddings: (G, D), in the order of `split.gallery`.
        target: the .png or .svg, written atomically.
        metric: `euclidean`, `squared_euclidean` or `cosine`.
        name: stands above the lists, e.g. what they were found by.
        rows: queries, fewer where the split has fewer with a match.
        top: gallery pictures of each, fewer where the gallery is smaller.
        choice: one of `CHOICES`.
        seed: of the random choice.

    Raises:
        InputError: embeddings that do not fit the split, rows or top below 1, an unknown choice or
            metric, a target of another ending, no query with a match, an unreadable picture.
    """
    check_target(target, "ranked lists")
    lists, matched = ranked_lists(
        split,
        query_embeddings,
        gallery_embeddings,
        metric=metric,
        rows=rows,
        top=top,
        choice=choice,
        seed=seed,
    )
    names = (name,) if name else ()
    caption = (
        f"{_which(split, len(lists), matched, choice, seed)}; nearest first by "
        f"{metric.replace('_', ' ')} distance (the number under a picture). {LEGEND}"
    )
    save_image(lists_figure([[row] for row in lists], caption, names), target)


def draw_lists_of_two(
    split: Split,
    first: Side,
    second: Side,
    target: str | Path,
    *,
    rows: int = 8,
    top: int = 5,
    choice: str = "random",
    seed: int = 0,
) -> None:
    """Draws what two runs find for the same queries, side by side.

    Args:
        split: the data set; its picture files are read.
        first: drawn at left; `best` and `worst` go by it.
        second: drawn at right.
        target: the .png or .svg, written atomically.
        rows: queries, fewer where the split has fewer with a match.
        top: gallery pictures of each run, fewer where the gallery is smaller.
        choice: one of `CHOICES_OF_TWO`.
        seed: of the random choice.

    Raises:
        InputError: as `draw_ranked_lists`.
    """
    check_target(target, "ranked lists")
    _check_size(rows, top)
    ranked = [_Ranked.of(split, side.query, side.gallery, side.metric) for side in (first, second)]
    chosen = _choose_of_two(ranked[0].scores, ranked[1].scores, rows, choice, seed)
    lists = [[side.list_of(split, int(query), top) for side in ranked] for query in chosen]
    matched = len(ranked[0].scores.ap) - len(ranked[0].scores.unmatched)
    how = " and ".join(
        f"{side.name} by {side.metric.replace('_', ' ')} distance" for side in (first, second)
    )
    caption = f"{_which(split, len(lists), matched, choice, seed)}; {how}, nearest first. {LEGEND}"
    save_image(lists_figure(lists, caption, (first.name, second.name)), target)


LEGEND = (
    "Green: the query's person; red: another person. Left out: junk, and the query's person in "
    "the query's camera."
)
"""What a figure of lists says of its colours."""


def ranked_lists(
    split: Split,
    query_embeddings: NDArray[Any],
    gallery_embeddings: NDArray[Any],
    *,
    metric: str,
    rows: int = 8,
    top: int = 10,
    choice: str = "random",
    seed: int = 0,
) -> tuple[list[RankedList], int]:
    """Chooses queries and ranks the gallery for them; arguments as `draw_ranked_lists`.

    Returns:
        lists: `rows` of them, in the order of the split when random, else best or worst first.
        matched: number of queries with a match, which the choice was from.

    Raises:
        InputError: as `draw_ranked_lists`.
    """
    _check_size(rows, top)
    ranked = _Ranked.of(split, query_embeddings, gallery_embeddings, metric)
    chosen = choose_queries(ranked.scores, rows, choice, seed)
    lists = [ranked.list_of(split, int(query), top) for query in chosen]
    return lists, len(ranked.scores.ap) - len(ranked.scores.unmatched)


@dataclass(frozen=True)
class _Ranked:
    """A gallery ranked for every query."""

    query: NDArray[Any]
    gallery: NDArray[Any]
    metric: str
    identities: Identities
    scores: Scores

    @classmethod
    def of(cls, split: Split, query: NDArray[Any], gallery: NDArray[Any], metric: str) -> _Ranked:
        identities = check_identities(
            (len(query), len(gallery)),
            [sample.person_id for sample in split.query],
            [sample.person_id for sample in split.gallery],
            [sample.camera_id for sample in split.query],
            [sample.camera_id for sample in split.gallery],
        )
        found = scores(find_matches(query, gallery, identities, metric))
        return cls(query, gallery, metric, identities, found)

    def list_of(self, split: Split, query: int, top: int) -> RankedList:
        _, block = next(tiles(self.query[query : query + 1], self.gallery, self.metric))
        distances = block[0].cpu().numpy()
        _, ranked = self.identities.matches_and_ranked(query)
        order = nearest_first(distances, np.flatnonzero(ranked))[:top]
        return RankedList(
            split.query[query],
            tuple(split.gallery[i] for i in order),
            tuple(float(distances[i]) for i in order),
            float(self.scores.ap[query]),
            int(self.scores.first_match[query]),
        )


def _check_size(rows: int, top: int) -> None:
    if rows < 1 or top < 1:
        raise InputError(f"ranked lists need rows and top of at least 1: given {rows}, {top}")


def _which(split: Split, count: int, matched: int, choice: str, seed: int) -> str:
    how = {
        "random": f"at random (seed {seed})",
        "gained": "where the first run's AP is most above the second's",
        "lost": "where the first run's AP is most below the second's",
    }.get(choice, f"those of {choice} AP")
    place = f"{split.name} ({split.root.resolve().name})"
    return f"{place}: {count} of {matched} queries with a match, {how}"


def choose_queries(result: Scores, rows: int, choice: str, seed: int) -> NDArray[np.int64]:
    """Indices of queries with a match; equal AP in the order of the split.

    Raises:
        InputError: an unknown choice.
    """
    matched = np.flatnonzero(result.first_match > 0)
    if choice == "random":
        random = np.random.Generator(np.random.PCG64(seed))
        return np.sort(random.permutation(matched)[:rows])
    if choice == "best":
        return matched[np.argsort(-result.ap[matched], kind="stable")][:rows]
    if choice == "worst":
        return matched[np.argsort(result.ap[matched], kind="stable")][:rows]
    if choice in CHOICES_OF_TWO:
        raise InputError(f"the choice {choice} compares with another run: --beside RUN")
    raise InputError(f"the choice must be one of {', '.join(CHOICES)}: given {choice!r}")


def _choose_of_two(
    first: Scores, second: Scores, rows: int, choice: str, seed: int
) -> NDArray[np.int64]:
    if choice not in ("gained", "lost"):
        return choose_queries(first, rows, choice, seed)
    matched = np.flatnonzero(first.first_match > 0)
    gain = first.ap[matched] - second.ap[matched]
    return matched[np.argsort(-gain if choice == "gained" else gain, kind="stable")][:rows]
