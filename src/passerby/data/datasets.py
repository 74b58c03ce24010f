"""The data sets that `passerby.load` and `--data` know, by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from passerby.data.cuhk03 import load_cuhk03
from passerby.data.dukemtmc import load_dukemtmc
from passerby.data.folder import load_folder
from passerby.data.manifest import load_manifest
from passerby.data.market1501 import load_market1501, read_market_layout
from passerby.data.mars import load_mars
from passerby.data.msmt17 import load_msmt17
from passerby.parsing import read_json
from passerby.types import InputError, Source, Split


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
    split = DATASETS[name](root, **options)
    return replace(split, source=Source(name, Path(root).absolute(), _chosen(name, options)))


def options_of(name: str) -> list[str]:
    """Names of a data set's own options."""
    return list(inspect.signature(DATASETS[name]).parameters)[1:]


def _chosen(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are not the loader's defaults, as plain values."""
    parameters = inspect.signature(DATASETS[name]).parameters
    chosen = {key: value for key, value in options.items() if value != parameters[key].default}
    return {key: str(v) if isinstance(v, Path) else v for key, v in chosen.items()}


def load_listed(root: str | Path, file: str | Path | None = None) -> Split:
    """Own pictures by their manifest.

    Args:
        root: folder that the file names are relative to, or the manifest itself.
        file: the manifest, by default `manifest.csv` or `manifest.parquet` in `root`; a relative
            path counts from `root`.

    Raises:
        InputError: there is no manifest; see also `passerby.data.manifest.load_manifest`.
    """
    return load_manifest(*manifest_in(root, file))


def manifest_in(root: str | Path, file: str | Path | None = None) -> tuple[Path, Path | None]:
    """The manifest, and the folder that its names are relative to (None: its own).

    Args:
        root: as `load_listed`.
        file: likewise.

    Raises:
        InputError: there is no manifest, or two.
    """
    root = Path(root)
    if file is not None:
        return root / file, root
    if root.is_file():
        return root, None
    found = [root / f"manifest{end}" for end in (".csv", ".parquet")]
    found = [candidate for candidate in found if candidate.is_file()]
    if len(found) != 1:
        given = "both" if found else "neither"
        raise InputError(
            f"{root}: must contain manifest.csv or manifest.parquet; it has {given}. Or give "
            "--file NAME"
        )
    return found[0], root


def load_synthetic(
    root: str | Path,
    train_identities: int | None = None,
    test_identities: int | None = None,
    cameras: int | None = None,
    pictures_per_identity: int | None = None,
    drawn_distractors: int | None = None,
    junk: int | None = None,
    drawing_seed: int | None = None,
    drawing_version: int = 1,
) -> Split:
    """The synthetic set, drawn first where `root` does not hold it yet.

    Without options a finished set of any recipe is taken as it is, and an empty or absent folder
    becomes `synthetic v1` (or `v2`). With options the folder has to hold that very set, or nothing.

    Args:
        root: the set's folder.
        train_identities: identities of the training part.
        test_identities: identities that are queried.
        cameras: cameras, at least 2.
        pictures_per_identity: mean over the identities.
        drawn_distractors: gallery pictures of people who are never queried.
        junk: gallery pictures of bad detections.
        drawing_seed: of all that is drawn (`seed` of the recipe).
        drawing_version: of the drawing, 1 or 2; a finished set keeps its own.

    Raises:
        InputError: the folder holds something else, or an option is out of range.
    """
    from passerby.drawing import RECIPES, write_synthetic
    from passerby.drawing.write import DONE

    if drawing_version not in RECIPES:
        raise InputError(f"drawing_version must be 1 or 2; given {drawing_version}")
    root = Path(root)
    options: dict[str, int | None] = {
        "train_identities": train_identities,
        "test_identities": test_identities,
        "cameras": cameras,
        "pictures_per_identity": pictures_per_identity,
        "distractors": drawn_distractors,
        "junk": junk,
        "seed": drawing_seed,
    }
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if given or not (root / DONE).is_file():
        write_synthetic(root, RECIPES[drawing_version](**given))
    split = read_market_layout(root, "synthetic")
    about = read_json(root / DONE)
    version, held = about["version"], about["recipe"]
    standard = asdict(RECIPES[int(version[1:])]())
    other = [f"{name} {held[name]}" for name in held if held[name] != standard.get(name)]
    if not other:
        return split
    return replace(split, warnings=(f"{root}: not synthetic {version}, but {', '.join(other)}",))


DATASETS: dict[str, Callable[..., Split]] = {
    "market1501": load_market1501,
    "dukemtmc": load_dukemtmc,
    "msmt17": load_msmt17,
    "cuhk03": load_cuhk03,
    "mars": load_mars,
    "manifest": load_listed,
    "folder": load_folder,
    "synthetic": load_synthetic,
}
"""Name -> function of (root, **its own options)."""
