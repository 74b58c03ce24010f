import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from passerby.cues.networks import ComputedCues, extended
from passerby.cues.openpose import THIN_MOBILENET, OpenPose, PoseSettings, highest_points
from passerby.cues.package_index import check_hash
from passerby.cues.segmenter import OnnxSegmenter, SegmenterSettings
from passerby.data.check import cache_folder
from passerby.data.images import read_image
from passerby.types import JOINT_NAMES, InputError, Sample

REAL = Path(__file__).parents[2] / "../shared/data/pku_reid"
PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def write_onnx(file, shape, weights, bias, stride=1):
    """A network of one convolution: `weights` (C, 3, k, k)."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w", "b"], ["y"], strides=[stride, stride])],
        "test",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind, ["n", len(weights), "h", "w"])],
        [
            numpy_helper.from_array(np.asarray(weights, np.float32), "w"),
            numpy_helper.from_array(np.asarray(bias, np.float32), "b"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, file)
    return file


def red_minus_blue():
    weights = np.zeros((2, 3, 1, 1))
    weights[1, 0], weights[1, 2] = 8, -8
    return weights


@pytest.mark.parametrize("batch", ["N", 1])
def test_segmenter_by_its_formula(tmp_path, batch):
    """Second map = 8 (red - blue): with logits a person is where red exceeds blue."""
    file = write_onnx(tmp_path / "net.onnx", [batch, 3, 6, 4], red_minus_blue(), [0, 0])
    network = OnnxSegmenter(file, SegmenterSettings(height=6, width=4, channel=1, **PLAIN))
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (6, 4, 3), np.uint8) for _ in range(3)]
    pictures.append(np.zeros((6, 4, 3), np.uint8) + np.uint8([0, 0, 9]))
    found = network.masks(pictures)
    for picture, mask in zip(pictures[:3], found, strict=False):
        difference = picture[:, :, 0].astype(int) - picture[:, :, 2]
        np.testing.assert_array_equal(mask, np.where(difference >= 0, 255, 0))
    assert found[3] is None


def test_segmenter_resizes_there_and_back(tmp_path):
    file = write_onnx(
        tmp_path / "net.onnx", ["N", 3, 8, 8], red_minus_blue()[1:] / 8, [0], stride=2
    )
    settings = SegmenterSettings(height=8, width=8, logits=False, threshold=0.5, **PLAIN)
    picture = np.zeros((40, 20, 3), np.uint8)
    picture[:20, :, 0] = 255
    mask = OnnxSegmenter(file, settings).masks([picture])[0]
    assert mask.shape == (40, 20)
    assert (mask[:15] == 255).all()
    assert (mask[25:] == 0).all()


def test_segmenter_errors_are_one_line(tmp_path):
    file = write_onnx(tmp_path / "net.onnx", ["N", 3, 6, 4], red_minus_blue(), [0, 0])
    with pytest.raises(InputError, match=r"one input, tensor\(float\) \[N, 3, 256, 128\]"):
        OnnxSegmenter(file)
    network = OnnxSegmenter(file, SegmenterSettings(height=6, width=4, channel=2))
    with pytest.raises(InputError, match=r"with a map 2 \(from 0\), it is \(1, 2, 6, 4\)"):
        network.masks([np.zeros((6, 4, 3), np.uint8)])
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    with pytest.raises(InputError, match=r"broken\.onnx: ONNX Runtime cannot read it"):
        OnnxSegmenter(tmp_path / "broken.onnx")
    with pytest.raises(InputError, match=r"absent\.onnx: no such file"):
        OnnxSegmenter(tmp_path / "absent.onnx")
    with pytest.raises(InputError, match="std must be above 0"):
        SegmenterSettings(std=(0, 1, 1))


def test_fingerprints_follow_weights_and_settings(tmp_path):
    file = write_onnx(tmp_path / "net.onnx", ["N", 3, 6, 4], red_minus_blue(), [0, 0])
    first = OnnxSegmenter(file, SegmenterSettings(6, 4)).fingerprint
    assert OnnxSegmenter(file, SegmenterSettings(6, 4)).fingerprint == first
    assert OnnxSegmenter(file, SegmenterSettings(6, 4, extend=1)).fingerprint != first
    write_onnx(file, ["N", 3, 6, 4], red_minus_blue(), [0, 1])
    assert OnnxSegmenter(file, SegmenterSettings(6, 4)).fingerprint != first


def test_extended_by_a_naive_loop():
    mask = (np.random.default_rng(1).random((12, 9)) < 0.1) * np.uint8(255)
    for pixels in (0, 1, 3):
        found = extended(mask, pixels)
        for y in range(12):
            for x in range(9):
                near = mask[
                    max(0, y - pixels) : y + pixels + 1, max(0, x - pixels) : x + pixels + 1
                ]
                assert found[y, x] == near.max()


def test_highest_points():
    maps = np.zeros((18, 5, 7), np.float32)
    maps[3, 4, 2], maps[5, 0, 6] = 0.5, 0.1
    found = highest_points(maps, 0.15)
    assert found[3].tolist() == [2, 4, 0.5]
    assert not np.delete(found, 3, axis=0).any()


@pytest.fixture
def blobs(tmp_path):
    """An OpenPose-shaped network: map k is what the red channel has at that place, / 255."""
    pytest.importorskip("cv2")
    weights = np.zeros((57, 3, 8, 8))
    weights[:, 2] = 1 / 64 / 255
    return write_onnx(tmp_path / "pose.onnx", [1, 3, 64, 64], weights, np.zeros(57), stride=8)


def test_joints_come_back_where_they_are(blobs):
    """A red blob in a picture: every joint lies there, in the picture's own pixels."""
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[24:40, 8:24, 0] = 255
    settings = PoseSettings(scales=(1.0,), pad_sides=0, pad_ends=0)
    joints = OpenPose(blobs, settings).joints([picture, np.zeros_like(picture)])
    np.testing.assert_allclose(joints[0][:, :2], [[15.5, 31.5]] * 18, atol=1)
    assert not joints[1].any()


@pytest.mark.parametrize("scales", [(1.0, 1.25, 1.5, 2.0), (2.0,), (0.5,)])
@pytest.mark.parametrize("size", [(64, 64), (70, 45)])
def test_scales_and_pads_leave_joints_where_they_are(blobs, scales, size):
    """A round spot that grows and moves with its picture; the maps are four times as fine."""
    y, x = np.indices(size)
    spot = 250 * np.exp(-((x - 20.0) ** 2 + (y - 41.0) ** 2) / (2 * 8**2))
    picture = np.zeros((*size, 3), np.uint8)
    picture[:, :, 0] = spot.round()
    joints = OpenPose(blobs, PoseSettings(scales=scales)).joints([picture])[0]
    # The network's own places are 8 pixels apart in the picture that it is shown.
    np.testing.assert_allclose(joints[:, :2], [[20, 41]] * 18, atol=0.16 * 8 / min(1, *scales))


def test_left_and_right_change_places_in_the_mirror(tmp_path):
    """Right joints see red, left ones blue, in either picture: each map is the mean of both."""
    pytest.importorskip("cv2")
    weights = np.zeros((57, 3, 8, 8))
    for place, name in enumerate(JOINT_NAMES):
        weights[place, 0 if name.startswith("left") else 2] = 1 / 64 / 255
    file = write_onnx(tmp_path / "sides.onnx", [1, 3, 64, 64], weights, np.zeros(57), stride=8)
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[24:40, 8:24, 0] = 255
    picture[24:40, 40:56, 2] = 102
    plain = PoseSettings(scales=(1.0,), pad_sides=0, pad_ends=0, mirror=False)
    both = PoseSettings(scales=(1.0,), pad_sides=0, pad_ends=0)
    red, blue = (
        OpenPose(file, plain).heat_maps([picture])[0, JOINT_NAMES.index(f"{side}_hip")]
        for side in ("right", "left")
    )
    assert red.max() - 0.2 > blue.max() > 0.3
    found = OpenPose(file, both).heat_maps([picture])[0]
    for name, of_joint in zip(JOINT_NAMES, found, strict=True):
        sided = name.startswith(("left", "right"))
        np.testing.assert_allclose(of_joint, (red + blue) / 2 if sided else red, atol=1e-4)


def test_pictures_are_grouped_by_size_and_memory(blobs, monkeypatch):
    network = OpenPose(blobs, PoseSettings(scales=(1.0,), pad_sides=0, pad_ends=0, finer=1))
    small, large = np.zeros((8, 4, 3), np.uint8), np.zeros((16, 8, 3), np.uint8)
    monkeypatch.setattr("passerby.cues.openpose.MAP_BYTES", 2 * 18 * 8 * 4 * 4)
    assert network._groups([small, large, small, large, small]) == [[0, 2], [4], [1], [3]]


def test_the_network_sees_bgr_of_0_to_255(blobs):
    picture = np.zeros((64, 64, 3), np.uint8) + np.uint8([255, 0, 0])
    maps = OpenPose(blobs, PoseSettings(scales=(1.0,), pad_sides=0, pad_ends=0)).heat_maps(
        [picture]
    )
    assert maps.shape == (1, 18, 256, 256)
    np.testing.assert_allclose(maps, 1, atol=1e-4)


def test_networks_that_are_none(tmp_path):
    pytest.importorskip("cv2")
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    shape = onnx.numpy_helper.from_array(np.int64([1, 57, 8, 8]), "s")
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["x", "s"], ["y"])],
        "test",
        [helper.make_tensor_value_info("x", kind, [1, 57, 8, 8])],
        [helper.make_tensor_value_info("y", kind, [1, 57, 8, 8])],
        [shape],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, tmp_path / "fixed.onnx")
    with pytest.raises(InputError, match=r"fixed\.onnx: OpenCV cannot compute it for") as error:
        OpenPose(tmp_path / "fixed.onnx").joints([np.zeros((64, 32, 3), np.uint8)])
    assert "\n" not in str(error.value)
    (tmp_path / "broken.pb").write_bytes(b"no network")
    with pytest.raises(InputError, match=r"broken\.pb: OpenCV cannot read it"):
        OpenPose(tmp_path / "broken.pb")
    with pytest.raises(InputError, match=r"absent\.pb: no such file"):
        OpenPose(tmp_path / "absent.pb")
    with pytest.raises(InputError, match="scales must be at least one number"):
        PoseSettings(scales=())
    with pytest.raises(InputError, match="a network for masks or for joints"):
        ComputedCues()


def test_real_joints_against_the_given_ones():
    """Four pictures spread over the set; the given joints come from the same network."""
    pytest.importorskip("cv2")
    model = cache_folder() / "models" / THIN_MOBILENET.package / "graph_opt.pb"
    if not REAL.is_dir() or not model.is_file():
        pytest.skip(f"needs {REAL} and {model} (passerby cues joints fetches it)")
    check_hash(model, THIN_MOBILENET.sha256)
    given = json.loads((REAL / "poses.json").read_text())
    names = sorted(given)[::296]
    found = np.stack(OpenPose(model).joints([read_image(REAL / name) for name in names]))
    wanted = np.array([given[name] for name in names])
    seen, known = found[:, :, 2] > 0, wanted[:, :, 2] > 0
    assert (seen == known).mean() > 0.95
    away = np.hypot(*(found - wanted)[seen & known][:, :2].T)
    assert away.mean() < 0.5
    assert np.percentile(away, 95) < 1.5


def test_computed_cues_are_a_source(tmp_path):
    file = write_onnx(tmp_path / "net.onnx", ["N", 3, 6, 4], red_minus_blue(), [0, 0])
    network = OnnxSegmenter(file, SegmenterSettings(6, 4, channel=1, **PLAIN))
    cues = ComputedCues(masks=network)
    pixels = np.random.default_rng(3).integers(0, 256, (9, 8, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    sample = Sample(tmp_path / "a.png", "a.png", 1, 1, box=(2, 1, 4, 6))
    want = network.masks([pixels[1:7, 2:6]])[0]
    np.testing.assert_array_equal(cues.mask(sample), want)
    assert cues.joints(sample) is None
    assert cues.fingerprint == f"computed:{network.fingerprint}"
