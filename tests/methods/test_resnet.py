import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from passerby.methods.resnet import TRUNKS, ResNet
from passerby.types import InputError

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


def test_every_trunk_is_listed():
    assert set(TRUNKS) == {*PUBLISHED, "thin18"}
