"""Starts and stops a server in a process of its own."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def running(folder, *options):
    """Gives the address and the process; both end with the block."""
    worker = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "serve_worker.py"), str(folder), *options],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(folder)},
    )  # fmt: skip
    try:
        url = worker.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:"), url
        yield url.rstrip("/"), worker
    finally:
        if worker.poll() is None:
            worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=60)
