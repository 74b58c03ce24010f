"""Finds the pictures of a folder that look most like one person.

python examples/find_a_person.py RUN PICTURE FOLDER, e.g. after `make demo` with demo/run, a picture
of demo/people/query, and demo/people/bounding_box_test.
"""

import sys
from pathlib import Path

import passerby


def main(run: str, query: str, folder: str) -> None:
    """Prints the ten nearest pictures, nearest first."""
    model = passerby.Embedder.load(run)
    pictures = sorted(Path(folder).glob("*.jpg"))
    found, distances = passerby.nearest(
        model.embed([query]), model.embed(pictures), k=10, metric=model.descriptor.metric
    )
    for index, distance in zip(found[0], distances[0], strict=True):
        print(f"{distance:.3f}  {pictures[index]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
