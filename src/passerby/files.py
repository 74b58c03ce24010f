"""Files that are either whole or not there."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def atomic(target: str | Path, *, private: bool = False) -> Iterator[Path]:
    """Gives a temporary path beside `target`, renamed to it when the block ends without an error.

    The data reach the disk before the rename, so that a crash leaves the old file or the new one.

    Args:
        target: the file.
        private: only its owner may read it (0600), at no moment anybody else; so are folders that
            are made for it (0700).

    Raises:
        OSError: from the operating system, e.g. when the disk is full; `target` is untouched.
    """
    target = Path(target)
    make_folder(target.parent, private=private)
    handle, name = tempfile.mkstemp(
        dir=target.parent, prefix=f".{target.name}.", suffix=target.suffix
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        if not private:
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
        temporary.replace(target)
    except BaseException as error:
        # Not once the file is there: what is done must not be said to have failed.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if not isinstance(error, OSError) or error.errno is None or error.filename is not None:
            raise
        # A full disk does not say which file was being written.
        raise OSError(error.errno, error.strerror, str(target)) from error


def make_folder(folder: Path, *, private: bool = False) -> None:
    """Makes a folder and those above it, where they are not there.

    Args:
        folder: may be there, and is then left as it is.
        private: what is made can be entered by its owner alone (0700).
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700 if private else 0o777, exist_ok=True)


def make_private(folder: Path) -> None:
    """Lets the owner of a folder alone enter it and read what lies in it (0700, 0600)."""
    for path in (folder, *folder.rglob("*")):
        # What is gone meanwhile needs nothing, and what is another's is his to close.
        with suppress(FileNotFoundError):
            there = path.lstat()
            wanted = 0o700 if stat.S_ISDIR(there.st_mode) else 0o600
            ours = there.st_uid == os.geteuid() and not stat.S_ISLNK(there.st_mode)
            if ours and there.st_mode & 0o777 != wanted:
                path.chmod(wanted)


@contextmanager
def one_at_a_time(lock: Path, wait: float = 60.0) -> Iterator[None]:
    """Lets one process of this machine at a time do something; the others wait for it.

    Args:
        lock: a file beside what is locked, or inside of it; there only while it lasts. Where the
            folder cannot be written to, nothing is locked: nobody can change anything in it.
        wait: seconds after which it gives up.

    Raises:
        TimeoutError: another process has it for longer.
    """
    from filelock import FileLock, Timeout

    make_folder(lock.parent)
    if not os.access(lock.parent, os.W_OK):
        yield
        return
    held = FileLock(lock, timeout=wait, mode=0o600)
    try:
        held.acquire()
    except Timeout:
        raise TimeoutError(
            f"{lock}: another process has held this lock for {wait:g} s: wait for it to end, or "
            "end it, and try again"
        ) from None
    try:
        yield
    finally:
        # While it is held: whoever waits sees that the file is another one, and takes that.
        lock.unlink(missing_ok=True)
        held.release()


def write_text(target: str | Path, text: str, *, private: bool = False) -> None:
    """Writes `text` (UTF-8) atomically; `private` as of `atomic`."""
    with atomic(target, private=private) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_tensors(
    target: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Writes named tensors as safetensors, atomically; they may lie anywhere and share memory.

    Raises:
        OSError: from the operating system, e.g. when the disk is full.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    copies = {
        name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()
    }
    with atomic(target) as temporary:
        try:
            save_file(copies, temporary, metadata=dict(metadata or {"format": "pt"}))
        except SafetensorError as error:
            raise OSError(f"could not write {target}: {error}") from error


def stage_files(run: Path, stage: str) -> tuple[Path, Path]:
    """The files of a run that hold network and criterion as a stage left them."""
    folder = run / "stages"
    return folder / f"{stage}.safetensors", folder / f"{stage}.criterion.safetensors"
