"""Small made-up data sets."""

import json
from pathlib import Path

import numpy as np
from PIL import Image


def draw_person(rng, colour, height=48, width=24):
    """A picture, its mask and its joints: a coloured block on noise; nobody would mistake it."""
    pixels = rng.integers(90, 160, (height, width, 3), dtype=np.uint8)
    mask = np.zeros((height, width), np.uint8)
    left = int(rng.integers(3, width - 13))
    mask[4:-4, left : left + 10] = 255
    pixels[mask > 0] = colour
    pixels = np.clip(pixels.astype(int) + rng.integers(-12, 13, pixels.shape), 0, 255)
    joints = [[left + 5.0, 4.0 + 2 * k, 1.0] for k in range(18)]
    return pixels.astype(np.uint8), mask, joints


def write_market(root: Path, *, train=6, test=4, cameras=2, pictures=4, seed=0) -> Path:
    """People in Market-1501 layout, with masks and joints; each person has a colour."""
    rng = np.random.default_rng(seed)
    joints = {}
    for person in range(1, train + test + 1):
        colour = rng.integers(0, 256, 3)
        for camera in range(1, cameras + 1):
            for index in range(pictures):
                folder = "bounding_box_train" if person <= train else "bounding_box_test"
                if person > train and index == 0:
                    folder = "query"
                name = f"{folder}/{person:04d}_c{camera}s1_{index:06d}_00"
                picture, mask, found = draw_person(rng, colour)
                for file, array in ((f"{name}.jpg", picture), (f"masks/{name}.png", mask)):
                    (root / file).parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(array).save(root / file)
                joints[f"{name}.jpg"] = found
    (root / "joints.json").write_text(json.dumps(joints))
    return root
