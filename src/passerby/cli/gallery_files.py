"""`passerby gallery export`, `import`, `backup` and the like: whole galleries as files."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from passerby.cli.cue_options import with_files, with_networks
from passerby.cli.gallery_options import (
    MODEL,
    Command,
    FilterOptions,
    Place,
    filter_of,
    load_model,
    open_gallery,
    token_of,
)
from passerby.cli.gallery_output import tell, tell_added
from passerby.cli.gallery_pictures import names_in_files, note_numbers
from passerby.cli.options import named
from passerby.terminal import terminal


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


def _export(command: Any) -> None:
    with open_gallery(command.Place) as gallery:
        found = gallery.export(command.FolderOption.folder, filter_of(command.FilterOptions))
    tell(command, found, f"written: {found.rows:,} entries in {len(found.files)} files")


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
    tell_added(command, found)


def _backup(command: Any) -> None:
    with open_gallery(command.Place) as gallery:
        found = gallery.backup(command.FolderOption.folder)
    tell(command, found, f"written: {found.rows:,} entries")


def _restore(command: Any) -> None:
    with open_gallery(command.Place) as gallery:
        found = gallery.restore(command.FolderOption.folder)
    tell_added(command, found)


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
    tell(command, found, text)


def _upgrade(command: Any) -> None:
    from passerby.gallery.settings import FORMAT
    from passerby.gallery.upgrade import upgrade

    place: Place = command.Place
    found = upgrade(
        place.gallery, root=command.UpgradeOptions.root, token=token_of(place),
        audit=place.audit, who=place.who, now=time.time(),
    )  # fmt: skip
    what = f"embeddings in {found.files} files" if found.files else "entries"
    tell(command, found, f"brought to format {FORMAT}: {found.rows:,} {what}")


COMMANDS: dict[str, Command] = {
    "export": ((FolderOption, FilterOptions), _export, "write entries to Parquet files"),
    "import": ((ImportOptions,), _import, "add entries from Parquet files"),
    "backup": ((FolderOption,), _backup, "back everything up to a folder, with checksums"),
    "restore": ((FolderOption,), _restore, "restore a backup"),
    "re-embed": (
        (ReEmbedOptions, *MODEL),
        _re_embed,
        "embed all pictures by another model, into a new gallery",
    ),
    "upgrade": ((UpgradeOptions,), _upgrade, "convert a gallery or files of an older format"),
}
