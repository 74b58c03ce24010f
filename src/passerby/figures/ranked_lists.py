"""Ranked lists: queries at left, what the gallery gives for each at right."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from passerby.data.images import read_image
from passerby.files import atomic
from passerby.ranking.matches import Identities, check_identities, find_matches
from passerby.ranking.metrics import scores
from passerby.ranking.nearest import nearest_first
from passerby.ranking.tiles import tiles
from passerby.types import InputError, Sample, Scores, Split

CHOICES = ("random", "best", "worst")
"""Which queries are drawn: any, or those of highest or lowest average precision."""

HEIGHT = 160
"""Of every picture, in pixels."""
_FRAME, _GAP, _MARGIN, _QUERY_GAP, _LINE, _LEAST_WIDTH = 4, 8, 16, 20, 15, 64
_RIGHT, _WRONG, _QUERY = (0, 150, 80), (214, 39, 40), (70, 70, 70)
_INK, _PALE = (30, 30, 30), (110, 110, 110)


@dataclass(frozen=True)
class RankedList:
    """One row of the figure."""

    query: Sample
    """The picture that searches."""
    found: tuple[Sample, ...]
    """Gallery pictures, nearest first; pictures that the evaluation leaves out are not here."""
    distances: tuple[float, ...]
    """To the query, one for each of `found`."""


def draw_ranked_lists(
    split: Split,
    query_embeddings: NDArray[Any],
    gallery_embeddings: NDArray[Any],
    target_png: str | Path,
    *,
    metric: str,
    rows: int = 8,
    top: int = 10,
    choice: str = "random",
    seed: int = 0,
) -> None:
    """Draws queries with a match and their nearest gallery pictures, framed green or red.

    Green is the query's person, red another one. Junk, and pictures of the query's person from
    the query's own camera, are left out as in the evaluation.

    Args:
        split: the data set; its picture files are read.
        query_embeddings: (Q, D), in the order of `split.query`.
        gallery_embeddings: (G, D), in the order of `split.gallery`.
        target_png: written atomically.
        metric: `euclidean`, `squared_euclidean` or `cosine`.
        rows: queries, fewer where the split has fewer with a match.
        top: gallery pictures of each, fewer where the gallery is smaller.
        choice: one of `CHOICES`.
        seed: of the random choice.

    Raises:
        InputError: embeddings that do not fit the split, rows or top below 1, an unknown choice or
            metric, a target that is not .png, no query with a match, an unreadable picture.
    """
    if Path(target_png).suffix.lower() != ".png":
        raise InputError(f"ranked lists are written as .png: given {target_png}")
    lists, matched = ranked_lists(
        split,
        query_embeddings,
        gallery_embeddings,
        metric=metric,
        rows=rows,
        top=top,
        choice=choice,
        seed=seed,
    )
    how = f"at random (seed {seed})" if choice == "random" else f"those of {choice} AP"
    caption = (
        f"{split.name} ({split.root.resolve().name}): {len(lists)} of {matched} queries "
        f"with a match, {how}; nearest first by {metric.replace('_', ' ')} distance (the number "
        "under a picture). Green: the query's person; red: another person. Left out: junk, and the "
        "query's person in the query's camera."
    )
    figure = _figure(lists, split, caption)
    with atomic(target_png) as temporary:
        figure.save(temporary, format="PNG")


def ranked_lists(
    split: Split,
    query_embeddings: NDArray[Any],
    gallery_embeddings: NDArray[Any],
    *,
    metric: str,
    rows: int = 8,
    top: int = 10,
    choice: str = "random",
    seed: int = 0,
) -> tuple[list[RankedList], int]:
    """Chooses queries and ranks the gallery for them; arguments as `draw_ranked_lists`.

    Returns:
        lists: `rows` of them, in the order of the split when random, else best or worst first.
        matched: number of queries with a match, which the choice was from.

    Raises:
        InputError: as `draw_ranked_lists`.
    """
    if rows < 1 or top < 1:
        raise InputError(f"ranked lists need rows and top of at least 1: given {rows}, {top}")
    identities = check_identities(
        (len(query_embeddings), len(gallery_embeddings)),
        [sample.person_id for sample in split.query],
        [sample.person_id for sample in split.gallery],
        [sample.camera_id for sample in split.query],
        [sample.camera_id for sample in split.gallery],
    )
    matches = find_matches(query_embeddings, gallery_embeddings, identities, metric)
    result = scores(matches)
    chosen = choose_queries(result, rows, choice, seed)
    lists = []
    for query in chosen:
        _, block = next(tiles(query_embeddings[query : query + 1], gallery_embeddings, metric))
        lists.append(_ranked_list(split, identities, int(query), block[0].cpu().numpy(), top))
    return lists, len(result.ap) - len(result.unmatched)


def choose_queries(result: Scores, rows: int, choice: str, seed: int) -> NDArray[np.int64]:
    """Indices of queries with a match; equal AP in the order of the split.

    Raises:
        InputError: an unknown choice.
    """
    matched = np.flatnonzero(result.first_match > 0)
    if choice == "random":
        random = np.random.Generator(np.random.PCG64(seed))
        return np.sort(random.permutation(matched)[:rows])
    if choice == "best":
        return matched[np.argsort(-result.ap[matched], kind="stable")][:rows]
    if choice == "worst":
        return matched[np.argsort(result.ap[matched], kind="stable")][:rows]
    raise InputError(f"the choice must be one of {', '.join(CHOICES)}: given {choice!r}")


def _ranked_list(
    split: Split, identities: Identities, query: int, distances: NDArray[np.float32], top: int
) -> RankedList:
    _, ranked = identities.matches_and_ranked(query)
    order = nearest_first(distances, np.flatnonzero(ranked))[:top]
    return RankedList(
        split.query[query],
        tuple(split.gallery[i] for i in order),
        tuple(float(distances[i]) for i in order),
    )


def _figure(lists: list[RankedList], split: Split, caption: str) -> Image.Image:
    pictures = [[_picture(sample) for sample in (row.query, *row.found)] for row in lists]
    cell = max(_LEAST_WIDTH, *(picture.width for row in pictures for picture in row)) + 2 * _FRAME
    rows = [
        [
            _cell(picture, cell, *about)
            for picture, about in zip(drawn, _about(row, split), strict=True)
        ]
        for row, drawn in zip(lists, pictures, strict=True)
    ]
    columns = max(len(row) for row in rows)
    lefts = [_MARGIN + i * (cell + _GAP) + (_QUERY_GAP if i else 0) for i in range(columns)]
    pitch = rows[0][0].height + _GAP
    top, width = _MARGIN + _LINE + 4, lefts[-1] + cell + _MARGIN
    caption = _wrapped(caption, width - 2 * _MARGIN)
    bottom = top + len(rows) * pitch
    height = bottom + (caption.count("\n") + 1) * _LINE + _MARGIN
    canvas = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(canvas)
    for i, left in enumerate(lefts):
        place = (left + cell // 2, _MARGIN)
        draw.text(place, str(i) if i else "query", _INK, _font(), anchor="ma")
        for row, cells in enumerate(rows):
            if i < len(cells):
                canvas.paste(cells[i], (left, top + row * pitch))
    for i, line in enumerate(caption.split("\n")):
        draw.text((_MARGIN, bottom + i * _LINE), line, _PALE, _font())
    return canvas


def _about(row: RankedList, split: Split) -> list[tuple[tuple[int, int, int], str, str]]:
    """Frame colour and the two lines under each picture of a row."""

    def camera(sample: Sample) -> str:
        return split.camera_names.get(sample.camera_id, f"camera {sample.camera_id}")

    person = split.person_names.get(row.query.person_id, f"person {row.query.person_id}")
    found = [
        (
            _RIGHT if sample.person_id == row.query.person_id else _WRONG,
            f"{distance:.3f}" if distance < 100 else f"{distance:.4g}",
            camera(sample),
        )
        for sample, distance in zip(row.found, row.distances, strict=True)
    ]
    return [(_QUERY, person, camera(row.query)), *found]


def _picture(sample: Sample) -> Image.Image:
    """The sample's picture at the common height, its shape kept (very wide ones are cut)."""
    image = Image.fromarray(read_image(sample.file, sample.box))
    width = max(1, round(image.width * HEIGHT / image.height))
    image = image.resize((width, HEIGHT), Image.Resampling.LANCZOS)
    cut = max(0, width - HEIGHT) // 2
    return image.crop((cut, 0, width - cut, HEIGHT))


def _cell(
    picture: Image.Image, width: int, colour: tuple[int, int, int], first: str, second: str
) -> Image.Image:
    cell = Image.new("RGB", (width, HEIGHT + 2 * _FRAME + 2 * _LINE + 4), "white")
    left = (width - picture.width) // 2
    framed = Image.new("RGB", (picture.width + 2 * _FRAME, HEIGHT + 2 * _FRAME), colour)
    cell.paste(framed, (left - _FRAME, 0))
    cell.paste(picture, (left, _FRAME))
    draw = ImageDraw.Draw(cell)
    for i, (text, ink) in enumerate(((first, _INK), (second, _PALE))):
        place = (width // 2, framed.height + 2 + i * _LINE)
        draw.text(place, _shortened(text, width), ink, _font(), anchor="ma")
    return cell


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=12)


def _shortened(text: str, width: int) -> str:
    if _font().getlength(text) <= width:
        return text
    while text and _font().getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."


def _wrapped(text: str, width: int) -> str:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if _font().getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)
