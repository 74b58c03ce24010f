"""A mark that lies in a gallery's folder while its files change, and what tells that it stayed."""

from __future__ import annotations

import os
from pathlib import Path


class Mark:
    """Laid down before anything is written, taken away once nothing of it is left behind.

    Whoever finds it while nobody writes knows that a process died, or that the disk was full: there
    may be embeddings in files that no entry refers to.

    Args:
        file: where it lies.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    @property
    def there(self) -> bool:
        """Whether it lies there."""
        return self.file.exists()

    def lay(self, version: int | None) -> bool:
        """Lays it down; returns whether it lay there already, and stays as it was then.

        Args:
            version: of the table before it changes; None: a removal, of any version.
        """
        if self.there and version is not None:
            return True
        before = self.there
        handle = os.open(
            self.file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        try:
            os.write(handle, b"" if version is None else b"%d" % version)
        except OSError:
            if not before:
                self.take()
            raise
        finally:
            os.close(handle)
        return before

    @property
    def version(self) -> int | None:
        """Of the table before it changed; None: a removal, or one that died as it laid the mark."""
        text = self.file.read_text(encoding="utf-8")
        return int(text) if text.isdecimal() else None

    def take(self) -> None:
        """Takes it away."""
        self.file.unlink(missing_ok=True)


def leftovers(table: Path, used: set[str], indices: set[str]) -> list[Path]:
    """Files of a table that nothing refers to: those of writers that died.

    Args:
        table: its folder.
        used: paths of the files that its version has, relative to the folder.
        indices: names of the folders of its indices.
    """
    found = []
    for file in table.rglob("*"):
        if not file.is_file():
            continue
        kind, *inner = file.relative_to(table).parts
        half = file.name.startswith(".tmp") or "#" in file.name
        if kind in ("data", "_deletions"):
            unused = "/".join((kind, *inner)) not in used
        else:
            unused = kind == "_indices" and inner[0] not in indices
        if half or unused:
            found.append(file)
    return found
