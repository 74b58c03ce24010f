"""What methods cost beside others on the same trunk and batch.

Run by `make bench`; writes docs/performance-methods.md. One function a measurement; each returns
its part of the page. CPU time of all threads, medians of several rounds, taken in turns so that all
see the same machine. `python benchmarks/methods.py NAME ...` prints these parts alone.
"""

import platform
import sys
from pathlib import Path

import torch
from lightning_fabric import Fabric
from timing.turns import cpu_seconds
from torch.nn.utils import convert_conv2d_weight_memory_format

from passerby.methods import METHODS
from passerby.training.settings import Settings
from passerby.training.turns import TurnAtWork
from passerby.types import Batch

ROUNDS = 5
TARGET = Path(__file__).parents[1] / "docs" / "performance-methods.md"


def made_up_batch(height, width, people, pictures):
    """Noise in the loader's memory format, P identities times K pictures."""
    labels = torch.arange(people).repeat_interleave(pictures)
    image = torch.randn(len(labels), 3, height, width, generator=torch.Generator().manual_seed(0))
    image = image.to(memory_format=torch.channels_last)
    return Batch({"image": image}, labels, torch.zeros_like(labels), torch.zeros_like(labels))


def step_of(method, batch, *, identities=200, **changes):
    """A training step of a method's first stage: forward, backward, optimizers."""
    recipe = method.recipe(**{"weights": "none", **changes})
    torch.manual_seed(0)
    network = method.network(recipe).train()
    criterion = method.criterion(recipe, network, identities).train()
    convert_conv2d_weight_memory_format(network, torch.channels_last)
    turns = method.stages(recipe, network, criterion)[0].turns

    def step():
        for turn in turns:
            for scheduled in turn.optimizers:
                scheduled.optimizer.zero_grad(set_to_none=True)
            sum(turn(batch).values()).backward()
            for scheduled in turn.optimizers:
                scheduled.optimizer.step()

    return step


def msreid_beside_bag_of_tricks():
    """With attention, local feature and mask (A, L, M), and with none of them."""
    none = {"attention": False, "local": False, "mask": False}
    rows = [
        "## MSReID beside BagOfTricks",
        "",
        "A training step (forward, backward, all optimizers) on the same trunk and batch; the goal"
        " is at most 1.6 times BagOfTricks'.",
        "",
        "| trunk, input, batch | method | ms | img/s | ratio |",
        "|---|---|---|---|---|",
    ]
    for trunk, height, width, people, pictures in (
        ("thin18", 128, 64, 32, 3),
        ("resnet50", 256, 128, 4, 2),
    ):
        batch = made_up_batch(height, width, people, pictures)
        same = {"trunk": trunk, "height": height, "width": width}
        steps = {
            "BagOfTricks": step_of(METHODS["bag_of_tricks"], batch, **same),
            "MSReID, none of A, L, M": step_of(METHODS["msreid"], batch, **same, **none),
            "MSReID": step_of(METHODS["msreid"], batch, **same),
        }
        found = cpu_seconds(steps, ROUNDS)
        count = people * pictures
        rows += [
            f"| {trunk}, {height} x {width}, {count} | {name} | {1000 * seconds:,.0f} "
            f"| {count / seconds:,.1f} | {seconds / found['BagOfTricks']:.2f} |"
            for name, seconds in found.items()
        ]
    return [*rows, ""]


def passes_of(network, generator, batch):
    """What GAM's joint step cannot do without, bare: by name, the work and how often it is done."""
    image = batch.inputs["image"]
    learned = [*network.parameters(), *generator.parameters()]
    adam = torch.optim.Adam(learned)

    def learn(module):
        module.train().requires_grad_(True).zero_grad(set_to_none=True)
        module(image).sum().backward()

    def look(module):
        with torch.no_grad():
            module.eval()(image)

    def through(module):
        # Only the picture's gradient is wanted.
        module.eval().requires_grad_(False)
        module(image.clone().requires_grad_()).sum().backward()

    def step():
        for parameter in learned:
            parameter.grad = (
                torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            )
        adam.step()

    return {
        "F, forward and backward": (lambda: learn(network), 2),
        "F frozen, forward": (lambda: look(network), 1),
        "F frozen, forward, backward to the picture": (lambda: through(network), 1),
        "M, forward and backward": (lambda: learn(generator), 1),
        "M frozen, forward": (lambda: look(generator), 1),
        "Adam of both": (step, 1),
    }


def generated_masks_beside_its_passes():
    """GAM's joint step as the training loop takes it, against the sum of its passes."""
    rows = [
        "## Generated Attention Masks beside its passes",
        "",
        "A step of the third stage as the training loop takes it (both turns, hiding, losses, "
        "freezing, optimizers) against the sum of the bare passes of its two networks; the goal is "
        "at most 1.10.",
        "",
    ]
    recipes = {
        "small": (METHODS["generated_masks"].recipe.small(), 20, 3),
        "paper": (METHODS["generated_masks"].recipe(weights="none"), 2, 3),
    }
    for name, (recipe, people, pictures) in recipes.items():
        batch = made_up_batch(recipe.height, recipe.width, people, pictures)
        joint, passes = joint_and_passes(recipe, batch)
        works = {"joint": joint, **{which: work for which, (work, _) in passes.items()}}
        found = cpu_seconds(works, ROUNDS)
        needed = sum(found[which] * often for which, (_, often) in passes.items())
        count = people * pictures
        rows += [
            f"{name} recipe, {recipe.trunk}, {recipe.height} x {recipe.width}, {count} pictures:",
            "",
            "| what | ms | times |",
            "|---|---|---|",
            *(
                f"| {which} | {1000 * found[which]:,.0f} | {often} |"
                for which, (_, often) in passes.items()
            ),
            f"| all passes | {1000 * needed:,.0f} | |",
            f"| joint step | {1000 * found['joint']:,.0f} | |",
            f"| ratio | {found['joint'] / needed:.2f} | |",
            "",
        ]
    return rows


def joint_and_passes(recipe, batch):
    """The work of a joint step, and of its bare passes on networks of the same shapes."""
    method = METHODS["generated_masks"]
    fabric = Fabric(accelerator="cpu", devices=1)
    fabric.launch()
    parts = []
    for _ in range(2):
        torch.manual_seed(0)
        network = method.network(recipe).train()
        criterion = method.criterion(recipe, network, 200).train()
        convert_conv2d_weight_memory_format(network, torch.channels_last)
        parts.append((network, criterion))
    stage = method.stages(recipe, *parts[0])[2]
    turns = [TurnAtWork(turn, fabric, Settings(accelerator="cpu")) for turn in stage.turns]

    def joint():
        for turn in turns:
            turn.take(batch)

    return joint, passes_of(parts[1][0], parts[1][1].generator, batch)


MEASUREMENTS = {
    "msreid": msreid_beside_bag_of_tricks,
    "generated_masks": generated_masks_beside_its_passes,
}
"""By name; in this order on the page."""


def main():
    chosen = sys.argv[1:] or list(MEASUREMENTS)
    rows = [
        "# Speed of the methods",
        "",
        f"Written by `make bench` ({Path(__file__).name}): {platform.machine()}, "
        f"{torch.get_num_threads()} threads, Python {platform.python_version()}, "
        f"torch {torch.__version__}. CPU time of all threads, medians of {ROUNDS} rounds.",
        "",
    ]
    for name in chosen:
        rows += MEASUREMENTS[name]()
    print("\n".join(rows))
    if chosen == list(MEASUREMENTS):
        TARGET.write_text("\n".join(rows))


if __name__ == "__main__":
    main()
