"""`passerby figures` that embed pictures: lists, Grad-CAM, embeddings, distances, report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from passerby.cli.changes import parse_changes
from passerby.cli.dataset import load_run_split
from passerby.cli.figure_options import (
    DistanceOptions,
    EmbeddingOptions,
    GradCamOptions,
    ListOptions,
    ReportOptions,
    RunOptions,
)
from passerby.cli.models import open_model
from passerby.cli.run_figure import parse
from passerby.cues.joined import cues_of
from passerby.figures.saving import check_target, save_image
from passerby.terminal import show, terminal
from passerby.training.progress import counting
from passerby.types import CueSource, InputError, Split

if TYPE_CHECKING:
    from passerby.embedding.embedder import Embedder
    from passerby.figures.ranked_lists import Side


def lists(arguments: list[str]) -> None:
    """Draws ranked lists."""
    command = parse(ListOptions, arguments, "lists")
    from passerby.figures.ranked_lists import draw_lists_of_two, draw_ranked_lists

    options: ListOptions = command.figure
    check_target(options.out, "ranked lists")
    split = load_run_split(command.data, options.run, _console())
    first = _side(_model(options, options.run, options.change), options.run, split, options.change)
    top = options.top or (10 if options.beside is None else 5)
    if options.beside is None:
        if options.beside_change:
            raise InputError("--beside-change needs --beside RUN")
        draw_ranked_lists(
            split, first.query, first.gallery, options.out, metric=first.metric,
            name=first.name, rows=options.rows, top=top, choice=options.choice, seed=options.seed,
        )  # fmt: skip
    else:
        right = options.beside_change
        second = _side(_model(options, options.beside, right), options.beside, split, right)
        draw_lists_of_two(
            split, first, second, options.out,
            rows=options.rows, top=top, choice=options.choice, seed=options.seed,
        )  # fmt: skip
    show(f"written: {options.out}")


def grad_cam(arguments: list[str]) -> None:
    """Draws Grad-CAM."""
    command = parse(GradCamOptions, arguments, "grad-cam")
    import numpy as np

    from passerby.figures.grad_cam_drawing import identity_strips, pair_strips
    from passerby.figures.masks import grid, with_text
    from passerby.figures.ranked_lists import ranked_lists

    options: GradCamOptions = command.figure
    check_target(options.out, "Grad-CAM")
    changes, others = options.change, options.beside
    split = load_run_split(command.data, options.run, _console())
    if options.count < 1 or (options.columns is not None and options.columns < 1):
        given = f"{options.count}, {options.columns}"
        raise InputError(f"a figure needs a count and columns of at least 1: given {given}")
    models = [_model(options, options.run, changes), *(_model(options, run) for run in others)]
    if options.score == "identity":
        random = np.random.Generator(np.random.PCG64(options.seed))
        order = sorted(random.permutation(len(split.train))[: options.count])
        samples = [split.train[index] for index in order]
    else:
        side = _side(models[0], options.run, split, changes)
        found, _ = ranked_lists(split, side.query, side.gallery, metric=side.metric,
                                rows=options.count, top=1, seed=options.seed)  # fmt: skip
        pairs = [(row.query, row.found[0]) for row in found if row.found]
    drawn, titles = [], []
    for number, (model, run) in enumerate(zip(models, (options.run, *others), strict=True)):
        cues, layer = _cues(model, split), options.layer
        if options.score == "identity":
            strips, what = identity_strips(model, run, split, samples, cues=cues, layer=layer)
        else:
            strips, what = pair_strips(model, pairs, cues=cues, layer=layer)
        label = f"{run.resolve().name}: " if others else ""
        drawn.append([with_text(strip, label + text) for strip, text in strips])
        titles.append(f"{_name(model, run, () if number else changes)}, {what}")
    columns = options.columns or (len(models) if others else 4)
    cells = [cell for of_picture in zip(*drawn, strict=True) for cell in of_picture]
    more = f", beside {len(others)} more" if others else ""
    title = f"{titles[0]}{more}; bright: the places that raise it"
    save_image(grid(cells, title, columns), options.out)
    show(f"written: {options.out}")


def embeddings(arguments: list[str]) -> None:
    """Draws embeddings."""
    command = parse(EmbeddingOptions, arguments, "embeddings")
    from passerby.figures.embedding_plane import draw_plane, plane_of

    options: EmbeddingOptions = command.figure
    check_target(options.out, "embeddings")
    split = load_run_split(command.data, options.run, _console())
    side = _side(_model(options, options.run), options.run, split)
    plane = plane_of(split, side.query, side.gallery, metric=side.metric, people=options.people,
                     seed=options.seed)  # fmt: skip
    people = len(set(plane.people.tolist()))
    draw_plane(plane, options.out, title=f"{side.name}: {people} people, a colour each")
    show(f"written: {options.out}")


def distances(arguments: list[str]) -> None:
    """Draws distances."""
    command = parse(DistanceOptions, arguments, "distances")
    from passerby.figures.distance_histogram import draw_distances, pair_distances

    options: DistanceOptions = command.figure
    check_target(options.out, "distances")
    split = load_run_split(command.data, options.run, _console())
    side = _side(_model(options, options.run), options.run, split)
    found = pair_distances(split, side.query, side.gallery, metric=side.metric, most=options.most,
                           seed=options.seed)  # fmt: skip
    label = f"{side.name}: {found.queries} of {found.of_queries} queries"
    draw_distances({label: found}, options.out, metric=side.metric)
    show(f"written: {options.out}")


def report(arguments: list[str]) -> None:
    """Writes the report."""
    command = parse(ReportOptions, arguments, "report")
    from passerby.figures.report import write_report
    from passerby.figures.report_page import write_page

    options: ReportOptions = command.figure
    target = options.out or options.run / "report.html"
    beside = dict(map(_beside, options.beside))
    if options.pictures:
        model = _model(options, options.run)
        split = load_run_split(command.data, options.run, _console())
        write_report(
            options.run, target, model, split, cues=_cues(model, split), beside=beside,
            lists=options.lists, seed=options.seed, console=_console(),
        )  # fmt: skip
    else:
        write_page(options.run, target, beside=beside)
    show(f"written: {target}")


def _beside(place: Path) -> tuple[str, Path]:
    """What a result file is called in a table, and where it lies."""
    file = place / "results.json" if place.is_dir() else place
    folder = file.resolve().parent.name
    return folder if file.name == "results.json" else f"{folder}, {file.stem}", file


def _model(options: RunOptions, run: Path, changes: Sequence[str] = ()) -> Embedder:
    beside = run != options.run
    given = parse_changes(changes)
    return open_model(run, options.method, device=options.device, changes=given, beside=beside)


def _side(model: Embedder, run: Path, split: Split, changes: Sequence[str] = ()) -> Side:
    """The run's embeddings of the test pictures."""
    from passerby.figures.ranked_lists import Side

    cues = _cues(model, split)
    found = {}
    for name, samples in (("query", split.query), ("gallery", split.gallery)):
        with counting(f"embedding {name}", _console()) as progress:
            found[name] = model.embed_samples(samples, cues=cues, progress=progress)
    return Side(
        _name(model, run, changes), found["query"], found["gallery"], model.descriptor.metric
    )


def _name(model: Embedder, run: Path, changes: Sequence[str] = ()) -> str:
    return f"{model.method.name} ({', '.join([run.resolve().name, *changes])})"


def _cues(model: Embedder, split: Split) -> CueSource | None:
    return cues_of(split) if model.inputs.cues else None


def _console() -> Console:
    return terminal(errors=True)
