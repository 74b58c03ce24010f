"""A server of a made-up gallery in a process of its own: `serve_worker.py FOLDER [--masks] ...`."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from served import ColourModel, fill

from passerby.embedding.embedder import Embedder
from passerby.methods import METHODS
from passerby.serving.server import serve
from passerby.serving.settings import Address, Limits
from passerby.serving.tokens import TokenFile


def masked():
    """A network with a mask, not trained."""
    import torch

    torch.manual_seed(0)
    method = METHODS["feature_mask"]
    recipe = method.recipe.small()
    return Embedder(method, recipe, method.network(recipe))


class SlowModel(ColourModel):
    """Takes its time."""

    def embed(self, pictures):
        time.sleep(1.5)
        return super().embed(pictures)


if __name__ == "__main__":
    folder, options = Path(sys.argv[1]), sys.argv[2:]
    service = fill(
        folder,
        masked() if "--masks" in options else SlowModel() if "--slow" in options else None,
        calibrated="--not-calibrated" not in options,
    )
    serve(
        service,
        TokenFile(folder / "tokens.json"),
        Address(port=0),
        Limits(rate=0),
        ready=lambda url: print(url, flush=True),
    )
    print("stopped", flush=True)
