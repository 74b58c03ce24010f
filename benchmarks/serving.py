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
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
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
    parser.add_argument("--adds", type=int, default=20, help="one request in so many adds; 0: none")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve_folder(options.serve, options.workers)
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


def opened(folder):
    from passerby.serving.service import Service

    gallery = Gallery.open(folder / "gallery", NoiseModel(), resident=True)
    return Service(gallery, NoiseModel())


def serve_folder(folder, workers):
    from passerby.serving.server import serve
    from passerby.serving.settings import Address, Limits
    from passerby.serving.tokens import TokenFile
    from passerby.serving.workers import serve_together

    tokens, address, limits = TokenFile(folder / "tokens.json"), Address(port=0), Limits(rate=0)
    say = partial(print, flush=True)
    if workers == 1:
        serve(opened(folder), tokens, address, limits, ready=say)
    else:
        serve_together(partial(opened, folder), workers, tokens, address, limits, ready=say)


def measure(folder, options):
    rng = np.random.default_rng(0)
    keys = [f"e{row}" for row in range(options.entries)]
    with Gallery.open(folder / "gallery", NoiseModel()) as gallery:
        embeddings = rng.standard_normal((options.entries, WIDTH)).astype(np.float32)
        cameras = [str(i % 8) for i in range(options.entries)]
        gallery.add(embeddings, NewEntries(keys=keys, cameras=cameras))
    command = [__file__, "--serve", str(folder), "--workers", str(options.workers)]
    server = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True)
    try:
        url = server.stdout.readline().strip().rstrip("/")
        # The first search of a process compiles.
        first = argparse.Namespace(clients=8 * options.workers, seconds=0.1, adds=0)
        asyncio.run(load(url, keys, first))
        before = cpu_seconds(server.pid), cpu_seconds(os.getpid()) - cpu_seconds(server.pid)
        found = asyncio.run(load(url, keys, options))
        after = cpu_seconds(server.pid), cpu_seconds(os.getpid()) - cpu_seconds(server.pid)
        found["cpu"] = [new - old for new, old in zip(after, before, strict=True)]
    finally:
        server.send_signal(signal.SIGTERM)
        found_rc = server.wait(60)
    with Gallery.open(folder / "gallery", NoiseModel()) as gallery:
        there = {entry.key for entry in gallery.entries()}
    return {**found, "lost": len(set(found["added"]) - there), "exit": found_rc}


async def load(url, keys, options):
    found = {"times": {"search": [], "add": []}, "statuses": {}, "added": []}
    out = io.BytesIO()
    Image.new("RGB", (64, 128), (90, 120, 60)).save(out, "JPEG")
    until = time.monotonic() + options.seconds

    async def client(number):
        rng = np.random.default_rng((1, number))
        connection = await Connection.open(url)
        count = 0
        while time.monotonic() < until:
            count += 1
            started = time.perf_counter()
            if options.adds and count % options.adds == options.adds // 2:
                key, kind = f"c{number}-{count}", "add"
                status = await connection.ask("POST", f"/v1/entries?key={key}", out.getvalue())
                found["added"].extend([key] if status == 200 else [])
            else:
                key, kind = keys[int(rng.integers(len(keys)))], "search"
                status = await connection.ask("GET", f"/v1/search/entry?key={key}&k=20")
            found["times"][kind].append(time.perf_counter() - started)
            found["statuses"][status] = found["statuses"].get(status, 0) + 1
        connection.close()

    await asyncio.gather(*(client(number) for number in range(options.clients)))
    return found


class Connection(asyncio.Protocol):
    """One that is kept open; asks with as little work as Python can, to leave it to the server."""

    @classmethod
    async def open(cls, url):
        host, port = url.removeprefix("http://").split(":")
        _, made = await asyncio.get_running_loop().create_connection(cls, host, int(port))
        made.host = f"{host}:{port}"
        return made

    def connection_made(self, transport):
        self.transport, self.left, self.head = transport, 0, b""

    def ask(self, method, target, body=b""):
        head = f"{method} {target} HTTP/1.1\r\nHost: {self.host}\r\nContent-Length: {len(body)}"
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(head.encode() + b"\r\n\r\n" + body)
        return self.answer

    def data_received(self, data):
        if not self.left:
            self.head += data
            end = self.head.find(b"\r\n\r\n")
            if end < 0:
                return
            length = self.head.lower().split(b"content-length:", 1)[1].split(b"\r", 1)[0]
            self.status, self.left = int(self.head[9:12]), int(length)
            data, self.head = self.head[end + 4 :], b""
        self.left -= len(data)
        if self.left == 0:
            self.answer.set_result(self.status)

    def connection_lost(self, error):
        if not self.answer.done():
            self.answer.set_exception(error or ConnectionError("the server closed the connection"))

    def close(self):
        self.transport.close()


def cpu_seconds(process):
    """Of a process and its children, user and system."""
    one = psutil.Process(process)
    return sum(sum(each.cpu_times()[:2]) for each in (one, *one.children(recursive=True)))


def page(found, options):
    lines = [
        "# Serving under load", "",
        f"`python benchmarks/serving.py --clients {options.clients} --seconds "
        f"{options.seconds:g} --entries {options.entries} --workers {options.workers}` on "
        f"{platform.machine()}, Python "
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
    requests = sum(count for _, count in counts)
    server, client = (1000 * seconds / requests for seconds in found["cpu"])
    told = ", ".join(f"{count:,} x {status}" for status, count in counts)
    lines += ["", f"CPU a request: server {server:.2f} ms, clients {client:.2f} ms.", ""]
    lines += [f"Answers: {told}. Acknowledged additions: {len(found['added']):,}, lost: "
              f"{found['lost']}. SIGTERM ended the server with {found['exit']}.", ""]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    main()
