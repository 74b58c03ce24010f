"""OpenVINO against torch and ONNX Runtime, and which engine is taken."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from onnx import TensorProto

from made_networks import made_of
from onnx_files import write_onnx
from passerby.embedding import engines, openvino_network
from passerby.embedding.embedder import Embedder
from passerby.embedding.engines import MANY
from passerby.embedding.openvino_network import OpenVinoNetwork
from passerby.embedding.optimised import Optimised, has_bfloat16
from passerby.embedding.preprocessing import Preprocessing
from passerby.methods import METHODS
from passerby.types import InputError

pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install '.[openvino]'")

PIXELS = list(np.random.default_rng(0).integers(0, 256, (5, 70, 40, 3), dtype=np.uint8))


def small(name="bag_of_tricks"):
    network, _ = made_of(name)
    method = METHODS[name]
    return Embedder(method, method.recipe.small(), network)


@pytest.fixture(scope="module")
def model():
    return small()


@pytest.fixture(scope="module")
def converted(model):
    return model.optimised(engine="openvino")


def check_same(name):
    network, inputs = made_of(name, count=11)
    specs = METHODS[name].inputs(METHODS[name].recipe.small()).specs
    with torch.inference_mode():
        wanted, found = network(**inputs), OpenVinoNetwork(network, specs)(**inputs)
    assert (found - wanted).abs().max() < 1e-4 * wanted.abs().max()


def test_float32_is_the_same_network():
    """More pictures than it was converted with, and than are computed at once."""
    check_same("bag_of_tricks")


# Operations of theirs OpenVINO does not read from torch.
LEFT_TO_TORCH = ("attention_driven", "mask_pooling")


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in METHODS if n not in ("bag_of_tricks", *LEFT_TO_TORCH)])
def test_other_methods_are_converted(name):
    check_same(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", LEFT_TO_TORCH)
def test_what_it_does_not_read_is_one_line_or_left_to_torch(name):
    model = small(name)
    with pytest.raises(InputError, match="OpenVINO cannot compute this network") as caught:
        model.optimised(engine="openvino")
    assert "\n" not in str(caught.value)
    assert isinstance(model.optimised(pictures=MANY)._computes, Optimised)


def test_a_converted_embedder_is_the_same_model(model, converted):
    assert isinstance(converted._computes, OpenVinoNetwork)
    assert converted.fingerprint == model.fingerprint
    assert (converted.precision, model.precision) == ("float32", "float32")
    wanted, found = model.embed(PIXELS), converted.embed(PIXELS)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    ranked = [np.argsort(-(rows / np.linalg.norm(rows, axis=1)[:, None]) @ rows[0]) for rows in (
        wanted, found,
    )]  # fmt: skip
    np.testing.assert_array_equal(*ranked)


@pytest.mark.skipif(not has_bfloat16("cpu"), reason="no bfloat16 on this processor")
def test_bfloat16_is_nearly_the_same(model):
    fast = model.optimised("bfloat16", "openvino")
    assert fast.precision == "bfloat16"
    cosine = torch.cosine_similarity(*(torch.tensor(m.embed(PIXELS)) for m in (model, fast)))
    assert cosine.min() > 0.999
    assert cosine.max() < 1 - 1e-9


def test_several_threads_share_a_network(converted):
    wanted = converted.embed(PIXELS)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: converted.embed(PIXELS), range(12)):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("shape", "kind", "options"),
    [
        (["n", 3, 20, 10], TensorProto.FLOAT, {}),
        ([2, 3, 20, 10], TensorProto.FLOAT, {"channels": "bgr"}),
        (["n", 3, "h", "w"], TensorProto.FLOAT16, {}),
        (["n", 20, 10, 3], TensorProto.UINT8,
         {"layout": "nhwc", "mean": (0, 0, 0), "std": (1 / 255,) * 3}),
    ],
)  # fmt: skip
def test_networks_from_onnx_files(tmp_path, shape, kind, options):
    axes = (1, 2) if options.get("layout") == "nhwc" else (2, 3)
    write_onnx(tmp_path / "n.onnx", shape, kind=kind, axes=axes, more=True)
    model = Embedder.from_onnx(
        tmp_path / "n.onnx", Preprocessing(20, 10, **options), output="embedding"
    )
    fast = model.optimised()
    assert fast._computes._engine == "OpenVINO"
    assert (fast.precision, fast.fingerprint) == ("onnx", model.fingerprint)
    # A file in float16 is computed in float32 where OpenVINO is told to.
    near = 1e-2 if kind == TensorProto.FLOAT16 else 1e-4
    np.testing.assert_allclose(fast.embed(PIXELS), model.embed(PIXELS), rtol=near, atol=near)
    assert model.optimised(engine="onnxruntime")._computes._engine == "ONNX Runtime"


def test_auto_converts_for_many_pictures_alone(model, monkeypatch):
    assert isinstance(model.optimised(pictures=MANY - 1)._computes, Optimised)
    assert isinstance(model.optimised(engine="torch", pictures=MANY)._computes, Optimised)
    made = []
    monkeypatch.setattr(
        engines, "OpenVinoNetwork", lambda *given: made.append(given) or model.network
    )
    assert model.optimised(pictures=MANY)._computes is model.network
    assert len(made) == 1
    monkeypatch.setattr(engines, "has_openvino", lambda: False)
    assert isinstance(model.optimised(pictures=MANY)._computes, Optimised)


def test_what_openvino_cannot_do_is_left_to_torch(model, monkeypatch):
    monkeypatch.setattr(openvino_network, "LEAST_COSINE", {torch.float32: 1.1})
    with pytest.raises(InputError, match="other embeddings than torch: least cosine 1.0000"):
        model.optimised(engine="openvino")
    assert isinstance(model.optimised(pictures=MANY)._computes, Optimised)


def test_engines_that_do_not_fit_are_one_line(model, tmp_path, monkeypatch):
    write_onnx(tmp_path / "n.onnx", ["n", 3, 20, 10])
    foreign = Embedder.from_onnx(tmp_path / "n.onnx", Preprocessing(20, 10))
    with pytest.raises(
        InputError, match="of torch is computed by torch or openvino: choose one, not on"
    ):
        model.optimised(engine="onnxruntime")
    with pytest.raises(
        InputError, match="file is computed by onnxruntime or openvino: choose one, not to"
    ):
        foreign.optimised(engine="torch")
    with pytest.raises(
        InputError, match="in the precision of the file; for bfloat16 choose --engine open"
    ):
        foreign.optimised("bfloat16", "onnxruntime")
    monkeypatch.setattr(foreign.network, "device", "cuda")
    with pytest.raises(
        InputError, match="openvino computes on the CPU: choose --device cpu, not cuda"
    ):
        foreign.optimised(engine="openvino")


def test_openvino_is_missing(model, tmp_path, monkeypatch):
    write_onnx(tmp_path / "n.onnx", ["n", 3, 20, 10])
    foreign = Embedder.from_onnx(tmp_path / "n.onnx", Preprocessing(20, 10))
    monkeypatch.setitem(sys.modules, "openvino", None)
    for found in (model, foreign):
        with pytest.raises(InputError, match=r"OpenVINO needs pip install 'passerby\[openvino\]'"):
            found.optimised(engine="openvino")
    assert foreign.optimised()._computes is foreign.network
