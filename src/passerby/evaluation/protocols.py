"""Protocols: which pictures search which, and everything that a number must stand with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from passerby.embedding.embedded import CueUse
from passerby.evaluation.by_track import by_track
from passerby.evaluation.embeddings_file import EmbeddingArrays
from passerby.evaluation.groups import GroupScore, group_scores
from passerby.evaluation.intervals import score_intervals
from passerby.evaluation.multi_query import Pooling, pooled
from passerby.evaluation.ranker import Ranker, Ranking, Reranking
from passerby.evaluation.sides import Embeddings, Sides, sides_of
from passerby.evaluation.single_shot import single_shot_cmc
from passerby.ranking.bootstrap import Interval
from passerby.ranking.matches import Matches
from passerby.ranking.metrics import scores
from passerby.ranking.verification import Verification
from passerby.types import JUNK_ID, InputError, Scores, Split

DEFINITIONS: dict[str, tuple[str, int | None]] = {
    "step": ("step", None),
    "trapezoid": ("trapezoid", None),
    "step_50": ("step", 50),
}
"""Definitions of AP by name: what `passerby.ranking.metrics.scores` takes as `average_precision`
and `ap_cutoff`. MSReID's program stops at rank 50."""

ByDefinition = dict[str, Scores]
"""Scores by a name in `DEFINITIONS`."""


class EvaluationProtocol(Protocol):
    """A way to score a ranking; its fields are its settings, and stand in result files."""

    name: ClassVar[str]

    def ranker(self, sides: Sides, ranking: Ranking) -> Ranker:
        """Who searches whom, over the full gallery."""

    def scores(self, sides: Sides, ranking: Ranking) -> ByDefinition:
        """Ranks and scores."""


@dataclass(frozen=True)
class SingleQuery:
    """Each query picture searches the gallery (Zheng et al. 2015)."""

    name: ClassVar[str] = "single-query"

    def ranker(self, sides: Sides, ranking: Ranking) -> Ranker:
        """The pictures as they are."""
        return Ranker(sides, ranking)

    def scores(self, sides: Sides, ranking: Ranking) -> ByDefinition:
        """Ranks and scores.

        Raises:
            InputError: an unknown metric, features without a distance, no query with a match.
        """
        return _by_definition(self.ranker(sides, ranking).matches())


@dataclass(frozen=True)
class MultiQuery:
    """All pictures of the query's person by the query's camera search as one (the same paper)."""

    name: ClassVar[str] = "multi-query"
    pooling: Pooling = "mean"
    """mean or max of the normalised embeddings."""

    def ranker(self, sides: Sides, ranking: Ranking) -> Ranker:
        """The pictures of a query as one; see `passerby.evaluation.multi_query.pooled`.

        Raises:
            InputError: no cameras, or the same-camera filter is off.
        """
        _needs_filter(self.name, ranking)
        return Ranker(pooled(sides, self.pooling), ranking)

    def scores(self, sides: Sides, ranking: Ranking) -> ByDefinition:
        """Ranks and scores.

        Raises:
            InputError: as `SingleQuery`, and as `ranker`.
        """
        return _by_definition(self.ranker(sides, ranking).matches())


@dataclass(frozen=True)
class SingleGalleryShot:
    """CUHK03's original: the CMC over random galleries, all else over the full gallery."""

    name: ClassVar[str] = "single-gallery-shot"
    galleries: int = 100
    """Random galleries of one picture of each person."""
    gallery_seed: int = 0
    """Of their drawing."""

    def ranker(self, sides: Sides, ranking: Ranking) -> Ranker:
        """The pictures as they are.

        Raises:
            InputError: the same-camera filter is off.
        """
        _needs_filter(self.name, ranking)
        return Ranker(sides, ranking)

    def scores(self, sides: Sides, ranking: Ranking) -> ByDefinition:
        """Ranks and scores; see `passerby.evaluation.single_shot.single_shot_cmc`.

        Raises:
            InputError: as `SingleQuery`; no cameras, or the same-camera filter is off.
        """
        ranker = self.ranker(sides, ranking)
        cmc = single_shot_cmc(ranker, self.galleries, self.gallery_seed)
        return {
            definition: dataclasses.replace(full, cmc=cmc)
            for definition, full in _by_definition(ranker.matches()).items()
        }


@dataclass(frozen=True)
class Tracks(SingleQuery):
    """Each query track searches the gallery's tracks, one mean embedding each (MARS).

    `evaluate_split` takes the means first; see `passerby.evaluation.by_track.by_track`.
    """

    name: ClassVar[str] = "tracks"


PROTOCOLS: dict[
    str, type[SingleQuery] | type[MultiQuery] | type[SingleGalleryShot] | type[Tracks]
] = {kind.name: kind for kind in (SingleQuery, MultiQuery, SingleGalleryShot, Tracks)}
"""By name; each is also its default settings."""


def find_protocol(protocol: str | EvaluationProtocol) -> EvaluationProtocol:
    """A protocol by name, with its default settings; one that is given whole is taken as it is.

    Raises:
        InputError: an unknown name.
    """
    if not isinstance(protocol, str):
        return protocol
    if protocol not in PROTOCOLS:
        raise InputError(f"the protocol must be one of {', '.join(PROTOCOLS)}: given {protocol!r}")
    return PROTOCOLS[protocol]()


@dataclass(frozen=True)
class Counts:
    """How many pictures a number stands on."""

    queries: int
    """Searches, those without a match included."""
    gallery: int
    """Gallery pictures (of `Tracks`: tracks) that can be ranked: all but junk."""
    junk: int
    """Gallery pictures with id -1, never ranked."""
    distractors: int
    """Ranked gallery pictures whose identity no query has."""


@dataclass(frozen=True)
class Evaluation:
    """Scores of one model on one data set, with all that they depend on.

    Reads like the `Scores` of `passerby.evaluate`: `mean_ap`, `cmc` and the others are those of
    `step`, the default definition of AP.
    """

    data: str
    """Name of the data set, or `embeddings`."""
    folder: str
    """Name of the folder or file that holds it: other pictures may have a data set's layout."""
    protocol: str
    """One of `PROTOCOLS`."""
    metric: str
    """Distance that the gallery was ranked by."""
    feature: str
    """Which feature the embeddings are, in words."""
    fingerprint: str
    """Names the model that made the embeddings."""
    same_camera_filter: bool
    """Pictures of the query's identity and camera were left out of its ranking."""
    step: Scores
    """AP as the mean precision at the hits."""
    trapezoid: Scores
    """AP as the Market-1501 kit computes it; all but AP equals `step`."""
    step_50: Scores
    """As `step`, but hits beyond rank 50 add nothing to AP; all but AP equals `step`."""
    counts: Counts
    """Pictures on both sides."""
    unmatched_names: tuple[str, ...]
    """Names of the queries without a match, left out of all means."""
    variant: str = ""
    """Which form of the data set, e.g. `V1`."""
    settings: Mapping[str, str | int | float] = field(default_factory=dict)
    """The protocol's own settings by name, e.g. the number of random galleries and their seed."""
    reranking: Reranking | None = None
    """k-reciprocal re-ranking on top of the metric; None: none."""
    cues: CueUse | None = None
    """Where masks and joints came from; None: the method looks at none, or it is not known."""
    verification: Verification | None = None
    """ROC and FNMR at given FMR; None: not asked for."""
    groups: Mapping[str, Mapping[str, GroupScore]] = field(default_factory=dict)
    """Scores of some of the queries: by camera, of drawn people by build, age and skin tone."""
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    """95 % intervals over people of `rank_1` and of `mean_ap` (step), shares from 0 to 1."""

    @property
    def cmc(self) -> NDArray[np.float64]:
        """As `Scores.cmc`."""
        return self.step.cmc

    @property
    def mean_ap(self) -> float:
        """As `Scores.mean_ap`, by the mean precision at the hits."""
        return self.step.mean_ap

    @property
    def mean_inp(self) -> float:
        """As `Scores.mean_inp`."""
        return self.step.mean_inp

    @property
    def ap(self) -> NDArray[np.float64]:
        """As `Scores.ap`."""
        return self.step.ap

    @property
    def first_match(self) -> NDArray[np.int64]:
        """As `Scores.first_match`."""
        return self.step.first_match

    @property
    def unmatched(self) -> NDArray[np.int64]:
        """As `Scores.unmatched`; `unmatched_names` says which they are."""
        return self.step.unmatched

    @property
    def average_precision(self) -> str:
        """As `Scores.average_precision`."""
        return self.step.average_precision


def evaluate_split(
    query_embeddings: Embeddings,
    gallery_embeddings: Embeddings,
    split: Split,
    *,
    metric: str,
    feature: str,
    fingerprint: str,
    protocol: str | EvaluationProtocol | None = None,
    reranking: Reranking | None = None,
    same_camera_filter: bool = True,
    multi_query_embeddings: Embeddings | None = None,
    cues: CueUse | None = None,
    verification: bool = False,
) -> Evaluation:
    """Scores the embeddings of a split.

    Args:
        query_embeddings: (Q, D), in the order of `split.query`.
        gallery_embeddings: (G, D), in the order of `split.gallery`.
        split: the data set.
        metric: `euclidean`, `squared_euclidean` or `cosine`.
        feature: which feature the embeddings are, in words.
        fingerprint: names the model.
        protocol: a name in `PROTOCOLS`, or one of them with its settings; None: the data set's.
        reranking: k-reciprocal re-ranking on top; None: none.
        same_camera_filter: leave pictures of the query's identity and camera out.
        multi_query_embeddings: (M, D), in the order of `split.multi_query`; multi-query without
            them takes the gallery's pictures.
        cues: where masks and joints came from.
        verification: ROC and FNMR at given FMR too.

    Raises:
        InputError: an unknown protocol, embeddings that do not fit the split, queries that are in
            the gallery themselves without the same-camera filter, or as the protocol's `scores`.
    """
    chosen = find_protocol(split.protocol if protocol is None else protocol)
    if isinstance(chosen, Tracks):
        split, query_embeddings, gallery_embeddings = by_track(
            split, query_embeddings, gallery_embeddings, metric
        )
        multi_query_embeddings = None
    sides = sides_of(split, query_embeddings, gallery_embeddings, multi_query_embeddings)
    own = int((sides.in_gallery >= 0).sum())
    if own and not same_camera_filter:
        raise InputError(
            f"without the same-camera filter a query would find itself: {own} of "
            f"{len(split.query)} queries of {split.name} are in the gallery too"
        )
    ranking = Ranking(metric, reranking, same_camera_filter)
    by_definition = chosen.scores(sides, ranking)
    return Evaluation(
        data=split.name,
        folder=split.root.resolve().name,
        protocol=chosen.name,
        metric=metric,
        feature=feature,
        fingerprint=fingerprint,
        same_camera_filter=same_camera_filter,
        step=by_definition["step"],
        trapezoid=by_definition["trapezoid"],
        step_50=by_definition["step_50"],
        counts=_counts(sides.query_ids, sides.gallery_ids),
        unmatched_names=tuple(split.query[i].name for i in by_definition["step"].unmatched),
        variant=split.variant,
        settings=_settings(chosen),
        reranking=reranking,
        cues=cues,
        verification=chosen.ranker(sides, ranking).verification() if verification else None,
        groups=group_scores(by_definition["step"], split),
        intervals=score_intervals(by_definition["step"], sides.query_ids),
    )


def evaluate_arrays(
    arrays: EmbeddingArrays,
    *,
    metric: str = "euclidean",
    same_camera_filter: bool = True,
    protocol: str | EvaluationProtocol = "single-query",
    reranking: Reranking | None = None,
    verification: bool = False,
) -> Evaluation:
    """Scores a file of embeddings; without cameras nothing is left out for them.

    Raises:
        InputError: an unknown metric or protocol, or as the protocol's `scores`.
    """
    chosen = find_protocol(protocol)
    if isinstance(chosen, Tracks):
        raise InputError("a file of embeddings has no tracks: give one row for each track")
    sides = arrays.sides
    ranking = Ranking(metric, reranking, same_camera_filter)
    by_definition = chosen.scores(sides, ranking)
    return Evaluation(
        data="embeddings",
        folder=arrays.file.name,
        protocol=chosen.name,
        metric=metric,
        feature=f"as in the file, {sides.query.shape[1]} wide",
        fingerprint="not known",
        same_camera_filter=same_camera_filter and sides.query_cameras is not None,
        step=by_definition["step"],
        trapezoid=by_definition["trapezoid"],
        step_50=by_definition["step_50"],
        counts=_counts(sides.query_ids, sides.gallery_ids),
        unmatched_names=tuple(f"query row {i}" for i in by_definition["step"].unmatched),
        settings=_settings(chosen),
        reranking=reranking,
        verification=chosen.ranker(sides, ranking).verification() if verification else None,
        intervals=score_intervals(by_definition["step"], sides.query_ids),
    )


def _by_definition(matches: Matches) -> ByDefinition:
    found = {
        name: scores(matches, kind, ap_cutoff=cutoff)
        for name, (kind, cutoff) in DEFINITIONS.items()
    }
    return {name: dataclasses.replace(s, average_precision=name) for name, s in found.items()}


def _settings(protocol: EvaluationProtocol) -> dict[str, Any]:
    return dataclasses.asdict(protocol) if dataclasses.is_dataclass(protocol) else {}


def _needs_filter(name: str, ranking: Ranking) -> None:
    if not ranking.same_camera_filter:
        raise InputError(f"{name} needs the same-camera filter")


def _counts(query_ids: NDArray[np.int64], gallery_ids: NDArray[np.int64]) -> Counts:
    junk = gallery_ids == JUNK_ID
    distractors = ~junk & ~np.isin(gallery_ids, query_ids)
    return Counts(len(query_ids), int((~junk).sum()), int(junk.sum()), int(distractors.sum()))
