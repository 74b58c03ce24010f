"""Writes the scores of a model's result files into its card.

python tools/model_card.py src/passerby/model RESULTS.json ...

What lies between the two marks in FOLDER/CARD.md is replaced; the rest is written by hand. Result
files of another model are refused: `passerby evaluate --data ... --json FILE` scores the one that
comes with passerby.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from passerby.embedding.model_files import read_model
from passerby.evaluation.results import read_results
from passerby.files import write_text
from passerby.types import InputError

START, END = "<!-- scores: tools/model_card.py -->", "<!-- end of scores -->"
NAMES = {
    "camera": "Camera",
    "build": "Build as drawn",
    "age": "Age as drawn",
    "skin_tone": "Skin tone as drawn (1 the lightest)",
}


def main(arguments: list[str]) -> None:
    """Runs the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with CARD.md and the model's two files")
    parser.add_argument("results", type=Path, nargs="+", help="result files of this very model")
    options = parser.parse_args(arguments)
    try:
        update(options.folder, options.results)
    except InputError as error:
        sys.exit(f"model_card: {error}")


def update(folder: Path, files: list[Path]) -> None:
    """Puts the scores into the card.

    Raises:
        InputError: a file is no result file or of another model, or the card has no marks.
    """
    fingerprint = read_model(folder).fingerprint
    found = [(file, read_results(file)) for file in files]
    for file, result in found:
        if result["model"] != fingerprint:
            raise InputError(f"{file} is of the model {result['model']}, not of {fingerprint}")
    card = folder / "CARD.md"
    text = card.read_text(encoding="utf-8")
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise InputError(f"{card} lacks the marks {START} and {END}")
    scores = "\n\n".join([_totals([r for _, r in found]), *(_groups(r) for _, r in found)])
    write_text(card, f"{before}{START}\n\n{scores.strip()}\n\n{END}{after}")


def _totals(results: list[dict[str, Any]]) -> str:
    rows = []
    for result in results:
        counts, scores = result["counts"], result["scores"]
        how = result["protocol"]
        if not result.get("same_camera_filter", True):
            how += ", pictures of the query's camera count"
        spans = result.get("intervals", {})
        rows.append([
            result["folder"], how, f"{counts['queries']:,}", f"{counts['gallery_ranked']:,}",
            _share(scores["rank_1"], spans.get("rank_1")), _share(scores["rank_5"]),
            _share(scores["mean_ap_step"], spans.get("mean_ap")),
        ])  # fmt: skip
    return _table(["Data", "Protocol", "Queries", "Gallery", "rank-1", "rank-5", "mAP"], rows)


def _share(share: float, span: list[float] | None = None) -> str:
    text = f"{100 * share:.1f}"
    return text if span is None else f"{text} ({100 * span[0]:.1f} - {100 * span[1]:.1f})"


def _groups(result: dict[str, Any]) -> str:
    rows = [
        [NAMES.get(kind, kind), name, f"{score['queries']:,}",
         f"{100 * score['rank_1']:.1f}", f"{100 * score['mean_ap']:.1f}"]
        for kind, groups in result.get("groups", {}).items()
        for name, score in groups.items()
    ]  # fmt: skip
    if not rows:
        return ""
    table = _table(["Of the queries", "Group", "Queries", "rank-1", "mAP"], rows)
    return f"`{result['folder']}`, by group:\n\n{table}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main(sys.argv[1:])
