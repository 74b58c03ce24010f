"""The repository itself: direction of imports, side effects of importing, versions."""

from __future__ import annotations

import configparser
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import passerby

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "passerby"
FILES = sorted(SOURCE.rglob("*.py"))
MODULES = [
    ".".join(("passerby", *file.relative_to(SOURCE).with_suffix("").parts)).removesuffix(
        ".__init__"
    )
    for file in FILES
    if file.stem != "__main__"
]
PACKAGES = {file.relative_to(SOURCE).parts[0].removesuffix(".py") for file in FILES} - {
    "__init__", "__main__",
}  # fmt: skip

GROUND = {"types", "files", "version", "terminal", "workers"}
LEAVES = GROUND | {"randomness", "parsing"}
BELOW_EXPERIMENT = LEAVES | {
    "method", "recipes", "ranking", "losses", "drawing", "data", "cues", "extract",
    "methods", "training", "embedding", "evaluation",
}  # fmt: skip
BELOW_FIGURES = BELOW_EXPERIMENT | {"experiment", "gallery"}
MAY_IMPORT = {
    "types": set(),
    "files": set(),
    "version": set(),
    "terminal": set(),
    "workers": set(),
    "randomness": GROUND,
    "parsing": GROUND,
    "drawing": LEAVES,
    "method": LEAVES,
    "recipes": LEAVES,
    "ranking": LEAVES,
    "losses": LEAVES,
    "data": LEAVES | {"method", "drawing"},
    "cues": LEAVES | {"data"},
    "extract": LEAVES | {"method", "data", "cues"},
    "methods": LEAVES | {"method", "recipes", "losses", "ranking", "data", "cues", "extract"},
    "training": LEAVES | {"method", "recipes", "data", "cues", "losses", "ranking", "extract"},
    "embedding": LEAVES | {"method", "recipes", "methods", "data", "cues", "extract"},
    "evaluation": LEAVES | {"data", "cues", "ranking", "extract", "embedding"},
    "experiment": BELOW_EXPERIMENT,
    "gallery": LEAVES | {"ranking", "embedding"},
    "video": LEAVES | {"recipes", "data", "cues", "embedding"},
    "figures": BELOW_FIGURES,
    "reproduce": BELOW_FIGURES,
    "serving": LEAVES | {"data", "embedding", "gallery", "figures"},
    "cli": BELOW_FIGURES | {"video", "figures", "reproduce", "serving"},
    "__main__": BELOW_FIGURES | {"video", "figures", "reproduce", "serving", "cli"},
}  # The table of the design: direct imports of each package.


IMPORT_ALL = """
import importlib, json, sys
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps([name for name in sys.modules if name.split(".")[0] != "passerby"]))
"""

STATE = """
import importlib, json, locale, logging, multiprocessing, os, random, signal, sys, warnings
import numpy, torch

def state():
    return {
        "random": str(random.getstate()),
        "numpy.random": str(numpy.random.get_state()[1].tolist()),
        "torch random": str(torch.get_rng_state().tolist()),
        "torch threads": str((torch.get_num_threads(), torch.get_num_interop_threads())),
        "torch default dtype": str(torch.get_default_dtype()),
        "torch deterministic": str(torch.are_deterministic_algorithms_enabled()),
        "torch gradients": str(torch.is_grad_enabled()),
        "torch precision": torch.get_float32_matmul_precision(),
        "numpy errors": str(numpy.geterr()),
        "warnings": str(warnings.filters),
        "logging": str((logging.root.level, logging.root.handlers, logging.root.manager.disable)),
        "our logger": str(logging.getLogger("passerby").handlers),
        "locale": locale.setlocale(locale.LC_ALL),
        "signals": str([(s, signal.getsignal(s)) for s in sorted(signal.valid_signals())]),
        "environment": str(sorted(os.environ.items())),
        "folder": os.getcwd(),
        "path": str(sys.path),
        "start method": str(multiprocessing.get_start_method(allow_none=True)),
        "exception hook": str(sys.excepthook),
    }

for name in json.loads(sys.argv[2]):  # what others change when imported is theirs
    try:
        importlib.import_module(name)
    except ImportError:
        pass
before = state()
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
after = state()
print(json.dumps([name for name in before if before[name] != after[name]]))
"""


def run_python(code: str, *arguments: object) -> Any:
    """What a fresh interpreter prints, as JSON; the arguments reach it as JSON too."""
    texts = [json.dumps(argument) for argument in arguments]
    finished = subprocess.run(
        [sys.executable, "-c", code, *texts], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def foreign_modules() -> list[str]:
    """What is loaded beside passerby once every module of passerby is imported."""
    return run_python(IMPORT_ALL, MODULES)


def test_every_module_imports(foreign_modules: list[str]) -> None:
    assert "torch" in foreign_modules


def test_importing_passerby_loads_nothing_heavy() -> None:
    heavy = {"torch", "numpy", "numba", "pyarrow", "matplotlib", "PIL", "lightning_fabric"}
    assert heavy & set(run_python(IMPORT_ALL, ["passerby"])) == set()


def test_importing_changes_no_global_state(foreign_modules: list[str]) -> None:
    modules = [name for name in MODULES if not name.startswith("passerby.cli")]
    assert run_python(STATE, modules, foreign_modules) == []


def test_training_path_needs_no_compiled_extras() -> None:
    """A GPU machine may have torch and pure-Python packages alone."""
    path = {"data", "cues", "losses", "extract", "methods", "training"}
    modules = [name for name in MODULES if {*name.split(".")[1:2]} & path]
    absent = [
        *("numba", "pyarrow", "tensorboard", "matplotlib"),
        *("torchvision", "timm", "scipy", "cv2", "torchmetrics"),
    ]
    block = f"import sys; sys.modules.update(dict.fromkeys({absent}))\n"
    assert "torch" in run_python(block + IMPORT_ALL, modules)


def test_version_is_the_projects() -> None:
    assert importlib.metadata.version("passerby") == passerby.__version__


def test_every_version_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line[0] != "#"]
    pinned = {re.fullmatch(r"([\w.-]+)==[\w.]+", line)[1] for line in lines}
    wanted = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["dev"],
    ]
    names = {re.match(r"[\w.-]+", requirement)[0] for requirement in wanted}
    assert {_normal(name) for name in names} <= {_normal(name) for name in pinned}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def lint(folder: Path, sources: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs the project's contracts on a package of these modules and nothing else."""
    (folder / "passerby").mkdir()
    for name, source in {"__init__": "", **sources}.items():
        (folder / "passerby" / f"{name}.py").write_text(source)
    return subprocess.run(
        [
            str(Path(sys.executable).parent / "lint-imports"),
            *("--no-cache", "--no-logo", "--config", str(ROOT / ".importlinter")),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def importing(imports: dict[str, set[str]]) -> dict[str, str]:
    """Modules that import these packages."""
    return {
        name: "".join(f"import passerby.{imported}\n" for imported in sorted(packages))
        for name, packages in imports.items()
    }


def linted_packages() -> set[str]:
    """The packages that exist, and those that the contracts take for granted."""
    config = configparser.ConfigParser()
    config.read(ROOT / ".importlinter")
    layers = set(config["importlinter:contract:layers"]["layers"].replace("|", " ").split())
    return PACKAGES | {name for name in layers if not name.startswith("(")}


def test_every_folder_is_a_package() -> None:
    """import-linter and mypy overlook a folder without `__init__.py`."""
    assert [file.parent for file in FILES if not (file.parent / "__init__.py").exists()] == []


def test_every_package_stands_in_the_table() -> None:
    assert set(MAY_IMPORT) >= PACKAGES


def test_contracts_allow_what_the_table_allows(tmp_path: Path) -> None:
    packages = linted_packages()
    result = lint(tmp_path, importing({name: MAY_IMPORT[name] & packages for name in packages}))
    assert result.returncode == 0, result.stdout


def test_contracts_forbid_everything_else(tmp_path: Path) -> None:
    packages = linted_packages()
    forbidden = {name: packages - MAY_IMPORT[name] - {name} for name in packages}
    result = lint(tmp_path, importing(forbidden))
    found = set(re.findall(r"passerby\.(\w+) -> passerby\.(\w+)", result.stdout))
    assert result.returncode != 0
    assert {(a, b) for a, names in forbidden.items() for b in names} - found == set()


@pytest.mark.parametrize(
    ("module", "source", "reported"),
    [
        ("__init__", "import passerby.cli", "passerby -> passerby.cli"),
        ("experiment", "from passerby import load", "passerby.experiment -> passerby"),
        ("experiment", "import torchvision", "passerby.experiment -> torchvision"),
        ("experiment", "def f():\n    import timm", "passerby.experiment -> timm"),
        ("unheard_of", "", "unheard_of"),
    ],
)
def test_contracts_report(tmp_path: Path, module: str, source: str, reported: str) -> None:
    result = lint(tmp_path, {**dict.fromkeys(linted_packages(), ""), module: source})
    assert result.returncode != 0
    assert reported in result.stdout
