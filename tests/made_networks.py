"""Small networks as after training, and inputs for them."""

import torch
from torch import nn

from passerby.methods import METHODS


def spread(network):
    """BatchNorm as after training: with fresh numbers a forgotten one would not show."""
    generator = torch.Generator().manual_seed(1)
    for norm in network.modules():
        if isinstance(norm, (nn.BatchNorm1d, nn.BatchNorm2d)):
            with torch.no_grad():
                norm.running_mean.normal_(0, 0.2, generator=generator)
                norm.running_var.uniform_(0.5, 1.5, generator=generator)
                norm.weight.uniform_(0.5, 1.5, generator=generator)
                norm.bias.normal_(0, 0.2, generator=generator)
    return network.eval()


def made_of(name, seed=0, count=3):
    method = METHODS[name]
    recipe = method.recipe.small()
    torch.manual_seed(seed)
    network = spread(method.network(recipe))
    inputs = {
        key: torch.randn(count, len(spec.mean), spec.height, spec.width)
        if len(spec.mean) == 3
        else (torch.rand(count, 1, spec.height, spec.width) > 0.5).float()
        for key, spec in method.inputs(recipe).specs.items()
    }
    return network, inputs
