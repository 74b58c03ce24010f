"""Feature Mask Network: Tables 1 to 5."""

from __future__ import annotations

from passerby.reproduce.declared import Line, Search, Table, Training

POOL1 = Training("feature_mask", "pool1")
GRN = Search("grn", {"feature": "grn"})
LAN = Search("lan", {"feature": "lan"})
RERANKED = Search("re-ranked", reranking=True)


def tap(name: str) -> Training:
    """Another masked layer; GRN is the same for all, so that stage 1 is trained once."""
    return Training("feature_mask", name, {"tap": name}, POOL1, "global")


def control(mask: str) -> Training:
    """GRN as it is, LAN without a mask, or with another picture's."""
    return Training("feature_mask", f"mask-{mask}", {"mask": mask}, POOL1, "global")


def controls() -> tuple[Line, ...]:
    """What the mask is worth: LAN and both, with no mask and with exchanged ones."""
    lines = [Line("LAN", POOL1, LAN), Line("FMN", POOL1)]
    for mask, words in (("none", "no mask"), ("exchanged", "masks exchanged in training")):
        lines.append(Line("LAN", control(mask), LAN, words))
        lines.append(Line("FMN", control(mask), note=words))
    swapped = Search("lan-exchanged", {"feature": "lan", "mask": "exchanged"})
    lines.append(Line("LAN", POOL1, swapped, "masks exchanged in the search"))
    return tuple(lines)


def tables(data: str) -> tuple[Table, ...]:
    """Its tables; the same for every data set."""
    own = (Line("GRN", POOL1, GRN), Line("LAN", POOL1, LAN), Line("FMN", POOL1))
    compared = (
        Line("Basel.", POOL1, GRN),
        Line("FMN", POOL1),
        Line("FMN+re-rank", POOL1, RERANKED),
    )
    ranks = ("rank_1", "rank_5", "rank_20", "mean_ap")
    taps = tuple(Line(name.capitalize(), tap(name)) for name in ("res2", "res3", "res4"))
    names = {"2": "market1501", "3": "dukemtmc", "4": "cuhk03"}
    return (
        Table("feature_mask", "1", "GRN, LAN and both", own, ranks, "trapezoid"),
        *(
            Table("feature_mask", number, f"Comparison on {name}", compared, data=name,
                  average_precision="trapezoid")
            for number, name in names.items()
        ),
        Table(
            "feature_mask", "5", "The layer that is masked", (Line("Pool1", POOL1), *taps),
            average_precision="trapezoid",
            note="All four share stage 1.",
        ),
        Table(
            "feature_mask", "controls", "Controls of the mask", controls(),
            average_precision="trapezoid",
            note="Not the paper's; all share stage 1.",
        ),
    )  # fmt: skip
