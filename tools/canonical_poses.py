"""Learns the canonical poses of `passerby.cues.parts` from the walkers of synthetic v1.

    passerby synth people
    python tools/canonical_poses.py people/joints.json src/passerby/cues/canonical_poses.json

Training pictures whose 18 joints all lie in the picture, each moved to its centre and scaled to
unit size; 8 means (Lloyd's algorithm, a pose or its mirror image, whichever is nearer), the
commonest first, each followed by its mirror image; put back to the mean centre and the mean size.
Units: picture heights, x from the picture's middle.
"""

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from passerby.types import JOINT_NAMES

Poses = NDArray[np.complex128]
POSES, STEPS, HEIGHT, WIDTH = 8, 50, 128, 64


def mirrored(poses: Poses) -> Poses:
    """Left and right change places."""
    other = {"left": "right", "right": "left"}
    names = ["_".join(other.get(w, w) for w in name.split("_")) for name in JOINT_NAMES]
    return -poses[:, [JOINT_NAMES.index(name) for name in names]].conj()


def means(poses: Poses, rng: np.random.Generator) -> Poses:
    """The commonest poses, a mirror image counting as the same."""
    both = np.stack([poses, mirrored(poses)])
    chosen = poses[rng.choice(len(poses), POSES, replace=False)]
    for _ in range(STEPS):
        distances = (np.abs(both[:, :, None] - chosen) ** 2).sum(3)
        side, nearest = distances.min(2).argmin(0), distances.min(0).argmin(1)
        nearer = both[side, np.arange(len(poses))]
        chosen = np.array([nearer[nearest == k].mean(0) for k in range(POSES)])
    return chosen[np.argsort(-np.bincount(nearest, minlength=POSES), kind="stable")]


def main(source: str, target: str) -> None:
    """From a file of joints to a file of poses."""
    joints = json.loads(Path(source).read_text())
    found = np.array(
        [j for name, j in sorted(joints.items()) if name.startswith("bounding_box_train")]
    )
    found = found[(found[:, :, 2] > 0).all(1)]
    poses = (found[:, :, 0] - (WIDTH - 1) / 2 + 1j * found[:, :, 1]) / HEIGHT
    centres = poses.mean(1, keepdims=True)
    sizes = np.sqrt((np.abs(poses - centres) ** 2).mean(1, keepdims=True))
    learned = means((poses - centres) / sizes, np.random.Generator(np.random.PCG64(0)))
    learned = learned * sizes.mean() + 1j * centres.imag.mean()
    learned = np.stack([learned, mirrored(learned)], 1).reshape(2 * POSES, -1)
    rows = [[[round(z.real, 4), round(z.imag, 4)] for z in pose] for pose in learned]
    lines = ",\n".join(json.dumps(row) for row in rows)
    text = f'{{"joints": {json.dumps(JOINT_NAMES)},\n"poses": [\n{lines}\n]}}\n'
    Path(target).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
