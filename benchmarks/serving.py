"""Clients at once on a server of a made-up gallery; writes docs/performance-serving.md.

    python benchmarks/serving.py [--clients 200] [--seconds 60] [--entries 10000]
    python benchmarks/serving.py --quick

Each client searches by an entry, waits for the answer, and searches again; one in twenty requests
adds an entry, and at the end every addition that was acknowledged must be in the gallery. `--quick`
takes 10 clients for 3 seconds and writes no page. Server and clients share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from passerby.files import write_text
from passerby.gallery.gallery import Gallery
from passerby.gallery.new_rows import NewEntries

HERE = Path(__file__).resolve().parent
WIDTH = 512


class NoiseModel:
    """Costs nothing: what is measured is server and gallery, not a network."""

    fingerprint = "noise"
    descriptor = SimpleNamespace(metric="euclidean")

    def embed(self, pictures):
        seeds = [int(np.asarray(picture, np.uint64).sum()) for picture in pictures]
        rows = [np.random.default_rng(seed).standard_normal(WIDTH) for seed in seeds]
        return np.array(rows, np.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve_folder(options.serve)
        return
    if options.quick:
        options.clients, options.seconds, options.entries = 10, 3.0, 1000
    folder = Path(tempfile.mkdtemp(prefix="passerby-serving-"))
    try:
        found = measure(folder, options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = page(found, options)
    print(text)
    if not options.quick:
        write_text(HERE.parent / "docs" / "performance-serving.md", text)
    if found["lost"] or set(found["statuses"]) != {200}:
        sys.exit("requests failed or acknowledged additions are lost")


def serve_folder(folder):
    from passerby.serving.server import serve
    from passerby.serving.service import Service
    from passerby.serving.settings import Address, Limits
    from passerby.serving.tokens import TokenFile

    gallery = Gallery.open(folder / "gallery", NoiseModel(), resident=True)
    serve(
        Service(gallery, NoiseModel()), TokenFile(folder / "tokens.json"), Address(port=0),
        Limits(rate=0), ready=lambda url: print(url, flush=True),
    )  # fmt: skip


def measure(folder, options):
    rng = np.random.default_rng(0)
    keys = [f"e{row}" for row in range(options.entries)]
    with Gallery.open(folder / "gallery", NoiseModel()) as gallery:
        embeddings = rng.standard_normal((options.entries, WIDTH)).astype(np.float32)
        cameras = [str(i % 8) for i in range(options.entries)]
        gallery.add(embeddings, NewEntries(keys=keys, cameras=cameras))
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve", str(folder)], stdout=subprocess.PIPE, text=True
    )
    try:
        url = server.stdout.readline().strip().rstrip("/")
        found = asyncio.run(load(url, keys, options))
    finally:
        server.send_signal(signal.SIGTERM)
        found_rc = server.wait(60)
    with Gallery.open(folder / "gallery", NoiseModel()) as gallery:
        there = {entry.key for entry in gallery.entries()}
    return {**found, "lost": len(set(found["added"]) - there), "exit": found_rc}


async def load(url, keys, options):
    import httpx2

    times, statuses, added = {"search": [], "add": []}, {}, []
    out = io.BytesIO()
    Image.new("RGB", (64, 128), (90, 120, 60)).save(out, "JPEG")
    until = time.monotonic() + options.seconds
    limits = httpx2.Limits(max_connections=options.clients)
    async with httpx2.AsyncClient(base_url=url, limits=limits, timeout=60) as http:

        async def client(number):
            rng = np.random.default_rng((1, number))
            count = 0
            while time.monotonic() < until:
                count += 1
                started = time.perf_counter()
                if count % 20 == 10:
                    key, kind = f"c{number}-{count}", "add"
                    answer = await http.post(
                        "/v1/entries", params={"key": key}, content=out.getvalue()
                    )
                    added.extend([key] if answer.status_code == 200 else [])
                else:
                    query = {"key": keys[int(rng.integers(len(keys)))], "k": 20}
                    kind, answer = "search", await http.get("/v1/search/entry", params=query)
                times[kind].append(time.perf_counter() - started)
                statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1

        await asyncio.gather(*(client(number) for number in range(options.clients)))
    return {"times": times, "statuses": statuses, "added": added}


def page(found, options):
    lines = [
        "# Serving under load", "",
        f"`python benchmarks/serving.py --clients {options.clients} --seconds "
        f"{options.seconds:g} --entries {options.entries}` on {platform.machine()}, Python "
        f"{platform.python_version()}, uvicorn {version('uvicorn')}, fastapi {version('fastapi')}; "
        f"server and clients on one machine; resident gallery, {WIDTH} numbers an entry, no "
        "network to compute.", "",
        "| request | number | a second | median ms | 95 % ms | 99 % ms | slowest ms |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for kind, seconds in found["times"].items():
        if seconds:
            shown = 1000 * np.quantile(seconds, [0.5, 0.95, 0.99, 1])
            numbers = " | ".join(f"{value:.0f}" for value in shown)
            rate = len(seconds) / options.seconds
            lines.append(f"| {kind} | {len(seconds):,} | {rate:.1f} | {numbers} |")
    counts = sorted(found["statuses"].items())
    told = ", ".join(f"{count:,} x {status}" for status, count in counts)
    lines += ["", f"Answers: {told}. Acknowledged additions: {len(found['added']):,}, lost: "
              f"{found['lost']}. SIGTERM ended the server with {found['exit']}.", ""]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    main()
