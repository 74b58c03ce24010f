"""The data sets that `passerby.load` and `--data` know, by name."""

from __future__ import annotations

import inspect
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from passerby.data.folder import load_folder
from passerby.data.manifest import load_manifest
from passerby.data.market1501 import load_market1501, read_market_layout
from passerby.files import write_text
from passerby.types import InputError, Split

_RECIPE_FILE = "recipe.json"


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
    known = options_of(name)
    for option in options:
        if option not in known:
            raise InputError(
                f"{name} has no option {option!r}; it has {', '.join(known) or 'none'}"
            )
    return DATASETS[name](root, **options)


def options_of(name: str) -> list[str]:
    """Names of a data set's own options."""
    if name == "synthetic":
        from passerby.data.synthetic import SyntheticRecipe

        return [field.name for field in fields(SyntheticRecipe)]
    return list(inspect.signature(DATASETS[name]).parameters)[1:]


def load_listed(root: str | Path, file: str | Path | None = None) -> Split:
    """Own pictures by their manifest.

    Args:
        root: folder that the file names are relative to, or the manifest itself.
        file: the manifest, by default `manifest.csv` or `manifest.parquet` in `root`; a relative
            path counts from `root`.

    Raises:
        InputError: there is no manifest; see also `passerby.data.manifest.load_manifest`.
    """
    root = Path(root)
    if file is not None:
        return load_manifest(root / file, root)
    if root.is_file():
        return load_manifest(root)
    found = [root / f"manifest{end}" for end in (".csv", ".parquet")]
    found = [candidate for candidate in found if candidate.is_file()]
    if len(found) != 1:
        given = "both" if found else "neither"
        raise InputError(
            f"{root}: has to hold manifest.csv or manifest.parquet, holds {given}; or give `file`"
        )
    return load_manifest(found[0], root)


def load_synthetic(root: str | Path, **fields_of_recipe: Any) -> Split:
    """The synthetic set, drawn first where `root` does not hold it yet.

    Args:
        root: folder; appears when all of it is drawn.
        fields_of_recipe: of `passerby.data.synthetic.SyntheticRecipe`; none: `synthetic v1`.

    Raises:
        InputError: the folder holds something else, or a set by another recipe.
    """
    from passerby.data.synthetic import SyntheticRecipe, write_synthetic

    root = Path(root).absolute()
    recipe = SyntheticRecipe(**fields_of_recipe)
    wanted = json.loads(json.dumps(asdict(recipe)))
    if not root.exists() or not any(root.iterdir()):
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{root.name}.") as partial:
            drawn = Path(partial) / root.name
            write_synthetic(drawn, recipe)
            write_text(drawn / _RECIPE_FILE, json.dumps(wanted, indent=1) + "\n")
            drawn.replace(root)
    if not (root / _RECIPE_FILE).is_file():
        raise InputError(f"{root}: holds no {_RECIPE_FILE}, so it is no synthetic set of ours")
    held = json.loads((root / _RECIPE_FILE).read_text(encoding="utf-8"))
    for field, value in wanted.items():
        if held.get(field) != value:
            raise InputError(
                f"{root}: holds a synthetic set with {field} {held.get(field)}, wanted {value}: "
                "name another folder"
            )
    return read_market_layout(root, "synthetic")


DATASETS: dict[str, Callable[..., Split]] = {
    "market1501": load_market1501,
    # dukemtmc, cuhk03 and msmt17 take their places here.
    "manifest": load_listed,
    "folder": load_folder,
    "synthetic": load_synthetic,
}
"""Name -> function of (root, **its own options)."""
