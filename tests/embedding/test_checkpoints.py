"""Foreign checkpoints against the programs' networks, written out here as formulas."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from passerby.embedding.checkpoints import KINDS, CheckpointNetwork
from passerby.embedding.embedder import Embedder
from passerby.methods.trunks.resnet import ResNet
from passerby.types import InputError

SMALL = {"trunk": "thin18", "preprocessing.height": 64, "preprocessing.width": 31}


def trunk_tensors(prefix):
    torch.manual_seed(3)
    tensors = ResNet("thin18").state_dict()
    for name, tensor in tensors.items():
        if name.endswith("running_mean") or (".bn" in f".{name}" and name.endswith("bias")):
            tensor.normal_(0, 0.3)
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
    return {prefix + name: tensor for name, tensor in tensors.items()}


def neck_tensors(prefix):
    return {
        f"{prefix}weight": torch.rand(256) + 0.5,
        f"{prefix}bias": torch.zeros(256),
        f"{prefix}running_mean": torch.randn(256),
        f"{prefix}running_var": torch.rand(256) + 0.5,
        f"{prefix}num_batches_tracked": torch.tensor(7),
    }


def normed(x, t, name):
    return functional.batch_norm(
        x, t[f"{name}.running_mean"], t[f"{name}.running_var"], t[f"{name}.weight"],
        t[f"{name}.bias"],
    )  # fmt: skip


def trunk_by_hand(t, x, *, last_stride, relu, pool):
    x = normed(functional.conv2d(x, t["conv1.weight"], stride=2, padding=3), t, "bn1")
    x = pool(functional.relu(x) if relu else x)
    for layer in (1, 2, 3, 4):
        for unit in (0, 1):
            at = f"layer{layer}.{unit}"
            stride = {1: 1, 4: last_stride}.get(layer, 2) if unit == 0 else 1
            y = functional.conv2d(x, t[f"{at}.conv1.weight"], stride=stride, padding=1)
            y = functional.relu(normed(y, t, f"{at}.bn1"))
            y = normed(functional.conv2d(y, t[f"{at}.conv2.weight"], padding=1), t, f"{at}.bn2")
            if f"{at}.downsample.0.weight" in t:
                x = functional.conv2d(x, t[f"{at}.downsample.0.weight"], stride=stride)
                x = normed(x, t, f"{at}.downsample.1")
            x = functional.relu(x + y)
    return x.mean(dim=(2, 3))


def padded(x):
    return functional.max_pool2d(x, 3, 2, 1)


def rounded_up(x):
    return functional.max_pool2d(x, 3, 2, 0, ceil_mode=True)


PROGRAMS = {
    "bag_of_tricks": ("base.", "bottleneck.", {"classifier.weight": torch.zeros(5, 256)},
                      {"last_stride": 1, "relu": False, "pool": padded}),
    "fastreid": ("backbone.", "heads.bottleneck.0.",
                 {"heads.weight": torch.zeros(5, 256), "pixel_mean": torch.zeros(1, 3, 1, 1)},
                 {"last_stride": 1, "relu": True, "pool": rounded_up}),
    "torchreid": ("", None, {"classifier.weight": torch.zeros(5, 256),
                             "classifier.bias": torch.zeros(5)},
                  {"last_stride": 2, "relu": True, "pool": padded}),
}  # fmt: skip


def tensors_of(kind):
    trunk, neck, training, _ = PROGRAMS[kind]
    return {**trunk_tensors(trunk), **(neck_tensors(neck) if neck else {}), **training}


@pytest.mark.parametrize("kind", PROGRAMS)
@pytest.mark.parametrize("wrapped", [None, "state_dict", "model"])
def test_it_computes_what_the_program_computes(kind, wrapped, tmp_path):
    trunk, neck, training, how = PROGRAMS[kind]
    tensors = tensors_of(kind)
    saved = {f"module.{name}": t for name, t in tensors.items()} if wrapped else tensors
    torch.save({wrapped: saved, "epoch": 3} if wrapped else saved, tmp_path / "a.pth")
    model = Embedder.from_checkpoint(tmp_path / "a.pth", kind, changes=SMALL)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 31, 3), dtype=np.uint8)
    x = torch.from_numpy(pixels).float().permute(0, 3, 1, 2) / 255
    x = (x - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor(
        [0.229, 0.224, 0.225]
    )[:, None, None]
    own = {name.removeprefix(trunk): t for name, t in tensors.items()} if trunk else tensors
    wanted = trunk_by_hand(own, x, **how)
    if neck:
        wanted = normed(wanted, tensors, neck.rstrip("."))
    found = model.embed(list(pixels))
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(model.optimised().embed(list(pixels)), found, rtol=1e-3, atol=1e-4)
    assert set(model.left_over) == set(training)


def test_the_three_programs_differ(tmp_path):
    """The tests above would not see an option that does nothing."""
    outputs = {}
    for kind, how in {name: program[3] for name, program in PROGRAMS.items()}.items():
        x = torch.randn(1, 3, 64, 31, generator=torch.Generator().manual_seed(0))
        outputs[kind] = trunk_by_hand(trunk_tensors(""), x, **how)
    assert not torch.allclose(outputs["fastreid"], outputs["bag_of_tricks"], atol=1e-2)
    assert not torch.allclose(outputs["fastreid"], outputs["torchreid"], atol=1e-2)


def test_unless_said_otherwise_it_is_a_resnet50():
    for name in PROGRAMS:
        kind = KINDS[name]
        assert kind.recipe.trunk == "resnet50"
        assert (kind.recipe.preprocessing.height, kind.recipe.preprocessing.width) == (256, 128)
        assert CheckpointNetwork(kind.recipe).trunk.channels == 2048


def test_it_is_saved_and_loaded_as_any_model(tmp_path):
    torch.save(tensors_of("fastreid"), tmp_path / "a.pth")
    model = Embedder.from_checkpoint(tmp_path / "a.pth", "fastreid", changes=SMALL)
    model.save(tmp_path / "saved")
    again = Embedder.load(tmp_path / "saved")
    pixels = np.random.default_rng(0).integers(0, 256, (1, 80, 40, 3), dtype=np.uint8)
    np.testing.assert_array_equal(again.embed(list(pixels)), model.embed(list(pixels)))
    assert again.fingerprint == model.fingerprint
    with pytest.raises(InputError, match="not trained here"):
        again.method.criterion(again.recipe, again.network, 3)


@pytest.mark.parametrize("kind", ["ibn_net", "fastreid", "torchreid"])
@pytest.mark.parametrize("trunk", ["thin18_ibn_a", "thin18_ibn_b"])
def test_ibn_of_three_programs(kind, trunk, tmp_path):
    """Their names differ in what stands before the trunk's alone."""
    prefix = "backbone." if kind == "fastreid" else ""
    torch.manual_seed(3)
    tensors = {prefix + name: t for name, t in ResNet(trunk).state_dict().items()}
    if kind == "fastreid":
        tensors |= neck_tensors("heads.bottleneck.0.")
    if kind == "ibn_net":
        tensors |= {"fc.weight": torch.zeros(1000, 256), "fc.bias": torch.zeros(1000)}
    torch.save(tensors, tmp_path / "a.pth")
    model = Embedder.from_checkpoint(tmp_path / "a.pth", kind, changes={**SMALL, "trunk": trunk})
    again = Embedder.from_checkpoint(tmp_path / "a.pth", kind, changes={**SMALL, "trunk": trunk})
    assert again.fingerprint == model.fingerprint
    assert model.left_over == (("fc.bias", "fc.weight") if kind == "ibn_net" else ())
    own = {name.removeprefix(prefix): t for name, t in tensors.items()} if prefix else tensors
    loaded = model.network.trunk.state_dict()
    assert all(torch.equal(loaded[name], own[name]) for name in loaded if "num_" not in name)


class Evil:
    def __reduce__(self):
        return (print, ("code has run",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update({"backbone.layer3.0.bn1.IN.weight": torch.ones(1)}),
         r"1 tensors belong to layers .* backbone.layer3.0.bn1.IN.weight"),
        (lambda t: t.pop("backbone.layer2.0.conv1.weight"), "lacks 1 of the .*layer2.0.conv1"),
        (lambda t: t.update({"heads.bottleneck.0.weight": torch.ones(9)}), r"it is \(9,\)"),
        (lambda t: t.update(evil=Evil()), "could run its code"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(change, message, tmp_path, capsys):
    tensors = tensors_of("fastreid")
    change(tensors)
    torch.save(tensors, tmp_path / "a.pth")
    with pytest.raises(InputError, match=message):
        Embedder.from_checkpoint(tmp_path / "a.pth", "fastreid", changes=SMALL)
    assert "code has run" not in capsys.readouterr().out


def test_unknown_kinds_and_files(tmp_path):
    with pytest.raises(
        InputError, match="bag_of_tricks, fastreid, torchreid, osnet, ibn_net; given 'timm'"
    ):
        Embedder.from_checkpoint(tmp_path / "a.pth", "timm")
    with pytest.raises(InputError, match="a.pth: no such file"):
        Embedder.from_checkpoint(tmp_path / "a.pth", "fastreid")
