"""All methods on one data set: what they cost, and what they find."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from passerby.method import Method
from passerby.recipes import override
from passerby.reproduce.filled import FilledTable
from passerby.reproduce.found import Library
from passerby.reproduce.report import NAMES, caption, shown
from passerby.reproduce.wanted import wanted

BATCH = 16
"""Pictures at a time while the speed is measured."""
SECONDS = 2.0
"""Least time of that measurement."""


@dataclass(frozen=True)
class Cost:
    """What it costs to embed a picture."""

    parameters: int
    """Of the network as it is saved for search: without classifiers and the like."""
    multiply_adds: int
    """Of convolutions and matrix products, for one picture."""
    width: int
    """Numbers in an embedding."""
    speed: float
    """Pictures a second from tensors to embeddings, by the median of repeated batches."""


def cost(method: Method, recipe: Any, device: str = "cpu", seconds: float = SECONDS) -> Cost:
    """Measures a method's network with random weights.

    Args:
        method: the method.
        recipe: its recipe; starting weights are not loaded.
        device: where the speed is measured.
        seconds: least time of that.
    """
    if hasattr(recipe, "weights"):
        recipe = override(recipe, {"weights": "none"})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = method.network(recipe).eval()
    specs = method.inputs(recipe).specs
    shapes = {name: (len(spec.mean), spec.height, spec.width) for name, spec in specs.items()}
    one = {name: torch.ones(1, *shape) for name, shape in shapes.items()}
    with torch.no_grad():
        embedding = network(**one)
    parameters = sum(tensor.numel() for tensor in network.parameters())
    speed = _speed(network.to(device), shapes, device, seconds)
    return Cost(parameters, multiply_adds(network, one), embedding.shape[1], speed)


def multiply_adds(network: nn.Module, inputs: dict[str, Tensor]) -> int:
    """Multiplications with addition in convolutions and matrix products of one forward pass.

    Args:
        network: in eval mode.
        inputs: its input tensors.
    """
    device = next(network.parameters()).device
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(**{name: tensor.to(device) for name, tensor in inputs.items()})
    # It counts the two operations of each.
    return int(counter.get_total_flops()) // 2


def _speed(
    network: nn.Module, shapes: dict[str, tuple[int, int, int]], device: str, seconds: float
) -> float:
    batch = {name: torch.ones(BATCH, *shape, device=device) for name, shape in shapes.items()}
    times: list[float] = []
    with torch.inference_mode():
        network(**batch)
        while sum(times) < seconds or len(times) < 3:
            started = time.perf_counter()
            network(**batch).cpu()
            times.append(time.perf_counter() - started)
    return BATCH / sorted(times)[len(times) // 2]


def across_rows(
    filled: FilledTable, library: Library, device: str = "cpu", seconds: float = SECONDS
) -> tuple[list[str], list[list[str]], list[str]]:
    """The table across methods: its columns, its rows, and what they stand on."""
    columns = ["", "parameters (M)", "multiply-adds (G)", "embedding", "img/s"]
    columns += [NAMES[metric] for metric in filled.table.metrics] + ["runs"]
    rows = []
    for line in filled.lines:
        training = line.line.training
        run = wanted(library.task, training, library.task.settings.seed)
        found = cost(library.task.methods[training.method], run.recipe, device, seconds)
        rows.append(
            [
                training.method,
                f"{found.parameters / 1e6:.2f}",
                f"{found.multiply_adds / 1e9:.3f}",
                str(found.width),
                f"{found.speed:.0f}",
                *(shown(cell)[1] for cell in line.cells),
                f"{len(line.results)}/{filled.runs}",
            ]
        )
    notes = [
        "Parameters and multiply-adds (convolutions, matrix products; one picture) are those of "
        "the network that embeds; img/s from tensors to embeddings, batches of "
        f"{BATCH}, {device}, {torch.get_num_threads()} threads.",
        *caption(filled),
    ]
    return columns, rows, notes
