"""Results and runs that exist already: which of them are the ones that a table needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from passerby.cues.joined import cues_of
from passerby.evaluation.protocols import PROTOCOLS
from passerby.evaluation.ranker import Reranking
from passerby.evaluation.results import read_results
from passerby.files import stage_files
from passerby.method import Method
from passerby.parsing import parse_json
from passerby.recipes import from_plain, to_plain
from passerby.reproduce.declared import Search
from passerby.reproduce.wanted import Task, Wanted, comparable, training_fingerprint
from passerby.training.provenance import read_config
from passerby.types import JUNK_ID, InputError, Split


@dataclass(frozen=True)
class Found:
    """A result file or a run, with what it says of itself."""

    path: Path
    """The file, or the run's folder."""
    says: Mapping[str, Any]
    """Its contents, or its `config.yaml`."""


class Library:
    """What lies in some folders.

    Args:
        task: what is asked for.
        out: where new runs and result files go; searched too.
        folders: searched with all that they hold; those that do not exist hold nothing.
    """

    def __init__(self, task: Task, out: Path, folders: Sequence[Path] = ()) -> None:
        self.task = task
        self.out = out
        self.data = training_fingerprint(task.split)
        self._counts = ranked_counts(task.split)
        self._folders = [out, *folders]
        self.results: list[Found] = []
        self.runs: list[Found] = []
        self.look()

    def look(self) -> None:
        """Reads the folders again."""
        folders = [folder for folder in self._folders if folder.is_dir()]
        files = _once(file for folder in folders for file in folder.rglob("*.json"))
        self.results = [Found(file, says) for file in files if (says := _results(file))]
        configs = _once(file for folder in folders for file in folder.rglob("config.yaml"))
        self.runs = [Found(file.parent, read_config(file.parent)) for file in configs]

    def result(self, run: Wanted, search: Search) -> Found | None:
        """The result of a search with a run."""
        for found in self.results:
            if (
                self._searched(found.says, search)
                and self._trained(found.says["run"], run, search)
                and self._saw(found.says, run)
            ):
                return found
        return None

    def finished(self, run: Wanted) -> Path | None:
        """The folder of the run, where it is finished."""
        return self._folder(run, lambda folder: (folder / "config.json").is_file())

    def home(self, run: Wanted) -> Path:
        """Where a run of ours goes: method, name, seed, and a key of all that decides on it."""
        key = run.key(self.data, self.task.training)
        training = run.training
        return self.out / "runs" / f"{training.method}-{training.name}-{run.seed}-{key}"

    def begun(self, run: Wanted) -> bool:
        """Whether the run stands in its home, finished or not."""
        return (self.home(run) / "config.yaml").is_file()

    def stage(self, run: Wanted, name: str) -> Path | None:
        """The file of the network as that stage of the run left it."""
        folder = self._folder(
            run, lambda folder: all(file.is_file() for file in stage_files(folder, name))
        )
        return folder and stage_files(folder, name)[0]

    def _folder(self, run: Wanted, fits: Any) -> Path | None:
        for found in self.runs:
            if fits(found.path) and self._trained(found.says, run, Search()):
                return found.path
        return None

    @cached_property
    def _cues(self) -> str:
        """Stands for the masks and joints beside the pictures; empty: there are none."""
        cues = cues_of(self.task.split)
        return cues.fingerprint if cues else ""

    def _saw(self, says: Mapping[str, Any], run: Wanted) -> bool:
        """Whether a result stands on the cues that the run would be given."""
        method = self.task.methods[run.training.method]
        if not method.inputs(run.recipe).cues:
            return True
        return (says.get("cues") or {}).get("source") == self._cues

    def _searched(self, says: Mapping[str, Any], search: Search) -> bool:
        split = self.task.split
        kind = PROTOCOLS["multi-query" if search.multi_query else split.protocol]
        return bool(
            says["data"] == split.name
            and says.get("variant", "") == split.variant
            and says["protocol"] == kind.name
            and says.get("settings", {}) == asdict(kind())
            and says.get("same_camera_filter", True) == search.same_camera_filter
            and says.get("reranking") == (asdict(Reranking()) if search.reranking else None)
            and self._counts.items() <= says["counts"].items()
            and search.holds in says["scores"]
        )

    def _trained(self, says: Mapping[str, Any], run: Wanted, search: Search) -> bool:
        method = self.task.methods[run.training.method]
        return bool(
            says.get("method") == method.name
            and says.get("seed") == run.seed
            and says.get("data") == self.data
            and says.get("stage") == search.stage
            and comparable(says.get("training", {})) == self.task.training
            and _same_recipe(method, says.get("recipe"), run.searched(search))
            and _same_start(method, says.get("init_from"), run)
        )


def ranked_counts(split: Split) -> dict[str, int]:
    """Queries and ranked gallery pictures, as result files count them."""
    ranked = sum(sample.person_id != JUNK_ID for sample in split.gallery)
    return {"queries": len(split.query), "gallery_ranked": ranked}


def _same_start(method: Method, origin: Any, run: Wanted) -> bool:
    """Whether a run that took over stages took those that it would have trained itself."""
    if origin is None:
        return True
    starts = [run.recipe] + ([] if run.start is None else [run.start.recipe])
    return any(_same_recipe(method, origin.get("recipe"), recipe) for recipe in starts)


def _same_recipe(method: Method, plain: Any, recipe: Any) -> bool:
    # By way of the recipe class: fields that came later have their defaults in older files.
    if not isinstance(plain, Mapping):
        return False
    try:
        return bool(to_plain(from_plain(method.recipe, plain)) == to_plain(recipe))
    except InputError:
        return False


def _results(file: Path) -> dict[str, Any] | None:
    """The contents of a file, where it is a result file of a run."""
    try:
        text = parse_json(file.read_text(encoding="utf-8"))
        if not isinstance(text, dict) or "scores" not in text:
            return None
        says = read_results(file)
    except (InputError, OSError, ValueError):
        # Folders of runs hold other JSON files too, and files of later versions.
        return None
    return says if isinstance(says["run"], dict) else None


def _once(files: Iterable[Path]) -> list[Path]:
    return sorted({file.resolve(): file for file in files}.values())
