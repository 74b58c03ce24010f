import pickle

import pytest
import torch
from safetensors.torch import save_file

from passerby.embedding.embedder import Embedder
from passerby.methods.trunks.resnet import ResNet
from passerby.methods.weights import initialise_trunk, start_fingerprint
from passerby.types import InputError


@pytest.fixture
def source():
    torch.manual_seed(1)
    return ResNet("thin18", classes=5)


def same(trunk, source):
    theirs = source.state_dict()
    return all(
        torch.equal(value, theirs[name])
        for name, value in trunk.state_dict().items()
        if not name.endswith("num_batches_tracked")
    )


@pytest.mark.parametrize("prefix", ["", "trunk.", "module.", "base."])
def test_safetensors_under_any_usual_prefix(tmp_path, source, prefix):
    file = tmp_path / "w.safetensors"
    save_file({prefix + k: v.contiguous() for k, v in source.state_dict().items()}, file)
    trunk = ResNet("thin18")
    assert not same(trunk, source)
    initialise_trunk(trunk, "thin18", str(file))
    assert same(trunk, source)


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}])
def test_pytorch_checkpoints(tmp_path, source, wrap):
    file = tmp_path / "w.pth"
    torch.save(wrap(source.state_dict()), file)
    trunk = ResNet("thin18")
    initialise_trunk(trunk, "thin18", str(file))
    assert same(trunk, source)


def test_none_leaves_the_weights_alone():
    trunk = ResNet("thin18")
    before = {k: v.clone() for k, v in trunk.state_dict().items()}
    initialise_trunk(trunk, "thin18", "none")
    assert all(torch.equal(v, before[k]) for k, v in trunk.state_dict().items())


class Evil:
    def __reduce__(self):
        return (print, ("this must not run",))


def test_a_foreign_pickle_is_refused_and_not_run(tmp_path, capsys):
    file = tmp_path / "w.pth"
    file.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(InputError, match="w.pth contains more than plain tensors"):
        initialise_trunk(ResNet("thin18"), "thin18", str(file))
    torch.save({"a": Evil()}, file)
    with pytest.raises(InputError, match="w.pth contains more than plain tensors"):
        initialise_trunk(ResNet("thin18"), "thin18", str(file))
    assert "must not run" not in capsys.readouterr().out


def broken(tmp_path, content):
    file = tmp_path / "w.safetensors"
    file.write_bytes(content)
    return str(file)


def test_what_is_no_file_of_weights(tmp_path, source):
    with pytest.raises(InputError, match="no file"):
        initialise_trunk(ResNet("thin18"), "thin18", str(tmp_path / "absent"))
    with pytest.raises(InputError, match="not a file of weights"):
        initialise_trunk(ResNet("thin18"), "thin18", broken(tmp_path, b"hello"))
    with pytest.raises(InputError, match="imagenet exists for"):
        initialise_trunk(ResNet("thin18"), "thin18", "imagenet")


def test_tensors_missing_or_of_another_shape(tmp_path, source):
    state = {k: v.contiguous() for k, v in source.state_dict().items()}
    missing = tmp_path / "missing.safetensors"
    save_file({k: v for k, v in state.items() if k != "layer2.0.conv1.weight"}, missing)
    with pytest.raises(InputError, match=r"lacks 1 of .* layer2.0.conv1.weight"):
        initialise_trunk(ResNet("thin18"), "thin18", str(missing))
    other = tmp_path / "other.safetensors"
    save_file(state, other)
    with pytest.raises(InputError, match=r"conv1.weight must be \(64, 3, 7, 7\)"):
        initialise_trunk(ResNet("resnet18"), "resnet18", str(other))


def test_imagenet_without_a_network_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="neither cached nor within reach") as caught:
        initialise_trunk(ResNet("resnet18"), "resnet18", "imagenet")
    assert "\n" not in str(caught.value)


def test_the_fingerprint_of_a_start_is_that_of_its_model(tmp_path):
    assert start_fingerprint("none") is None
    assert start_fingerprint("imagenet") is None
    assert start_fingerprint("passerby") == Embedder.default().fingerprint
    run = tmp_path / "run"
    Embedder.default().save(run)
    assert start_fingerprint(str(run)) == Embedder.default().fingerprint
    # Somebody's file beside somebody's configuration is no model of ours.
    (run / "model.safetensors").rename(run / "theirs.safetensors")
    assert start_fingerprint(str(run / "theirs.safetensors")) is None
    for text in ("[]", "{", '{"fingerprint": 3}'):
        (run / "config.json").write_text(text)
        assert start_fingerprint(str(run / "model.safetensors")) is None
