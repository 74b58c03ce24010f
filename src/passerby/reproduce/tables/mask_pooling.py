"""MPM-LTL: the ablation of Table 1 (Tables 2 and 3 are lost) and the numbers of the text."""

from __future__ import annotations

from collections.abc import Sequence

from passerby.reproduce.declared import Line, Search, Table, Training

METHOD = "mask_pooling"
UNDIVIDED = {"parts": 1, "triplet": "none"}
RANDOM = {"selection": "random"}


def one(name: str, mask: str) -> Training:
    """Rows (1) to (4): the undivided feature, identity loss alone."""
    return Training(METHOD, name, {**UNDIVIDED, "mask": mask})


ROW_4 = one("row-4", "pooled")
ROW_7 = Training(METHOD, "row-7")
# What stage 3 alone decides on is trained once for the rows that share the rest.
ROW_5 = Training(METHOD, "row-5", {"parts": 1, "triplet": "global", **RANDOM}, ROW_4, "classifiers")
ROW_6 = Training(METHOD, "row-6", RANDOM, ROW_7, "classifiers")
PARTS_ALONE = Training(METHOD, "parts-alone", {"triplet": "none"}, ROW_7, "classifiers")
UNIT = Training(METHOD, "unit-length", {"unit_length": True}, ROW_7, "classifiers")
UNNORMED = Training(METHOD, "no-norm", {"norm": False})
HARDEST = Training(METHOD, "batch-hard", {"selection": "batch_hard"}, ROW_7, "classifiers")

ROWS = {
    "(1) Baseline": one("row-1", "none"),
    "(2) Baseline + Mask (convolution)": one("row-2", "channel"),
    "(3) Baseline + Mask (bilinear interpolation)": one("row-3", "resized"),
    "(4) Baseline + Mask + MP": ROW_4,
    "(5) Baseline + Mask + MP + GTL": ROW_5,
    "(6) Baseline + Mask + MP + LTL": ROW_6,
    "(7) Baseline + Mask + MP + LTL + TriHard": ROW_7,
}
SEVEN = list(ROWS)[-1]

CONTROLS = {
    "(4)": ROW_4,
    "(4) with six parts, no triplet loss": PARTS_ALONE,
    "(6)": ROW_6,
    "(7)": ROW_7,
    "(7), descriptors of unit length": UNIT,
    "(7), no BatchNorm and ReLU on descriptors": UNNORMED,
}

MODES = {
    "SQ": Search(),
    "MQ": Search("multi-query", multi_query=True),
    "SQ+RR": Search("re-ranked", reranking=True),
    "MQ+RR": Search("multi-query-re-ranked", multi_query=True, reranking=True),
}


def parts() -> tuple[Line, ...]:
    """Figure 6: how many parts."""
    numbers = (3, 6, 12, 18)
    return tuple(
        Line(f"{n} parts", ROW_7 if n == 6 else Training(METHOD, f"parts-{n}", {"parts": n}))
        for n in numbers
    )


def thresholds() -> tuple[Line, ...]:
    """Figures 7 and 8: thresholds from 0 to 1 in four query modes."""
    lines = []
    for tenth in range(11):
        training = Training(METHOD, f"threshold-{tenth / 10:.1f}", {"threshold": tenth / 10})
        for mode, search in MODES.items():
            lines.append(Line(f"threshold {tenth / 10:.1f}", training, search, mode))
    return tuple(lines)


def tables(data: str) -> tuple[Table, ...]:
    """Its tables; the same for every data set."""
    ablation = [
        Line(variant, training, search, mode)
        for variant, training in ROWS.items()
        for mode, search in MODES.items()
    ]
    text = [Line(SEVEN, ROW_7, search, mode, stated=False) for mode, search in MODES.items()]
    triplets = {"random": ROW_6, "batch-hard": HARDEST, "mask-guided": ROW_7}
    hard = [Line(name, training) for name, training in triplets.items()]
    controls = [Line(name, training) for name, training in CONTROLS.items()]
    return (
        _table("1", "Ablation; query mode (SQ, MQ) and re-ranking (RR)", ablation, ""),
        _table("text", "The numbers of the text", text,
               "Market-1501's number is MQ+RR; of the others the paper does not state the mode, so "
               "that they stand at every line."),
        _table("controls", "Controls of rows (6) and (7)", controls,
               "Not the paper's: rows (6) and (7) change parts and loss at once."),
        _table("figure-6", "Number of parts", parts(), "The paper shows bars without numbers."),
        _table("figure-7", "Threshold of mask pooling, also for Figure 8", thresholds(),
               "The paper shows curves without numbers: Figure 7 the means of the four modes, "
               "Figure 8 those of 0 to 0.3, 0.4 to 0.7 and 0.8 to 1 in each mode."),
        _table("figure-9", "Selection of triplets", hard, "The paper shows bars without numbers."),
    )  # fmt: skip


def _table(number: str, title: str, lines: Sequence[Line], note: str) -> Table:
    return Table(METHOD, number, title, tuple(lines), average_precision="trapezoid", note=note)
