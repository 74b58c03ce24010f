"""How a page of ranked lists looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from passerby.data.images import read_image
from passerby.figures.lettering import INK, PALE, font, shortened, wrapped
from passerby.types import Sample

HEIGHT = 160
"""Of every picture, in pixels."""
_FRAME, _GAP, _MARGIN, _QUERY_GAP, _LINE, _LEAST_WIDTH = 4, 8, 16, 20, 15, 64
_RIGHT, _WRONG, _QUERY = (0, 150, 80), (214, 39, 40), (70, 70, 70)


@dataclass(frozen=True)
class RankedList:
    """One row of the figure."""

    query: Sample
    """The picture that searches."""
    found: tuple[Sample, ...]
    """Gallery pictures, nearest first; pictures that the evaluation leaves out are not here."""
    distances: tuple[float, ...]
    """To the query, one for each of `found`."""
    ap: float = float("nan")
    """Average precision of the query over the whole gallery."""
    first_match: int = 0
    """1-based rank of the first picture of the query's person."""


def lists_figure(
    lists: Sequence[Sequence[RankedList]], caption: str, names: Sequence[str] = ()
) -> Image.Image:
    """A page: a row for each query, with its lists side by side.

    Args:
        lists: for each query at least one, all of the same query; all queries have as many.
        caption: below.
        names: above the lists, one for each of a query's; or none.
    """
    pictures = [
        [scaled_picture(row[0].query), *(scaled_picture(s) for one in row for s in one.found)]
        for row in lists
    ]
    cell = max(_LEAST_WIDTH, *(picture.width for row in pictures for picture in row)) + 2 * _FRAME
    rows = []
    for row, drawn in zip(lists, pictures, strict=True):
        about = [_about_query(row[0]), *(a for one in row for a in about_found(one))]
        rows.append([_cell(p, cell, *said) for p, said in zip(drawn, about, strict=True)])
    # Lists are as long as each other: the gallery is one, only junk and own pictures differ.
    longest = [max(len(row[side].found) for row in lists) for side in range(len(lists[0]))]
    lefts, labels, firsts = [_MARGIN], ["query"], []
    for length in longest:
        start = lefts[-1] + cell + _GAP + _QUERY_GAP
        firsts.append(start)
        lefts += [start + k * (cell + _GAP) for k in range(length)]
        labels += [str(k + 1) for k in range(length)]
    pitch = rows[0][0].height + _GAP
    heading = _MARGIN + (_LINE if names else 0)
    top, width = heading + _LINE + 4, lefts[-1] + cell + _MARGIN
    caption = wrapped(caption, width - 2 * _MARGIN)
    bottom = top + len(rows) * pitch
    height = bottom + (caption.count("\n") + 1) * _LINE + _MARGIN
    canvas = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(canvas)
    for name, left, length in zip(names, firsts, longest, strict=False):
        room = length * (cell + _GAP) - _GAP
        draw.text((left, _MARGIN), shortened(name, room), INK, font())
    for left, label in zip(lefts, labels, strict=True):
        draw.text((left + cell // 2, heading), label, INK, font(), anchor="ma")
    for index, (row, cells) in enumerate(zip(lists, rows, strict=True)):
        for left, drawn_cell in zip(_places(row, longest, lefts), cells, strict=True):
            canvas.paste(drawn_cell, (left, top + index * pitch))
    for i, line in enumerate(caption.split("\n")):
        draw.text((_MARGIN, bottom + i * _LINE), line, PALE, font())
    return canvas


def _places(row: Sequence[RankedList], longest: Sequence[int], lefts: Sequence[int]) -> list[int]:
    """Where the cells of a row stand; a list may be shorter than the longest of its side."""
    places, start = [lefts[0]], 1
    for one, length in zip(row, longest, strict=True):
        places += lefts[start : start + len(one.found)]
        start += length
    return places


def camera_name(sample: Sample) -> str:
    """The camera's own name, or its number."""
    return _called("camera", sample.camera, sample.camera_id)


def person_name(sample: Sample) -> str:
    """The person's own name, or its number."""
    return _called("person", sample.person, sample.person_id)


def _about_query(row: RankedList) -> tuple[tuple[int, int, int], str, str]:
    return _QUERY, person_name(row.query), camera_name(row.query)


def about_found(row: RankedList) -> list[tuple[tuple[int, int, int], str, str]]:
    """Frame colour, distance and camera of each picture of a list."""
    return [
        (
            _RIGHT if sample.person_id == row.query.person_id else _WRONG,
            f"{distance:.3f}" if distance < 100 else f"{distance:.4g}",
            camera_name(sample),
        )
        for sample, distance in zip(row.found, row.distances, strict=True)
    ]


def _called(kind: str, name: str | None, number: int) -> str:
    if name is None:
        return f"{kind} {number}"
    return f"{kind} {name}" if name.isdecimal() else name


def scaled_picture(sample: Sample) -> Image.Image:
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
    for i, (text, ink) in enumerate(((first, INK), (second, PALE))):
        place = (width // 2, framed.height + 2 + i * _LINE)
        draw.text(place, shortened(text, width), ink, font(), anchor="ma")
    return cell
