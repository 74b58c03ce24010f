"""Pictures of version 2 that one core draws in a second: python benchmarks/drawing.py

Each factor is left out once, to see what it costs. Times are those of the process, so that others
on the machine count little.
"""

from __future__ import annotations

import argparse
import dataclasses
import time

from passerby.drawing import DrawingRecipe, Factors
from passerby.drawing.layout import TRAIN


def rate(recipe: DrawingRecipe, count: int) -> float:
    """Pictures in a second of processor time."""
    world = recipe.world()
    plan = [entry for entry in recipe.entries() if entry.folder == TRAIN][: count + 1]
    world.draw(plan[0])
    started = time.process_time()
    for entry in plan[1:]:
        world.draw(entry)
    return count / (time.process_time() - started)


def main() -> None:
    """Prints a line for each size and each factor left out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    count = parser.parse_args().count
    whole = DrawingRecipe(people_per_place=10, pictures_per_identity=16, seed=7)
    for height in (128, 256):
        recipe = dataclasses.replace(whole, height=height, width=height // 2)
        print(f"{height} x {height // 2}: {rate(recipe, count):.0f} pictures/s and core")
    for field in dataclasses.fields(Factors):
        recipe = dataclasses.replace(whole, factors=Factors(**{field.name: False}))
        print(f"without {field.name}: {rate(recipe, count):.0f}")


if __name__ == "__main__":
    main()
