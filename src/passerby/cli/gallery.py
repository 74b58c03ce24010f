"""`passerby gallery COMMAND GALLERY`: fills, searches and empties a gallery."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from passerby.cli.cue_options import (
    FileOptions,
    NetworkOptions,
    embed_queries,
    with_files,
    with_networks,
)
from passerby.cli.gallery_identify import DecideOptions, IdentifyOptions, decide, identify
from passerby.cli.gallery_options import (
    FilterOptions,
    ModelOptions,
    OutputOptions,
    Place,
    age_of,
    confirm,
    filter_of,
    load_model,
    open_gallery,
    seconds_of,
    token_of,
)
from passerby.cli.gallery_output import (
    MISSES_MOST,
    answer_table,
    answers_plain,
    as_json,
    calibration_table,
    log_text,
    profiles_table,
    removal_text,
    statistics_table,
)
from passerby.cli.gallery_pictures import (
    names_in_files,
    note_numbers,
    pictures_to_add,
    query_pictures,
)
from passerby.cli.options import flat, named, parse_options, value_of
from passerby.ranking.profiles import RETURNS, Profiles
from passerby.terminal import say, show, terminal
from passerby.types import InputError

if TYPE_CHECKING:
    from passerby.gallery.corrections import Changed
    from passerby.gallery.gallery import Added

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
class CalibrateOptions:
    """The rate of false matches."""

    fmr: float = 1e-3
    """Highest false match rate: the share of different-person pairs below the threshold."""
    pairs: Literal["other-camera", "any"] = "other-camera"
    """Measure on pairs of pictures of two cameras, as a search with --query-camera compares them,
    or on any; one rule for pairs of one person and of two."""
    labelled: tuple[Path, ...] = ()
    """Parquet files of embeddings of known people (`passerby embed`, `gallery export`), or folders
    of them, to measure on instead of the gallery's own entries."""
    histogram: Path | None = None
    """Draw the distances of same-person and different-person pairs to this .png or .svg."""


@dataclass(frozen=True)
class ProfileOptions:
    """What counts as one person."""

    returns: float = RETURNS
    """Number of tracks in a camera that may be the same person coming back."""
    untracked: int | None = None
    """Take so many entries without a track that follow each other (by time, then by key) for one
    track; if not given they do not count."""
    off: tyro.conf.FlagCreatePairsOff[bool] = False
    """Drop the profiles and search raw embeddings."""


@dataclass(frozen=True)
class MergeOptions:
    """Which identities."""

    persons: Annotated[tyro.conf.Positional[tuple[str, ...]], named("NAME ...")]
    """Names that belong to one person."""
    into: str | None = None
    """Name to keep. If not given, the first."""


@dataclass(frozen=True)
class SplitOptions:
    """Which entries."""

    keys: Annotated[tyro.conf.Positional[tuple[str, ...]], named("KEY ...")]
    """Keys of the entries that show another person."""
    into: str | None = None
    """Name of that person. If not given, a new one."""


@dataclass(frozen=True)
class RenameOptions:
    """Who, or which camera."""

    old: Annotated[tyro.conf.Positional[str], named("NAME")]
    """Current name."""
    new: Annotated[tyro.conf.Positional[str], named("NEW")]
    """New name; it must not exist yet."""
    camera: tyro.conf.FlagCreatePairsOff[bool] = False
    """Rename a camera instead of a person."""


@dataclass(frozen=True)
class UndoOptions:
    """Which correction."""

    change: str | None = None
    """The change to undo, as the audit log names it. If not given, the last one."""


@dataclass(frozen=True)
class FolderOption:
    """Where to."""

    folder: Annotated[tyro.conf.Positional[Path], named("FOLDER")]
    """Folder of the files."""


@dataclass(frozen=True)
class ImportOptions:
    """Parquet files."""

    files: Annotated[tyro.conf.Positional[tuple[Path, ...]], named("FILE ...")]
    """Files or folders of exported entries or embeddings."""
    namespace: str | None = None
    """Prefix of all names, as in site-a/0001, to keep sources apart."""
    fingerprint: str | None = None
    """Fingerprint of the model, for files that do not state it."""
    metric: Literal["euclidean", "squared_euclidean", "cosine"] = "euclidean"
    """Distance of the embeddings; required with --fingerprint."""


@dataclass(frozen=True)
class UpgradeOptions:
    """Where the pictures are."""

    root: Path | None = None
    """Folder that the entries' file names start from; searches then recognise their pictures."""


@dataclass(frozen=True)
class ReEmbedOptions:
    """Where the pictures are, and where the new gallery shall be."""

    target: str
    """The new gallery."""
    root: Path
    """Folder that the entries' file names start from."""


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


def _tell(command: Any, found: Any, text: str) -> None:
    """The answer, for programs or for people."""
    show(as_json(found) if command.OutputOptions.json else text)


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
            f"warning: {len(found.others):,} pictures were not added: the gallery has other "
            f"pictures of their names, the first is {found.others[0]}; --namespace NAME keeps two "
            "sources apart",
        )
    _tell_raw(profiles, {each for one in samples if (each := one.camera)}, options.namespace)
    _tell_added(command, found)


def _tell_added(command: Any, found: Added) -> None:
    text = f"added: {found.added:,}   there already: {found.known:,}"
    _tell(command, found, text)


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
    with open_gallery(command.Place, model) as gallery:
        answers = gallery.search(
            embed_queries(model, pictures, command.FileOptions.cues, terminal(errors=True)),
            options.k,
            filter_of(command.FilterOptions),
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
            f"note: no profile yet of camera {', '.join(new)}: its embeddings stay raw until "
            "passerby gallery profile"
        )


def _remove(command: Any) -> None:
    options: RemoveOptions = command.RemoveOptions
    where = filter_of(command.FilterOptions)
    with open_gallery(command.Place) as gallery:
        if where.empty:
            gallery.remove(where)  # refuses
        people = gallery.people(where)
        count, text = sum(one.entries for one in people), removal_text(people)
        if options.dry_run:
            _tell(command, {"would_remove": count, "people": people}, f"would remove: {text}")
            return
        if count and not options.yes:
            confirm(f"{text}. Remove them for good, out of the files too?")
        removed = gallery.remove(where)
    _tell(command, {"removed": removed}, f"removed: {removed:,}")


def _expire(command: Any) -> None:
    options: ExpireOptions = command.ExpireOptions
    age = None if options.older_than is None else age_of(options.older_than)
    with open_gallery(command.Place) as gallery:
        if options.dry_run:
            people = gallery.people_to_expire(age)
            count = sum(one.entries for one in people)
            found = {"would_remove": count, "people": people}
            _tell(command, found, f"would remove: {removal_text(people)}")
            return
        told = {"removed": gallery.expire(age, most=1 if options.yes else 0.5)}
        text = f"removed: {told['removed']:,}"
        if options.log_older_than is not None:
            now = time.time()
            told["log_lines"] = gallery.audit.forget(now - age_of(options.log_older_than), now)
            text += f"\nlines of the audit log removed: {told['log_lines']:,}"
    _tell(command, told, text)


def _calibrate(command: Any) -> None:
    options: CalibrateOptions = command.CalibrateOptions
    if options.histogram is not None:
        from passerby.figures.saving import check_target

        check_target(options.histogram, "distances")
    with open_gallery(command.Place) as gallery:
        known: Any = ()
        if options.labelled:
            from passerby.gallery.labelled import read_labelled

            known = read_labelled(options.labelled, gallery.settings.space)
        found = gallery.calibrate(options.fmr, *known, pairs=options.pairs)
    if options.histogram is not None:
        from passerby.figures.calibration import draw_calibration

        draw_calibration(found, options.histogram)
    if command.OutputOptions.json:
        show(as_json(found))
        return
    terminal().print(calibration_table(found))
    show(
        f"threshold {found.threshold:.6g}: false match rate {found.false_match_rate:g}, false "
        f"non-match rate {found.false_non_match_rate:.4g}, measured on {found.genuine:,} pairs of "
        f"one person and {found.impostor:,} of two"
    )
    if found.misses_most:
        show(MISSES_MOST)


def _profile(command: Any) -> None:
    options: ProfileOptions = command.ProfileOptions
    with open_gallery(command.Place) as gallery:
        calibrated = gallery.settings.calibration is not None
        found = None
        if options.off:
            gallery.forget_profiles()
        else:
            found = gallery.profile(options.returns, options.untracked)
        gone = calibrated and gallery.settings.calibration is None
    reason = "off, as asked" if found is None else found.reason
    if command.OutputOptions.json:
        show(
            as_json(
                {"on": found is not None and found.on, "reason": reason, "threshold_gone": gone}
            )
        )
        return
    if found is not None:
        terminal().print(profiles_table(found))
    terminal().print(f"camera profiles: {reason}")
    if gone:
        show("the threshold was one of other distances and is gone: calibrate again")


def _index(command: Any) -> None:
    with open_gallery(command.Place) as gallery:
        gallery.index()
    _tell(command, {"index": True}, "index made: search with --approximate")


def _tell_changed(command: Any, found: Changed, more: str = "") -> None:
    _tell(command, found, f"entries changed: {found.entries:,}{more}")


def _merge(command: Any) -> None:
    options: MergeOptions = command.MergeOptions
    with open_gallery(command.Place) as gallery:
        found = gallery.merge(options.persons, options.into)
    _tell_changed(command, found, f"   identity: {found.name}")


def _split(command: Any) -> None:
    options: SplitOptions = command.SplitOptions
    with open_gallery(command.Place) as gallery:
        found = gallery.split(options.keys, options.into)
    _tell_changed(command, found, f"   identity: {found.name}")


def _rename(command: Any) -> None:
    options: RenameOptions = command.RenameOptions
    with open_gallery(command.Place) as gallery:
        found = gallery.rename(options.old, options.new, "camera" if options.camera else "person")
    _tell_changed(command, found)


def _undo(command: Any) -> None:
    with open_gallery(command.Place) as gallery:
        found = gallery.undo(command.UndoOptions.change)
    _tell_changed(command, found, f"   correction undone: {found.change}")


def _export(command: Any) -> None:
    with open_gallery(command.Place) as gallery:
        found = gallery.export(command.FolderOption.folder, filter_of(command.FilterOptions))
    _tell(command, found, f"written: {found.rows:,} entries in {len(found.files)} files")


def _import(command: Any) -> None:
    from passerby.gallery.settings import Space

    options: ImportOptions = command.ImportOptions
    space = Space(options.fingerprint, options.metric) if options.fingerprint else None
    source = options.files[0].resolve() if options.files else Path()
    names = [] if options.namespace else names_in_files(options.files)
    with open_gallery(command.Place, space) as gallery:
        numbers = note_numbers(gallery, source, names, terminal(errors=True))
        found = gallery.import_files(options.files, namespace=options.namespace)
        if numbers:
            gallery.note_numbered(str(source))
    _tell_added(command, found)


def _backup(command: Any) -> None:
    with open_gallery(command.Place) as gallery:
        found = gallery.backup(command.FolderOption.folder)
    _tell(command, found, f"written: {found.rows:,} entries")


def _restore(command: Any) -> None:
    with open_gallery(command.Place) as gallery:
        found = gallery.restore(command.FolderOption.folder)
    _tell_added(command, found)


def _statistics(command: Any) -> None:
    with open_gallery(command.Place) as gallery:
        found = gallery.statistics()
    if command.OutputOptions.json:
        show(as_json(found))
    else:
        terminal().print(statistics_table(found))


def _check(command: Any) -> None:
    with open_gallery(command.Place) as gallery:
        if command.CheckOptions.clock_is_right:
            gallery.accept_clock()
        found, log = gallery.check(), gallery.audit.verify()
    text = f"whole: {found:,} entries"
    if log.lines:
        text += f"\naudit log: {log.lines:,} lines, the last one's hash is {log.head}"
    _tell(command, {"whole": found, "log_lines": log.lines, "log_head": log.head}, text)


def _re_embed(command: Any) -> None:
    from passerby.gallery.pictures import re_embed
    from passerby.training.progress import counting

    options: ReEmbedOptions = command.ReEmbedOptions
    model = with_networks(load_model(command.ModelOptions), command.NetworkOptions)
    model = with_files(model, command.FileOptions, options.root)
    target = dataclasses.replace(command.Place, gallery=options.target, audit=None)
    with (
        open_gallery(command.Place) as old,
        open_gallery(target, model) as new,
        counting("embedding", terminal(errors=True)) as progress,
    ):
        found = re_embed(old, new, model, options.root, progress=progress)
    text = f"embedded: {found.added:,}   there already: {found.known:,}   now calibrate it"
    _tell(command, found, text)


def _upgrade(command: Any) -> None:
    from passerby.gallery.settings import FORMAT
    from passerby.gallery.upgrade import upgrade

    place: Place = command.Place
    found = upgrade(
        place.gallery, root=command.UpgradeOptions.root, token=token_of(place),
        audit=place.audit, who=place.who, now=time.time(),
    )  # fmt: skip
    what = f"embeddings in {found.files} files" if found.files else "entries"
    _tell(command, found, f"brought to format {FORMAT}: {found.rows:,} {what}")


def _log(command: Any) -> None:
    since = command.LogOptions.since
    first = float("-inf") if since is None else seconds_of(since)
    with open_gallery(command.Place) as gallery:
        for line in gallery.audit.lines():
            if line["time"] >= first:
                show(as_json(line, None) if command.OutputOptions.json else log_text(line))


_MODEL = (ModelOptions, FileOptions, NetworkOptions)

COMMANDS: dict[str, tuple[tuple[Any, ...], Callable[[Any], None], str]] = {
    "add": ((AddOptions, *_MODEL), _add, "embed pictures and add them"),
    "search": ((SearchOptions, FilterOptions, *_MODEL), _search, "find people by pictures"),
    "remove": ((RemoveOptions, FilterOptions), _remove, "remove entries for good"),
    "expire": ((ExpireOptions,), _expire, "remove entries that have expired or are too old"),
    "calibrate": ((CalibrateOptions,), _calibrate, "set the threshold for a false match rate"),
    "profile": ((ProfileOptions,), _profile, "learn camera profiles, without labels"),
    "identify": ((IdentifyOptions,), identify, "suggest which tracks are one person"),
    "decide": ((DecideOptions,), decide, "say whether two entries are one person"),
    "merge": ((MergeOptions,), _merge, "merge names of the same person"),
    "split": ((SplitOptions,), _split, "move entries to another person"),
    "rename": ((RenameOptions,), _rename, "rename a person or a camera"),
    "undo": ((UndoOptions,), _undo, "undo a merge, split, rename, confirmation or decision"),
    "index": ((), _index, "build the index for approximate search"),
    "export": ((FolderOption, FilterOptions), _export, "write entries to Parquet files"),
    "import": ((ImportOptions,), _import, "add entries from Parquet files"),
    "backup": ((FolderOption,), _backup, "back everything up to a folder, with checksums"),
    "restore": ((FolderOption,), _restore, "restore a backup"),
    "re-embed": (
        (ReEmbedOptions, *_MODEL),
        _re_embed,
        "embed all pictures by another model, into a new gallery",
    ),
    "upgrade": ((UpgradeOptions,), _upgrade, "convert a gallery or files of an older format"),
    "statistics": ((), _statistics, "show counts and settings"),
    "check": ((CheckOptions,), _check, "check all entries and the audit log for damage"),
    "log": ((LogOptions,), _log, "print the audit log"),
}
"""By name: the options, what it does, and that in words."""

_WITH_DATA = {"add"}
