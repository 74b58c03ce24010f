"""The data sets that `passerby.load` and `--data` know, by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from passerby.data.market1501 import load_market1501
from passerby.types import InputError, Split

# dukemtmc, cuhk03 and msmt17 take their places here.
DATASETS: dict[str, Callable[..., Split]] = {
    "market1501": load_market1501,
}
"""Name -> function of (root, **its own options)."""


def load(name: str, root: str | Path, **options: Any) -> Split:
    """A data set, ready for use.

    Args:
        name: one of `DATASETS`.
        root: where it lies.
        options: the loader's own, e.g. `file` of `manifest`.

    Raises:
        InputError: the name or an option is unknown, or the loader does not like what it finds.
    """
    if name not in DATASETS:
        raise InputError(f"no data set {name!r}; there are {', '.join(DATASETS)}")
    known = list(inspect.signature(DATASETS[name]).parameters)[1:]
    for option in options:
        if option not in known:
            raise InputError(
                f"{name} has no option {option!r}; it has {', '.join(known) or 'none'}"
            )
    return DATASETS[name](root, **options)
