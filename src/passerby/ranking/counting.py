"""Counts, for each hit, what comes before it, block by block: no sort and no (Q, G) matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from passerby.ranking.features import Features, squared_lengths
from passerby.ranking.identities import Ranked, Runs
from passerby.ranking.kernels import BUCKETS, FEW, kernels
from passerby.ranking.product import in_parallel, worker_count
from passerby.ranking.tiles import each_tile, finish, right_side, row_terms

_HOME_QUERIES, _HOME_COLUMNS, _HOME_STEP = 64, 1024, 128


@dataclass(frozen=True)
class Hits:
    """The hits of all queries, in runs of ascending (distance, position)."""

    values: NDArray[Any]
    """(T,) distances."""
    positions: NDArray[np.int64]
    """(T,) positions among the ranked gallery, see `Ranked`."""

    @classmethod
    def ordered(cls, values: NDArray[Any], ranked: Ranked) -> Hits:
        """Orders the distances of the hits, given in the order of `ranked`."""
        positions = ranked.by_id[ranked.hit_places]
        order = np.lexsort((positions, values, ranked.hit_queries))
        return cls(values[order], positions[order])


def ranks_by_features(
    query: Features, gallery: Features, ranked: Ranked, metric: str
) -> NDArray[np.int64]:
    """Ranks of all hits among the gallery, by embeddings.

    Returns:
        (T,) 1-based ranks, query after query, ascending within one.

    Raises:
        InputError: features without distances.
    """
    terms = row_terms(squared_lengths(query, metric), metric)
    active = np.flatnonzero(ranked.hits.totals)
    whole = len(ranked.kept) == len(gallery)
    if len(active) == 0 or not whole:
        squared_lengths(gallery, metric)
    if len(active) == 0:
        return np.empty(0, np.int64)
    kept = gallery if whole else gallery.of_rows(ranked.kept)
    hits = Hits.ordered(hit_distances(query, kept, ranked, terms, metric), ranked)
    counter: CompiledCounter | TensorCounter = (
        CompiledCounter(ranked, hits, active).prepare(active)
        if gallery.device.type == "cpu"
        else TensorCounter(ranked, hits, active, gallery.device)
    )
    rows = query if len(active) == len(query) else query.of_rows(active)
    each_tile(rows, kept, terms[torch.from_numpy(active).to(terms.device)], metric, counter.consume)
    return counter.ranks()


def hit_distances(
    query: Features, kept: Features, ranked: Ranked, terms: Tensor, metric: str
) -> NDArray[np.float32]:
    """Distances between queries and their hits, by the same product as the tiles.

    A few identities at a time: their queries against their gallery pictures.

    Returns:
        (T,) in the order of `ranked.hit_queries`.
    """
    values = np.empty(len(ranked.hit_queries), np.float32)
    hits, last = ranked.hits, len(kept) - 1

    def work(_: int, queries: NDArray[np.int64]) -> None:
        rows, members = Runs(hits.firsts[queries], hits.totals[queries]).expanded()
        places = ranked.hit_places[members]
        # Few different shapes: the product's routine is made anew for each.
        padded = np.resize(queries, _HOME_QUERIES)
        left, own = query.take(padded), torch.from_numpy(padded).to(terms.device)
        low, high = int(places.min()), int(places.max()) + 1
        for start in range(low, high, _HOME_COLUMNS):
            width = -(-min(_HOME_COLUMNS, high - start) // _HOME_STEP) * _HOME_STEP
            columns = np.minimum(np.arange(start, start + width), last)
            right = right_side(kept, ranked.by_id[columns], metric)
            block = right.times(left)
            finish(block, terms[own], metric, compiled=block.device.type == "cpu")
            here = np.flatnonzero((places >= start) & (places < start + width))
            values[members[here]] = block.cpu().numpy()[rows[here], places[here] - start]

    in_parallel(_home_jobs(ranked), work, kept.device)
    return values


def _home_jobs(ranked: Ranked) -> list[NDArray[np.int64]]:
    """Queries with hits, in order of identity, in groups of few queries and few columns."""
    firsts, totals = ranked.same.firsts, ranked.same.totals
    order = np.argsort(firsts, kind="stable")
    order = order[ranked.hits.totals[order] > 0]
    jobs, begin = [], 0
    for end in range(1, len(order) + 1):
        if end < len(order):
            last = order[end]
            columns = firsts[last] + totals[last] - firsts[order[begin]]
            if end - begin < _HOME_QUERIES and columns <= _HOME_COLUMNS:
                continue
        jobs.append(order[begin:end])
        begin = end
    return jobs


class CompiledCounter:
    """Counts in tiles with the compiled loops, each worker for itself.

    Args:
        ranked: the hits of each query.
        hits: their distances.
        queries: (m,) which query each row of the tiles belongs to.
    """

    def __init__(self, ranked: Ranked, hits: Hits, queries: NDArray[np.int64]) -> None:
        self._ranked, self._hits, self._queries = ranked, hits, queries
        self._counts: list[NDArray[np.int64]] = [
            np.zeros(len(hits.values), np.int64) for _ in range(worker_count())
        ]
        totals = ranked.hits.totals
        self._many = np.flatnonzero(totals > FEW)
        sizes = BUCKETS * totals[self._many] + 1
        self._table_firsts = np.full(len(totals), -1, np.int64)
        self._table_firsts[self._many] = np.cumsum(sizes) - sizes
        self._table = np.empty(int(sizes.sum()), np.int32)

    def prepare(self, queries: NDArray[np.int64]) -> CompiledCounter:
        """Looks at the distances of these queries' hits; before their tiles are taken."""
        many = queries[self._ranked.hits.totals[queries] > FEW]
        kernels().buckets(
            many, self._hits.values, self._ranked.hits.firsts, self._ranked.hits.totals,
            self._table_firsts, self._table,
        )  # fmt: skip
        return self

    def consume(self, worker: int, first: int, start: int, block: Tensor) -> None:
        """Takes one tile, see `tiles.Consumer`."""
        kernels().count(
            block.numpy(), self._queries[first : first + len(block)], start,
            self._ranked.hits.firsts, self._ranked.hits.totals,
            self._hits.values, self._hits.positions,
            self._ranked.same.firsts, self._ranked.same.totals, self._ranked.by_id,
            self._table_firsts, self._table, self._counts[worker],
        )  # fmt: skip

    def ranks(self) -> NDArray[np.int64]:
        """(T,) ranks when all tiles were taken."""
        counts = sum(self._counts[1:], self._counts[0])
        for query in self._many:
            first = self._ranked.hits.firsts[query]
            own = counts[first : first + self._ranked.hits.totals[query]]
            np.cumsum(own, out=own)
        return ranks_of_counts(counts, self._ranked)


class TensorCounter:
    """The same with tensors alone, on any device and without compiling.

    Args:
        ranked: the hits of each query.
        hits: their distances.
        queries: (m,) which query each row of the tiles belongs to.
        device: where the tiles are.
    """

    def __init__(
        self, ranked: Ranked, hits: Hits, queries: NDArray[np.int64], device: torch.device
    ) -> None:
        self._ranked, self._queries, self._device = ranked, queries, device
        self._values = torch.from_numpy(hits.values).to(device)
        self._positions = torch.from_numpy(hits.positions).to(device)
        self._counts = torch.zeros(len(hits.values), dtype=torch.int64, device=device)

    def consume(self, worker: int, first: int, start: int, block: Tensor) -> None:
        """Takes one tile, see `tiles.Consumer`."""
        queries = self._queries[first : first + len(block)]
        self._leave_out_same(queries, start, block)
        totals = self._ranked.hits.totals[queries]
        # Rows with many hits first, so that the k-th hits are those of the first rows.
        order = np.argsort(-totals, kind="stable")
        block = block[self._index(order)]
        stop = start + block.shape[1]
        for hit in range(int(totals.max())):
            rows = order[: int((totals > hit).sum())]
            places = self._index(self._ranked.hits.firsts[queries[rows]] + hit)
            values, positions = self._values[places, None], self._positions[places]
            part = block[: len(rows)]
            below, up_to = (part < values).sum(1), (part <= values).sum(1)
            split = ((below != up_to) & (positions > start) & (positions < stop)).nonzero()[:, 0]
            columns = torch.arange(start, stop, device=self._device)
            tied = (part[split] == values[split]) & (columns < positions[split, None])
            before = torch.where(positions >= stop, up_to, below)
            self._counts[places] += before.index_add(0, split, tied.sum(1))

    def ranks(self) -> NDArray[np.int64]:
        """(T,) ranks when all tiles were taken."""
        return ranks_of_counts(self._counts.cpu().numpy(), self._ranked)

    def _leave_out_same(self, queries: NDArray[np.int64], start: int, block: Tensor) -> None:
        same = self._ranked.same
        rows, places = Runs(same.firsts[queries], same.totals[queries]).expanded()
        columns = self._ranked.by_id[places] - start
        here = (columns >= 0) & (columns < block.shape[1])
        # Nothing is less than or equal to what is no number: infinite distances may be hits.
        block[self._index(rows[here]), self._index(columns[here])] = torch.nan

    def _index(self, places: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(places).to(self._device)


def ranks_of_counts(counts: NDArray[np.int64], ranked: Ranked) -> NDArray[np.int64]:
    """(T,) ranks from how many other persons' items come before each hit."""
    place = np.arange(len(counts)) - np.repeat(ranked.hits.firsts, ranked.hits.totals)
    return counts + place + 1


def ranks_in_rows(block: NDArray[Any], first: int, ranked: Ranked) -> NDArray[np.int64]:
    """Ranks of the hits in whole rows by sorting: for problems that are not worth compiling.

    Args:
        block: (m, K) distances of the queries first ... first + m - 1 to the ranked gallery.
        first: the first row's query.
        ranked: the hits of each query.

    Returns:
        Ranks of the hits of these queries, query after query, ascending within one.
    """
    positions = ranked.by_id[ranked.hit_places]
    found = [np.empty(0, np.int64)]
    for query, row in enumerate(block, first):
        begin, total = ranked.hits.firsts[query], ranked.hits.totals[query]
        if total == 0:
            continue
        hits = positions[begin : begin + total]
        begin, total = ranked.same.firsts[query], ranked.same.totals[query]
        # Nothing beyond the farthest match has a say in any rank that is asked for.
        near = row <= row[hits].max()
        near[ranked.by_id[begin : begin + total]] = False
        near[hits] = True
        candidates = np.flatnonzero(near)
        candidates = candidates[np.argsort(row[candidates], kind="stable")]
        found.append(np.flatnonzero(np.isin(candidates, hits)) + 1)
    return np.concatenate(found)
