"""A server of a made-up gallery in a process of its own: `serve_worker.py FOLDER [--slow]`."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from served import ColourModel, fill

from passerby.serving.server import serve
from passerby.serving.settings import Address, Limits
from passerby.serving.tokens import TokenFile


class SlowModel(ColourModel):
    """Takes its time."""

    def embed(self, pictures):
        time.sleep(1.5)
        return super().embed(pictures)


if __name__ == "__main__":
    folder, options = Path(sys.argv[1]), sys.argv[2:]
    service = fill(folder, SlowModel() if "--slow" in options else None)
    serve(
        service,
        TokenFile(folder / "tokens.json"),
        Address(port=0),
        Limits(rate=0),
        ready=lambda url: print(url, flush=True),
    )
    print("stopped", flush=True)
