"""A sheet of a synthetic set's pictures, for looking at."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from PIL import Image

from passerby.drawing.layout import BOXES, Recipe
from passerby.files import atomic


def contact_sheet(recipe: Recipe, target: str | Path, rows: int = 12, columns: int = 12,
                  *, enlarge: int = 1, first: int = 1) -> None:  # fmt: skip
    """Draws a PNG with one identity in each row, its pictures camera after camera.

    Args:
        recipe: the set.
        target: file to write.
        rows: identities.
        columns: pictures of each.
        enlarge: factor on the pictures' size.
        first: number of the first identity.
    """
    world = recipe.world()
    of_person = defaultdict(list)
    for entry in recipe.entries():
        if entry.folder != BOXES and entry.person >= first:
            of_person[entry.person].append(entry)
    size = (recipe.width * enlarge, recipe.height * enlarge)
    sheet = Image.new("RGB", (columns * size[0], rows * size[1]))
    for row, person in enumerate(sorted(of_person)[:rows]):
        for column, entry in enumerate(of_person[person][:columns]):
            picture = Image.fromarray(world.draw(entry).image).resize(
                size, Image.Resampling.BICUBIC
            )
            sheet.paste(picture, (column * size[0], row * size[1]))
    with atomic(target) as temporary:
        sheet.save(temporary, "PNG")
