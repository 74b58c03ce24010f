"""Files that are either whole or not there."""

from __future__ import annotations

import getpass
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def atomic(target: str | Path) -> Iterator[Path]:
    """Gives a temporary path beside `target`, renamed to it when the block ends without an error.

    The data reach the disk before the rename, so that a crash leaves the old file or the new one.

    Raises:
        OSError: from the operating system, e.g. when the disk is full; `target` is untouched.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        dir=target.parent, prefix=f".{target.name}.", suffix=target.suffix
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(target)
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        # A full disk does not say which file was being written.
        raise OSError(error.errno, error.strerror, str(target)) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def one_at_a_time(folder: str | Path) -> Iterator[None]:
    """Lets one process of this machine at a time make a folder; the others wait for it."""
    from filelock import FileLock

    key = f"{getpass.getuser()} {Path(folder).resolve()}"
    name = hashlib.blake2b(key.encode(), digest_size=12).hexdigest()
    with FileLock(Path(tempfile.gettempdir()) / f"passerby-{name}.lock"):
        yield


def write_text(target: str | Path, text: str) -> None:
    """Writes `text` (UTF-8) atomically."""
    with atomic(target) as temporary:
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
