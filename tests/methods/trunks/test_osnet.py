"""OSNet against its paper's numbers, its program's names and its formulas written out."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from passerby.embedding.embedder import Embedder
from passerby.embedding.export import export_onnx
from passerby.methods.trunks import TRUNKS, make_trunk
from passerby.methods.trunks.osnet import OSNETS, OSNet, fully_connected
from passerby.types import InputError
from trunks_by_hand import osnet as osnet_by_hand

# Zhou et al. 2019, Table 7: millions of parameters and of multiply-adds at 256 x 128.
PUBLISHED = {
    "osnet_x1_0": (2.2, 978.9),
    "osnet_x0_75": (1.3, 571.8),
    "osnet_x0_5": (0.6, 272.9),
    "osnet_x0_25": (0.2, 82.3),
}


@pytest.mark.parametrize("name", OSNETS)
def test_parameters_and_multiply_adds_are_the_published_ones(name):
    with torch.device("meta"):
        trunk = OSNet(name).eval()
        fc = fully_connected(trunk.channels).eval()
        with FlopCounterMode(display=False) as counter:
            fc(trunk(torch.empty(1, 3, 256, 128)).mean(dim=(2, 3)))
    plain = name.replace("ibn_", "").replace("ain_", "")
    count = sum(p.numel() for module in (trunk, fc) for p in module.parameters())
    assert round(count / 1e6, 1) == PUBLISHED[plain][0]
    assert counter.get_total_flops() / 2e6 == pytest.approx(PUBLISHED[plain][1], abs=0.05)


NAMES = {
    "osnet_x0_25": {
        "conv1.conv.weight": (16, 3, 7, 7),
        "conv1.bn.running_mean": (16,),
        "conv2.0.conv1.conv.weight": (16, 16, 1, 1),
        "conv2.0.conv2a.conv1.weight": (16, 16, 1, 1),
        "conv2.0.conv2a.conv2.weight": (16, 1, 3, 3),
        "conv2.0.conv2d.3.bn.running_var": (16,),
        "conv2.0.gate.fc1.bias": (1,),
        "conv2.0.conv3.bn.weight": (64,),
        "conv2.0.downsample.conv.weight": (64, 16, 1, 1),
        "conv3.2.0.conv.weight": (96, 96, 1, 1),
        "conv4.1.conv2c.2.conv2.weight": (32, 1, 3, 3),
        "conv5.bn.bias": (128,),
    },
    "osnet_ibn_x1_0": {
        "conv1.bn.weight": (64,),
        "conv2.0.IN.weight": (256,),
        "conv2.1.IN.bias": (256,),
        "conv2.0.conv3.bn.weight": (256,),
    },
    "osnet_ain_x1_0": {
        "conv1.bn.weight": (64,),
        "conv2.0.conv2.0.layers.0.conv1.weight": (64, 64, 1, 1),
        "conv2.0.IN.weight": (256,),
        "conv3.1.IN.weight": (384,),
        "conv4.0.IN.weight": (512,),
        "conv3.0.conv3.bn.weight": (384,),
        "conv4.1.conv2.3.layers.3.bn.weight": (128,),
        "pool2.0.conv.weight": (256, 256, 1, 1),
        "pool3.0.bn.running_mean": (384,),
    },
}
ABSENT = {
    "osnet_x0_25": ("conv2.0.IN.weight", "conv2.1.downsample.conv.weight"),
    "osnet_ibn_x1_0": ("conv1.bn.running_mean", "conv3.0.IN.weight"),
    "osnet_ain_x1_0": (
        "conv1.bn.running_mean", "conv2.0.conv3.bn.weight", "conv3.0.IN.weight",
        "conv4.1.IN.weight", "conv4.0.conv3.bn.weight", "conv2.2.0.conv.weight",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_and_shapes_are_its_programs(name):
    shapes = {key: tuple(value.shape) for key, value in OSNet(name).state_dict().items()}
    assert {key: shapes.get(key) for key in NAMES[name]} == NAMES[name]
    assert not set(ABSENT[name]) & set(shapes)


def tensors_of(name):
    """A checkpoint of the program, its statistics as after training, with a classifier."""
    torch.manual_seed(4)
    network = nn.ModuleDict({"trunk": OSNet(name), "fc": fully_connected(OSNet(name).channels)})
    tensors = network.state_dict()
    for key, value in tensors.items():
        norm = ".bn." in key or ".IN." in key or ".1." in key and key.startswith("fc")
        if key.endswith("running_mean") or (norm and key.endswith("bias")):
            value.normal_(0, 0.3)
        elif key.endswith("running_var") or (norm and value.ndim == 1 and "num" not in key):
            value.uniform_(0.5, 1.5)
    found = {key.removeprefix("trunk."): value for key, value in tensors.items()}
    return found | {"classifier.weight": torch.zeros(5, 512), "classifier.bias": torch.zeros(5)}


@pytest.mark.parametrize("name", ["osnet_x0_25", "osnet_x0_5", "osnet_ibn_x1_0", "osnet_ain_x0_75"])
def test_a_checkpoint_of_its_program_gives_what_the_formulas_give(name, tmp_path):
    tensors = tensors_of(name)
    saved = {f"module.{key}": value for key, value in tensors.items()}
    torch.save({"state_dict": saved, "epoch": 9}, tmp_path / "a.pth.tar")
    changes = {"trunk": name, "preprocessing.height": 128, "preprocessing.width": 64}
    model = Embedder.from_checkpoint(tmp_path / "a.pth.tar", "osnet", changes=changes)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 128, 64, 3), dtype=np.uint8)
    x = torch.from_numpy(pixels).float().permute(0, 3, 1, 2) / 255
    x = (x - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor(
        [0.229, 0.224, 0.225]
    )[:, None, None]
    wanted = osnet_by_hand({k: v.double() for k, v in tensors.items()}, x.double()).numpy()
    found = model.embed(list(pixels))
    assert found.shape == (3, 512)
    assert np.abs(found - wanted).max() < 1e-5 * np.abs(wanted).max()
    fast = model.optimised().embed(list(pixels))
    assert np.abs(fast - wanted).max() < 1e-5 * np.abs(wanted).max()
    assert model.left_over == ("classifier.bias", "classifier.weight")


@pytest.mark.parametrize("name", ["osnet_x0_25", "osnet_ain_x0_25"])
def test_onnx_gives_the_same(name, tmp_path):
    pytest.importorskip("onnxscript")
    torch.save(tensors_of(name), tmp_path / "a.pth")
    changes = {"trunk": name, "preprocessing.height": 64, "preprocessing.width": 32}
    model = Embedder.from_checkpoint(tmp_path / "a.pth", "osnet", changes=changes)
    export_onnx(model, tmp_path / "a.onnx")
    pixels = list(np.random.default_rng(1).integers(0, 256, (2, 64, 32, 3), dtype=np.uint8))
    wanted, found = model.embed(pixels), Embedder.from_onnx(tmp_path / "a.onnx").embed(pixels)
    assert np.abs(found - wanted).max() < 1e-5 * np.abs(wanted).max()


def test_a_checkpoint_of_another_width_is_refused_in_one_line(tmp_path):
    torch.save(tensors_of("osnet_x0_5"), tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"conv1.conv.weight of osnet_x0_25 must be \(16") as told:
        Embedder.from_checkpoint(tmp_path / "a.pth", "osnet", changes={"trunk": "osnet_x0_25"})
    assert "\n" not in str(told.value)
    with pytest.raises(InputError, match="lacks .* of resnet50, .*name it with changes"):
        Embedder.from_checkpoint(tmp_path / "a.pth", "torchreid")


@pytest.mark.parametrize("name", TRUNKS)
def test_every_trunk_keeps_the_protocol(name):
    with torch.device("meta"):
        trunk = make_trunk(name)
        assert trunk(torch.empty(2, 3, 128, 64)).shape == (2, trunk.channels, 8, 4)


def test_what_is_no_trunk_is_refused():
    with pytest.raises(InputError, match="trunk must be one of .*osnet_ain_x1_0; given 'vit'"):
        make_trunk("vit")
    with pytest.raises(InputError, match="osnet_x0_25 has no last stride: .* given 2"):
        make_trunk("osnet_x0_25", last_stride=2)


@pytest.mark.parametrize("name", ["osnet_ibn_x0_25", "osnet_ain_x0_25"])
def test_instance_normalisation_takes_the_light_away(name):
    """Twice the light changes nothing after the stem's: a BatchNorm there would let it through."""
    torch.manual_seed(0)
    image, dark = torch.randn(2, 3, 64, 32), OSNet("osnet_x0_25").eval()
    trunk = OSNet(name).eval()
    torch.testing.assert_close(trunk(2 * image), trunk(image), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(dark(2 * image), dark(image), rtol=1e-2, atol=1e-2)
