"""torchvision's Mask R-CNN and Keypoint R-CNN: how a picture goes in, and what comes out.

Most tests put a stand-in in torchvision's place, whose detections are known; those at the end run
torchvision's own networks, where it imports.
"""

import sys
from types import ModuleType, SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from passerby.cues.layouts import COCO_17
from passerby.cues.region_networks import KeypointRCNN, MaskRCNN
from passerby.cues.region_settings import RegionSettings
from passerby.types import JOINT_NAMES, InputError

LABELS, SCORES = [3, 1, 1, 1], [0.99, 0.4, 0.9, 0.1]
"""A car, and three people, of whom the third counts."""
SURE = torch.linspace(-3, 3, 17)
"""Scores of the keypoints; one's confidence is the sigmoid."""


class Detector(nn.Module):
    """Finds four things: as masks, shares of red, green, blue and green; keypoints likewise."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))
        self.transform = SimpleNamespace(min_size=(800,), max_size=1333)
        self.rpn = nn.Module()
        self.rpn.forward = lambda images, features, targets=None: list(features)
        self.seen = []

    def forward(self, images):
        (image,) = images
        self.seen.append(image)
        spots = image[[0, 1, 2, 1]]
        places = torch.stack([self._keypoints(spot) for spot in spots])
        return [
            {
                "labels": torch.tensor(LABELS),
                "scores": torch.tensor(SCORES),
                "masks": spots[:, None],
                "keypoints": places,
                "keypoints_scores": SURE.repeat(4, 1),
            }
        ]

    def _keypoints(self, spot):
        """All on the brightest pixel's middle, counted from the top left pixel's corner."""
        y, x = divmod(int(spot.argmax()), spot.shape[1])
        return torch.tensor([x + 0.5, y + 0.5, 1.0]).repeat(17, 1)


@pytest.fixture
def stand_in(monkeypatch):
    """torchvision as far as it is used; gives the arguments and networks of the calls."""
    calls = SimpleNamespace(weights=[], networks=[], anchors=[])

    def build(weights, weights_backbone):
        assert weights_backbone is None
        calls.weights.append(weights)
        calls.networks.append(Detector())
        return calls.networks[-1]

    def anchor_generator(sizes, ratios):
        calls.anchors.append((sizes, ratios))
        return "anchors"

    detection = ModuleType("torchvision.models.detection")
    detection.maskrcnn_resnet50_fpn = detection.keypointrcnn_resnet50_fpn = build
    rpn = ModuleType("torchvision.models.detection.rpn")
    rpn.AnchorGenerator = anchor_generator
    models = ModuleType("torchvision.models")
    models.detection = detection
    for module in (ModuleType("torchvision"), models, detection, rpn):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return calls


def person():
    """20 x 11, and in blue, the third thing, a block with a brightest pixel at (6, 8)."""
    picture = np.zeros((20, 11, 3), np.uint8)
    picture[5:12, 4:8, 2] = 140
    picture[8, 6, 2] = 255
    picture[0, 0] = (250, 250, 0)
    return picture


def test_the_network_sees_the_padded_picture_at_its_own_scale(stand_in):
    MaskRCNN("none").masks([person()])
    (network,) = stand_in.networks
    (seen,) = network.seen
    assert seen.shape == (3, 60, 33)
    inner = seen[:, 20:40, 11:22].permute(1, 2, 0) * 255
    np.testing.assert_allclose(inner.numpy(), person(), atol=1e-4)
    assert seen.sum() == pytest.approx(person().sum() / 255, rel=1e-5)
    # torchvision scales by the lesser of min_size / short side and max_size / long side.
    assert min(network.transform.min_size[-1] / 33, network.transform.max_size / 60) == 1
    MaskRCNN("none", RegionSettings(scale=2.0)).masks([person()])
    twice = stand_in.networks[1].transform
    assert min(twice.min_size[-1] / 33, twice.max_size / 60) == 2


def test_the_anchors_are_the_papers(stand_in):
    """Areas 32^2 and 64^2 and ratios 1:2, 1:1, 2:1, one area on each of the two finest maps."""
    MaskRCNN("none")
    ratios = (0.5, 1.0, 2.0)
    assert stand_in.anchors == [(((32,), (64,)), (ratios, ratios))]
    rpn = stand_in.networks[0].rpn
    assert rpn.rpn.anchor_generator == "anchors"
    assert rpn(None, dict.fromkeys("01234")) == ["0", "1"]


def test_the_mask_is_the_best_persons_and_extended(stand_in):
    block = np.zeros((20, 11), np.uint8)
    block[5:12, 4:8] = 255
    (mask,) = MaskRCNN("none", RegionSettings(extend=0)).masks([person()])
    np.testing.assert_array_equal(mask, block)
    (mask,) = MaskRCNN("none").masks([person()])
    block[2:15, 1:11] = 255  # 3 pixels each way
    np.testing.assert_array_equal(mask, block)
    (mask,) = MaskRCNN("none", RegionSettings(threshold=0.6, extend=0)).masks([person()])
    assert np.argwhere(mask).tolist() == [[8, 6]]


def test_nobody_is_found(stand_in):
    unsure = RegionSettings(score=0.95)
    assert MaskRCNN("none", unsure).masks([person()]) == [None]
    assert not KeypointRCNN("none", unsure).joints([person()])[0].any()
    empty = np.zeros((20, 11, 3), np.uint8)
    assert MaskRCNN("none").masks([empty, person()])[0] is None


def test_joints_are_in_the_pictures_pixels(stand_in):
    (joints,) = KeypointRCNN("none").joints([person()])
    np.testing.assert_allclose(joints[:, :2], [[6, 8]] * 18)
    sure = 1 / (1 + np.exp(-SURE.numpy()))
    for name, confidence in zip(COCO_17, sure, strict=True):
        assert joints[JOINT_NAMES.index(name), 2] == pytest.approx(confidence)
    shoulders = [sure[COCO_17.index(f"{side}_shoulder")] for side in ("left", "right")]
    assert joints[JOINT_NAMES.index("neck"), 2] == pytest.approx(min(shoulders))


def test_weights_and_settings_decide_on_the_fingerprint(stand_in, tmp_path):
    save_file({"weight": torch.ones(3)}, tmp_path / "ones.safetensors")
    torch.save({"weight": torch.ones(3)}, tmp_path / "ones.pth")
    first = MaskRCNN("none").fingerprint
    ones = MaskRCNN(tmp_path / "ones.safetensors").fingerprint
    assert first.startswith("maskrcnn_resnet50_fpn:")
    assert MaskRCNN("coco").fingerprint == first
    assert stand_in.weights == [None, None, "DEFAULT"]
    assert MaskRCNN(tmp_path / "ones.pth").fingerprint == ones
    others = [MaskRCNN("none", RegionSettings(extend=2)), KeypointRCNN("none")]
    assert len({first, ones, *(one.fingerprint for one in others)}) == 4


def test_bad_weights_and_settings_are_one_line(stand_in, tmp_path):
    save_file({"weight": torch.ones(4)}, tmp_path / "four.safetensors")
    for name in ("four.safetensors", "absent.pth"):
        with pytest.raises(
            InputError, match=f"{name}: contains no weights of this network"
        ) as error:
            MaskRCNN(tmp_path / name)
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="three anchor ratios"):
        MaskRCNN("none", RegionSettings(ratios=(1.0,)))
    with pytest.raises(InputError, match="pad must be an odd number"):
        RegionSettings(pad=2)
    with pytest.raises(InputError, match="one to five sides"):
        RegionSettings(anchors=())


def test_weights_that_cannot_be_fetched_and_devices_that_are_not_there(stand_in, monkeypatch):
    with pytest.raises(InputError, match="cannot compute on device 'meta:x'"):
        MaskRCNN("none", RegionSettings(device="meta:x"))

    def unreachable(weights, weights_backbone):
        raise URLError("no route\nto host")

    detection = sys.modules["torchvision.models.detection"]
    monkeypatch.setattr(detection, "maskrcnn_resnet50_fpn", unreachable)
    with pytest.raises(InputError, match="could not fetch the weights .*give a file") as error:
        MaskRCNN("coco")
    assert "\n" not in str(error.value)


def test_without_torchvision_one_clear_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(InputError, match="need a torchvision that fits torch .*cannot be imported"):
        MaskRCNN("none")


def tamed(kind):
    """torchvision's network with random weights, whose heads find a person in every anchor.

    Without padding, so that the box which happens to come first lies in the picture.
    """
    pytest.importorskip("torchvision", exc_type=Exception)
    torch.manual_seed(0)
    found = kind("none", RegionSettings(pad=1, extend=0))
    network = found._network
    rpn, heads = network.rpn.rpn.head, network.roi_heads
    for layer in (rpn.cls_logits, rpn.bbox_pred, *heads.box_predictor.children()):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    heads.box_predictor.cls_score.bias.data[1] = 9.0
    return found, network


def noise():
    return np.random.default_rng(0).integers(0, 256, (128, 96, 3), np.uint8)


def box_of(found):
    """left, top, right, bottom: at most an anchor of 64^2 with the ratio 1:2."""
    best, top, left = found._people(noise())
    assert (top, left, int(best["labels"])) == (0, 0, 1)
    x, y, x_end, y_end = best["boxes"].tolist()
    assert 0 < x_end - x <= 64 * 2**0.5 + 1
    assert 0 < y_end - y <= 64 * 2**0.5 + 1
    return x, y, x_end, y_end


def test_torchvisions_mask_r_cnn_with_random_weights():
    """Its mask is made to be the box."""
    found, network = tamed(MaskRCNN)
    logits = network.roi_heads.mask_predictor.mask_fcn_logits
    nn.init.zeros_(logits.weight)
    logits.bias.data.fill_(-9.0)[1] = 9.0
    x, y, x_end, y_end = box_of(found)
    (mask,) = found.masks([noise()])
    assert mask.shape == (128, 96)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    edges = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    np.testing.assert_allclose(edges, [x, y, x_end, y_end], atol=2)
    assert (mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] == 255).all()


def test_torchvisions_keypoint_r_cnn_with_random_weights():
    """Wherever it sees them, joints lie in the box."""
    found, _ = tamed(KeypointRCNN)
    x, y, x_end, y_end = box_of(found)
    (joints,) = found.joints([noise()])
    assert (joints[:, 2] > 0).all()
    assert (joints[:, 0] >= x - 1).all()
    assert (joints[:, 0] <= x_end + 1).all()
    assert (joints[:, 1] >= y - 1).all()
    assert (joints[:, 1] <= y_end + 1).all()
