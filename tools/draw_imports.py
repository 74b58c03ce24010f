"""Draws who may import whom, from `.importlinter`: python tools/draw_imports.py.

Writes docs/figures/imports.svg: a row for each layer, upper ones import lower ones; in each box a
package and what its docstring says.
"""

from __future__ import annotations

import ast
import configparser
import textwrap
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "figures" / "imports.svg"
WIDTH, GAP, LINE, LETTERS = 1000, 10, 15, 7.1


def layers() -> list[list[str]]:
    """The packages of each layer, the uppermost first."""
    config = configparser.ConfigParser()
    config.read(ROOT / ".importlinter")
    rows = config["importlinter:contract:layers"]["layers"].strip().splitlines()
    return [[name.strip(" ()") for name in row.split("|")] for row in rows]


def purpose(package: str) -> str:
    """The first line of a package's docstring."""
    place = ROOT / "src" / "passerby" / package
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    return (ast.get_docstring(ast.parse(file.read_text())) or "").splitlines()[0].replace("`", "")


def row(packages: list[str], top: int) -> tuple[list[str], int]:
    """The boxes of a layer, and where the next one begins."""
    width = (WIDTH - GAP * (len(packages) + 1)) / len(packages)
    texts = [textwrap.wrap(purpose(name), int((width - 20) / LETTERS)) for name in packages]
    height = 30 + LINE * max(map(len, texts))
    drawn = []
    for place, (name, lines) in enumerate(zip(packages, texts, strict=True)):
        left = GAP + place * (width + GAP)
        drawn.append(f'<rect x="{left:.0f}" y="{top}" width="{width:.0f}" height="{height}"/>')
        drawn.append(f'<text class="name" x="{left + 10:.0f}" y="{top + 19}">{name}</text>')
        drawn += [
            f'<text x="{left + 10:.0f}" y="{top + 36 + LINE * at}">{escape(line)}</text>'
            for at, line in enumerate(lines)
        ]
    return drawn, top + height + GAP


def picture() -> str:
    """The whole drawing, as SVG."""
    drawn: list[str] = []
    top = GAP
    for packages in layers():
        boxes, top = row(packages, top)
        drawn += boxes
    style = (
        "text { font: 12px sans-serif; fill: #333 } .name { font: bold 13px monospace; fill: #000 }"
        " rect { fill: #eef3f8; stroke: #7a94ad; rx: 4px }"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" '
        f'width="{WIDTH}" height="{top}"><style>{style}</style>'
        f'<path d="M0 0H{WIDTH}V{top}H0Z" fill="#fff"/>\n' + "\n".join(drawn) + "\n</svg>\n"
    )


if __name__ == "__main__":
    TARGET.write_text(picture())
    print(f"written: {TARGET.relative_to(ROOT)}")
