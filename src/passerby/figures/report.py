"""A run's report: one HTML page with its scores, pictures, training and settings."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from passerby.embedding.embedder import Embedder
from passerby.figures.attention import (
    HEIGHT,
    PARTS_ALONE,
    WIDTH,
    attention_strips,
    map_names,
)
from passerby.figures.distance_histogram import pair_distances
from passerby.figures.embedding_plane import plane_of
from passerby.figures.grad_cam_drawing import identity_strips, pair_strips
from passerby.figures.hidden import hidden_strip, masks_and_hidden
from passerby.figures.lists_drawing import (
    RankedList,
    about_found,
    camera_name,
    person_name,
    scaled_picture,
)
from passerby.figures.masks import heat_strip, range_of, whole_picture
from passerby.figures.page_charts import Axis, Line, bar_chart, line_chart, point_chart
from passerby.figures.page_style import filter_style
from passerby.figures.ranked_lists import LEGEND, ranked_lists
from passerby.figures.report_page import Section, write_page
from passerby.figures.saving import data_uri
from passerby.ranking.verification import verify
from passerby.training.progress import counting
from passerby.types import CueSource, InputError, Sample, Split

FILTERS = {"all": "all", "failures": "first one wrong", "worst": "lowest AP", "random": "at random"}
"""Kinds of ranked lists, and what their buttons say."""
HEAT = "From the least value (dark) to the greatest (bright), which stand below."
"""What the page says of colours over pictures."""


def write_report(
    run: str | Path,
    target: str | Path,
    model: Embedder,
    split: Split,
    *,
    embeddings: tuple[NDArray[Any], NDArray[Any]] | None = None,
    beside: Mapping[str, Path] | None = None,
    cues: CueSource | None = None,
    lists: int = 12,
    pictures: int = 6,
    seed: int = 0,
    console: Console | None = None,
) -> None:
    """Writes the report; it holds pictures of the data set, small and as they are.

    Args:
        run: the run's folder.
        target: the .html, written atomically.
        model: `Embedder.load(run)`.
        split: the data set.
        embeddings: (Q, D) of the queries and (G, D) of the gallery; None: computed.
        beside: name -> further result file, whose scores stand beside the run's own.
        cues: masks and joints, if the method looks at any.
        lists: ranked lists at random, and as many of lowest average precision.
        pictures: under masks, maps and Grad-CAM, each.
        seed: of the random choices.
        console: where progress is shown; nowhere if not given.

    Raises:
        InputError: as `write_page`, lists or pictures below 1, or an unreadable picture.
    """
    if lists < 1 or pictures < 1:
        raise InputError(
            f"a report needs lists and pictures of at least 1: given {lists}, {pictures}"
        )
    started, speed = time.perf_counter(), ""
    if embeddings is None:
        found = []
        for name, samples in (("query", split.query), ("gallery", split.gallery)):
            with counting(f"embedding {name}", console) as progress:
                found.append(model.embed_samples(samples, cues=cues, progress=progress))
        embeddings, took = (found[0], found[1]), time.perf_counter() - started
        count = sum(map(len, embeddings))
        speed = (
            f"{count} pictures embedded for this page in {took:.1f} s, {count / took:.0f} a second."
        )
    rows = _rows(split, embeddings, model.descriptor.metric, lists, seed)
    chosen = [row.query for _, row in rows][:pictures]
    pairs = [(row.query, row.found[0]) for _, row in rows if row.found][:pictures]
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(split.train))[:pictures]
    trained = [split.train[index] for index in sorted(order)]
    sections = [
        _lists(rows),
        _spread(split, embeddings, model.descriptor.metric, seed, speed),
        *_able(model, "mask", "Masks", lambda: _masks(model, Path(run), chosen, cues), run),
        *_able(model, "attention_maps", "Attention", lambda: _attention(model, chosen, cues), run),
        _said(
            "grad-cam", "Grad-CAM", lambda: _grad_cam(model, run, split, pairs, trained, cues), run
        ),
    ]
    write_page(run, target, beside=beside, more=sections, style=filter_style(list(FILTERS)))


def _rows(
    split: Split, embeddings: tuple[NDArray[Any], NDArray[Any]], metric: str, lists: int, seed: int
) -> list[tuple[set[str], RankedList]]:
    """Ranked lists with their kinds; one that was chosen twice stands once."""
    rows: dict[str, tuple[set[str], RankedList]] = {}
    for choice in ("random", "worst"):
        found, _ = ranked_lists(
            split, *embeddings, metric=metric, rows=lists, choice=choice, seed=seed
        )
        for row in found:
            kinds, _ = rows.setdefault(row.query.name, (set(), row))
            kinds.add(choice)
            if row.first_match > 1:
                kinds.add("failures")
    return list(rows.values())


def _lists(rows: Sequence[tuple[set[str], RankedList]]) -> Section:
    """Queries and what is found; buttons hide kinds of them, by CSS alone."""
    counts = {name: sum(name == "all" or name in kinds for kinds, _ in rows) for name in FILTERS}
    inputs = "".join(
        f'<input type="radio" name="show" id="show-{name}"{" checked" * (name == "all")}>'
        for name in FILTERS
    )
    labels = "".join(
        f'<label for="show-{name}">{text} ({counts[name]})</label>'
        for name, text in FILTERS.items()
    )
    # A filter that nothing passes says so.
    empty = "".join(
        f'<p class="none no-{name}">There is none.</p>' for name in FILTERS if not counts[name]
    )
    lists = "\n".join(_list(kinds, row) for kinds, row in rows)
    html = (
        f"<p>{LEGEND} Solid frame and ✓: right; dashed frame and ✗: wrong. The number is the "
        "distance. AP: average precision over the whole gallery.</p>"
        f'<div class="lists">{inputs}<div class="choices">{labels}</div>{empty}\n{lists}</div>'
    )
    return Section("lists", "Ranked lists", html)


def _list(kinds: set[str], row: RankedList) -> str:
    person = person_name(row.query)
    cells = [
        f'<figure class="query"><img src="{_small(row.query)}" alt="query: {escape(person)}">'
        f"<figcaption>query<br>{escape(camera_name(row.query))}</figcaption></figure>"
    ]
    for rank, (sample, (_, distance, camera)) in enumerate(
        zip(row.found, about_found(row), strict=True), 1
    ):
        right = sample.person_id == row.query.person_id
        kind, mark = ("right", "✓") if right else ("wrong", "✗")
        said = f"rank {rank}: {'the same' if right else 'another'} person, {camera}"
        cells.append(
            f'<figure class="{kind}"><img src="{_small(sample)}" '
            f'alt="{escape(said)}"><figcaption><b>{mark} {distance}</b><br>{escape(camera)}'
            "</figcaption></figure>"
        )
    about = f"AP {100 * row.ap:.0f} %, first right one at rank {row.first_match}"
    classes = " ".join(["list", *sorted(kinds)])
    return (
        f'<article class="{classes}"><h3>{escape(person)} <span>{about}</span></h3>'
        f'<div class="row" tabindex="0">{"".join(cells)}</div></article>'
    )


def _spread(
    split: Split,
    embeddings: tuple[NDArray[Any], NDArray[Any]],
    metric: str,
    seed: int,
    speed: str,
) -> Section:
    """How far persons are apart: histograms, ROC, the plane."""
    pairs = pair_distances(split, *embeddings, metric=metric, seed=seed)
    edges, same, other = pairs.shares()
    name = f"{metric.replace('_', ' ')} distance"
    shares = [
        (f"of one person ({len(pairs.same):,})", (100 * same).tolist()),
        (f"of two ({len(pairs.other):,})", (100 * other).tolist()),
    ]
    charts = [
        bar_chart(
            edges.tolist(), shares, Axis(name), Axis("pairs (%)"), f"Histograms of the {name}"
        ),
        _roc(split, embeddings, metric),
    ]
    plane = plane_of(split, *embeddings, metric=metric, seed=seed)
    people = sorted(set(plane.people.tolist()))
    points = [
        (float(x), float(y), people.index(person), f"person {person}, camera {camera}")
        for (x, y), person, camera in zip(
            plane.points, plane.people.tolist(), plane.cameras.tolist(), strict=True
        )
    ]
    first, second = (f"{share:.0%} of the variance" for share in plane.shares)
    charts.append(
        point_chart(
            points,
            Axis(f"first component, {first}"),
            Axis(f"embeddings of {len(people)} people, a colour each; upwards {second}"),
            "Embeddings by principal components",
        )
    )
    some = "" if pairs.queries == pairs.of_queries else f", of {pairs.queries} queries at random"
    return Section(
        "distances",
        "Distances",
        f'<div class="charts">{"".join(charts)}</div><p class="pale">Pairs as the evaluation ranks '
        f"them{some}. {escape(speed)}</p>",
    )


def _roc(split: Split, embeddings: tuple[NDArray[Any], NDArray[Any]], metric: str) -> str:
    labels = [[getattr(s, field) for s in part] for field in ("person_id", "camera_id")
              for part in (split.query, split.gallery)]  # fmt: skip
    found = verify(*embeddings, *labels, metric=metric)
    least = max(1e-5, 1 / found.impostor)
    first = max(0, int(np.searchsorted(found.false_match_rates, least)) - 1)
    # As many points as can be told apart on a screen.
    places = np.unique(np.linspace(first, len(found.thresholds) - 1, 200).astype(int))
    rates = np.maximum(found.false_match_rates[places], least)
    line = Line("", (100 * rates).tolist(), (100 * found.true_match_rates[places]).tolist())
    describe = "Pairs of one person accepted (%)"
    x = Axis("pairs of two persons accepted (%)", 100 * least, 100, log=True)
    return line_chart([line], x, Axis(f"{describe}: ROC", 0, 100), f"ROC: {describe}")


def _masks(model: Embedder, run: Path, samples: Sequence[Sample], cues: CueSource | None) -> str:
    masks, hidden = masks_and_hidden(model, run, samples, cues=cues)
    if hidden is not None:
        strips = [
            (hidden_strip(*given), f"{range_of([given[1]])}, {given[2].mean():.0%} hidden")
            for given in zip(samples, masks, hidden, strict=True)
        ]
        return _strips(strips, "Picture, mask (black: 1), and the picture as training hides it.")
    both = hasattr(model.network, "masking")
    strips = []
    for sample, mask in zip(samples, masks, strict=True):
        shown = [mask, 1 - mask] if both else [mask]
        strips.append((heat_strip(whole_picture(sample), shown), range_of(shown)))
    reverse = " and under its reverse" if both else ""
    return _strips(strips, f"Each picture under its mask{reverse}. {HEAT}")


def _attention(model: Embedder, samples: Sequence[Sample], cues: CueSource | None) -> str:
    strips = attention_strips(model, samples, cues)
    parts = ""
    if any(strip.height > HEIGHT for strip, _ in strips):
        parts = " Above: the whole body; below: its four parts."
    names = ", ".join(map_names(model)[: strips[0][0].width // WIDTH - 1])
    alone = f" {PARTS_ALONE.capitalize()}." if parts else ""
    text = f"What the network sees, its attention maps ({names}).{parts} {HEAT}{alone}"
    return _strips(strips, text)


def _grad_cam(
    model: Embedder,
    run: str | Path,
    split: Split,
    pairs: Sequence[tuple[Sample, Sample]],
    trained: Sequence[Sample],
    cues: CueSource | None,
) -> str:
    parts = []
    strips, what = pair_strips(model, pairs, cues=cues)
    parts.append(_strips(strips, f"{what}: a query and what is found first for it."))
    try:
        strips, what = identity_strips(model, run, split, trained, cues=cues)
        parts.append(_strips(strips, f"{what}, for training pictures."))
    except InputError as error:
        parts.append(f'<p class="pale">No identity score: {_why(error, run)}.</p>')
    return "".join(parts)


def _strips(strips: Sequence[tuple[Image.Image, str]], caption: str) -> str:
    figures = "".join(
        f'<figure><img src="{data_uri(strip, "JPEG", quality=80)}" '
        f'width="{strip.width}" height="{strip.height}" alt="{escape(text or caption)}">'
        f"<figcaption>{escape(text)}</figcaption></figure>"
        for strip, text in strips
    )
    return f'<p>{escape(caption)}</p><div class="strips">{figures}</div>'


def _able(
    model: Embedder, ability: str, title: str, make: Callable[[], str], run: str | Path
) -> list[Section]:
    """A section, or none where the method can do nothing of the kind."""
    criterion = model.method.criterion(model.recipe, model.network, 1)
    able = any(callable(getattr(part, ability, None)) for part in (model.network, criterion))
    return [_said(title.lower(), title, make, run)] if able else []


def _said(anchor: str, title: str, make: Callable[[], str], run: str | Path) -> Section:
    """A section, or in its place why this run has none."""
    try:
        return Section(anchor, title, make())
    except InputError as error:
        return Section(anchor, title, f'<p class="pale">None: {_why(error, run)}.</p>')


def _why(error: InputError, run: str | Path) -> str:
    # Where the run lies is this machine's affair.
    return escape(str(error).replace(str(run), Path(run).name))


def _small(sample: Sample) -> str:
    return data_uri(scaled_picture(sample), "JPEG", quality=75)
