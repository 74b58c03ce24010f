"""`passerby demo`: from nothing to a person found again, in a few minutes on a CPU."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import tyro
from rich.console import Console
from rich.table import Table

from passerby.cli.options import parse_options
from passerby.evaluation.results import rank_share, write_results
from passerby.terminal import say, terminal
from passerby.training.progress import counting
from passerby.training.settings import Settings
from passerby.types import JUNK_ID, InputError, Split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from passerby.embedding.embedder import Embedder
    from passerby.evaluation.protocols import Evaluation

STRIPES = 6
DISTRACTOR_ID = 0
"""Of people in Market-1501's layout who are in the gallery alone."""
FALSE_MATCHES = 0.01
"""Rate of false matches that the gallery's threshold is set for."""


@dataclass(frozen=True)
class Options:
    """Draw people, train a small network on some, and find the others again across cameras."""

    out: Path = Path("demo")
    """Folder for the people, the run and the pictures; finished steps are not repeated."""
    train_identities: int = 100
    """Number of people to train on."""
    test_identities: int = 50
    """Number of other people to find again."""
    cameras: int = 4
    """Number of cameras."""
    epochs: int = 12
    """Training epochs."""
    seed: int = 1
    """Random seed of people and training."""
    serve: tyro.conf.FlagCreatePairsOff[bool] = False
    """At the end, open a page that searches the gallery of the test people."""
    port: int = 8000
    """TCP port of the page; 0: any free port."""


def run(arguments: list[str]) -> None:
    """Runs the command."""
    options = parse_options(Options, arguments, "passerby demo")
    from passerby.cli.demo_video import watch_street
    from passerby.experiment import evaluate_run
    from passerby.figures.ranked_lists import draw_ranked_lists
    from passerby.figures.report import write_report

    started = time.monotonic()
    console = terminal(errors=True)
    split = people(options, console)
    say(console, "2. The baseline: comparing colours, without learning anything")
    colours = colour_baseline(split, options.out / "colours.json")
    say(console, "3. passerby's own model, which has seen none of these people")
    own = own_model(split, options.out / "own_model.json", console)
    say(console, f"4. Training a small network on the {options.train_identities} training people")
    model = train_once(options, split, console)
    say(console, "5. Finding the test people again in the pictures of the other cameras")
    learned = evaluate_run(model, split, options.out / "run", console=console)
    place = options.out / "people.gallery"
    say(console, "6. Filling a gallery with the test people")
    embeddings = model.embed_samples(split.query), model.embed_samples(split.gallery)
    searched = fill_gallery(model, split, embeddings[1], place)
    lists, page = options.out / "ranked_lists.png", options.out / "report.html"
    say(console, "7. Writing the report")
    draw_ranked_lists(split, *embeddings, lists, metric=model.descriptor.metric)
    beside = {
        "colours alone": options.out / "colours.json",
        "passerby's own model": options.out / "own_model.json",
    }
    write_report(options.out / "run", page, model, split, embeddings=embeddings, beside=beside)
    cameras = watch_street(options.out, console)
    answer = terminal()
    answer.print(table(colours, own, learned))
    say(
        answer,
        f"report   {page}   (open it in a browser; it needs no network)\n"
        f"scores   {options.out / 'run' / 'results.json'}\n"
        f"pictures {lists}   (left: who is looked for; green: found, red: somebody else)\n"
        f"model    {options.out / 'run'}   (passerby.Embedder.load)\n"
        f"gallery  {searched}\n"
        f"cameras  {cameras}\n"
        f"time     {time.monotonic() - started:.0f} s",
    )
    if options.serve:
        serve_people(model, split, options, place, console)


def people(options: Options, console: Console) -> Split:
    """Draws the people where they are not drawn yet."""
    from passerby.data.datasets import load
    from passerby.drawing import SyntheticRecipe, write_synthetic

    recipe = SyntheticRecipe(
        train_identities=options.train_identities,
        test_identities=options.test_identities,
        cameras=options.cameras,
        pictures_per_identity=12,
        distractors=options.test_identities,
        junk=options.test_identities,
        seed=options.seed,
    )
    say(
        console,
        f"1. Drawing people as {options.cameras} cameras see them: {options.out / 'people'}",
    )
    with counting("drawing", console) as progress:
        write_synthetic(options.out / "people", recipe, progress=progress)
    return load("synthetic", options.out / "people")


def colour_baseline(split: Split, results: Path) -> Evaluation:
    """Ranks by colour histograms of six horizontal stripes."""
    from passerby.evaluation.colour_histogram import histogram_embeddings
    from passerby.evaluation.protocols import evaluate_split

    found = evaluate_split(
        histogram_embeddings(split.query, STRIPES),
        histogram_embeddings(split.gallery, STRIPES),
        split,
        metric="euclidean",
        feature=f"HSV 8x8x8 histogram of {STRIPES} stripes",
        fingerprint="colour histogram",
    )
    write_results(results, found, {})
    return found


def own_model(split: Split, results: Path, console: Console) -> Evaluation:
    """Ranks by the model that comes with passerby."""
    from passerby.embedding.embedder import Embedder
    from passerby.experiment import evaluate_model

    found = evaluate_model(Embedder.default(), split, console=console)
    write_results(results, found, {})
    return found


def train_once(options: Options, split: Split, console: Console) -> Embedder:
    """Trains BagOfTricks, goes on with a run that was interrupted, or takes the finished one."""
    from passerby.experiment import train

    return train(
        "bag_of_tricks",
        split,
        options.out / "run",
        preset="small",
        recipe={
            "epochs": options.epochs,
            "milestones": [options.epochs * 6 // 10, options.epochs * 8 // 10],
        },
        settings=Settings(seed=options.seed),
        resume=(options.out / "run").exists(),
        evaluate=False,
        console=console,
    )


def fill_gallery(
    model: Embedder, split: Split, embeddings: NDArray[np.float32], place: Path
) -> str:
    """A gallery of the test people, every tenth of them not known, with a threshold.

    Args:
        model: made the embeddings.
        split: whose gallery pictures are the entries.
        embeddings: (G, D) of these.
        place: the gallery's folder; what is there already stays.

    Returns:
        Where it is and how to search it, or what it needs.
    """
    if find_spec("lance") is None:
        return "none: it needs pip install '.[gallery]'"
    from passerby.gallery.gallery import Gallery
    from passerby.gallery.new_rows import NewEntries

    rows = [row for row, one in enumerate(split.gallery) if one.person_id != JUNK_ID]
    people = sorted({name for row in rows if (name := split.gallery[row].person) is not None})
    unknown = set(people[::10])
    told = [
        replace(one, person=None) if one.person in unknown else one
        for one in (split.gallery[row] for row in rows)
    ]
    with Gallery.open(place, model) as gallery:
        gallery.add(embeddings[rows], NewEntries.of_samples(told))
        try:
            if gallery.settings.calibration is None:
                gallery.calibrate(FALSE_MATCHES)
        except InputError as error:
            return f"{place}   (without a threshold: {error})"
    return f"{place}   (passerby gallery search, or a page: passerby demo --serve)"


def serve_people(
    model: Embedder, split: Split, options: Options, place: Path, console: Console
) -> None:
    """Serves the page over the gallery until it is stopped."""
    from passerby.cli.gallery_options import Place
    from passerby.cli.serve import ServeOptions, serve_gallery

    say(console, f"9. Serving it; pictures to search by: {options.out / 'people' / 'query'}")
    served = ServeOptions(pictures=split.root, port=options.port, open=True, quiet=True)
    serve_gallery(Place(str(place)), lambda: model, served, partial(say, console))


def table(colours: Evaluation, own: Evaluation, learned: Evaluation) -> Table:
    """Three scores side by side: the last row shows what training adds."""
    count = f"{learned.counts.queries} queries, {learned.counts.gallery} gallery pictures"
    shown = Table(
        title="The right person among the first k (rank-k), and mean average precision, per cent",
        caption=f"{count}; {learned.protocol}; pictures of the query's own camera do not count",
    )
    for name in ("", "rank-1", "rank-5", "rank-10", "mAP"):
        shown.add_column(name, justify="right" if name else "left")
    rows = {"colours alone": colours, "passerby's own model": own, "trained network": learned}
    for name, found in rows.items():
        shares = [*(rank_share(found.step, rank) for rank in (1, 5, 10)), found.step.mean_ap]
        shown.add_row(name, *(f"{100 * share:.1f}" for share in shares))
    return shown
