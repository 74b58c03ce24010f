"""Pictures of which nobody says who is in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from passerby.types import Sample


def unlabelled(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """The pictures without person, with their cameras counted from 0.

    A camera that is not known has the label -1. Everybody has the same label, so that nothing
    that is made from these pictures can depend on who is in them; they are in order of name and
    box, since another order might tell people apart too.
    """
    ordered = sorted(samples, key=lambda sample: (sample.name, sample.box or ()))
    cameras = [_camera(sample) for sample in ordered]
    known = sorted({camera for camera in cameras if camera is not None})
    return tuple(
        replace(
            sample,
            person_id=0,
            person=None,
            camera_id=-1 if camera is None else known.index(camera),
        )
        for sample, camera in zip(ordered, cameras, strict=True)
    )


def _camera(sample: Sample) -> str | None:
    if sample.camera is not None:
        return sample.camera
    return None if sample.camera_id < 0 else str(sample.camera_id)
