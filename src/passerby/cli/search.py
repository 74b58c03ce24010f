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
    """Each query picture searches alone: the default but for CUHK03's original protocol."""
    multi_query: tyro.conf.FlagCreatePairsOff[bool] = False
    """All pictures of the query's person by the query's camera search as one: those of gt_bbox,
    or those of the gallery."""
    single_gallery_shot: tyro.conf.FlagCreatePairsOff[bool] = False
    """CMC over random galleries of one picture of each person; AP over the full gallery."""
    tracks: tyro.conf.FlagCreatePairsOff[bool] = False
    """Each track searches the gallery's tracks, one mean embedding each: the default of MARS."""
    pooling: Literal["mean", "max"] | None = None
    """How multi-query makes one embedding of several; mean if not given."""
    galleries: int | None = None
    """Random galleries of single-gallery-shot; 100 if not given."""
    gallery_seed: int | None = None
    """Of their drawing; 0 if not given."""
    rerank: tyro.conf.FlagCreatePairsOff[bool] = False
    """k-reciprocal re-ranking on top; goes with every protocol."""
    k1: int | None = None
    """Neighbours that re-ranking's k-reciprocal sets are made of; 20 if not given."""
    k2: int | None = None
    """Neighbours whose sets re-ranking averages; 6 if not given."""
    lambda_value: float | None = None
    """Weight of the original distance in re-ranking; 0.3 if not given."""
    average_precision: Literal["step", "trapezoid"] = "step"
    """The definition of AP that the table shows; the result file always has both."""
    keep_same_camera: tyro.conf.FlagCreatePairsOff[bool] = False
    """Rank pictures of the query's person by the query's own camera too, instead of leaving them
    out; single-query and tracks only."""
    verification: tyro.conf.FlagCreatePairsOff[bool] = False
    """FNMR (pairs of one person that are refused) at FMR (pairs of two that are accepted) 1e-1 ...
    1e-5, with the threshold on the distance."""
    curves: Path | None = None
    """A PNG to draw CMC and ROC to."""

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
        raise InputError(f"one protocol at a time: given --{' and --'.join(named)}")
    kind = PROTOCOLS[named[0] if named else own]
    if options.keep_same_camera and not issubclass(kind, SingleQuery):
        raise InputError(
            f"--keep-same-camera goes with single-query and tracks: the protocol is {kind.name}"
        )
    known = [field.name for field in dataclasses.fields(kind)]
    given = _given(options, _WITH)
    for name in given:
        if name not in known:
            raise InputError(f"--{name.replace('_', '-')} goes with {_WITH[name]} alone")
    return kind(**given)


def reranking_of(options: SearchOptions) -> Reranking | None:
    """Re-ranking with its settings, if it is wanted.

    Raises:
        InputError: settings without --rerank.
    """
    from passerby.evaluation.ranker import Reranking

    given = _given(options, [field.name for field in dataclasses.fields(Reranking)])
    if given and not options.rerank:
        raise InputError(f"--{next(iter(given)).replace('_', '-')} goes with --rerank alone")
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
