"""ONNX networks: made by hand with onnx.helper, and exported from our own."""

import json
import shutil

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper

from onnx_files import write_onnx
from passerby.cues.segmenter import OnnxSegmenter, SegmenterSettings
from passerby.embedding import export
from passerby.embedding.embedder import Embedder
from passerby.embedding.export import export_onnx
from passerby.embedding.preprocessing import Preprocessing
from passerby.gallery.settings import space_of
from passerby.methods import METHODS
from passerby.types import InputError

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 20, 10, 3), dtype=np.uint8)


def by_hand(pictures, weight, preprocessing):
    values = pictures.astype(np.float64)
    if preprocessing.channels == "bgr":
        values = values[..., ::-1]
    values = (values / 255 - np.array(preprocessing.mean)) / np.array(preprocessing.std)
    return values.mean(axis=(1, 2)) @ weight


@pytest.mark.parametrize(
    ("shape", "kind", "options"),
    [
        (["n", 3, 20, 10], TensorProto.FLOAT, {}),
        ([1, 3, 20, 10], TensorProto.FLOAT, {}),
        ([2, 3, 20, 10], TensorProto.FLOAT, {"channels": "bgr"}),
        (["n", 20, 10, 3], TensorProto.FLOAT, {"layout": "nhwc"}),
        (["n", 3, "h", "w"], TensorProto.FLOAT16, {}),
        (["n", 20, 10, 3], TensorProto.UINT8,
         {"layout": "nhwc", "channels": "bgr", "mean": (0, 0, 0), "std": (1 / 255,) * 3}),
    ],
)  # fmt: skip
def test_a_foreign_network_gets_what_it_expects(tmp_path, shape, kind, options):
    axes = (1, 2) if options.get("layout") == "nhwc" else (2, 3)
    weight = write_onnx(tmp_path / "n.onnx", shape, kind=kind, axes=axes)
    preprocessing = Preprocessing(20, 10, **options)
    model = Embedder.from_onnx(tmp_path / "n.onnx", preprocessing)
    tolerance = 2e-2 if kind == TensorProto.FLOAT16 else 1e-4
    found = model.embed(list(PIXELS))
    np.testing.assert_allclose(
        found, by_hand(PIXELS, weight, preprocessing), rtol=tolerance, atol=tolerance
    )
    assert model.precision == "onnx"


def test_pictures_are_resized(tmp_path):
    weight = write_onnx(tmp_path / "n.onnx", ["n", 3, 20, 10])
    preprocessing = Preprocessing(20, 10)
    model = Embedder.from_onnx(tmp_path / "n.onnx", preprocessing)
    flat = np.full((1, 55, 33, 3), (10, 200, 90), np.uint8)
    np.testing.assert_allclose(
        model.embed(list(flat)), by_hand(flat, weight, preprocessing), rtol=1e-4
    )


def test_it_is_an_embedder_like_any_other(tmp_path):
    write_onnx(tmp_path / "n.onnx", ["n", 3, 20, 10])
    model = Embedder.from_onnx(tmp_path / "n.onnx", Preprocessing(20, 10), metric="euclidean")
    model.save(tmp_path / "saved")
    assert {file.name for file in (tmp_path / "saved").iterdir()} == {
        "config.json", "model.safetensors",
    }  # fmt: skip
    again = Embedder.load(tmp_path / "saved")
    np.testing.assert_array_equal(again.embed(list(PIXELS)), model.embed(list(PIXELS)))
    assert again.fingerprint == model.fingerprint
    assert again.descriptor == model.descriptor
    assert space_of(model).metric == "euclidean"
    other = Embedder.from_onnx(tmp_path / "n.onnx", Preprocessing(20, 10, channels="bgr"))
    assert other.fingerprint != model.fingerprint


def test_the_json_beside_says_the_preprocessing(tmp_path):
    write_onnx(tmp_path / "n.onnx", ["n", 3, 20, 10], more=True)
    with pytest.raises(InputError, match=r"does not say how pictures .* write n.onnx.json"):
        Embedder.load(tmp_path / "n.onnx")
    plain = {"preprocessing": {"height": 20, "width": 10}, "output": "embedding"}
    (tmp_path / "n.onnx.json").write_text(json.dumps(plain))
    model = Embedder.load(tmp_path / "n.onnx")
    given = Embedder.from_onnx(tmp_path / "n.onnx", Preprocessing(20, 10), output="embedding")
    np.testing.assert_array_equal(model.embed(list(PIXELS)), given.embed(list(PIXELS)))
    assert model.fingerprint == given.fingerprint


@pytest.mark.parametrize(
    ("preprocessing", "options", "message"),
    [
        (Preprocessing(21, 10), {}, r"its input pixels is tensor\(float\) .* 3, 21, 10\) in nchw"),
        (Preprocessing(20, 10, layout="nhwc"), {}, "20, 10, 3"),
        (Preprocessing(20, 10), {"output": "no"}, "has the outputs embedding, colours; given 'no'"),
        (Preprocessing(20, 10), {}, "outputs embedding, colours: choose one"),
        (Preprocessing(20, 10), {"device": "tpu"}, "does not compute on tpu"),
    ],
)
def test_what_does_not_fit(tmp_path, preprocessing, options, message):
    write_onnx(tmp_path / "n.onnx", ["n", 3, 20, 10], more=True)
    with pytest.raises(InputError, match=message) as caught:
        Embedder.from_onnx(tmp_path / "n.onnx", preprocessing, **options)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_network(tmp_path):
    (tmp_path / "n.onnx").write_bytes(b"not a network")
    with pytest.raises(InputError, match="cannot read it"):
        Embedder.from_onnx(tmp_path / "n.onnx", Preprocessing())
    with pytest.raises(InputError, match="no such file"):
        Embedder.from_onnx(tmp_path / "absent.onnx", Preprocessing())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"height": 0}, "at least 1"),
        ({"std": (1.0, 0.0, 1.0)}, "std above 0"),
        ({"mean": (1.0,)}, "three numbers"),
        ({"channels": "grb"}, "rgb, bgr; given 'grb'"),
    ],
)
def test_a_preprocessing_that_cannot_be(options, message):
    with pytest.raises(InputError, match=message):
        Preprocessing(**options)


def small(name):
    method = METHODS[name]
    torch.manual_seed(0)
    recipe = method.recipe.small()
    return Embedder(method, recipe, method.network(recipe))


def check_export(name, folder):
    model = small(name)
    found = export_onnx(model, folder / "m.onnx")
    again = Embedder.load(found.file)
    random = np.random.default_rng(2)
    pictures = list(random.integers(0, 256, (2, 70, 40, 3), dtype=np.uint8))
    masks = [np.zeros((70, 40), np.uint8) for _ in pictures]
    for mask in masks:
        mask[10:60, 8:30] = 255
    cues = {"masks": masks} if "mask" in model.inputs.cues else {}
    wanted, given = model.embed(pictures, **cues), again.embed(pictures, **cues)
    cosine = (
        (wanted * given).sum(1) / np.linalg.norm(wanted, axis=1) / np.linalg.norm(given, axis=1)
    )
    assert cosine.min() > 0.99999
    assert again.fingerprint == model.fingerprint
    assert found.inputs == tuple(model.inputs.specs)
    return model, found


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return check_export("bag_of_tricks", tmp_path_factory.mktemp("exported"))


def test_the_file_states_the_preprocessing(exported):
    model, found = exported
    (entry,) = [e for e in onnx.load(found.file).metadata_props if e.key == "passerby"]
    inside = json.loads(entry.value)
    beside = json.loads(found.file.with_name("m.onnx.json").read_text())
    assert beside.pop("sha256")
    assert inside == beside
    spec = model.inputs.specs["image"]
    stated = inside["inputs"]["image"]
    assert (stated["height"], stated["width"]) == (spec.height, spec.width)
    assert (tuple(stated["mean"]), stated["channels"], stated["layout"]) == (
        spec.mean, "rgb", "nchw",
    )  # fmt: skip
    assert (inside["metric"], inside["fingerprint"]) == ("cosine", model.fingerprint)


def test_a_changed_network_is_another_model(exported, tmp_path):
    """Its metadata still name the fingerprint; the JSON names the file that it belongs to."""
    model, found = exported
    proto = onnx.load(found.file)
    weight = next(t for t in proto.graph.initializer if t.dims)
    changed = numpy_helper.to_array(weight) * np.float32(1.5)
    weight.CopyFrom(numpy_helper.from_array(changed, weight.name))
    onnx.save(proto, tmp_path / "m.onnx")
    shutil.copy(found.file.with_name("m.onnx.json"), tmp_path)
    assert Embedder.load(tmp_path / "m.onnx").fingerprint != model.fingerprint
    shutil.copy(found.file, tmp_path)
    assert Embedder.load(tmp_path / "m.onnx").fingerprint == model.fingerprint


def test_a_saved_export_stays_the_model(exported, tmp_path):
    model, found = exported
    Embedder.load(found.file).save(tmp_path / "saved")
    again = Embedder.load(tmp_path / "saved")
    assert again.fingerprint == model.fingerprint
    np.testing.assert_allclose(again.embed(list(PIXELS)), model.embed(list(PIXELS)), atol=1e-4)


def test_an_export_that_computes_otherwise_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "LEAST_COSINE", 1.1)
    with pytest.raises(FloatingPointError, match="least cosine 1.0000"):
        export_onnx(small("bag_of_tricks"), tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported(exported, tmp_path, monkeypatch):
    model, found = exported
    with pytest.raises(InputError, match="is an ONNX file already"):
        export_onnx(Embedder.load(found.file), tmp_path / "again.onnx")
    with pytest.raises(InputError, match=r"must end in \.onnx"):
        export_onnx(model, tmp_path / "model.bin")


def test_an_exporter_that_gives_up_is_one_line(tmp_path, monkeypatch):
    def give_up(*given, **more):
        raise RuntimeError("no such\noperator")

    monkeypatch.setattr(torch.onnx, "export", give_up)
    with pytest.raises(InputError, match="bag_of_tricks cannot be exported to ONNX: no such op"):
        export_onnx(small("bag_of_tricks"), tmp_path / "m.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in METHODS if name != "bag_of_tricks"])
def test_every_method_is_exported(name, tmp_path):
    check_export(name, tmp_path)


def test_weights_in_other_files_are_refused(tmp_path, monkeypatch):
    """The file's bytes stand for the network: they must be all of it."""
    file = tmp_path / "outside.onnx"
    write_onnx(file, ["n", 3, 20, 10])
    model = onnx.load(file)
    onnx.save(model, file, save_as_external_data=True, location="w.bin", size_threshold=40)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="external data.*save it as one file"):
        Embedder.from_onnx(file, Preprocessing(20, 10))
    with pytest.raises(InputError, match="external data.*save it as one file"):
        OnnxSegmenter(str(file), SegmenterSettings())
