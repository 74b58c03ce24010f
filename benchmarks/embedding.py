"""How fast pictures become embeddings: the network, and the way from files to its input.

Run by `make bench`; writes docs/performance-embedding.md. Peers in the same run: the same network
in eager PyTorch, ONNX Runtime on its export, and a plain Pillow pipeline, one picture at a time.
Each round takes all in turns, so that all see the same machine; medians. `--quick` looks whether
it runs, and writes nothing.
"""

import contextlib
import platform
import sys
import tempfile
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from timing.turns import in_turns

from passerby.data.enlarging import LATER, enlarge
from passerby.data.steps import to_batch
from passerby.data.transforms import normalise
from passerby.drawing import SyntheticRecipe, write_synthetic
from passerby.embedding.embedder import Embedder
from passerby.embedding.export import export_onnx, made_up
from passerby.embedding.optimised import Optimised, has_bfloat16
from passerby.embedding.places import list_places
from passerby.embedding.quality import Quality
from passerby.embedding.reading import read_pictures
from passerby.methods.bag_of_tricks import METHOD, Recipe
from passerby.types import Sample

QUICK = "--quick" in sys.argv
ROUNDS = 1 if QUICK else 7
BATCH = 4 if QUICK else 32
PICTURES = 16 if QUICK else 1024
PEOPLE = SyntheticRecipe(
    train_identities=1 if QUICK else 8, test_identities=2, distractors=1, junk=1
)
TARGET = Path(__file__).parents[1] / "docs" / "performance-embedding.md"


def table(title, found, count):
    """Ratios are to the first row."""
    first = next(iter(found.values()))
    rows = [
        f"| {name} | {count / own.wall:,.1f} | {first.wall / own.wall:.2f} "
        f"| {first.cpu / own.cpu:.2f} |"
        for name, own in found.items()
    ]
    return [
        title, "", "| way | img/s | ratio, wall clock | ratio, CPU time |", "|---|---|---|---|",
        *rows, "",
    ]  # fmt: skip


def trained():
    """ResNet-50 at 256 x 128, BatchNorm with numbers as after training."""
    torch.manual_seed(0)
    recipe = Recipe.small() if QUICK else Recipe(weights="none")
    network = METHOD.network(recipe)
    for norm in network.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.running_mean.normal_(0, 0.1)
            norm.running_var.uniform_(0.5, 1.5)
    return Embedder(METHOD, recipe, network)


def network(folder):
    """Batches that are ready, and how far the embeddings are from eager PyTorch's."""
    model = trained()
    inputs = made_up(model.inputs.specs, BATCH, seed=0)
    ways = {"eager PyTorch, float32": model.network, "passerby, float32": Optimised(model.network)}
    if has_bfloat16("cpu"):
        ways["passerby, bfloat16"] = Optimised(model.network, torch.bfloat16)
    export_onnx(model, folder / "model.onnx")
    ways["ONNX Runtime, float32"] = Embedder.load(folder / "model.onnx").network
    works = {name: (lambda way=way: way(**inputs)) for name, way in ways.items()}
    works["eager PyTorch, float32, 8 at a time"] = lambda: [
        model.network(**{name: tensor[start : start + 8] for name, tensor in inputs.items()})
        for start in range(0, BATCH, 8)
    ]
    with torch.inference_mode():
        wanted, *others = (way(**inputs) for way in ways.values())
        found = in_turns(works, ROUNDS)
    cosines = [float(torch.cosine_similarity(wanted, other).min()) for other in others]
    title = (
        f"**The network**: ResNet-50 (BagOfTricks), batches of {BATCH} at 256 x 128. Goals: "
        "float32 1.6, bfloat16 3. Least cosine with eager PyTorch: "
        + ", ".join(f"{n} {c:.6f}" for n, c in zip(list(ways)[1:], cosines, strict=True))
        + "."
    )
    return table(title, found, BATCH)


def plain(samples):
    """As it is mostly written: each picture to normalised floats by itself."""
    mean = np.array([0.485, 0.456, 0.406], np.float32)
    std = np.array([0.229, 0.224, 0.225], np.float32)
    made = []
    for sample in samples:
        with Image.open(sample.file) as image:
            image = image.convert("RGB")
        if sample.box is not None:
            x, y, width, height = sample.box
            image = image.crop((x, y, x + width, y + height))
        pixels = np.asarray(image.resize((128, 256), Image.Resampling.BILINEAR), np.float32)
        pixels = (pixels / 255 - mean) / std
        made.append(torch.from_numpy(pixels.transpose(2, 0, 1)))
        if len(made) == 64:
            torch.stack(made)
            made = []


def ours(samples, threads):
    """What `passerby embed` does before the network."""
    inputs = METHOD.inputs(Recipe())
    found = read_pictures(samples, inputs, Quality(), threads=threads)
    while chosen := [read.made for read in islice(found, 64)]:
        normalise(to_batch(chosen), inputs.specs)


def files(folder):
    """Crops in files of their own, and boxes in frames."""
    write_synthetic(folder / "people", PEOPLE)
    crops = list(list_places([folder / "people" / "bounding_box_train"]).samples)
    crops = (crops * (PICTURES // len(crops) + 1))[:PICTURES]
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (54, 96, 3), dtype=np.uint8)
    frame = Image.fromarray(small).resize((1920, 1080), Image.Resampling.BICUBIC)
    frame.save(folder / "frame.jpg")
    boxes = [(100 * k, 200, 120, 300) for k in range(8)]
    frames = [
        Sample(folder / f"frame{n}.jpg", f"frame{n}.jpg", -1, -1, box=box)
        for n in range(2 if QUICK else 16)
        for box in boxes
    ]
    for sample in frames:
        sample.file.write_bytes((folder / "frame.jpg").read_bytes())
    enlarge.compile()
    # Both ways are one thread and the readers; torch's others would wait in circles beside them.
    torch.set_num_threads(1)
    rows = [
        f"Small pictures are enlarged by compiled loops, as they are after the first {LATER:,} "
        "of a process; the pixels are Pillow's, bit for bit.",
        "",
    ]
    for name, samples in (
        (f"{len(crops)} crops of 128 x 64", crops),
        (f"{len(frames)} boxes of 300 x 120, 8 in each frame of 1920 x 1080", frames),
    ):
        ways = {
            "Pillow, one picture at a time": lambda s=samples: plain(s),
            "passerby, 1 thread": lambda s=samples: ours(s, 1),
            "passerby, 2 threads": lambda s=samples: ours(s, 2),
        }
        title = (
            f"**From files to batches**: JPEG, {name}, to normalised batches of 64 at 256 x 128."
        )
        rows += table(f"{title} Goal: 2.5.", in_turns(ways, ROUNDS), len(samples))
    return rows


def main():
    torch.set_num_threads(1 if QUICK else 2)
    with (
        tempfile.TemporaryDirectory(prefix="passerby-bench-") as folder,
        contextlib.redirect_stdout(sys.stderr),
    ):
        parts = [*network(Path(folder)), *files(Path(folder))]
    page = "\n".join(
        [
            "# Speed of embedding",
            "",
            f"Written by `make bench` (embedding.py): {platform.machine()}, "
            f"the network on 2 threads, Python {platform.python_version()}, torch "
            f"{torch.__version__}. Medians of {ROUNDS} rounds; ratios to the first row.",
            "",
            *parts,
        ]
    )
    print(page)
    if not QUICK:
        TARGET.write_text(page)


if __name__ == "__main__":
    main()
