"""Each paper's recipe as a whole, and where each of its numbers goes."""

from dataclasses import FrozenInstanceError, fields, replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from passerby.methods import METHODS
from passerby.recipes import override, to_plain
from passerby.training.freeze import frozen
from passerby.types import Augmentation, Batch, InputError, Picture

CAMERA_AS_IT_IS = {
    "scale": [1.0, 1.0], "patch": 0.0, "patch_area": [0.02, 0.3], "patch_ratio": [0.3, 3.3],
    "gain": 0.0, "gamma": 0.0, "contrast": 0.0, "brightness": 0.0, "hue": 0.0, "hue_turn": 0.25,
    "saturation": 0.0, "grey": 0.0, "blur": 0.0, "blur_radius": [0.5, 1.5], "coarse": 0.0,
    "coarse_scale": [0.25, 0.5], "noise": 0.0, "jpeg": 0.0, "quality": [20, 80],
}  # fmt: skip
RECIPES = {
    "bag_of_tricks": {
        "trunk": "resnet50", "weights": "imagenet", "last_stride": 1, "pooling": "average",
        "height": 256, "width": 128, "flip": 0.5, "pad": 10, "camera": CAMERA_AS_IT_IS,
        "erase": 0.5, "erase_area": [0.02, 0.4], "erase_ratio": [0.3, 3.33], "erase_fill": 0.0,
        "identities": 16, "pictures": 4, "epochs": 120, "optimizer": "adam",
        "learning_rate": 3.5e-4, "weight_decay": 5e-4, "schedule": "steps", "warm_up": 10,
        "milestones": [40, 70], "smoothing": 0.1, "margin": 0.3, "triplet_side": "before",
        "center_weight": 5e-4, "center_rate": 0.5, "average": 0.0, "feature": "after",
        "mirror": False, "metric": "cosine",
    },
    "msreid": {
        "trunk": "resnet50", "weights": "imagenet", "last_stride": 1, "attention": True,
        "local": True, "mask": True, "spatial_pooling": "learned", "attention_relu": False,
        "attention_start": "flat", "mask_before_reduction": False, "feature_width": None,
        "height": 256, "width": 128, "flip": 0.5, "pad": 10, "erase": 0.5,
        "erase_area": [0.02, 0.4], "erase_ratio": [0.3, 3.3], "erase_fill": 0.0,
        "identities": 32, "pictures": 3, "epochs": 180, "learning_rate": 1.5e-3,
        "weight_decay": 5e-4, "warm_up": 10, "warm_up_start": 0.1, "milestones": [60, 120],
        "smoothing": 0.1, "margin": 0.3, "center_weight": 5e-4, "center_rate": 0.5,
        "shared_centers": False, "reduction": "mean", "feature": "before",
    },
    "attention_driven": {
        "regions": "joints", "beta": 5 / 48, "confidence": 0.1, "outside": "pad", "height": 384,
        "width": 192, "part_height": 96, "part_width": 192, "mean": [0.485, 0.456, 0.406],
        "centre": "data", "channels": 32, "part_pool_stride": [1, 2], "attention": "decomposed",
        "attention_middle": [32, 64, 128], "attention_norm": True, "upsampling": "nearest",
        "global_features": 256, "part_features": 128, "fusion": "inter", "weigh_global": False,
        "intra_weight": 0.5, "feature": "all", "weights": "none", "pretrain": False,
        "pretrain_epochs": 9, "pretrain_milestones": [3, 6], "epochs": 100,
        "milestones": [40, 80], "learning_rate": 0.01, "momentum": 0.9, "weight_decay": 5e-4,
        "batch": 32, "dropout": 0.5, "flip": 0.0,
    },
    "generated_masks": {
        "trunk": "resnet50", "weights": "imagenet", "last_stride": 2, "feature_width": 512,
        "filters": [32, 64, 128, 256, 512], "height": 224, "width": 112, "resize": [234, 117],
        "flip": 0.5, "identities": 20, "pictures": 3,
        "stages": [
            {"epochs": 50, "milestones": []}, {"epochs": 25, "milestones": []},
            {"epochs": 100, "milestones": []},
        ],
        "extractor_rate": 2e-4, "generator_rate": 1e-3, "margin": 0.3, "hidden_share": 0.3,
        "lambda_1": 0.9, "lambda_2": 0.95, "hidden_statistics": False,
    },
    "mask_pooling": {
        "trunk": "resnet50", "weights": "imagenet", "mask": "pooled", "threshold": 0.5,
        "parts": 6, "part_width": 256, "norm": True, "unit_length": False, "height": 384,
        "width": 128, "flip": 0.5, "triplet": "local", "selection": "mask_guided", "margin": 0.5,
        "candidates": 10, "kept": 5, "anchors": 1.0, "batch": 64, "triplets": 64,
        "identities": 16, "pictures": 4,
        "stages": [
            {"epochs": 60, "backbone_rate": 0.01, "rest_rate": 0.1, "classifier_rate": 0.1,
             "milestones": [40]},
            {"epochs": 20, "backbone_rate": 0.0, "rest_rate": 0.0, "classifier_rate": 0.001,
             "milestones": []},
            {"epochs": 20, "backbone_rate": 0.001, "rest_rate": 0.01, "classifier_rate": 0.001,
             "milestones": []},
        ],
        "momentum": 0.9, "weight_decay": 5e-4, "metric": "euclidean",
    },
    "feature_mask": {
        "trunk": "resnet50", "weights": "imagenet", "tap": "pool1", "fc_width": None,
        "mask": "own", "mask_limit": 5.0, "mask_bound": "tanh", "height": 224, "width": 224,
        "resize": [256, 256], "flip": 0.5, "batch": 64,
        "stages": [
            {"epochs": 60, "learning_rate": 0.1, "milestones": [20]},
            {"epochs": 60, "learning_rate": 0.1, "milestones": [35]},
        ],
        "backbone_rate": 0.1, "mask_rate": 0.1, "momentum": 0.9, "weight_decay": 5e-4,
        "dropout": 0.5, "margin": 0.05, "rank_weight": 1.0, "feature": "fmn", "alpha": 0.5,
    },
}  # fmt: skip
FOR_DATA = {
    ("msreid", "cuhk03"): {"margin": 1.2},
    ("attention_driven", "market1501"): {"beta": 3 / 48, "intra_weight": 0.1},
    ("attention_driven", "dukemtmc"): {"beta": 3 / 48, "intra_weight": 0.1},
    ("attention_driven", "cuhk03"): {"beta": 3 / 48, "intra_weight": 0.2},
    ("mask_pooling", "market1501"): {"threshold": 0.4},
}
# By method: stages as (name, epochs), and of each optimizer of each turn its class, momentum or
# betas, weight decay, the rates of its groups, and its factor at some epochs (from 0).
SGD, ADAM = (0.9, 5e-4), ((0.9, 0.999), 0)
TRAINING = {
    "bag_of_tricks": [
        ("train", 120, [
            ("Adam", ((0.9, 0.999), 5e-4), [3.5e-4],
             {0: 0.1, 4: 0.5, 9: 1, 39: 1, 40: 0.1, 69: 0.1, 70: 0.01, 119: 0.01}),
            ("SGD", (0, 0), [0.5], {0: 1, 40: 1, 119: 1}),
        ]),
    ],
    "msreid": [
        ("train", 180, [
            ("Adam", ((0.9, 0.999), 5e-4), [1.5e-3],
             {0: 0.1, 3: 0.4, 9: 1, 59: 1, 60: 0.1, 119: 0.1, 120: 0.01, 179: 0.01}),
            ("SGD", (0, 0), [0.5], {0: 1, 60: 1, 179: 1}),
        ]),
    ],
    "attention_driven": [
        ("train", 100, [("SGD", SGD, [0.01], {0: 1, 39: 1, 40: 0.1, 79: 0.1, 80: 0.01})]),
    ],
    "generated_masks": [
        ("extractor", 50, [("Adam", ADAM, [2e-4], {0: 1, 49: 1})]),
        ("generator", 25, [("Adam", ADAM, [1e-3], {0: 1, 24: 1})]),
        ("joint", 100, [
            ("Adam", ADAM, [2e-4], {0: 1, 99: 1}), ("Adam", ADAM, [1e-3], {0: 1, 99: 1}),
        ]),
    ],
    "mask_pooling": [
        ("identity", 60, [("SGD", SGD, [0.01, 0.1, 0.1], {0: 1, 39: 1, 40: 0.1, 59: 0.1})]),
        ("classifiers", 20, [("SGD", SGD, [0.001], {0: 1, 19: 1})]),
        ("triplet", 20, [("SGD", SGD, [0.001, 0.01, 0.001], {0: 1, 19: 1})]),
    ],
    "feature_mask": [
        ("global", 60, [("SGD", SGD, [0.1, 0.01], {0: 1, 19: 1, 20: 0.1, 59: 0.1})]),
        ("local", 60, [("SGD", SGD, [0.1, 0.01, 0.01], {0: 1, 34: 1, 35: 0.1, 59: 0.1})]),
    ],
}  # fmt: skip
BOTH = {"flip": 0.5, "erase": 0.0}
PICTURES = {
    "bag_of_tricks": Augmentation(
        resize=(256, 128), flip=0.5, pad=10, crop=(256, 128), erase=0.5,
        erase_area=(0.02, 0.4), erase_ratio=(0.3, 3.33), erase_fill=0.0,
    ),
    "msreid": Augmentation(
        resize=(256, 128), flip=0.5, pad=10, crop=(256, 128), erase=0.5,
        erase_area=(0.02, 0.4), erase_ratio=(0.3, 3.3), erase_fill=0.0,
    ),
    "attention_driven": Augmentation(),
    "generated_masks": Augmentation(resize=(234, 117), crop=(224, 112), **BOTH),
    "mask_pooling": Augmentation(resize=(384, 128), **BOTH),
    "feature_mask": Augmentation(resize=(256, 256), crop=(224, 224), **BOTH),
}  # fmt: skip
BATCHES = {
    "bag_of_tricks": ["IdentityBalanced(identities=16, pictures=4)"],
    "msreid": ["IdentityBalanced(identities=32, pictures=3)"],
    "attention_driven": ["Shuffled(batch_size=32, drop_last=False)"],
    "generated_masks": ["IdentityBalanced(identities=20, pictures=3)"] * 3,
    "mask_pooling": [
        "Shuffled(batch_size=64, drop_last=False)", "Shuffled(batch_size=64, drop_last=False)",
        "mined, batches of 64 triplets",
    ],
    "feature_mask": ["Shuffled(batch_size=64, drop_last=False)"] * 2,
}  # fmt: skip


@pytest.mark.parametrize("name", RECIPES)
def test_the_whole_recipe(name):
    recipe = METHODS[name].recipe
    assert to_plain(recipe()) == RECIPES[name]
    with pytest.raises(FrozenInstanceError):
        recipe().height = 1
    for data in ("market1501", "dukemtmc", "cuhk03", "synthetic"):
        assert recipe.for_data(data) == replace(recipe(), **FOR_DATA.get((name, data), {})), data


def thin(recipe):
    """The same on a trunk that is made at once."""
    names = {field.name for field in fields(recipe)}
    return replace(recipe, **{"trunk": "thin16", "weights": "none"} if "trunk" in names else {})


def made(name, recipe):
    torch.manual_seed(0)
    method = METHODS[name]
    network = method.network(recipe)
    criterion = method.criterion(recipe, network, 4)
    return network, criterion, method.stages(recipe, network, criterion)


@pytest.mark.parametrize("name", TRAINING)
def test_the_papers_numbers_reach_optimizers_batches_and_pictures(name):
    network, criterion, stages = made(name, thin(METHODS[name].recipe()))
    found = []
    for stage, drawn in zip(stages, BATCHES[name], strict=True):
        optimizers = [each for turn in stage.turns for each in turn.optimizers]
        steps = dict(TRAINING[name][len(found)][2][0][3])
        found.append((stage.name, stage.epochs, []))
        for number, each in enumerate(optimizers):
            sgd = type(each.optimizer).__name__ == "SGD"
            own = each.optimizer.defaults["momentum" if sgd else "betas"]
            steps = TRAINING[name][len(found) - 1][2][number][3]
            found[-1][2].append((
                type(each.optimizer).__name__,
                (own, each.optimizer.defaults["weight_decay"]),
                [pytest.approx(group["lr"]) for group in each.optimizer.param_groups],
                {epoch: pytest.approx(each.schedule(epoch)) for epoch in steps},
            ))  # fmt: skip
        assert stage.augmentation == PICTURES[name]
        assert stage.average == 0
        if stage.at_epoch_start is None:
            assert str(stage.sampler) == drawn
        else:
            assert drawn == f"mined, batches of {stage.at_epoch_start.recipe.triplets} triplets"
    assert found == TRAINING[name]
    assert METHODS[name].inputs(METHODS[name].recipe()).specs.keys() == {
        "attention_driven": {"whole", "head", "upper_body", "upper_leg", "lower_leg"},
        "mask_pooling": {"image", "mask"},
    }.get(name, {"image"})


# Every field of every recipe makes a difference that can be seen.

SMALL = {
    "bag_of_tricks": {"height": 32, "width": 16},
    "msreid": {"height": 32, "width": 16},
    "attention_driven": {
        "height": 64, "width": 32, "part_height": 16, "part_width": 32, "channels": 4,
        "attention_middle": [32, 32, 32], "global_features": 12, "part_features": 6,
    },
    "generated_masks": {"height": 32, "width": 16, "resize": [36, 18], "filters": [4, 4, 4]},
    "mask_pooling": {"height": 96, "width": 32, "part_width": 16},
    "feature_mask": {"height": 32, "width": 16, "resize": [36, 18]},
}  # fmt: skip
OTHER = {
    "trunk": ["thin18"], "pooling": ["gem"], "feature": ["before", "after", "grn", "whole"],
    "optimizer": ["adamw"], "schedule": ["cosine"], "metric": ["euclidean", "cosine"],
    "spatial_pooling": ["mean"], "reduction": ["sum"], "regions": ["strips"],
    "outside": ["clip"], "centre": ["picture"], "attention": [False, "none"],
    "upsampling": ["bilinear"], "fusion": ["concatenation"], "mask": [False, "none", "resized"],
    "triplet": ["none"], "triplet_side": ["after"], "selection": ["batch_hard"],
    "tap": ["res3"], "mask_bound": ["clamp"],
    "feature_width": [40], "fc_width": [40], "parts": [3], "attention_start": ["random"],
    "last_stride": [1, 2], "part_pool_stride": [[1, 1]], "filters": [[4, 4, 8]],
    "margin": [0.7], "threshold": [0.1], "erase_area": [[0.1, 0.3]], "erase_ratio": [[0.5, 2.0]],
    "mean": [[0.4, 0.4, 0.4]], "attention_middle": [[32, 32, 64]], "warm_up": [4],
    "confidence": [0.01],
}  # fmt: skip
NOT_HERE = {"weights", "camera", "candidates", "kept", "anchors", "triplets"}
"""Files, nested settings, and what mining alone reads: tests of their own."""
WITH = {
    "pretrain_epochs": {"pretrain": True}, "pretrain_milestones": {"pretrain": True},
    "msreid last_stride": {"local": False}, "bag_of_tricks last_stride": {"height": 64},
    "generated_masks last_stride": {"height": 64, "width": 32, "resize": [68, 36]},
    "mask_pooling identities": {"selection": "batch_hard"},
    "mask_pooling pictures": {"selection": "batch_hard"},
    "outside": {"confidence": 0.01},
}  # fmt: skip
"""Where a field alone has no say: what goes with it."""


def numbers(recipe):
    """Dotted names and values of the recipe's fields, stage by stage."""
    for key, own in to_plain(recipe).items():
        if key == "stages":
            for index, stage in enumerate(own):
                yield from ((f"stages.{index}.{k}", v) for k, v in stage.items())
        else:
            yield key, own


def another(key, value):
    """Values that the field may have instead; which of them it takes, its method knows."""
    field = key.rsplit(".", 1)[-1]
    if field in OTHER:
        return OTHER[field]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, list):
        return [[2]] if len(value) < 2 else [[value[0] + 1, *[x + 4 for x in value[1:]]]]
    if isinstance(value, int):
        return [value + 32 if field in ("height", "width") else value + 2]
    if isinstance(value, float):
        return [value / 2 if value else 0.25]
    raise AssertionError(f"what else {key} may be stands in OTHER")


CASES = [
    (name, key)
    for name in RECIPES
    for key, _ in numbers(METHODS[name].recipe())
    if key.rsplit(".", 1)[-1] not in NOT_HERE
]


def cheap_view(name, recipe):
    network, criterion, stages = made(name, recipe)
    method = METHODS[name]
    view = [repr(network), repr(criterion), method.descriptor(recipe), method.inputs(recipe).specs]
    for stage in stages:
        view += [stage.name, stage.epochs, repr(stage.sampler), stage.augmentation, stage.group]
        view += [stage.average, [type(turn).__name__ for turn in stage.turns]]
        for each in (each for turn in stage.turns for each in turn.optimizers):
            groups = [
                {k: len(v) if k == "params" else v for k, v in group.items()}
                for group in each.optimizer.param_groups
            ]
            view += [groups, [each.schedule(epoch) for epoch in range(130)]]
    return str(view), (network, criterion, stages)


def full_view(name, recipe, parts):
    """What it computes: embedding, terms of each turn, inputs made of a picture."""
    network, criterion, stages = parts
    random = np.random.default_rng(0)
    x, y = 10 + 10 * random.random(18), np.array(STANDING)
    joints = np.stack([x, y, np.where(np.arange(18) == 9, 0.07, 0.9)], 1)
    picture = Picture(
        random.integers(0, 256, (64, 32, 3), dtype=np.uint8),
        (random.random((64, 32)) > 0.5).astype(np.uint8) * 255,
        joints.astype(np.float32),
    )
    inputs = METHODS[name].inputs(recipe)
    view = [{k: v.tobytes() for k, v in inputs.make(picture).items()}]
    generator = torch.Generator().manual_seed(3)
    given = {
        key: (torch.rand(6, 1, s.height, s.width, generator=generator) > 0.5).float()
        if key == "mask"
        else 3 * torch.randn(6, 3, s.height, s.width, generator=generator)
        for key, s in inputs.specs.items()
    }
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    batch = Batch(given, labels, labels, labels)
    for module in (network, criterion):
        for layer in module.modules():
            if isinstance(layer, nn.Linear) and layer.weight.std() < 0.01:
                torch.manual_seed(5)
                nn.init.normal_(layer.weight, std=0.3)
    for stage in stages:
        for turn in stage.turns:
            torch.manual_seed(1)
            turn.train()
            with torch.no_grad(), frozen(turn.frozen):
                view.append({k: f"{float(v):.9g}" for k, v in turn(batch).items()})
    network.eval()
    with torch.no_grad():
        view.append(network(**given).sum(0).tolist())
    buffers = {n: b.double().sum().item() for n, b in network.named_buffers()}
    return [view, buffers]


STANDING = [9, 14, 16, 24, 32, 16, 24, 33, 36, 46, 58, 36, 48, 59, 6, 7, 7, 8]
"""Heights of the joints of someone who leaves a picture 64 pixels high below."""


@cache
def plain_view(name, changes):
    recipe = override(thin(METHODS[name].recipe.small()), dict(changes))
    return recipe, cheap_view(name, recipe)[0]


@cache
def plain_full_view(name, changes):
    recipe, _ = plain_view(name, changes)
    return full_view(name, recipe, made(name, recipe))


def frozen_items(changes):
    return tuple((k, tuple(v) if isinstance(v, list) else v) for k, v in changes.items())


@pytest.mark.parametrize(("name", "key"), CASES, ids=str)
def test_every_field_makes_a_difference(name, key):
    more = WITH.get(f"{name} {key}", WITH.get(key, {}))
    changes = frozen_items({**SMALL[name], **more})
    plain, one = plain_view(name, changes)
    known = dict(numbers(plain))[key]
    for choice in another(key, known):
        if choice == known:
            continue
        try:
            changed = override(plain, {key: choice})
        except InputError:  # what another method's field of that name may be
            continue
        break
    else:
        pytest.fail(f"no other value of {key} is known")
    two, others = cheap_view(name, changed)
    if one == two:
        assert plain_full_view(name, changes) != full_view(name, changed, others)
