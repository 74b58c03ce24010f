"""MATLAB's files: HDF5 since version 7.3, a format of its own before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from passerby.types import InputError

if TYPE_CHECKING:
    import h5py

EXTRA = "pip install 'passerby[cuhk03]'"


def read_old_mat(file: Path) -> dict[str, NDArray[Any]]:
    """The variables of a .mat file of MATLAB before 7.3; cells are arrays of objects.

    Raises:
        InputError: no such file, scipy is missing, or the file is not such a one or cut off.
    """
    _exists(file)
    try:
        from scipy.io import loadmat
    except ImportError:
        raise InputError(f"{file}: reading it needs scipy: {EXTRA}") from None
    try:
        found = loadmat(file)
    except Exception as error:
        # scipy's reader raises whatever the bytes lead it to.
        raise InputError(
            f"{file}: not a .mat file of MATLAB 4 to 7.2, or is cut off ({_first_line(error)})"
        ) from None
    return {name: value for name, value in found.items() if not name.startswith("__")}


@contextmanager
def open_new_mat(file: Path) -> Iterator[h5py.File]:
    """A .mat file of MATLAB 7.3, open for reading.

    Raises:
        InputError: no such file, h5py is missing, or the file is not such a one or cut off.
    """
    _exists(file)
    try:
        import h5py
    except ImportError:
        raise InputError(f"{file}: reading it needs h5py: {EXTRA}") from None
    try:
        opened = h5py.File(file, "r")
    except OSError as error:
        raise InputError(
            f"{file}: not a .mat file of MATLAB 7.3 (HDF5), or is cut off ({_first_line(error)})"
        ) from None
    with opened:
        yield opened


def cell(file: h5py.File, dataset: Any, index: tuple[int, ...]) -> Any:
    """What one cell of a cell array holds; indices are HDF5's, the reverse of MATLAB's.

    Raises:
        InputError: there is no such cell, or it cannot be read.
    """
    try:
        return file[dataset[index]]
    except (KeyError, IndexError, TypeError, ValueError, OSError, RuntimeError) as error:
        raise InputError(
            f"{file.filename}: the cell {index} of {dataset.name} cannot be read "
            f"({_first_line(error)})"
        ) from None


def values(file: h5py.File, dataset: Any) -> NDArray[Any]:
    """A dataset's numbers in MATLAB's order of dimensions; an empty array is (0, 0).

    Raises:
        InputError: they cannot be read.
    """
    try:
        if dataset.attrs.get("MATLAB_empty", 0):
            return np.empty((0, 0))
        return np.asarray(dataset[()]).T
    except (AttributeError, KeyError, TypeError, ValueError, OSError, RuntimeError) as error:
        raise InputError(
            f"{file.filename}: {getattr(dataset, 'name', 'a part')} cannot be read "
            f"({_first_line(error)})"
        ) from None


def _exists(file: Path) -> None:
    if not file.is_file():
        raise InputError(f"{file}: no such file")


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][:120]
