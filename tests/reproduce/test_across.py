"""What a network costs, counted by hand and by hooks."""

import torch
from torch import nn

from passerby.methods import METHODS
from passerby.reproduce.across import cost, multiply_adds


def test_multiply_adds_by_hand():
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 1, groups=2),
        nn.Flatten(), nn.Linear(4 * 8 * 4, 10, bias=False),
    )  # fmt: skip
    wanted = 8 * 8 * 4 * 27 + 4 * 8 * 4 * 4 + 128 * 10
    assert multiply_adds(network.eval(), {"input": torch.ones(1, 3, 16, 8)}) == wanted


def test_cost_of_a_method_by_hooks():
    method = METHODS["bag_of_tricks"]
    recipe = method.recipe.small()
    network = method.network(recipe).eval()
    counted = []

    def count(module, inputs, output):
        counted.append(output.numel() * module.weight[0].numel())

    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(count)
    with torch.no_grad():
        width = network(torch.ones(1, 3, recipe.height, recipe.width)).shape[1]
    found = cost(method, recipe, seconds=0.0)
    assert found.multiply_adds == sum(counted)
    assert found.parameters == sum(p.numel() for p in network.parameters())
    assert found.width == width
    assert found.speed > 0
