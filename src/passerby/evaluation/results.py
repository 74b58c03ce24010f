"""Result files and the table in the terminal: no number without what it depends on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from passerby.files import write_text
from passerby.parsing import parse_json
from passerby.types import InputError, Scores

if TYPE_CHECKING:
    from rich.table import Table

    from passerby.embedding.embedded import CueUse
    from passerby.evaluation.protocols import Evaluation
    from passerby.ranking.bootstrap import Interval
    from passerby.ranking.verification import Verification

FORMAT = 1
"""Version of the file's layout."""

NOT_ENOUGH = "not enough pairs"
"""What stands for FNMR where there are fewer than 10 / FMR pairs of two persons."""

RANKS = (1, 5, 10, 20)
"""Ranks whose CMC stands in the file by name."""


def rank_share(scores: Scores, rank: int) -> float:
    """Share of the queries whose first match is among the first `rank`.

    A gallery of fewer pictures has found every query's match by its end.
    """
    return float(scores.cmc[min(rank, len(scores.cmc)) - 1])


def mean_aps(evaluation: Evaluation) -> dict[str, float]:
    """Each mAP by its definition of AP, see `passerby.evaluation.protocols.DEFINITIONS`."""
    found = (evaluation.step, evaluation.trapezoid, evaluation.step_50)
    return {scores.average_precision: scores.mean_ap for scores in found}


def results(evaluation: Evaluation, extra: Mapping[str, Any]) -> dict[str, Any]:
    """The contents of a result file.

    Args:
        evaluation: what was measured.
        extra: what else belongs to the run (method, seed, command ...), under `run`.

    Returns:
        Plain values only; all scores are shares from 0 to 1.
    """
    ranks = {f"rank_{rank}": rank_share(evaluation.step, rank) for rank in RANKS}
    return {
        "format": FORMAT,
        "data": evaluation.data,
        "folder": evaluation.folder,
        "variant": evaluation.variant,
        "protocol": evaluation.protocol,
        "settings": dict(evaluation.settings),
        "same_camera_filter": evaluation.same_camera_filter,
        "metric": evaluation.metric,
        "reranking": None if evaluation.reranking is None else asdict(evaluation.reranking),
        "feature": evaluation.feature,
        "model": evaluation.fingerprint,
        "cues": None if evaluation.cues is None else asdict(evaluation.cues),
        "counts": {
            "queries": evaluation.counts.queries,
            "queries_without_match": len(evaluation.unmatched_names),
            "gallery_ranked": evaluation.counts.gallery,
            "gallery_junk": evaluation.counts.junk,
            "gallery_distractors": evaluation.counts.distractors,
        },
        "scores": {
            **ranks,
            **{f"mean_ap_{name}": share for name, share in mean_aps(evaluation).items()},
            "mean_inp": evaluation.step.mean_inp,
        },
        "intervals": {name: list(each) for name, each in evaluation.intervals.items()},
        "verification": _verification(evaluation.verification),
        "groups": {
            kind: {name: asdict(score) for name, score in groups.items()}
            for kind, groups in evaluation.groups.items()
        },
        "cmc": evaluation.step.cmc.tolist(),
        "queries_without_match": list(evaluation.unmatched_names),
        "run": dict(extra),
    }


def write_results(file: str | Path, evaluation: Evaluation, extra: Mapping[str, Any]) -> None:
    """Writes `results` as JSON, atomically; long lists stand on one line.

    Raises:
        InputError: `extra` holds what JSON cannot (NaN, objects).
    """
    write_plain(file, results(evaluation, extra))


def write_plain(file: str | Path, contents: Mapping[str, Any]) -> None:
    """Writes the contents of a result file, which are plain already.

    Raises:
        InputError: they hold what JSON cannot (NaN, objects).
    """
    try:
        lines = [
            f"  {_json(key)}: {_json(value, indent=2 if isinstance(value, dict) else None)}"
            for key, value in contents.items()
        ]
    except (TypeError, ValueError) as error:
        raise InputError(f"{file}: results must be plain JSON values: {error}") from error
    write_text(file, "{\n" + ",\n".join(lines) + "\n}\n")


def read_results(file: str | Path) -> dict[str, Any]:
    """Reads what `write_results` wrote.

    Raises:
        InputError: no such file, no JSON, another format, or a part is missing.
    """
    try:
        found = parse_json(Path(file).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: not a JSON file") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise InputError(f"{file}: not a result file of format {FORMAT}")
    for part in ("data", "protocol", "metric", "feature", "model", "counts", "scores", "run"):
        if part not in found:
            raise InputError(f"{file}: a result file must have {part!r}: it is missing")
    return found


def results_table(evaluation: Evaluation, average_precision: str = "step") -> Table:
    """The scores in per cent, for the terminal.

    Args:
        evaluation: what was measured.
        average_precision: the definition that mAP takes.

    Raises:
        InputError: an unknown definition.
    """
    from rich.table import Table
    from rich.text import Text

    mean_ap = mean_aps(evaluation)
    if average_precision not in mean_ap:
        raise InputError(
            f"average_precision must be one of {', '.join(mean_ap)}: given {average_precision!r}"
        )
    table = Table(
        title=Text(
            f"{evaluation.data} ({evaluation.folder}), {evaluation.protocol}, "
            f"{evaluation.metric} distance{', re-ranked' if evaluation.reranking else ''}, per cent"
        ),
        caption=Text(_caption(evaluation)),
    )
    shares = {f"rank-{rank}": rank_share(evaluation.step, rank) for rank in RANKS[:3]}
    shares[f"mAP ({average_precision})"] = mean_ap[average_precision]
    shares["mINP"] = evaluation.step.mean_inp
    for name in shares:
        table.add_column(name, justify="right")
    table.add_row(*(f"{100 * share:.2f}" for share in shares.values()))
    return table


def verification_table(evaluation: Evaluation) -> Table:
    """FNMR at given FMR in per cent, for the terminal.

    Raises:
        InputError: the evaluation has none.
    """
    from rich.table import Table

    found = evaluation.verification
    if found is None:
        raise InputError("this evaluation was made without verification")
    table = Table(
        title="FNMR at given FMR, per cent",
        caption=f"{found.genuine:,} pairs of one person, {found.impostor:,} of two",
    )
    for name in ("FMR", "below distance", "FNMR"):
        table.add_column(name, justify="right")
    for point in found.points:
        rate = f"{100 * point.false_match_rate:g}"
        if point.threshold is None or point.false_non_match_rate is None:
            table.add_row(rate, "", NOT_ENOUGH)
        else:
            miss = f"{100 * point.false_non_match_rate:.2f}"
            table.add_row(rate, f"{point.threshold:.6g}", miss)
    return table


def _verification(found: Verification | None) -> dict[str, Any] | None:
    if found is None:
        return None
    points = [
        {**asdict(point), **({"note": NOT_ENOUGH} if point.threshold is None else {})}
        for point in found.points
    ]
    return {"genuine_pairs": found.genuine, "impostor_pairs": found.impostor, "points": points}


def _caption(evaluation: Evaluation) -> str:
    counts = evaluation.counts
    chosen = [f"{name} {value}" for name, value in evaluation.settings.items()]
    if evaluation.reranking is not None:
        chosen += [f"{name} {value}" for name, value in asdict(evaluation.reranking).items()]
    lines = [
        *([evaluation.variant] if evaluation.variant else []),
        *([", ".join(chosen).replace("_", " ")] if chosen else []),
        f"feature: {evaluation.feature}",
        f"{counts.queries} queries, {len(evaluation.unmatched_names)} of them without a match",
        f"{counts.gallery} gallery {_entries(evaluation)}, {counts.distractors} of them "
        f"distractors; {counts.junk} junk left out",
        *_interval_lines(evaluation.intervals),
        f"same-camera filter {'on' if evaluation.same_camera_filter else 'off'}",
        *_cue_lines(evaluation.cues),
    ]
    return "\n".join(lines)


def _entries(evaluation: Evaluation) -> str:
    return "tracks" if evaluation.protocol == "tracks" else "pictures"


def _interval_lines(intervals: Mapping[str, Interval]) -> list[str]:
    if not intervals:
        return []
    spans = {
        name: f"{100 * low:.1f} to {100 * high:.1f}" for name, (low, high) in intervals.items()
    }
    return [f"95 % intervals over people: rank-1 {spans['rank_1']}, mAP {spans['mean_ap']}"]


def _cue_lines(cues: CueUse | None) -> list[str]:
    if cues is None:
        return []
    return [
        f"{cue}: {cues.origin}, {count} of {cues.pictures} pictures without"
        for cue, count in cues.fallbacks.items()
    ]


def _json(value: Any, indent: int | None = None) -> str:
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    return text.replace("\n", "\n  ")
