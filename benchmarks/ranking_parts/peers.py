"""Other people's programs, fetched into a folder of their own; none of their code is kept here."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tarfile
import warnings
from pathlib import Path

import numpy as np
import torch

PACKAGES = ("faiss-cpu==1.15.1", "Cython==3.3.1")
FAST_REID = "fastreid==1.4.0"


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", *arguments]
    return subprocess.run(command, capture_output=True, text=True).returncode == 0


def fetch(folder: Path) -> None:
    """Downloads faiss and fast-reid's source and builds its evaluator; what fails is left out."""
    site = folder / "site"
    if not site.exists():
        pip("install", "--no-deps", "--target", str(site), *PACKAGES)
    source = folder / "fast-reid"
    if not source.exists() and pip("download", "--no-deps", "-d", str(folder), FAST_REID):
        wheel = next(folder.glob("fastreid-*.whl"), None)
        subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), str(source)], check=True)
    if not source.exists() and (archive := next(folder.glob("fastreid-*.tar.gz"), None)):
        with tarfile.open(archive) as opened:
            opened.extractall(source, filter="data")
    cython = next(source.rglob("rank_cy.pyx"), None)
    if cython is not None and not list(cython.parent.glob("rank_cy*.so")):
        build(cython, site)


def build(cython: Path, site: Path) -> None:
    code = (
        "import numpy, setuptools; from Cython.Build import cythonize;"
        "setuptools.setup(name='rank_cy', py_modules=[], ext_modules=cythonize([setuptools."
        "Extension('rank_cy', ['rank_cy.pyx'], include_dirs=[numpy.get_include()])]),"
        "script_args=['build_ext', '--inplace'])"
    )
    subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(site)!r}); {code}"],
        cwd=cython.parent,
        capture_output=True,
    )


def faiss(folder: Path):
    return _module("faiss", folder / "site" / "faiss" / "__init__.py", package=folder / "site")


def fast_reid_cython(folder: Path):
    """`evaluate_cy(distances, query_ids, gallery_ids, query_cameras, gallery_cameras, ranks)`."""
    file = next(folder.rglob("rank_cy*.so"), None)
    return None if file is None else _module("rank_cy", file).evaluate_cy


def fast_reid_python(folder: Path):
    """The same by its Python code."""
    file = next(folder.rglob("evaluation/rank.py"), None)
    return None if file is None else _module("fast_reid_rank", file).eval_market1501


def _module(name, file, package=None):
    if not file.exists():
        return None
    if package is not None:
        sys.path.append(str(package))
    spec = importlib.util.spec_from_file_location(
        name, file, submodule_search_locations=[str(file.parent)] if package else None
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec.loader.exec_module(module)
    return module


def distances(query, gallery):
    """The (Q, G) squared Euclidean distances as such programs compute them, by torch."""
    q, g = torch.from_numpy(query), torch.from_numpy(np.asarray(gallery))
    squares = q.square().sum(1)[:, None] + g.square().sum(1)
    return squares.addmm_(q, g.T, alpha=-2).numpy()


def plain_reranking(query, gallery, k1=20, k2=6, lambda_value=0.3):
    """k-reciprocal re-ranking, dense and in NumPy as its authors describe it."""
    features = np.concatenate([query, gallery])
    count, queries = len(features), len(query)
    original = distances(features, features)
    np.maximum(original, 0, out=original)
    original /= original.max(axis=1, keepdims=True)
    rank = np.argsort(original).astype(np.int32)
    encoding = np.zeros_like(original)
    half = int(np.around(k1 / 2))
    for item in range(count):
        forward = rank[item, : k1 + 1]
        near = forward[np.any(rank[forward, : k1 + 1] == item, axis=1)]
        grown = near
        for candidate in near:
            forward = rank[candidate, : half + 1]
            theirs = forward[np.any(rank[forward, : half + 1] == candidate, axis=1)]
            if len(np.intersect1d(theirs, near)) > 2 / 3 * len(theirs):
                grown = np.append(grown, theirs)
        grown = np.unique(grown)
        weights = np.exp(-original[item, grown])
        encoding[item, grown] = weights / weights.sum()
    original = original[:queries, queries:].copy()
    if k2 > 1:
        averaged = np.empty_like(encoding)
        for item in range(count):
            averaged[item] = encoding[rank[item, :k2]].mean(axis=0)
        encoding = averaged
    del rank
    inverted = [np.flatnonzero(encoding[queries:, column]) for column in range(count)]
    result = np.empty_like(original)
    for item in range(queries):
        smaller = np.zeros(count - queries, np.float32)
        for column in np.flatnonzero(encoding[item]):
            others = inverted[column]
            smaller[others] += np.minimum(
                encoding[item, column], encoding[queries + others, column]
            )
        jaccard = 1 - smaller / (2 - smaller)
        result[item] = jaccard * (1 - lambda_value) + original[item] * lambda_value
    return result
