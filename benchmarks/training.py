"""What training costs beside the network itself: the loop, and the way from files to batches.

Run by `make bench`; writes docs/performance-training.md. The peer of the way to batches is measured
in the same run: a plain pipeline of Pillow, one picture at a time; CPU time of all threads, medians
of several rounds. The loop's own time is what remains of a training when all is counted that lies
inside it.
"""

import platform
import random
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from lightning_fabric import Fabric
from PIL import Image, ImageOps
from rich.console import Console
from timing.turns import cpu_seconds

from passerby.data.enlarging import LATER, enlarge
from passerby.data.loader import Loader, training_data
from passerby.data.market1501 import read_market_layout
from passerby.data.transforms import normalise
from passerby.drawing import SyntheticRecipe, write_synthetic
from passerby.methods.bag_of_tricks import METHOD, Recipe
from passerby.training import loop
from passerby.training.interrupt import StopRequest
from passerby.training.loop import fit
from passerby.training.progress import TrainingProgress
from passerby.training.record import Record
from passerby.training.run import Run
from passerby.training.settings import Settings
from passerby.types import Augmentation

ROUNDS = 5
TARGET = Path(__file__).parents[1] / "docs" / "performance-training.md"


def pipeline(samples):
    """Market-1501's recipe: resize to 256 x 128, flip, pad 10, crop, erase; batches of 64."""
    size, recipe = (256, 128), Recipe()
    inputs = METHOD.inputs(recipe)
    data = training_data(samples, inputs)
    augmentation = Augmentation(resize=size, flip=0.5, pad=10, crop=size, erase=0.5)
    batches = np.array_split(np.arange(len(samples)), len(samples) // 64)
    kept = Loader(data, augmentation, keep_bytes=10**9)
    read = Loader(data, augmentation)

    enlarge.compile()

    def ours(loader):
        for batch in loader.epoch(batches, 0):
            normalise(batch, inputs.specs)

    works = {
        "plain": lambda: [plain_batch([samples[i].file for i in b]) for b in batches],
        "read": lambda: ours(read),
        "kept": lambda: ours(kept),
    }
    return len(samples), cpu_seconds(works, ROUNDS)


MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]


def plain_batch(files):
    """The usual way: one Pillow picture at a time to a normalised tensor, then stacked."""
    tensors = []
    for file in files:
        image = Image.open(file).convert("RGB").resize((128, 256), Image.Resampling.BILINEAR)
        if random.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        image = ImageOps.expand(image, 10)
        left, top = random.randint(0, 20), random.randint(0, 20)
        image = image.crop((left, top, left + 128, top + 256))
        x = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float().div(255)
        x = (x - MEAN) / STD
        if random.random() < 0.5:
            x[:, 40:120, 30:80] = 0
        tensors.append(x)
    return torch.stack(tensors)


def loop_overhead(samples, folder):
    """Wall time of epochs of BagOfTricks (small) by `fit`, and of what lies inside its loop."""
    recipe = Recipe(**{**vars(Recipe.small()), "epochs": ROUNDS})
    inputs = METHOD.inputs(recipe)
    data = training_data(samples, inputs)
    fabric = Fabric(accelerator="cpu", devices=1)
    fabric.launch()
    torch.manual_seed(0)
    network = METHOD.network(recipe).to(memory_format=torch.channels_last)
    criterion = METHOD.criterion(recipe, network, data.identities)
    (stage,) = METHOD.stages(recipe, network, criterion)
    batches = stage.sampler.batches(data.labels, seed=0, epoch=0)
    seconds = {"network": 0.0, "pictures": 0.0}
    record = Record(Path(folder) / "run", {}, [stage.name])
    with (
        counted(seconds, "network", type(stage.turns[0]), "forward"),
        counted(seconds, "network", torch.Tensor, "backward"),
        counted(seconds, "network", torch.optim.Optimizer, "zero_grad"),
        counted(seconds, "network", torch.optim.Adam, "step"),
        counted(seconds, "network", torch.optim.SGD, "step"),
        counted(seconds, "pictures", loop, "normalise"),
        patch.object(loop, "Loader", clocked_loader(seconds)),
        TrainingProgress(ROUNDS, Console(quiet=True)) as shown,
        StopRequest() as stop,
    ):
        started = time.perf_counter()
        fit(Run(fabric, network, criterion, [stage], data, Settings(keep_gb=0), record, shown,
                stop))  # fmt: skip
        seconds["whole"] = time.perf_counter() - started
    return ROUNDS * len(batches), seconds


def counted(seconds, name, owner, function):
    """While it lasts, adds the time of every call of a function to `seconds[name]`."""
    real = getattr(owner, function)

    def timed(*given, **named):
        started = time.perf_counter()
        try:
            return real(*given, **named)
        finally:
            seconds[name] += time.perf_counter() - started

    return patch.object(owner, function, timed)


def clocked_loader(seconds):
    """A loader whose batches' making is counted."""

    class Clocked(Loader):
        def epoch(self, *given):
            made = super().epoch(*given)
            while True:
                started = time.perf_counter()
                batch = next(made, None)
                seconds["pictures"] += time.perf_counter() - started
                if batch is None:
                    return
                yield batch

    return Clocked


def report(count, way, steps, spent):
    rest = spent["whole"] - spent["network"] - spent["pictures"]
    rows = [
        "# Speed of training",
        "",
        f"Written by `make bench` ({Path(__file__).name}): {platform.machine()}, "
        f"{torch.get_num_threads()} threads, Python {platform.python_version()}, "
        f"torch {torch.__version__}. CPU time of all threads, medians of {ROUNDS} rounds.",
        "",
        "**From files to batches**: 128 x 64 JPEG files to normalised batches of 64 at 256 x 128"
        " (resize, flip, pad, crop, erase), pictures per second and core.",
        "",
        "| way | img/s | ratio |",
        "|---|---|---|",
        *(
            f"| {name} | {count / way[key]:,.0f} | {way['plain'] / way[key]:.2f} |"
            for name, key in (
                ("Pillow, one picture at a time", "plain"),
                ("passerby, first epoch (every picture is read)", "read"),
                ("passerby, later epochs (pictures kept in memory)", "kept"),
            )
        ),
        "",
        "The pixels are Pillow's own, bit for bit (tests/data/test_transforms.py); small pictures "
        f"are enlarged by compiled loops, as they are after the first {LATER:,} of a process.",
        "",
        f"**The loop itself**: {ROUNDS} epochs of BagOfTricks' small recipe, wall time, without "
        "the network, losses and optimizers and without the making of batches, which are counted "
        "call by call; checkpoints, metrics and events included.",
        "",
        "| part | ms a step | share |",
        "|---|---|---|",
        *(
            f"| {name} | {1000 * seconds / steps:.2f} | {seconds / spent['whole']:.1%} |"
            for name, seconds in (
                ("whole", spent["whole"]),
                ("network, losses, optimizers", spent["network"]),
                ("from files to batches", spent["pictures"]),
                ("the loop and its files", rest),
            )
        ),
        "",
    ]
    TARGET.write_text("\n".join(rows))
    print("\n".join(rows))


def main():
    with tempfile.TemporaryDirectory() as folder:
        recipe = SyntheticRecipe(
            train_identities=64, test_identities=2, cameras=4, distractors=1, junk=1
        )
        write_synthetic(Path(folder) / "people", recipe)
        samples = read_market_layout(Path(folder) / "people", "synthetic").train
        report(*pipeline(samples), *loop_overhead(samples, folder))


if __name__ == "__main__":
    main()
