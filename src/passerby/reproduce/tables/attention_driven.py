"""Attention Driven network: Tables 3 to 11 (12, parameters, is the method's own test)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from passerby.reproduce.declared import Line, Search, Table, Training

METHOD = "attention_driven"
SETTLED = {"intra_weight": 0.5, "beta": 5 / 48}
"""Lambda and beta of all tables but 3 to 5 and what 10 and 11 vary (3.2, 3.5)."""
ALIGNED = {"attention": "none", "fusion": "concatenation"}


def with_settled(name: str, changes: Mapping[str, Any]) -> Training:
    """A configuration at lambda 0.5 and beta 5H/48 where it does not change these itself."""
    return Training(METHOD, name, {**SETTLED, **changes})


INTRA_INTER = with_settled("intra-inter", {})
INTER = with_settled("inter", {"attention": "none"})
CONCATENATED = with_settled("aligned", ALIGNED)
BASELINE = with_settled("baseline", {**ALIGNED, "regions": "strips"})
INTRA = with_settled("intra", {"fusion": "concatenation"})
PLAIN = with_settled("plain-attention", {"attention": "plain"})
FC = with_settled("fc-fusion", {"attention": "none", "fusion": "fc"})

FEATURES = {
    "Global": "whole",
    "Head": "head",
    "Up-Body": "upper_body",
    "Up-Leg": "upper_leg",
    "Lower-Leg": "lower_leg",
    "Part Fusion": "parts",
}
R4 = ("rank_1", "rank_5", "rank_10", "mean_ap")
R5 = ("rank_1", "rank_5", "rank_10", "rank_20", "mean_ap")


def best(data: str) -> Training:
    """Lambda and beta that are best in Tables 10 and 11."""
    weight = 0.2 if data == "cuhk03" else 0.1
    return Training(METHOD, "best", {"intra_weight": weight, "beta": 3 / 48})


def parts() -> tuple[Line, ...]:
    """Table 7: what each branch gives, from the two whole networks."""
    lines = []
    for word, training in (("with", INTRA_INTER), ("without", INTER)):
        for name, feature in FEATURES.items():
            search = Search(feature.replace("_", "-"), {"feature": feature})
            lines.append(Line(f"{name}, {word} intra-attention", training, search))
        lines.append(Line(f"Global+Part, {word} intra-attention", training))
    return tuple(lines)


def weights() -> tuple[Line, ...]:
    """Table 10: lambda from 0 to 1."""
    lines = []
    for tenth in range(11):
        shown = "0" if tenth == 0 else f"{tenth / 10:.1f}"
        training = with_settled(f"lambda-{shown}", {"intra_weight": tenth / 10})
        lines.append(Line(f"lambda {shown}", INTRA_INTER if tenth == 5 else training))
    return tuple(lines)


def overlaps() -> tuple[Line, ...]:
    """Table 11: beta from 0 to 6H/48."""
    lines = []
    for part in range(7):
        shown = "0" if part == 0 else "H/48" if part == 1 else f"{part}H/48"
        training = with_settled(f"beta-{part}", {"beta": part / 48})
        lines.append(Line(f"beta {shown}", INTRA_INTER if part == 5 else training))
    return tuple(lines)


def controls() -> tuple[Line, ...]:
    """The whole network, without BatchNorm on S and C, and without attention."""
    plain = with_settled("no-attention-norm", {"attention_norm": False})
    return (
        Line("Intra+inter", INTRA_INTER),
        Line("Intra+inter", plain, note="S and C not normalised"),
        Line("Inter", INTER),
    )


def tables(data: str) -> tuple[Table, ...]:
    """Its tables; those of a data set alone (3 to 5) with its best lambda and beta."""
    ours = (Line("Ours", best(data)),)
    ablation = (
        Line("Baseline", BASELINE), Line("Aligned", CONCATENATED), Line("Intra", INTRA),
        Line("Inter", INTER), Line("Intra+inter", INTRA_INTER), Line("*Intra+inter", best(data)),
    )  # fmt: skip
    decomposed = (
        Line("Without attention decomposition", PLAIN),
        Line("With attention decomposition", INTRA_INTER),
    )
    fusions = (
        Line("Concatenation", CONCATENATED), Line("FC fusion", FC), Line("Inter-attention", INTER),
    )  # fmt: skip
    first = "CUHK03: the first of the 20 original splits (index 0); no mAP in the paper."
    return (
        Table(METHOD, "3", "Market-1501", ours, R5, data="market1501"),
        Table(METHOD, "4", "DukeMTMC-reID", ours, data="dukemtmc"),
        Table(METHOD, "5", "CUHK03, original protocol", ours, R4, note=first, data="cuhk03"),
        Table(METHOD, "6", "Ablation", ablation, note=f"* best lambda and beta. {first}"),
        Table(METHOD, "7", "Parts, with and without intra-attention", parts(), R4),
        Table(METHOD, "8", "Attention with and without decomposition", decomposed, R5),
        Table(METHOD, "9", "Feature fusion, without intra-attention", fusions, R5),
        Table(METHOD, "10", "Lambda", weights(), note=first),
        Table(METHOD, "11", "Beta", overlaps(), R4),
        Table(METHOD, "controls", "Normalised attention", controls(), note="Not the paper's."),
    )
