"""Which pictures `passerby gallery` adds and searches by, and what it says of their names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from passerby.gallery.naming import numbers_among
from passerby.terminal import say
from passerby.types import InputError, Sample

if TYPE_CHECKING:
    from passerby.gallery.gallery import Gallery

OWN = ("folder", "manifest")
"""Kinds of data that are one's own: all of their pictures are added, whatever is known of them."""


def pictures_to_add(data: Any, part: str | None, console: Console) -> tuple[list[Sample], Path]:
    """The pictures that the options name, each once, and the folder that they lie in.

    Of one's own pictures only the files must be there: a folder of pictures without folders of
    people in it, or a manifest with `file_name` alone, names nobody.

    Args:
        data: options of `passerby.cli.dataset.data_options`.
        part: of the data set; None: all of one's own, the gallery of others.
        console: told what was noticed.

    Raises:
        InputError: from the loader; no picture.
    """
    own = data.data in OWN and part in (None, "all")
    found = _unlabelled(data, console) if own else None
    if found is None:
        from passerby.cli.dataset import load_split

        # How one's own pictures would be dealt for training says nothing of a gallery.
        split = load_split(data, console, notes=not own)
        part = part or ("all" if data.data in OWN else "gallery")
        parts = ("train", "query", "gallery") if part == "all" else (part,)
        found = [one for each in parts for one in getattr(split, each)], split.root
    samples, root = found
    # A picture may be both query and gallery; a frame may hold several people.
    kept = {(one.name, one.box or ()): one for one in samples}
    if not kept:
        raise InputError(f"{root} has no {part or ''} pictures".replace("  ", " "))
    return [kept[key] for key in sorted(kept)], root


def query_pictures(places: Sequence[Path]) -> tuple[Sample, ...]:
    """Pictures to search by: files, folders with all below, manifests.

    Raises:
        InputError: none; as `passerby.embedding.places.list_places`.
    """
    from passerby.embedding.places import list_places

    if not places:
        raise InputError("name a picture of the person to search for, or a folder of pictures")
    return list_places(places).samples


def note_numbers(
    gallery: Gallery, source: Path, names: Iterable[str | None], console: Console
) -> bool:
    """Says that bare numbers of two sources meet; returns whether there are any in this one."""
    if not numbers_among(names):
        return False
    others = gallery.numbered_elsewhere(str(source))
    if others is not None:
        whose = f" ({', '.join(others[:3])})" if others else ""
        say(
            console,
            f"note: {source}: people or cameras are bare numbers, and so are those of another "
            f"source in this gallery{whose}: the same number is taken for the same one; "
            "--namespace NAME keeps them apart",
        )
    return True


def names_in_files(files: Sequence[Path]) -> list[str]:
    """All names of people and cameras in exported entries or embeddings' shards."""
    from passerby.embedding.shards import open_parquet
    from passerby.gallery.transfer import parquet_files

    found: set[str] = set()
    for file in parquet_files(files):
        with open_parquet(file) as opened:
            columns = [name for name in ("person", "camera") if name in opened.schema_arrow.names]
            for batch in opened.iter_batches(columns=columns) if columns else ():
                found.update(name for column in batch.columns for name in column.to_pylist())
    return sorted(name for name in found if isinstance(name, str))


def _unlabelled(data: Any, console: Console) -> tuple[list[Sample], Path] | None:
    from passerby.data.datasets import manifest_in
    from passerby.data.manifest import list_pictures

    if data.data == "manifest":
        file, root = manifest_in(data.root, data.file)
        return list(list_pictures(file, root)), root or file.parent
    root = Path(data.root)
    if not root.is_dir() or not _is_flat(root):
        return None
    from passerby.embedding.places import list_places

    say(console, f"note: {root}: pictures lie outside folders of people: their people stay unnamed")
    return list(list_places([root]).samples), root


def _is_flat(root: Path) -> bool:
    from passerby.data.images import is_picture
    from passerby.data.market1501 import parse_name

    pictures = [entry.name for entry in root.iterdir() if is_picture(entry)]
    return any(parse_name(name) is None for name in pictures)
