"""What figures of pictures say, and how it fits into them."""

from __future__ import annotations

from PIL import ImageFont

INK, PALE = (30, 30, 30), (110, 110, 110)
"""Of what is read first, and of what stands beside it."""


def font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Of all that a figure says."""
    return ImageFont.load_default(size=12)


def shortened(text: str, width: int) -> str:
    """The text, or its beginning and dots, at most `width` pixels wide."""
    if font().getlength(text) <= width:
        return text
    while text and font().getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."


def wrapped(text: str, width: int) -> str:
    """The text in lines of at most `width` pixels, where its words are not wider."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font().getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)
