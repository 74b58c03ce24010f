"""Pictures that are hardly a crop of one person are named, and not left out."""

import io
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from passerby.cli.unlikely_crops import note_unlikely_crops
from passerby.types import Sample


@pytest.mark.parametrize(
    ("size", "box", "said"),
    [
        ((64, 128), None, ""),
        ((10, 10), None, "one.png is less than 32 pixels high"),
        ((800, 300), None, "one.png is wider than high"),
        ((800, 300), (0, 0, 60, 200), ""),
        ((64, 128), (0, 0, 60, 20), "less than 32 pixels high"),
    ],
)
def test_by_size(
    tmp_path: Path, size: tuple[int, int], box: tuple[int, int, int, int] | None, said: str
) -> None:
    file = tmp_path / "one.png"
    Image.new("RGB", size).save(file)
    console = Console(file=io.StringIO(), width=200)
    note_unlikely_crops([Sample(file, "one.png", -1, -1, box=box)], console)
    told = console.file.getvalue()  # type: ignore[attr-defined]
    assert said in told
    assert bool(told) == bool(said)


def test_what_cannot_be_read_is_left_to_the_reader(tmp_path: Path) -> None:
    (tmp_path / "none.png").write_bytes(b"none")
    console = Console(file=io.StringIO())
    note_unlikely_crops([Sample(tmp_path / "none.png", "none.png", -1, -1)], console)
    assert console.file.getvalue() == ""  # type: ignore[attr-defined]


def test_of_many_the_first_is_named_with_the_count(tmp_path: Path) -> None:
    samples = [Sample(tmp_path / name, name, -1, -1, box=(0, 0, 9, 9)) for name in ("a", "b")]
    console = Console(file=io.StringIO(), width=200)
    note_unlikely_crops(samples, console)
    assert "2 of 2 pictures (first: a)" in console.file.getvalue()  # type: ignore[attr-defined]
