"""A server of a made-up gallery in a process of its own: `serve_worker.py FOLDER [OPTION ...]`."""

import sys
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from served import ColourModel, fill

from passerby.gallery.gallery import Gallery
from passerby.serving.server import serve
from passerby.serving.service import Service
from passerby.serving.settings import Address, Limits
from passerby.serving.tokens import TokenFile
from passerby.serving.workers import serve_together


class SlowModel(ColourModel):
    """Takes its time."""

    def embed(self, pictures):
        time.sleep(1.5)
        return super().embed(pictures)


def opened(folder):
    """The gallery that the parent filled."""
    gallery = Gallery.open(folder / "people.gallery", ColourModel(), resident=True)
    return Service(gallery, ColourModel(), folder / "pictures")


if __name__ == "__main__":
    folder, options = Path(sys.argv[1]), sys.argv[2:]
    service = fill(folder, SlowModel() if "--slow" in options else None)
    tokens, address = TokenFile(folder / "tokens.json"), Address(port=0)
    limits = Limits(rate=0.001, burst=40) if "--rate" in options else Limits(rate=0)
    say = partial(print, flush=True)
    if "--together" in options:
        service.gallery.close()
        serve_together(partial(opened, folder), 2, tokens, address, limits, ready=say)
    else:
        serve(service, tokens, address, limits, ready=say)
    print("stopped", flush=True)
