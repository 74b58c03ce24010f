import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from passerby.embedding.optimised import Optimised
from passerby.methods.trunks.resnet import RESNETS, ResNet
from passerby.types import InputError
from trunks_by_hand import resnet as resnet_by_hand

# torchvision's published parameter counts and giga multiply-adds at 224 x 224.
PUBLISHED = {
    "resnet18": (11_689_512, 1.814),
    "resnet34": (21_797_672, 3.664),
    "resnet50": (25_557_032, 4.089),
    "resnet101": (44_549_160, 7.801),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_and_multiply_adds_are_the_published_ones(name):
    with torch.device("meta"):
        network = ResNet(name, classes=1000)
        with FlopCounterMode(display=False) as counter:
            network.classify(torch.empty(1, 3, 224, 224))
    parameters, giga = PUBLISHED[name]
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert counter.get_total_flops() / 2e9 == pytest.approx(giga, abs=0.001)


@pytest.mark.parametrize(
    ("name", "stride", "channels", "last"),
    [
        ("resnet50", 1, (64, 256, 512, 1024, 2048), (16, 8)),
        ("resnet50", 2, (64, 256, 512, 1024, 2048), (8, 4)),
        ("thin18", 1, (32, 32, 64, 128, 256), (16, 8)),
    ],
)
def test_shapes_at_256_x_128(name, stride, channels, last):
    with torch.device("meta"):
        network = ResNet(name, last_stride=stride)
        taps = network.taps(torch.empty(2, 3, 256, 128))
    sizes = ((64, 32), (64, 32), (32, 16), (16, 8), last)
    maps = (taps.pool1, taps.layer1, taps.layer2, taps.layer3, taps.layer4)
    assert [tuple(m.shape) for m in maps] == [
        (2, c, *s) for c, s in zip(channels, sizes, strict=True)
    ]
    assert network.channels == channels[-1]


def test_parameter_names_are_torchvisions():
    names = set(ResNet("resnet50", classes=1000).state_dict())
    # From torchvision's published resnet50 checkpoint: 320 tensors, these among them.
    assert len(names) == 320
    assert {
        "conv1.weight",
        "bn1.running_mean",
        "layer1.0.conv3.weight",
        "layer1.0.downsample.0.weight",
        "layer1.0.downsample.1.running_var",
        "layer3.5.bn2.bias",
        "layer4.2.bn3.num_batches_tracked",
        "fc.weight",
        "fc.bias",
    } <= names


def test_the_last_stride_changes_no_weight():
    torch.manual_seed(0)
    one, two = ResNet("thin18", last_stride=1), ResNet("thin18", last_stride=2)
    two.load_state_dict(one.state_dict())
    image = torch.randn(2, 3, 64, 32)
    one.eval(), two.eval()
    torch.testing.assert_close(one.taps(image).layer3, two.taps(image).layer3)
    assert one(image).shape[-2:] == (4, 2)
    assert two(image).shape[-2:] == (2, 1)


@pytest.mark.parametrize(("name", "stride"), [("resnet49", 1), ("resnet50", 3)])
def test_unknown_trunks_are_refused(name, stride):
    with pytest.raises(InputError, match="must be"):
        ResNet(name, last_stride=stride)


def test_a_trunk_without_classes_does_not_classify():
    with pytest.raises(InputError, match="classes"):
        ResNet("thin18").classify(torch.zeros(1, 3, 32, 32))


def test_every_resnet_is_listed():
    plain = {*PUBLISHED, "thin16", "thin18"}
    assert set(RESNETS) == {f"{name}{ibn}" for name in plain for ibn in ("", "_ibn_a", "_ibn_b")}


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet101"])
def test_ibn_a_has_the_parameters_of_the_plain_one_and_b_little_more(name):
    """Pan et al. 2018: IBN-Net's model complexity is the original's."""
    with torch.device("meta"):
        plain, a, b = (
            sum(p.numel() for p in ResNet(name + kind, classes=1000).parameters())
            for kind in ("", "_ibn_a", "_ibn_b")
        )
    assert a == plain
    factor = 1 if name == "resnet18" else 4
    assert b == plain + 2 * factor * (64 + 128)


def test_names_are_ibn_nets():
    a, b = (set(ResNet(f"resnet50_ibn_{kind}").state_dict()) for kind in "ab")
    # From github.com/XingangPan/IBN-Net, its resnet50_ibn_a and resnet50_ibn_b.
    assert {"layer1.0.bn1.IN.weight", "layer3.5.bn1.BN.running_var", "bn1.running_mean"} <= a
    assert not {"layer1.0.bn1.weight", "layer4.0.bn1.IN.weight", "layer1.0.bn2.IN.weight"} & a
    assert {"layer1.2.IN.weight", "layer2.3.IN.bias", "bn1.weight", "layer3.0.bn1.weight"} <= b
    assert not {"bn1.running_mean", "layer1.1.IN.weight", "layer3.5.IN.weight"} & b


@pytest.mark.parametrize("kind", ["", "_ibn_a", "_ibn_b"])
@pytest.mark.parametrize(
    ("name", "units"), [("thin18", (2, 2, 2, 2)), ("resnet34", (3, 4, 6, 3)),
                        ("resnet50", (3, 4, 6, 3))],
)  # fmt: skip
def test_it_computes_what_the_formulas_give(name, units, kind):
    torch.manual_seed(2)
    trunk = ResNet(name + kind, last_stride=1).eval()
    tensors = trunk.state_dict()
    for key, value in tensors.items():
        if key.endswith("running_mean") or key.endswith("bias"):
            value.normal_(0, 0.3)
        elif key.endswith("running_var") or (value.ndim == 1 and value.is_floating_point()):
            value.uniform_(0.5, 1.5)
    image = torch.randn(2, 3, 64, 32)
    double = {key: value.double() for key, value in tensors.items()}
    how = {"last_stride": 1, "bottleneck": name == "resnet50"}
    wanted = resnet_by_hand(double, image.double(), units, **how)
    with torch.inference_mode():
        found = trunk(image), Optimised(trunk).network(image)
    for each in found:
        assert (each - wanted).abs().max() < 1e-5 * wanted.abs().max()
