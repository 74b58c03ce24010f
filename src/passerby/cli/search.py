"""How queries search, as options that every kind of `passerby evaluate` has."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from passerby.evaluation.results import results_table, verification_table
from passerby.terminal import terminal
from passerby.types import InputError

if TYPE_CHECKING:
    from passerby.evaluation.protocols import Evaluation, EvaluationProtocol
    from passerby.evaluation.ranker import Reranking

_WITH = {"pooling": "--multi-query", "galleries": "--single-gallery-shot"}
_WITH["gallery_seed"] = _WITH["galleries"]


@dataclass(frozen=True)
class SearchOptions:
    """Protocol, re-ranking, and what is shown."""

    single_query: tyro.conf.FlagCreatePairsOff[bool] = False
    """Search with each query picture alone. The default, except for CUHK03's original protocol and
    MARS."""
    multi_query: tyro.conf.FlagCreatePairsOff[bool] = False
    """Search with all pictures of the query's person in the query's camera as one: those of
    gt_bbox, or of the gallery."""
    single_gallery_shot: tyro.conf.FlagCreatePairsOff[bool] = False
    """Average the CMC over random galleries with one picture of each person; AP uses the full
    gallery."""
    tracks: tyro.conf.FlagCreatePairsOff[bool] = False
    """Rank tracks instead of pictures, by one mean embedding each. The default for MARS."""
    pooling: Literal["mean", "max"] | None = None
    """How multi-query pools embeddings. If not given, mean."""
    galleries: int | None = None
    """Number of random galleries of single-gallery-shot. If not given, 100."""
    gallery_seed: int | None = None
    """Random seed of these galleries. If not given, 0."""
    rerank: tyro.conf.FlagCreatePairsOff[bool] = False
    """Re-rank (k-reciprocal encoding); works with every protocol."""
    k1: int | None = None
    """Re-ranking: neighbours in a k-reciprocal set. If not given, 20."""
    k2: int | None = None
    """Re-ranking: neighbours whose sets are averaged. If not given, 6."""
    lambda_value: float | None = None
    """Re-ranking: weight of the original distance. If not given, 0.3."""
    average_precision: Literal["step", "trapezoid", "step_50"] = "step"
    """Definition of AP in the table; the result file has each. step_50: hits beyond rank 50 add
    nothing."""
    keep_same_camera: tyro.conf.FlagCreatePairsOff[bool] = False
    """Count pictures of the query's person in the query's own camera as matches instead of leaving
    them out; single-query and tracks only."""
    verification: tyro.conf.FlagCreatePairsOff[bool] = False
    """Also report the share of same-person pairs that are missed (FNMR) at false match rates (FMR)
    of 1e-1 ... 1e-5, with the threshold for each."""
    curves: Path | None = None
    """Draw CMC and ROC to this .png."""

    @property
    def needs_pairs(self) -> bool:
        """Whether anything is shown of pairs."""
        return self.verification or self.curves is not None


def protocol_of(options: SearchOptions, own: str) -> EvaluationProtocol:
    """The protocol that the options name, with its settings.

    Args:
        options: from the command line.
        own: the data set's protocol, which is taken where none is named.

    Raises:
        InputError: two protocols, or a setting that goes with another one.
    """
    from passerby.evaluation.protocols import PROTOCOLS, SingleQuery

    flags = {kind: getattr(options, kind.replace("-", "_")) for kind in PROTOCOLS}
    named = [kind for kind, given in flags.items() if given]
    if len(named) > 1:
        raise InputError(f"choose one protocol: given --{' and --'.join(named)}")
    kind = PROTOCOLS[named[0] if named else own]
    if options.keep_same_camera and not issubclass(kind, SingleQuery):
        raise InputError(
            "--keep-same-camera works with single-query and tracks only: "
            f"the protocol is {kind.name}"
        )
    known = [field.name for field in dataclasses.fields(kind)]
    given = _given(options, _WITH)
    for name in given:
        if name not in known:
            raise InputError(f"--{name.replace('_', '-')} needs {_WITH[name]}")
    return kind(**given)


def reranking_of(options: SearchOptions) -> Reranking | None:
    """Re-ranking with its settings, if it is wanted.

    Raises:
        InputError: settings without --rerank.
    """
    from passerby.evaluation.ranker import Reranking

    given = _given(options, [field.name for field in dataclasses.fields(Reranking)])
    if given and not options.rerank:
        raise InputError(f"--{next(iter(given)).replace('_', '-')} needs --rerank")
    return Reranking(**given) if options.rerank else None


def show(found: Evaluation, options: SearchOptions) -> None:
    """Prints the tables and draws the curves."""
    if options.curves is not None and found.verification is not None:
        from passerby.figures.curves import draw_cmc_and_roc

        label = ", ".join(
            [f"{found.data} ({found.folder})", found.protocol]
            + (["re-ranked"] if found.reranking else [])
        )
        draw_cmc_and_roc({label: found.step.cmc}, {label: found.verification}, options.curves)
    console = terminal()
    console.print(results_table(found, options.average_precision))
    if options.verification:
        console.print(verification_table(found))


def _given(options: SearchOptions, names: Sequence[str] | dict[str, str]) -> dict[str, Any]:
    values = {name: getattr(options, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}
