"""Measures the ranking core beside the matrix product and other programs; writes the table.

    python benchmarks/ranking.py [--quick] [--only WORK ...] [--results FOLDER]

`--quick` takes small sizes and writes no table. `--only` measures some works anew and keeps what
the folder of results has of the others.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from ranking_parts.peers import fetch  # noqa: E402
from ranking_parts.report import write_report  # noqa: E402
from ranking_parts.works import WORKS  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--results", type=Path, default=HERE / ".ranking")
    parser.add_argument("--report", action="store_true", help="only write the table")
    parser.add_argument("--work", choices=WORKS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / ".gitignore").write_text("*\n")
    if options.work:
        measure(options.work, options.results, options.quick)
        return
    if not options.report:
        fetch(options.results)
        for work in options.only:
            print(f"{work} ...", flush=True)
            command = [sys.executable, __file__, "--work", work, "--results", options.results]
            subprocess.run([*command, *(["--quick"] * options.quick)], check=True)
    if not options.quick:
        write_report(options.results, HERE.parent / "docs")


def measure(work, results, quick):
    start = time.time()
    found = WORKS[work](results, quick)
    found |= {"measured": time.strftime("%Y-%m-%d", time.gmtime(start))}
    file = results / f"{'quick_' * quick}{work}.json"
    file.write_text(json.dumps(found, indent=1))
    print(file.read_text() if quick else f"   {time.time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
