"""What version 2 draws beyond a plain person in front of a plain camera, each to be left out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Factors:
    """What makes drawn pictures look like a street camera's; one switch each."""

    viewpoints: bool = True
    """Cameras from eye level to high above, near and far, some of them askew."""
    detector: bool = True
    """Boxes as detectors cut them: tight or loose, shifted, feet or head cut off."""
    resolution: bool = True
    """People of few pixels, blown up."""
    sensor: bool = True
    """Blur, noise, sharpening, contrast, tints and saturation that differ between cameras."""
    codec: bool = True
    """Blocks of video compression, beside the JPEG that is stored."""
    light: bool = True
    """Sun, shade, cast shadows, lamps at night, wrong exposure and white balance."""
    background: bool = True
    """Streets, walls, lawns, shops and halls with things in them; else a plain floor and wall."""
    crowd: bool = True
    """Other people behind, beside and in front."""
    occluders: bool = True
    """Bicycles, cars, railings, poles and hedges in front."""

    bodies: bool = True
    """Builds, ages and gaits of all kinds, children among them."""
    folds: bool = True
    """Folds, wear and shine of cloth."""
    prints: bool = True
    """Stripes, checks, pictures, letters, blocks."""
    layers: bool = True
    """Jackets and coats over shirts, open or closed; shirts tucked in."""
    carried: bool = True
    """Bags, backpacks, umbrellas, hats, scarves, glasses."""
    muted: bool = True
    """Colours as a street wears them: black, grey, blue, denim; else all of the wheel."""
    alike: bool = True
    """Outfits that repeat between people, who are then told apart by details."""

    cycles: bool = True
    """People who ride or push a bicycle."""
    changes: bool = True
    """Jackets opened, bags put down and hats taken off between cameras."""

    @classmethod
    def none(cls) -> Factors:
        """All of them left out."""
        return cls(**dict.fromkeys(cls.__dataclass_fields__, False))
