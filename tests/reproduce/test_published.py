"""The papers' tables against a second reading: the numbers that their texts quote."""

from collections import Counter, defaultdict

import pytest

from passerby.reproduce.published import PAPERS, Place, find_value, published
from passerby.types import InputError

MARKET, DUKE = ("market1501", "", "standard"), ("dukemtmc", "", "standard")
LABELED, DETECTED = ("cuhk03", "labeled", "new"), ("cuhk03", "detected", "new")
OLD_LABELED, OLD_DETECTED = ("cuhk03", "labeled", "original"), ("cuhk03", "detected", "original")


def value(paper, table, method, variant, data, metric, mode="single", reranking="none"):
    place = Place(*data, mode, reranking)
    found = find_value(published(paper), table, method, variant, place, metric)
    assert found is not None, (paper, table, method, variant, data, metric)
    return found.value


# Typed from abstracts and running text, not from the tables:
# paper, table, method, variant, data, rank-1, mAP, query mode, re-ranking.
QUOTED = [
    ("msreid", "1", "msreid", "ALM", LABELED, 84.6, 81.9),  # abstract
    ("msreid", "1", "msreid", "ALM", MARKET, 95.8, 88.8),  # 4.3
    ("msreid", "text", "msreid", "ALM, best of 8", MARKET, 96.0, 89.6),
    ("msreid", "text", "msreid", "ALM, best of 8", DUKE, 90.7, None),
    ("attention_driven", "3", "attention_driven", "Ours", MARKET, 94.99, 86.47),  # 4.2
    ("attention_driven", "3", "DuATM", "", MARKET, 91.42, 76.62),
    ("attention_driven", "4", "attention_driven", "Ours", DUKE, 86.04, 74.57),
    ("attention_driven", "4", "DuATM", "", DUKE, 81.16, 67.73),
    ("attention_driven", "5", "attention_driven", "Ours", OLD_LABELED, 96.43, None),
    ("attention_driven", "5", "attention_driven", "Ours", OLD_DETECTED, 93.58, None),
    ("attention_driven", "5", "HP-net", "", OLD_LABELED, 91.80, None),
    ("attention_driven", "5", "MLFN", "", OLD_DETECTED, 82.80, None),
    ("attention_driven", "5", "PDC", "", OLD_LABELED, 88.70, None),
    ("attention_driven", "5", "PDC", "", OLD_DETECTED, 78.29, None),
    ("attention_driven", "5", "DPFL", "", OLD_LABELED, 86.70, None),
    ("attention_driven", "5", "DPFL", "", OLD_DETECTED, 82.00, None),
    ("attention_driven", "5", "Part-Aligned", "", OLD_LABELED, 85.40, None),
    ("attention_driven", "5", "Part-Aligned", "", OLD_DETECTED, 81.60, None),
    ("generated_masks", "1", "generated_masks", "Proposed", MARKET, 97.4, 63.9),  # 4
    ("generated_masks", "1", "generated_masks", "Proposed", DUKE, 90.2, 61.1),
    ("generated_masks", "1", "generated_masks", "Proposed", LABELED, 93.4, 69.0),
    ("generated_masks", "1", "generated_masks", "Proposed", DETECTED, 92.7, 66.9),
    ("feature_mask", "2", "feature_mask", "FMN+re-rank", MARKET, 87.92, 80.62, "k-reciprocal"),
    ("feature_mask", "3", "feature_mask", "FMN+re-rank", DUKE, 79.52, 72.79, "k-reciprocal"),
    ("feature_mask", "5", "feature_mask", "Res4", MARKET, 82.39, 61.95),
    ("feature_mask", "5", "feature_mask", "Pool1", MARKET, 85.99, 67.12),
]

SEVEN = "(7) Baseline + Mask + MP + LTL + TriHard"


@pytest.mark.parametrize("quoted", QUOTED, ids=lambda q: " ".join(map(str, q[:4])))
def test_quoted_numbers_stand_in_the_tables(quoted):
    paper, table, method, variant, data, rank_1, mean_ap, *rest = quoted
    place = {"reranking": rest[0]} if rest else {}
    assert value(paper, table, method, variant, data, "rank_1", **place) == rank_1
    if mean_ap is not None:
        assert value(paper, table, method, variant, data, "mean_ap", **place) == mean_ap


def test_numbers_of_the_mask_pooling_text():
    """Section IV-D: its Market-1501 numbers are those of Table 1, row (7), MQ + RR."""
    best = ("mask_pooling", "1", "mask_pooling", SEVEN, MARKET)
    assert value(*best, "rank_1", "multi", "k-reciprocal") == 95.72
    assert value(*best, "mean_ap", "multi", "k-reciprocal") == 93.76
    text = {
        OLD_LABELED: (97.50, 97.36),
        OLD_DETECTED: (96.98, 95.67),
        LABELED: (75.64, 76.30),
        DETECTED: (71.79, 72.32),
        DUKE: (87.12, 82.69),
    }
    for data, (rank_1, mean_ap) in text.items():
        cell = ("mask_pooling", "text", "mask_pooling", SEVEN, data)
        assert value(*cell, "rank_1", "not stated", "not stated") == rank_1
        assert value(*cell, "mean_ap", "not stated", "not stated") == mean_ap


def gain(paper, table, data, metric, ours, other):
    mine, theirs = (value(paper, table, *who, data, metric) for who in (ours, other))
    return round(mine - theirs, 2)


ADN, FMN, GRN = ("attention_driven", "Ours"), ("feature_mask", "FMN"), ("feature_mask", "GRN")
MSREID, BOT = ("msreid", "ALM"), ("bag_of_tricks", "")

# Differences that the texts state.
GAINS = [
    ("msreid", "1", MARKET, MSREID, BOT, 1.3, 2.9),  # 4.3
    ("msreid", "1", DUKE, MSREID, ("SCAL", ""), 1.2, 1.0),
    ("msreid", "1", LABELED, MSREID, ("RGA-SC", ""), 3.5, 4.5),
    ("msreid", "1", DETECTED, MSREID, ("RGA-SC", ""), 3.1, 5.0),
    ("attention_driven", "3", MARKET, ADN, ("DuATM", ""), 3.57, 9.85),  # 4.2
    ("attention_driven", "3", MARKET, ADN, ("Spindle", ""), 18.09, 21.8),
    ("attention_driven", "3", MARKET, ADN, ("PDC", ""), None, 23.06),  # rank-1: see left_out.md
    ("attention_driven", "3", MARKET, ADN, ("GLAD", ""), 5.09, 12.57),
    ("attention_driven", "3", MARKET, ADN, ("Part-Aligned", ""), 13.99, 23.07),
    ("attention_driven", "3", MARKET, ADN, ("MLFN", ""), 4.99, 12.17),
    ("attention_driven", "3", MARKET, ADN, ("HA-CNN", ""), 3.79, 10.77),
    ("attention_driven", "4", DUKE, ADN, ("DuATM", ""), 4.88, 6.84),
    ("attention_driven", "5", OLD_LABELED, ADN, ("HP-net", ""), 4.63, None),
    ("attention_driven", "5", OLD_DETECTED, ADN, ("MLFN", ""), 10.78, None),
    ("attention_driven", "8", MARKET, (ADN[0], "With attention decomposition"),
     (ADN[0], "Without attention decomposition"), 1.39, 2.75),
    ("feature_mask", "1", MARKET, FMN, GRN, 6.66, 8.62),  # 4.3
    ("feature_mask", "1", DUKE, FMN, GRN, 6.60, 8.48),
    ("feature_mask", "1", DETECTED, FMN, GRN, 4.57, 5.53),
    ("feature_mask", "1", LABELED, FMN, GRN, 6.35, 7.91),
]  # fmt: skip


@pytest.mark.parametrize("stated", GAINS, ids=lambda g: f"{g[0]} {g[2][0]} {g[4][0]} {g[4][1]}")
def test_stated_differences(stated):
    paper, table, data, ours, other, rank_1, mean_ap = stated
    if rank_1 is not None:
        assert gain(paper, table, data, "rank_1", ours, other) == rank_1
    if mean_ap is not None:
        assert gain(paper, table, data, "mean_ap", ours, other) == mean_ap


def test_relative_gains_of_the_feature_mask_abstract():
    """5.3, 9.1 and 10.7 % in mAP over the best other method, with re-ranking on both sides."""
    for table, data, stated in (("2", MARKET, 5.3), ("3", DUKE, 9.1), ("4", DETECTED, 10.7)):
        ours, other = (
            value("feature_mask", table, *who, data, "mean_ap", reranking="k-reciprocal")
            for who in (("feature_mask", "FMN+re-rank"), ("PAN+re-rank", ""))
        )
        assert round(100 * (ours / other - 1), 1) == stated
    for data, stated in ((DETECTED, 5.6), (LABELED, 2.1)):
        ours, other = (
            value("feature_mask", "4", *who, data, "rank_1", reranking="k-reciprocal")
            for who in (("feature_mask", "FMN+re-rank"), ("PAN+re-rank", ""))
        )
        assert round(ours - other, 1) == stated


def test_gains_of_the_mask_pooling_text_agree_among_themselves():
    """What MGCAM must have on CUHK03, by the text's scores and gains, lies in 0 ... ours."""
    text = [n for n in published("mask_pooling") if n.table == "text" and "MGCAM" in n.variant]
    assert {(n.data, n.boxes, n.metric): n.value for n in text} == {
        ("market1501", "", "rank_1_gain"): 10.60, ("market1501", "", "mean_ap_gain"): 17.06,
        ("cuhk03", "labeled", "rank_1_gain"): 25.50, ("cuhk03", "labeled", "mean_ap_gain"): 26.09,
        ("cuhk03", "detected", "rank_1_gain"): 25.08, ("cuhk03", "detected", "mean_ap_gain"): 25.45,
    }  # fmt: skip


# Rows (methods and variants) of each table, counted in the papers; with re-ranking and query mode
# MPM-LTL's seven rows have four cells each.
ROWS = {
    "msreid": {"1": 17, "2": 1, "text": 1},
    "attention_driven": {
        "2": 1, "3": 18, "4": 10, "5": 12, "6": 6, "7": 14, "8": 2, "9": 3, "10": 11, "11": 7,
        "12": 6,
    },
    "generated_masks": {"1": 15},
    "mask_pooling": {"1": 7, "text": 3},
    "feature_mask": {"1": 3, "2": 23, "3": 12, "4": 10, "5": 4},
}  # fmt: skip


@pytest.mark.parametrize("paper", PAPERS)
def test_rows_of_each_table(paper):
    rows = defaultdict(set)
    for number in published(paper):
        rows[number.table].add((number.method, number.variant))
    assert {table: len(found) for table, found in rows.items()} == ROWS[paper]


def test_filled_cells_of_each_table():
    """Numbers of each table, counted by hand: cells with a dash do not count."""
    cells = {
        paper: dict(Counter(n.table for n in published(paper) if is_score(n))) for paper in PAPERS
    }
    assert cells == {
        # Dashes: CUHK03's four cells in eight rows, DukeMTMC-reID's two in two.
        "msreid": {"1": 17 * 8 - 8 * 4 - 2 * 2, "text": 3},
        "attention_driven": {
            "3": 18 * 5 - 34, "4": 20, "5": 12 * 6 - 12, "6": 6 * 6, "7": 7 * 8, "8": 10, "9": 15,
            "10": 11 * 6, "11": 7 * 8,
        },
        "generated_masks": {"1": 15 * 8 - 8},
        "mask_pooling": {"1": 56, "text": 12},
        "feature_mask": {"1": 48, "2": 45, "3": 23, "4": 40, "5": 8},
    }  # fmt: skip


def is_score(number):
    return (
        number.metric.startswith("rank_")
        and "gain" not in number.metric
        or (number.metric == "mean_ap")
    )


@pytest.mark.parametrize("paper", PAPERS)
def test_values_are_possible(paper):
    ranks = defaultdict(dict)
    for n in published(paper):
        if is_score(n):
            assert 0 < n.value < 100, n
            place = (n.table, n.method, n.variant, n.data, n.boxes, n.query_mode, n.reranking)
            ranks[place][n.metric] = n.value
        assert (n.metric == "mean_ap") == bool(n.average_precision)
    for place, found in ranks.items():
        cmc = [found[f"rank_{k}"] for k in (1, 5, 10, 20) if f"rank_{k}" in found]
        assert cmc == sorted(cmc), place


@pytest.mark.parametrize("paper", PAPERS)
def test_no_cell_stands_twice(paper):
    cells = Counter(
        (n.table, n.method, n.variant, n.data, n.boxes, n.protocol, n.query_mode, n.reranking,
         n.metric) for n in published(paper)
    )  # fmt: skip
    assert max(cells.values()) == 1


def test_one_network_has_one_number():
    """ADN's tables repeat the same networks."""
    for metric in ("rank_1", "mean_ap"):
        best, full, inter = (
            {
                value("attention_driven", table, "attention_driven", variant, MARKET, metric)
                for table, variant in cells
            }
            for cells in (
                [("3", "Ours"), ("6", "*Intra+inter")],
                [("6", "Intra+inter"), ("7", "Global+Part, with intra-attention"),
                 ("8", "With attention decomposition"), ("10", "lambda 0.5"),
                 ("11", "beta 5H/48")],
                [("6", "Inter"), ("7", "Global+Part, without intra-attention"),
                 ("9", "Inter-attention")],
            )
        )  # fmt: skip
        assert (len(best), len(full), len(inter)) == (1, 1, 1)


def test_there_is_no_such_paper():
    with pytest.raises(InputError, match="given 'pcb'"):
        published("pcb")
