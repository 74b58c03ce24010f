"""What is measured. Each function runs in a process of its own and returns plain numbers."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from ranking_parts import peers
from ranking_parts.made_up import search
from ranking_parts.measure import REPEATS, product_rate, timed

import passerby
from passerby.ranking.matches import check_identities
from passerby.ranking.metrics import scores
from passerby.ranking.rerank import find_reranked_matches


def ours(one, name=""):
    """passerby.evaluate beside the product of all queries with all of the gallery."""
    rate = product_rate(one.query.shape[1])
    scored = []
    found = timed(lambda: scored.append(passerby.evaluate(*one.arguments)))
    again = product_rate(one.query.shape[1])
    operations = 2 * len(one.query) * one.query.shape[1] * len(one.gallery)
    ranked = float((one.gallery_ids != -1).mean())
    for clock in ("wall", "cpu"):
        best = max(rate[clock], again[clock])
        found[f"share_{clock}"] = operations / found[clock] / best
        found[f"ranked_{clock}"] = ranked * found[f"share_{clock}"]
        found[f"rate_{clock}"] = best / 1e9
    return found | {"map": scored[-1].mean_ap, "rank1": float(scored[-1].cmc[0])}


def peer(evaluate, one, queries, repeats=REPEATS):
    """A program that wants the distances: both parts timed, on a share of the queries."""
    if evaluate is None:
        return None
    one = one.ranked_only()
    scored = []

    def work():
        matrix = peers.distances(one.query[:queries], one.gallery)
        scored.append(
            evaluate(
                matrix, one.query_ids[:queries], one.gallery_ids,
                one.query_cameras[:queries], one.gallery_cameras, 50,
            )
        )  # fmt: skip

    found = timed(work, repeats, warm=False)
    share = queries / len(one.query)
    found |= {"wall": found["wall"] / share, "cpu": found["cpu"] / share, "share": share}
    if share == 1:
        found["map"] = float(np.mean(scored[-1][1]))
    return found


def evaluation(folder, shape, *, quick, cython=1.0, python=0.0, **made):
    queries, gallery, width = (max(size // (4 if quick else 1), 256) for size in shape)
    width = shape[2]
    one = search(queries, gallery, width, **made)
    result = {"shape": [queries, gallery, width], "ours": ours(one)}
    repeats = 1 if quick else REPEATS
    result["cython"] = peer(
        peers.fast_reid_cython(folder), one, max(1, int(queries * cython)), repeats
    )
    if python:
        result["python"] = peer(
            peers.fast_reid_python(folder), one, max(1, int(queries * python)), 1
        )
    return result


def market(folder, quick):
    return evaluation(folder, (3368, 19732, 512), quick=quick, python=0.2)


def market_2048(folder, quick):
    return evaluation(folder, (3368, 19732, 2048), quick=quick)


def market_3072(folder, quick):
    return evaluation(folder, (3368, 19732, 3072), quick=quick)


def msmt17(folder, quick):
    return evaluation(
        folder, (11659, 82161, 2048), quick=quick, cython=0.03, people=3060, junk=0, distractors=0
    )


def mapped(folder, quick):
    queries, gallery, width = (842, 65_000, 512) if quick else (3368, 519_732, 512)
    with tempfile.TemporaryDirectory() as place:

        def room(shape):
            return np.lib.format.open_memmap(Path(place) / "gallery.npy", "w+", np.float32, shape)

        one = search(queries, gallery, width, junk=0.007, distractors=0.96, room=room)
        one.gallery.flush()
        one = type(one)(
            one.query, np.load(Path(place) / "gallery.npy", mmap_mode="r"), *one.arguments[2:]
        )
        return {"shape": [queries, gallery, width], "ours": ours(one)}


def torchmetrics(folder, quick):
    """torchmetrics' retrieval mAP of the first queries, given the distances; no camera filter."""
    from torchmetrics.retrieval import RetrievalMAP

    one = search(3368, 19732, 512).ranked_only()
    queries = 20 if quick else 200
    matrix = torch.from_numpy(peers.distances(one.query[:queries], one.gallery))
    target = torch.from_numpy(one.query_ids[:queries, None] == one.gallery_ids)
    indexes = torch.arange(queries)[:, None].expand_as(matrix)

    def theirs():
        RetrievalMAP()(-matrix.flatten(), target.flatten(), indexes.flatten())

    found = timed(theirs, 1 if quick else REPEATS)
    own = timed(
        lambda: passerby.evaluate_distances(matrix, one.query_ids[:queries], one.gallery_ids)
    )
    return {"queries": queries, "theirs": found, "ours": own}


def nearest(folder, quick):
    gallery = 30_000 if quick else 250_000
    one = search(512, gallery, 512, junk=0, distractors=0.5)
    faiss, result = peers.faiss(folder), {"gallery": gallery}
    index = None
    if faiss is not None:
        index = faiss.IndexFlatL2(512)
        index.add(one.gallery)
    for queries in (1, 16, 128, 512):
        part = np.ascontiguousarray(one.query[:queries])
        own = timed(lambda part=part: passerby.nearest(part, one.gallery, 10))
        theirs = None if index is None else timed(lambda part=part: index.search(part, 10))
        result[str(queries)] = {"ours": own, "faiss": theirs}
        if index is not None:
            same = index.search(part, 10)[1] == passerby.nearest(part, one.gallery, 10)[0]
            result[str(queries)]["same"] = float(same.mean())
    return result


def reranking(folder, quick):
    """Ours at the full size; the plain program once, where there is memory for it."""
    queries, gallery = (400, 2400) if quick else (3368, 19732)
    one = search(queries, gallery, 512)
    identities = check_identities((queries, gallery), *one.arguments[2:])

    def streamed():
        return scores(find_reranked_matches(one.query, one.gallery, identities))

    rate = product_rate(512)
    result = {
        "items": queries + gallery,
        "streamed": timed(streamed),
        "whole": timed(lambda: passerby.rerank(one.query, one.gallery), 1 if quick else 3),
        "rate": rate["cpu"] / 1e9,
        "map": streamed().mean_ap,
    }
    items = queries + gallery
    free = int(Path("/proc/meminfo").read_text().split("MemAvailable:")[1].split()[0]) * 1024
    share = 1 if free > 30 * items**2 else 3
    some = one.query[: queries // share], one.gallery[: gallery // share]
    kept = []
    result["plain"] = timed(lambda: kept.append(peers.plain_reranking(*some)), 1, warm=False)
    result["plain_items"] = sum(map(len, some))
    result["like_plain"] = timed(lambda: passerby.rerank(*some), 1)
    difference = np.abs(kept[0] - passerby.rerank(*some))
    result["agree"] = float((difference <= 1e-5).mean())
    return result


def scaling(folder, quick):
    result = {}
    for gallery in (1000, 4000, 16_000) if quick else (1000, 5000, 20_000, 100_000, 500_000):
        people = max(20, min(750, gallery // 20))
        one = search(1000, gallery, 512, people=people, distractors=0.14)
        result[gallery] = timed(lambda one=one: passerby.evaluate(*one.arguments))
    return result


def gpu(folder, quick):
    if not torch.cuda.is_available():
        return {"device": None}
    one = search(11659, 82161, 2048, people=3060, junk=0, distractors=0)
    sides = [torch.from_numpy(x).cuda() for x in (one.query, one.gallery)]
    few = search(3368, 19732, 512)
    near = [torch.from_numpy(x).cuda() for x in (few.query, few.gallery)]
    identities = check_identities((3368, 19732), *few.arguments[2:])
    return {
        "device": torch.cuda.get_device_name(),
        "msmt17": timed(lambda: passerby.evaluate(*sides, *one.arguments[2:])),
        "reranking": timed(lambda: find_reranked_matches(*near, identities)),
    }


WORKS = {
    work.__name__: work
    for work in (
        market, market_2048, market_3072, msmt17, mapped, torchmetrics, nearest, reranking,
        scaling, gpu,
    )
}  # fmt: skip
