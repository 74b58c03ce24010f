"""docs/performance.md and its plot, from the results."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from passerby.files import atomic, write_text

EVALUATIONS = ("market", "market_2048", "market_3072", "msmt17", "mapped")

INTRODUCTION = """# Performance of the ranking core

Written by `make bench` (`benchmarks/ranking.py`); do not edit. Made-up features: clusters with a
shift for each camera, distractors and junk. Every work runs in a process of its own, once to warm
up, then five times: medians of wall time and of CPU time (all threads together). *Share of the
product* is the rate of the whole evaluation (multiplications and additions of all queries with all
of the gallery, by time) beside the best float32 matrix product of that width that was measured in
the same process (torch's and oneDNN's, whole and in tiles), in CPU time and in wall time. Junk is
never ranked, and its products are not computed: *ranked pairs alone* counts only what was. Other
programs are given the gallery without junk. *Memory* is the most that
a run needed beyond the features and what was loaded before.

Other pages: [commands](performance-commands.md), \
[galleries up to 1,000,000 entries](performance-gallery.md), \
[embedding](performance-embedding.md), [serving](performance-serving.md), \
[training](performance-training.md), [what methods cost](performance-methods.md), \
[what triplets cost](performance-mining.md).
"""


def write_report(results: Path, docs: Path) -> None:
    """Writes the page and the plot; works without results are said to be missing."""
    found = {
        file.stem: json.loads(file.read_text())
        for file in sorted(results.glob("*.json"))
        if not file.stem.startswith("quick_")
    }
    parts = [INTRODUCTION, machine(found), evaluations(found), nearest(found), reranking(found)]
    parts += [other(found)]
    if "scaling" in found:
        parts.append(scaling(found["scaling"], docs / "performance.png"))
    write_text(docs / "performance.md", "\n".join(parts))


def machine(found):
    info = Path("/proc/cpuinfo").read_text()
    name = info.split("model name")[1].split(":")[1].split("\n")[0].strip()
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 2**20
    names = ("torch", "numpy", "numba", "torchmetrics")
    versions = ", ".join(f"{each} {_version(each)}" for each in names)
    days = sorted({one["measured"] for one in found.values()})
    return (
        f"Machine: {name}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()} "
        f"{platform.machine()}; Python {platform.python_version()}, {versions}, faiss-cpu 1.15.1, "
        f"fastreid 1.4.0. Measured {' to '.join(dict.fromkeys((days[0], days[-1])))}.\n"
    )


def evaluations(found):
    lines = [
        "## Evaluation\n",
        "| queries x gallery, width | wall s | CPU s | share of the product: CPU, wall "
        "| ranked pairs alone: CPU "
        "| memory MB "
        "| fast-reid Cython: CPU, wall | the product alone: CPU | fast-reid Python: CPU |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for work in EVALUATIONS:
        if work not in found:
            continue
        one = found[work]
        own, (queries, gallery, width) = one["ours"], one["shape"]
        cython, python = one.get("cython"), one.get("python")
        lines.append(
            f"| {queries:,} x {gallery:,}, {width:,}{', memory-mapped' * (work == 'mapped')} "
            f"| {own['wall']:.2f} | {own['cpu']:.2f} "
            f"| {own['share_cpu']:.0%}, {own['share_wall']:.0%} | {own['ranked_cpu']:.0%} "
            f"| {own['memory']:.0f} "
            f"| {_times(cython, own, 'cpu')}, {_times(cython, own, 'wall')}{_share(cython)} "
            f"| {_times(cython, _product_alone(one), 'cpu')} "
            f"| {_times(python, own, 'cpu')}{_share(python)} |"
        )
    lines.append(
        "\n`12x` means that the other program took 12 times as long; `(3 % of the queries)` that "
        "it was given so many and its time scaled up. Both include computing the distances. *The "
        "product alone* is what fast-reid's Cython program would be behind a ranking that costs "
        "nothing: its time by that of the product of the ranked pairs at the best rate."
    )
    rates = [found[work]["ours"]["rate_cpu"] for work in EVALUATIONS if work in found]
    if rates:
        lines.append(f"Matrix product: {min(rates):.0f} to {max(rates):.0f} GFLOP in a CPU second.")
    agree = [
        abs(found[work]["ours"]["map"] - found[work]["cython"]["map"])
        for work in EVALUATIONS
        if work in found and (found[work].get("cython") or {}).get("map") is not None
    ]
    if agree:
        lines.append(f"mAP differs from fast-reid's by {max(agree):.1e} at most.")
    return "\n".join(lines) + "\n"


def nearest(found):
    if "nearest" not in found:
        return ""
    one = found["nearest"]
    lines = [
        f"## Exact nearest neighbours: the first 10 of {one['gallery']:,} x 512\n",
        "| queries | wall s | CPU s | memory MB | faiss flat: wall, CPU | same index |",
        "|---|---|---|---|---|---|",
    ]
    for queries in ("1", "16", "128", "512"):
        own, faiss = one[queries]["ours"], one[queries]["faiss"]
        same = one[queries].get("same")
        lines.append(
            f"| {queries} | {own['wall']:.4f} | {own['cpu']:.4f} | {own['memory']:.0f} "
            f"| {_times(faiss, own, 'wall')}, {_times(faiss, own, 'cpu')} "
            f"| {'-' if same is None else f'{same:.2%}'} |"
        )
    return "\n".join(lines) + "\n"


def reranking(found):
    if "reranking" not in found:
        return ""
    one = found["reranking"]
    streamed, whole, plain = one["streamed"], one["whole"], one["plain"]
    return (
        f"## Re-ranking of {one['items']:,} x 512\n\n"
        "| | wall s | CPU s | memory MB |\n|---|---|---|---|\n"
        f"| streamed into the metrics | {streamed['wall']:.2f} | {streamed['cpu']:.2f} "
        f"| {streamed['memory']:.0f} |\n"
        f"| whole (Q, G) matrix | {whole['wall']:.2f} | {whole['cpu']:.2f} "
        f"| {whole['memory']:.0f} |\n"
        f"| plainly in NumPy, {one['plain_items']:,} items, once | {plain['wall']:.1f} "
        f"| {plain['cpu']:.1f} | {plain['memory']:.0f} |\n\n"
        f"At {one['plain_items']:,} items the plain program takes "
        f"{_times(plain, one['like_plain'], 'cpu')} the CPU time and "
        f"{_times(plain, one['like_plain'], 'memory')} the memory of ours (whole matrix); "
        f"{one['agree']:.2%} of the entries agree within 1e-5.\n"
    )


def other(found):
    lines = []
    if "torchmetrics" in found:
        one = found["torchmetrics"]
        lines.append(
            f"torchmetrics' retrieval mAP on given distances of {one['queries']} queries to the "
            f"gallery of 15,900: {_times(one['theirs'], one['ours'], 'cpu')} the CPU time of "
            "`evaluate_distances`, which also gives CMC and mINP.\n"
        )
    if "gpu" in found:
        one = found["gpu"]
        lines.append(
            "GPU: none was at hand.\n"
            if one["device"] is None
            else f"GPU ({one['device']}): evaluation of 11,659 x 82,161 x 2,048 in "
            f"{one['msmt17']['wall']:.2f} s, re-ranking of 23,100 x 512 in "
            f"{one['reranking']['wall']:.2f} s.\n"
        )
    return ("## Others\n\n" + "\n".join(lines)) if lines else ""


def scaling(one, target):
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    sizes = np.array(sorted(int(size) for size in one if size.isdigit()))
    seconds = np.array([one[str(size)]["cpu"] for size in sizes])
    large = sizes >= 5000
    slope = np.polyfit(np.log(sizes[large]), np.log(seconds[large]), 1)[0]
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    axes.loglog(sizes, seconds, "o-", label=f"measured: slope {slope:.2f} from 5,000 on")
    axes.loglog(sizes, seconds[-1] * sizes / sizes[-1], ":", color="grey", label="slope 1")
    axes.set_xlabel("gallery pictures")
    axes.set_ylabel("CPU seconds, 1,000 queries, 512-d")
    axes.legend()
    with atomic(target) as temporary:
        figure.savefig(temporary, dpi=120, format="png")
    plt.close(figure)
    return (
        "## Cost against size\n\n![CPU seconds against gallery size](performance.png)\n\n"
        f"1,000 queries, 512-d, galleries of {sizes[0]:,} to {sizes[-1]:,}: CPU time grows with "
        f"the gallery's size to the power {slope:.2f}. "
        f"Memory: {max(x['memory'] for x in one.values() if isinstance(x, dict)):.0f} MB at most.\n"
    )


def _times(theirs, own, clock):
    if theirs is None:
        return "-"
    ratio = theirs[clock] / max(own[clock], 1e-9)
    return f"{ratio:.0f}x" if ratio >= 10 else f"{ratio:.2g}x"


def _product_alone(one):
    """CPU seconds of the product of the ranked pairs, were it to run at the measured rate."""
    queries, gallery, width = one["shape"]
    own = one["ours"]
    ranked = own["ranked_cpu"] / own["share_cpu"]
    return {"cpu": 2 * queries * gallery * width * ranked / (own["rate_cpu"] * 1e9)}


def _share(theirs):
    if theirs is None or theirs["share"] == 1:
        return ""
    return f" ({theirs['share']:.0%} of the queries)"


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
