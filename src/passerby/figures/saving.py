"""Figures as files: .png, or .svg where drawings stay sharp and pictures are embedded as pixels."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from passerby.files import atomic, write_text
from passerby.types import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg")
"""Of the files that a figure can be written to."""


def check_target(target: str | Path, what: str) -> None:
    """Says early that a figure cannot be written so.

    Raises:
        InputError: the name ends otherwise than in `ENDINGS`.
    """
    if Path(target).suffix.lower() not in ENDINGS:
        raise InputError(f"{what} must be drawn as .png or .svg: given {target}")


def save_image(image: Image.Image, target: str | Path) -> None:
    """Writes a figure of pixels, atomically; in an .svg it is embedded as it is.

    Raises:
        InputError: another ending than `ENDINGS`.
    """
    check_target(target, "figures")
    if Path(target).suffix.lower() == ".svg":
        size = f'width="{image.width}" height="{image.height}"'
        write_text(
            target,
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} '
            f'viewBox="0 0 {image.width} {image.height}">\n'
            f'<image {size} href="{data_uri(image, "PNG")}"/>\n</svg>\n',
        )
        return
    with atomic(target) as temporary:
        image.save(temporary, format="PNG")


def data_uri(image: Image.Image, form: str, **options: int) -> str:
    """The picture itself as an address, e.g. in HTML.

    Args:
        image: the picture.
        form: `PNG` or `JPEG`.
        options: as Pillow's `save` takes them.
    """
    buffer = io.BytesIO()
    image.save(buffer, format=form, **options)
    return f"data:image/{form.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def new_figure(count: int = 1, *, height: float = 4) -> tuple[Figure, list[Axes]]:
    """A figure of `count` charts side by side, each 6 inches wide."""
    # The figure alone: pyplot would keep it, and choose a window system.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6 * count, height), dpi=150, layout="constrained")
    axes = [figure.add_subplot(1, count, number + 1) for number in range(count)]
    for one in axes:
        one.grid(alpha=0.3)
        one.set_axisbelow(True)
    return figure, axes


def save_figure(figure: Figure, target: str | Path) -> None:
    """Writes a chart, atomically; the same chart gives the same file.

    Raises:
        InputError: another ending than `ENDINGS`.
    """
    import matplotlib

    check_target(target, "charts")
    ending = Path(target).suffix.lower().removeprefix(".")
    stamp = {"Date": None} if ending == "svg" else {}
    with atomic(target) as temporary, matplotlib.rc_context({"svg.hashsalt": "passerby"}):
        figure.savefig(temporary, format=ending, metadata=stamp)
