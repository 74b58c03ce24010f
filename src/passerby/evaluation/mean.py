"""The mean over the results of several splits, e.g. CUHK03's 20 original ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from passerby.evaluation.results import FORMAT, read_results
from passerby.types import InputError

if TYPE_CHECKING:
    from rich.table import Table

SAME = (
    "data", "protocol", "settings", "same_camera_filter", "metric", "reranking", "feature",
)  # fmt: skip
"""What has to agree between results whose mean is taken."""


def mean_results(files: Sequence[str | Path]) -> dict[str, Any]:
    """The contents of a result file with the mean scores of several.

    Args:
        files: result files of different splits, at least two.

    Returns:
        As `passerby.evaluation.results.results`; counts are sums, `scores_std` holds the standard
        deviations over the files (n - 1), `variant` all variants, `run` the files and models.

    Raises:
        InputError: fewer than two files, one given twice or of a split that another one has, one
            that is no result file, or files that differ in `SAME`.
    """
    if len(files) < 2:
        raise InputError(f"a mean needs at least two result files: given {len(files)}")
    found = [read_results(file) for file in files]
    first = found[0]
    for file, one in zip(files, found, strict=True):
        for key in SAME:
            if one.get(key) != first.get(key):
                raise InputError(
                    f"{file}: its {key} is {one.get(key)!r}, that of {files[0]} "
                    f"{first.get(key)!r}: no mean"
                )
    splits = [(one.get("folder"), one.get("variant", ""), one["model"]) for one in found]
    if len(set(splits)) < len(splits):
        raise InputError("the mean needs different splits: one is given twice")
    # Definitions of AP that came later are missing in older files.
    known = [key for key in first["scores"] if all(key in one["scores"] for one in found)]
    scores = {key: [one["scores"][key] for one in found] for key in known}
    length = min(len(one["cmc"]) for one in found)
    return {
        "format": FORMAT,
        "data": first["data"],
        "folder": first.get("folder", ""),
        "variant": f"mean of {len(found)}: {'; '.join(one.get('variant', '') for one in found)}",
        **{key: first.get(key) for key in SAME[1:]},
        "model": f"{len({one['model'] for one in found})} models",
        "counts": {key: sum(one["counts"][key] for one in found) for key in first["counts"]},
        "scores": {key: float(np.mean(values)) for key, values in scores.items()},
        "scores_std": {key: float(np.std(values, ddof=1)) for key, values in scores.items()},
        "cmc": np.mean([one["cmc"][:length] for one in found], axis=0).tolist(),
        "run": {"files": [str(file) for file in files], "models": [one["model"] for one in found]},
    }


def mean_table(contents: dict[str, Any]) -> Table:
    """Mean and standard deviation in per cent, for the terminal."""
    from rich.table import Table

    count = len(contents["run"]["files"])
    table = Table(
        title=f"{contents['data']}, {contents['protocol']}, mean and standard deviation of "
        f"{count} results, per cent"
    )
    for name in ("", "mean", "standard deviation"):
        table.add_column(name, justify="right" if name else "left")
    for name, mean in contents["scores"].items():
        deviation = contents["scores_std"][name]
        table.add_row(name.replace("_", " "), f"{100 * mean:.2f}", f"{100 * deviation:.2f}")
    return table
