"""`passerby gallery COMMAND GALLERY`: fills, searches and empties a gallery."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from passerby.cli import gallery_distances, gallery_files, gallery_identify, gallery_names
from passerby.cli.cue_options import embed_queries, with_files, with_networks
from passerby.cli.gallery_options import (
    MODEL,
    Command,
    FilterOptions,
    OutputOptions,
    Place,
    age_of,
    confirm,
    filter_of,
    load_model,
    note_missing_names,
    open_gallery,
    seconds_of,
)
from passerby.cli.gallery_output import (
    answer_table,
    answers_plain,
    as_json,
    log_text,
    removal_text,
    statistics_table,
    tell,
    tell_added,
)
from passerby.cli.gallery_pictures import (
    note_numbers,
    pictures_to_add,
    query_pictures,
)
from passerby.cli.options import flat, named, parse_options, value_of
from passerby.ranking.profiles import Profiles
from passerby.terminal import say, show, terminal
from passerby.types import InputError

USAGE = """usage: passerby gallery COMMAND GALLERY ...

GALLERY is a folder, or http://host:port for a Milvus server.

commands:
{commands}

`passerby gallery COMMAND --help` explains every option."""


@dataclass(frozen=True)
class AddOptions:
    """Which pictures, and for how long."""

    part: Literal["all", "gallery", "query", "train"] | None = None
    """Which part of the data set to add. If not given: all pictures of your own (`folder`,
    `manifest`), the gallery of any other data set."""
    keep: str | None = None
    """Time until entries expire, e.g. 30d or 12h. If not given, they never expire."""
    skip_broken: tyro.conf.FlagCreatePairsOff[bool] = False
    """Skip pictures that cannot be read, and count them, instead of adding nothing."""
    namespace: str | None = None
    """Prefix of all names, as in site-a/0001, to keep sources apart."""


@dataclass(frozen=True)
class SearchOptions:
    """Whom to find, and how."""

    pictures: Annotated[tyro.conf.Positional[tuple[Path, ...]], named("PICTURE ...")]
    """Pictures of one person each, folders of them, or manifests."""
    k: int = 10
    """Maximum number of hits."""
    threshold: float | None = None
    """Distance at which matches end. If not given, the calibrated one; inf: no limit."""
    own_camera: tyro.conf.FlagCreatePairsOff[bool] = False
    """Search entries of --query-camera too."""
    query_camera: str | None = None
    """Camera that took the query pictures; its own entries are left out. If not given, as the
    manifest says."""
    group_by: Literal["person", "track"] | None = None
    """Show only the nearest hit of each person or track."""
    rerank: tyro.conf.FlagCreatePairsOff[bool] = False
    """Re-rank the nearest entries (k-reciprocal encoding)."""
    shortlist: int = 200
    """Number of nearest entries to re-rank."""
    approximate: tyro.conf.FlagCreatePairsOff[bool] = False
    """Use the index: faster in large galleries, but may miss entries."""


@dataclass(frozen=True)
class RemoveOptions:
    """What is asked first."""

    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Show what would be removed, and remove nothing."""
    yes: tyro.conf.FlagCreatePairsOff[bool] = False
    """Do not ask for confirmation (for scripts)."""


@dataclass(frozen=True)
class ExpireOptions:
    """What is too old."""

    older_than: str | None = None
    """Also remove entries that were taken longer ago than this, e.g. 30d."""
    log_older_than: str | None = None
    """Also remove lines of the audit log that are older than this, e.g. 365d."""
    yes: tyro.conf.FlagCreatePairsOff[bool] = False
    """Do not ask, even if more than half of the entries would go."""
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Show what would be removed, and remove nothing."""


@dataclass(frozen=True)
class CheckOptions:
    """What is taken for right."""

    clock_is_right: tyro.conf.FlagCreatePairsOff[bool] = False
    """Confirm that the clock is right and that the newest lines of the audit log were not."""


@dataclass(frozen=True)
class LogOptions:
    """Which lines."""

    since: str | None = None
    """Show lines from this time on: 2026-11-20T09:30 (local; with Z: UTC), or seconds since
    1970."""


def run(arguments: list[str]) -> None:
    """Runs the command."""
    if arguments and arguments[0] in COMMANDS:
        name, *rest = arguments
        kinds, does, text = COMMANDS[name]
        fields = [(kind.__name__, flat(kind)) for kind in (Place, *kinds, OutputOptions)]
        if name in _WITH_DATA:
            from passerby.cli.dataset import data_options

            fields.append(("Data", flat(data_options(value_of(rest, "--data", "market1501")))))
        kind = dataclasses.make_dataclass("Gallery", fields, frozen=True)
        command: Any = parse_options(kind, rest, f"passerby gallery {name}", description=text)
        does(command)
        return
    width = max(map(len, COMMANDS))
    lines = (f"  {name:<{width}}  {text}" for name, (_, _, text) in COMMANDS.items())
    show(USAGE.format(commands="\n".join(lines)))
    if not arguments or arguments[0] not in ("-h", "--help"):
        raise InputError(f"name a gallery command first: {', '.join(COMMANDS)}")


def _add(command: Any) -> None:
    model = with_networks(load_model(command.ModelOptions), command.NetworkOptions)
    options: AddOptions = command.AddOptions
    expires = None if options.keep is None else time.time() + age_of(options.keep)
    from passerby.cli.unlikely_crops import note_unlikely_crops
    from passerby.experiment import broken_among
    from passerby.gallery.pictures import add_samples
    from passerby.training.progress import counting

    console = terminal(errors=True)
    samples, root = pictures_to_add(command.Data, options.part, console)
    broken = {(one.file, one.box) for one, _ in broken_among(samples, options.skip_broken, console)}
    samples = [sample for sample in samples if (sample.file, sample.box) not in broken]
    note_unlikely_crops(samples, console)
    model = with_files(model, command.FileOptions, root)
    names = [] if options.namespace else [n for one in samples for n in (one.person, one.camera)]
    with open_gallery(command.Place, model) as gallery:
        numbers = note_numbers(gallery, root.resolve(), names, console)
        with counting("adding", console) as progress:
            found = add_samples(
                gallery, model, samples,
                expires=expires, namespace=options.namespace, progress=progress,
            )  # fmt: skip
        if numbers:
            gallery.note_numbered(str(root.resolve()))
        profiles = gallery.settings.profiles
    if found.others:
        say(
            console,
            f"warning: {len(found.others):,} pictures were not added: the gallery already has "
            f"other pictures of the same names, e.g. {found.others[0]}; use --namespace NAME to "
            "keep two sources apart",
        )
    _tell_raw(profiles, {each for one in samples if (each := one.camera)}, options.namespace)
    tell_added(command, found)


def _search(command: Any) -> None:
    from passerby.cli.unlikely_crops import note_unlikely_crops
    from passerby.gallery.answers import Reranking
    from passerby.gallery.pictures import contents_of

    options: SearchOptions = command.SearchOptions
    pictures = query_pictures(options.pictures)
    note_unlikely_crops(pictures, terminal(errors=True))
    model = with_networks(load_model(command.ModelOptions), command.NetworkOptions)
    model = with_files(model, command.FileOptions)
    cameras = [options.query_camera or one.camera for one in pictures]
    where = filter_of(command.FilterOptions)
    with open_gallery(command.Place, model) as gallery:
        note_missing_names(gallery, where, options.query_camera)
        answers = gallery.search(
            embed_queries(model, pictures, command.FileOptions.cues, terminal(errors=True)),
            options.k,
            where,
            threshold=options.threshold,
            query_cameras=cameras,
            own_camera=options.own_camera,
            query_contents=contents_of(pictures),
            group_by=options.group_by,
            reranking=Reranking(options.shortlist) if options.rerank else None,
            approximate=options.approximate,
        )
        profiles = gallery.settings.profiles
    _tell_raw(profiles, {one for one in cameras if one is not None})
    names = [str(one.file) for one in pictures]
    if command.OutputOptions.json:
        show(as_json(answers_plain(names, answers)))
        return
    for name, answer in zip(names, answers, strict=True):
        terminal().print(answer_table(name, answer))


def _tell_raw(profiles: Profiles | None, cameras: set[str], namespace: str | None = None) -> None:
    """Names cameras that stay raw beside others whose moves are taken out."""
    if namespace is not None:
        cameras = {f"{namespace}/{camera}" for camera in cameras}
    new = [] if profiles is None or not profiles.on else sorted(cameras - set(profiles.cameras))
    if new:
        terminal(errors=True).print(
            f"note: no profile yet for camera {', '.join(new)}: its embeddings stay raw until you "
            "run passerby gallery profile"
        )


def _remove(command: Any) -> None:
    options: RemoveOptions = command.RemoveOptions
    where = filter_of(command.FilterOptions)
    with open_gallery(command.Place) as gallery:
        if where.empty:
            gallery.remove(where)  # refuses
        note_missing_names(gallery, where)
        people = gallery.people(where)
        count, text = sum(one.entries for one in people), removal_text(people)
        if options.dry_run:
            tell(command, {"would_remove": count, "people": people}, f"would remove: {text}")
            return
        if count and not options.yes:
            confirm(f"{text}. Remove them permanently, from the files too?")
        removed = gallery.remove(where)
    tell(command, {"removed": removed}, f"removed: {removed:,}")


def _expire(command: Any) -> None:
    options: ExpireOptions = command.ExpireOptions
    age = None if options.older_than is None else age_of(options.older_than)
    with open_gallery(command.Place) as gallery:
        if options.dry_run:
            people = gallery.people_to_expire(age)
            count = sum(one.entries for one in people)
            found = {"would_remove": count, "people": people}
            tell(command, found, f"would remove: {removal_text(people)}")
            return
        told = {"removed": gallery.expire(age, most=1 if options.yes else 0.5)}
        text = f"removed: {told['removed']:,}"
        if options.log_older_than is not None:
            now = time.time()
            told["log_lines"] = gallery.audit.forget(now - age_of(options.log_older_than), now)
            text += f"\nlines of the audit log removed: {told['log_lines']:,}"
    tell(command, told, text)


def _statistics(command: Any) -> None:
    with open_gallery(command.Place) as gallery:
        found = gallery.statistics()
    tell(command, found, statistics_table(found))


def _check(command: Any) -> None:
    with open_gallery(command.Place) as gallery:
        if command.CheckOptions.clock_is_right:
            gallery.accept_clock()
        found, log = gallery.check(), gallery.audit.verify()
    text = f"whole: {found:,} entries"
    if log.lines:
        text += f"\naudit log: {log.lines:,} lines, the last one's hash is {log.head}"
    tell(command, {"whole": found, "log_lines": log.lines, "log_head": log.head}, text)


def _log(command: Any) -> None:
    since = command.LogOptions.since
    first = float("-inf") if since is None else seconds_of(since)
    with open_gallery(command.Place) as gallery:
        for line in gallery.audit.lines():
            if line["time"] >= first:
                show(as_json(line, None) if command.OutputOptions.json else log_text(line))


COMMANDS: dict[str, Command] = {
    "add": ((AddOptions, *MODEL), _add, "embed pictures and add them"),
    "search": ((SearchOptions, FilterOptions, *MODEL), _search, "find people by pictures"),
    "remove": ((RemoveOptions, FilterOptions), _remove, "remove entries for good"),
    "expire": ((ExpireOptions,), _expire, "remove entries that have expired or are too old"),
    **gallery_distances.COMMANDS,
    **gallery_identify.COMMANDS,
    **gallery_names.COMMANDS,
    **gallery_files.COMMANDS,
    "statistics": ((), _statistics, "show counts and settings"),
    "check": ((CheckOptions,), _check, "check all entries and the audit log for damage"),
    "log": ((LogOptions,), _log, "print the audit log"),
}

_WITH_DATA = {"add"}
