"""What a run's own files say, as a page: settings, training, scores, speed."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import yaml

from passerby.evaluation.results import FORMAT, NOT_ENOUGH, read_results
from passerby.figures.curves import low_end
from passerby.figures.page_charts import Axis, Line, line_chart
from passerby.figures.page_style import STYLE
from passerby.files import write_text
from passerby.methods import METHODS, find_method
from passerby.parsing import parse_json
from passerby.training.provenance import read_config
from passerby.types import InputError

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Of the page: a browser that opens it asks no other place for anything."""


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    anchor: str
    """Its place, for links."""
    title: str
    """Its heading."""
    html: str
    """What it holds."""


def write_page(
    run: str | Path,
    target: str | Path,
    *,
    beside: Mapping[str, Path] | None = None,
    more: Sequence[Section] = (),
    style: str = "",
) -> None:
    """Writes one HTML file that needs no other.

    Args:
        run: the run's folder.
        target: the .html, written atomically.
        beside: name -> further result file, whose scores stand beside the run's own.
        more: sections with pictures, between scores and training.
        style: what they need beside `STYLE`.

    Raises:
        InputError: no run there, a file of it that cannot be read, or another ending than .html.
    """
    if Path(target).suffix.lower() not in (".html", ".htm"):
        raise InputError(f"a report must be an .html file: given {target}")
    run = Path(run)
    config = read_config(run)
    if not config:
        raise InputError(f"{run}: not a run: config.yaml is missing")
    results = {
        **_results(run),
        **{name: read_results(file) for name, file in (beside or {}).items()},
    }
    metrics = read_metrics(run / "metrics.csv")
    sections = [
        *_scores(results),
        *more,
        *_training(metrics),
        *_speed(metrics, config),
        _settings(config),
    ]
    name = str(config.get("method", "run"))
    said = find_method(name).title if name in METHODS else ""
    data = ", ".join(map(str, config.get("trained_on") or []))
    version = (config.get("versions") or {}).get("passerby", "")
    links = "".join(f'<a href="#{s.anchor}">{escape(s.title)}</a>' for s in sections)
    body = "\n".join(
        f'<section id="{s.anchor}">\n<h2>{escape(s.title)}</h2>\n{s.html}\n</section>'
        for s in sections
    )
    write_text(
        target,
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="referrer" content="no-referrer">
<title>{escape(name)}: {escape(run.resolve().name)}</title>
<style>{STYLE}{style}</style>
</head>
<body>
<header>
<h1>{escape(name)}</h1>
<p class="pale">{escape(said)}<br>Run <b>{escape(run.resolve().name)}</b>, trained on \
{escape(data) or "data that it does not name"}, seed {escape(str(config.get("seed", "?")))}.</p>
</header>
<nav><div>{links}</div></nav>
<main>
{body}
</main>
<footer>Written by passerby {escape(str(version))}. A ranking is not an identity: the first result
is the most similar picture that there is, also when the person is not there at all.</footer>
</body>
</html>
""",
    )


def read_metrics(file: Path) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Metrics by stage, by name: epoch of the stage from 0, and value; empty without a file.

    Raises:
        InputError: it is not a file of metrics.
    """
    found: dict[str, dict[str, list[tuple[int, float]]]] = {}
    if not file.is_file():
        return found
    try:
        with file.open(newline="", encoding="utf-8") as text:
            for row in csv.DictReader(text):
                of_stage = found.setdefault(row["stage"], {})
                of_stage.setdefault(row["name"], []).append(
                    (int(row["epoch"]), float(row["value"]))
                )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{file}: not a file of metrics") from error
    return found


def table(header: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """A table of text; it scrolls where the screen is narrow."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<div class="wide"><table class="{kind}"><tr>{head}</tr>{body}</table></div>'


def _results(run: Path) -> dict[str, dict[str, Any]]:
    """Result files of the run by name; results.json first."""
    found = {}
    for file in sorted(
        run.glob("*.json"), key=lambda file: (file.name != "results.json", file.name)
    ):
        try:
            contents = parse_json(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{file}: not a JSON file") from error
        if isinstance(contents, dict) and contents.get("format") == FORMAT and "scores" in contents:
            name = "this run" if file.name == "results.json" else file.stem
            found[name] = read_results(file)
    return found


def _scores(results: Mapping[str, Mapping[str, Any]]) -> list[Section]:
    if not results:
        return [Section("scores", "Scores", "<p>The run was not evaluated.</p>")]
    first = next(iter(results.values()))
    told = [("rank-1", "rank_1"), ("rank-5", "rank_5"), ("rank-10", "rank_10"),
            ("mAP (step)", "mean_ap_step"), ("mAP (trapezoid)", "mean_ap_trapezoid"),
            ("mINP", "mean_inp")]  # fmt: skip

    def shown(result: Mapping[str, Any]) -> list[str]:
        scores = result["scores"]
        return [f"{100 * scores[key]:.1f}" if key in scores else "" for _, key in told]

    cards = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>"
        for (name, _), value in zip(told, shown(first), strict=True)
        if value
    )
    rows = [[name, *shown(result)] for name, result in results.items()]
    notes = "".join(
        f"<li><b>{escape(name)}</b>: {escape(stands_on(result))}</li>"
        for name, result in results.items()
    )
    lines = [
        Line(name, range(1, len(result["cmc"]) + 1), [100 * share for share in result["cmc"]])
        for name, result in results.items()
        if result.get("cmc")
    ]
    describe = "Share of queries with their person among the first k"
    low = low_end(min((min(line.y) / 100 for line in lines), default=0))
    axes = Axis("rank k", 1, whole=True), Axis(f"{describe} (%)", low, 100)
    chart = line_chart(lines, *axes, describe)
    whose = escape(next(iter(results)))
    html = (
        f'<dl class="numbers">{cards}</dl><p class="pale">Per cent; {whose}.'
        f"</p>{table(['per cent', *(name for name, _ in told)], rows) if len(rows) > 1 else ''}"
        f"<h3>What the numbers stand on</h3><ul>{notes}</ul>"
        f'<div class="charts">{chart if lines else ""}{_verification(first)}</div>'
    )
    return [Section("scores", "Scores", html)]


def stands_on(result: Mapping[str, Any]) -> str:
    """What a result file's numbers depend on, in a sentence."""
    counts = result["counts"]
    place = " ".join(filter(None, (result["data"], result.get("folder"), result.get("variant"))))
    more = [f"{key} {value}" for key, value in (result.get("settings") or {}).items()]
    if result.get("reranking"):
        more.append("re-ranked")
    cues = result.get("cues")
    if cues:
        missing = ", ".join(f"{count} without {cue}" for cue, count in cues["fallbacks"].items())
        more.append(f"masks and joints {cues['origin']} ({missing} of {cues['pictures']} pictures)")
    return (
        f"{place}, {result['protocol']}"
        + (f" ({'; '.join(more)})" if more else "")
        + f"; {result['metric']} distance, feature: {result['feature']}; "
        f"{counts['queries']} queries, {counts['queries_without_match']} of them without a match; "
        f"{counts['gallery_ranked']} gallery pictures, {counts['gallery_distractors']} of them "
        f"distractors, {counts['gallery_junk']} junk left out; same-camera filter "
        f"{'on' if result.get('same_camera_filter', True) else 'off'}"
    )


def _verification(result: Mapping[str, Any]) -> str:
    found = result.get("verification")
    if not found:
        return ""
    rows = [
        (f"{100 * point['false_match_rate']:g}", NOT_ENOUGH)
        if point["threshold"] is None
        else (f"{100 * point['false_match_rate']:g}", f"{100 * point['false_non_match_rate']:.2f}")
        for point in found["points"]
    ]
    return f"<div><h3>FNMR at given FMR</h3>{table(('FMR (%)', 'FNMR (%)'), rows)}</div>"


def _training(metrics: Mapping[str, Mapping[str, Sequence[tuple[int, float]]]]) -> list[Section]:
    parts = []
    for stage, named in metrics.items():
        charts = []
        for name, values in named.items():
            if name == "images_per_second" or len(values) < 1:
                continue
            rate = name.startswith("rate") and name[4:].isdigit()
            title = f"learning rate {int(name[4:]) + 1}" if rate else name.replace("_", " ")
            line = Line("", [epoch + 1 for epoch, _ in values], [value for _, value in values])
            log = rate and 0 < min(line.y) < max(line.y)
            describe = f"{title} over the epochs of {stage}: {line.y[0]:.4g} to {line.y[-1]:.4g}"
            y = Axis(f"{title}: {line.y[-1]:.4g} at the end", log=log)
            charts.append(line_chart([line], Axis("epoch", whole=True), y, describe))
        parts.append(f'<h3>Stage {escape(stage)}</h3><div class="charts">{"".join(charts)}</div>')
    return [Section("training", "Training", "\n".join(parts))] if parts else []


def _speed(
    metrics: Mapping[str, Mapping[str, Sequence[tuple[int, float]]]], config: Mapping[str, Any]
) -> list[Section]:
    rows = []
    for stage, named in metrics.items():
        values = [value for _, value in named.get("images_per_second", ())]
        if values:
            mean = len(values) / sum(1 / max(value, 1e-9) for value in values)
            rows.append((stage, str(len(values)), f"{mean:.0f}", f"{min(values):.0f}",
                         f"{max(values):.0f}"))  # fmt: skip
    if not rows:
        return []
    threads = config.get("threads", "?")
    where = f"{config.get('device', '?')}, {threads} thread{'s' * (threads != 1)}"
    header = ("stage", "epochs", "pictures a second", "slowest epoch", "fastest epoch")
    html = f'{table(header, rows)}<p class="pale">Training on {escape(where)}.</p>'
    return [Section("speed", "Speed", html)]


def _settings(config: Mapping[str, Any]) -> Section:
    recipe = [
        (name.replace("_", " "), _told(value))
        for name, value in (config.get("recipe") or {}).items()
    ]
    versions = [(name, _told(value)) for name, value in (config.get("versions") or {}).items()]
    command = " ".join(map(str, config.get("command") or []))
    # Where the pictures lie is this machine's affair.
    whole = yaml.safe_dump(
        {name: value for name, value in config.items() if name != "source"},
        sort_keys=False,
        allow_unicode=True,
    )
    html = (
        table(("recipe", ""), recipe, "words")
        + table(("version", ""), versions, "words")
        + (f'<h3>Command</h3><pre class="command">{escape(command)}</pre>' if command else "")
        + f"<details><summary>The whole configuration</summary><pre>{escape(whole)}</pre></details>"
    )
    return Section("settings", "Settings", html)


def _told(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return {True: "yes", False: "no", None: "none"}.get(value, str(value)) if isinstance(
        value, (bool, type(None))
    ) else str(value)  # fmt: skip
