"""How fast pictures become embeddings: the network, and the way from files to its input.

Run by `make bench`; writes docs/performance-embedding.md. Peers in the same run: the same network
in eager PyTorch, ONNX Runtime and OpenVINO on its export, in int8 too, and a plain Pillow pipeline,
one picture at a time.
Each round takes all in turns, so that all see the same machine; medians. `--quick` looks whether
it runs, and writes nothing.
"""

import contextlib
import itertools
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
from passerby.embedding.export import export_onnx
from passerby.embedding.int8 import export_int8
from passerby.embedding.made_up import made_up
from passerby.embedding.openvino_network import has_openvino, onnx_by_openvino
from passerby.embedding.optimised import Optimised, has_bfloat16
from passerby.embedding.places import list_places
from passerby.embedding.quality import Quality
from passerby.embedding.reading import read_pictures
from passerby.embedding.to_files import embed_to_files
from passerby.methods.bag_of_tricks import METHOD, Recipe
from passerby.types import Sample

QUICK = "--quick" in sys.argv
ROUNDS = 1 if QUICK else 3
THREADS = (1,) if QUICK else (1, 2)
BATCHES = (1, 4) if QUICK else (1, 8)
PICTURES = 16 if QUICK else 1024
PEOPLE = SyntheticRecipe(
    train_identities=5 if QUICK else 8, test_identities=2, distractors=1, junk=1
)
TARGET = Path(__file__).parents[1] / "docs" / "performance-embedding.md"


def table(title, found, count):
    """Ratios are to the first row."""
    first = next(iter(found.values()))
    rows = [
        f"| {name} | {count / own.cpu:,.1f} | {first.cpu / own.cpu:.2f} "
        f"| {first.wall / own.wall:.2f} |"
        for name, own in found.items()
    ]
    return [
        title, "", "| way | pictures a CPU second | ratio, CPU time | ratio, wall clock |",
        "|---|---|---|---|", *rows, "",
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


def engines(model, folder):
    """The network by every engine at hand, on torch's number of threads."""
    exact, whole = (Embedder.load(folder / name).network for name in ("f32.onnx", "int8.onnx"))
    ways = {"eager PyTorch, float32": model.network, "passerby, float32": Optimised(model.network)}
    if has_bfloat16("cpu"):
        ways["passerby, bfloat16"] = Optimised(model.network, torch.bfloat16)
    ways |= {"ONNX Runtime, float32": exact, "ONNX Runtime, int8": whole}
    if has_openvino():
        ways["OpenVINO, float32"] = onnx_by_openvino(exact)
        if has_bfloat16("cpu"):
            ways["OpenVINO, bfloat16"] = onnx_by_openvino(exact, torch.bfloat16)
        ways["OpenVINO, int8"] = onnx_by_openvino(whole)
    return ways


def network(folder):
    """Batches that are ready, and how far the embeddings are from eager PyTorch's."""
    model = trained()
    write_synthetic(folder / "people", PEOPLE)
    export_onnx(model, folder / "f32.onnx")
    pictures = list_places([folder / "people" / "bounding_box_train"]).samples
    export_int8(model, pictures, folder / "int8.onnx")
    lines = []
    for threads in THREADS:
        torch.set_num_threads(threads)
        ways = engines(model, folder)
        with torch.inference_mode():
            for batch in BATCHES:
                inputs = made_up(model.inputs.specs, batch, seed=0)
                works = {n: (lambda way=way, own=inputs: way(**own)) for n, way in ways.items()}
                found = in_turns(works, ROUNDS)
                title = f"{threads} thread{'s' * (threads > 1)}, {batch} at a time:"
                lines += table(title, found, batch)
            wanted, *others = (way(**inputs) for way in ways.values())
    cosines = [float(torch.cosine_similarity(wanted, other).min()) for other in others]
    return [
        "**The network**: ResNet-50 (BagOfTricks) at 256 x 128. Goals, beside eager PyTorch in "
        "float32: bfloat16 4, int8 8. Least cosine with it, on noise: "
        + ", ".join(f"{n} {c:.6f}" for n, c in zip(list(ways)[1:], cosines, strict=True))
        + ".",
        "",
        *lines,
    ]


def whole(folder):
    """What `passerby embed` takes beside the network."""
    torch.set_num_threads(THREADS[-1])
    model = Embedder.load(folder / "int8.onnx").optimised()
    listed = list_places([folder / "people" / "bounding_box_train"])
    inputs = made_up(model.inputs.specs, 64, seed=0)
    count, number = len(listed.samples), itertools.count()

    def network():
        with torch.inference_mode():
            for start in range(0, count, 64):
                model._computes(**{n: t[: count - start] for n, t in inputs.items()})

    ways = {
        "the network alone": network,
        "passerby embed": lambda: embed_to_files(model, listed, folder / f"out{next(number)}"),
    }
    title = (
        f"**From a folder to Parquet**: {count} JPEG crops of 128 x 64, the same network in int8, "
        f"batches of 64, {THREADS[-1]} threads. Goal: 0.9."
    )
    return table(title, in_turns(ways, ROUNDS), count)


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
    with (
        tempfile.TemporaryDirectory(prefix="passerby-bench-") as folder,
        contextlib.redirect_stdout(sys.stderr),
    ):
        parts = [*network(Path(folder)), *whole(Path(folder)), *files(Path(folder))]
    page = "\n".join(
        [
            "# Speed of embedding",
            "",
            f"Written by `make bench` (embedding.py): {platform.machine()}, "
            f"Python {platform.python_version()}, torch "
            f"{torch.__version__}. Medians of {ROUNDS} rounds, all ways in turns; ratios to the "
            "first row. CPU seconds are those of all threads: other work on the machine hardly "
            "lengthens them.",
            "",
            *parts,
        ]
    )
    print(page)
    if not QUICK:
        TARGET.write_text(page)


if __name__ == "__main__":
    main()
