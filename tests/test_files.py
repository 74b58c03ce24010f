import errno
import os

import pytest
import torch
from safetensors.torch import load_file

from passerby.files import atomic, write_tensors, write_text


def test_a_file_is_whole_or_not_there(tmp_path):
    target = tmp_path / "new" / "a.txt"
    with pytest.raises(KeyError), atomic(target) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise KeyError
    assert list(target.parent.iterdir()) == []
    write_text(target, "whole")
    with pytest.raises(KeyError), atomic(target) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise KeyError
    assert target.read_text() == "whole"
    assert [file.name for file in target.parent.iterdir()] == ["a.txt"]


def test_a_full_disk_names_the_file(tmp_path):
    target = tmp_path / "a.txt"
    with pytest.raises(OSError, match="No space left on device: .*a.txt"), atomic(target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    write_text(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_tensors_of_any_layout(tmp_path):
    x = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    write_tensors(tmp_path / "t.safetensors", {"x": x, "row": x[0], "turned": x.transpose(0, 1)})
    found = load_file(tmp_path / "t.safetensors")
    assert torch.equal(found["x"], x)
    assert torch.equal(found["row"], x[0])
    assert torch.equal(found["turned"], x.transpose(0, 1))
