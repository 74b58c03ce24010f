"""Models in int8 against the same in float32."""

import json
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
from PIL import Image

import passerby
from made_networks import made_of
from onnx_files import write_onnx
from passerby.drawing import SyntheticRecipe, write_synthetic
from passerby.embedding import int8
from passerby.embedding.embedder import Embedder
from passerby.embedding.int8 import export_int8
from passerby.embedding.places import list_places
from passerby.embedding.preprocessing import Preprocessing
from passerby.gallery.new_rows import NewEntries
from passerby.gallery.settings import space_of
from passerby.methods import METHODS
from passerby.types import InputError


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """84 pictures, no two alike: noise in coarse squares, as bright as it comes."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for number in range(84):
        squares = random.integers(0, random.integers(60, 256), (8, 4, 3), dtype=np.uint8)
        Image.fromarray(squares).resize((32, 64)).save(folder / f"{number:03}.png")
    return list_places([folder]).samples


@pytest.fixture(scope="module")
def model():
    network, _ = made_of("bag_of_tricks")
    method = METHODS["bag_of_tricks"]
    return Embedder(method, method.recipe.small(), network)


@pytest.fixture
def foreign(tmp_path):
    """Inputs with the channels last, two pictures at a time, and an output by name."""
    write_onnx(tmp_path / "n.onnx", [2, 20, 10, 3], axes=(1, 2), more=True)
    how = Preprocessing(20, 10, layout="nhwc")
    return Embedder.from_onnx(tmp_path / "n.onnx", how, output="embedding")


@pytest.fixture(scope="module")
def made(model, samples, tmp_path_factory):
    return export_int8(model, samples, tmp_path_factory.mktemp("int8") / "m.onnx")


def test_it_computes_in_int8(made):
    network = onnx.load(made.file).graph
    names = [node.op_type for node in network.node]
    assert names.count("QuantizeLinear") >= names.count("Conv") > 10
    weights = {t.name: t.data_type for t in network.initializer}
    by_output = {output: node for node in network.node for output in node.output}
    for node in network.node:
        if node.op_type == "Conv":
            assert by_output[node.input[0]].op_type == "DequantizeLinear"
            weight = by_output[node.input[1]]
            assert weights[weight.input[0]] == onnx.TensorProto.INT8


def test_embeddings_are_nearly_the_same(model, samples, made):
    assert (made.calibrated, made.checked) == (68, 16)
    again = Embedder.load(made.file)
    wanted, found = (m.embed_samples(samples) for m in (model, again))
    cosine = (
        (wanted * found).sum(1) / np.linalg.norm(wanted, axis=1) / np.linalg.norm(found, axis=1)
    )
    assert cosine.mean() > 0.98
    checks = cosine[4::5]
    assert made.cosine == pytest.approx(checks.mean(), abs=1e-4)
    assert cosine.max() < 1 - 1e-6


def test_every_engine_gives_the_same(samples, made):
    pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install '.[openvino]'")
    model = Embedder.load(made.file)
    one, other = (
        model.optimised(engine=engine).embed_samples(samples)
        for engine in ("onnxruntime", "openvino")
    )
    cosine = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    assert cosine.min() > 0.99


def test_it_is_a_model_of_its_own(model, made):
    again = Embedder.load(made.file)
    assert again.fingerprint == made.fingerprint != model.fingerprint
    assert space_of(again).fingerprint != space_of(model).fingerprint
    assert again.descriptor == model.descriptor
    beside = json.loads(made.file.with_name("m.onnx.json").read_text())
    assert beside["fingerprint"] == made.fingerprint
    made.file.with_name("m.onnx.json").rename(made.file.with_name("kept.json"))
    assert Embedder.load(made.file).fingerprint == made.fingerprint


def test_the_pictures_are_part_of_the_model(foreign, samples, tmp_path):
    made, same = (export_int8(foreign, samples, tmp_path / f"{n}.onnx") for n in range(2))
    assert made.fingerprint == same.fingerprint
    other = export_int8(foreign, samples[:70], tmp_path / "other.onnx")
    assert other.fingerprint != made.fingerprint
    assert (other.calibrated, other.checked) == (70, 0)


def test_a_gallery_in_float32_refuses_it(model, samples, made, tmp_path):
    pytest.importorskip("lance", reason="Lance is not installed: pip install '.[gallery]'")
    with passerby.Gallery.open(tmp_path / "g", model) as gallery:
        gallery.add(model.embed_samples(samples[:4]), NewEntries.of_samples(samples[:4]))
    with pytest.raises(InputError, match=model.fingerprint):
        passerby.Gallery.open(tmp_path / "g", Embedder.load(made.file))


def test_networks_from_elsewhere(foreign, samples, tmp_path):
    made = export_int8(foreign, samples, tmp_path / "m.onnx")
    again = Embedder.load(made.file)
    assert again.recipe == foreign.recipe
    assert made.cosine > 0.99
    assert again.fingerprint == made.fingerprint != foreign.fingerprint


def test_bad_input_is_one_line(foreign, samples, tmp_path, monkeypatch):
    with pytest.raises(
        InputError, match="at least 64 pictures like those that the model will see; given"
    ):
        export_int8(foreign, samples[:63], tmp_path / "m.onnx")
    with pytest.raises(InputError, match=r"must end in \.onnx"):
        export_int8(foreign, samples, tmp_path / "m.bin")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    broken = replace(samples[0], file=tmp_path / "broken.png", name="broken.png")
    with pytest.raises(InputError, match=r"broken\.png"):
        export_int8(foreign, [*samples[1:], broken], tmp_path / "m.onnx")
    with monkeypatch.context() as patch:
        patch.setattr(int8, "LEAST_COSINE", 1.1)
        with pytest.raises(InputError, match=r"int8 does not hold this model: mean cosine"):
            export_int8(foreign, samples, tmp_path / "m.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"pip install 'passerby\[onnx\]'"):
        export_int8(foreign, samples, tmp_path / "m.onnx")
    assert [file.name for file in tmp_path.glob("*.onnx*")] == ["n.onnx"]


@pytest.mark.slow
def test_drawn_people_are_found_as_well(tmp_path):
    """The model that comes with passerby: at most 0.5 mAP lost."""
    recipe = SyntheticRecipe(train_identities=8, test_identities=24, distractors=10, junk=5)
    write_synthetic(tmp_path / "people", recipe)
    split = passerby.load("synthetic", tmp_path / "people")
    model = Embedder.default()
    found = export_int8(model, split.train, tmp_path / "m.onnx")
    scores = [
        passerby.evaluate_model(each, split).mean_ap
        for each in (model, Embedder.load(found.file).optimised())
    ]
    assert scores[1] > scores[0] - 0.005
