"""People that passerby draws itself: a data set with no download and no real person."""

from passerby.drawing.factors import Factors
from passerby.drawing.recipe import DrawingRecipe
from passerby.drawing.sheet import contact_sheet
from passerby.drawing.v1.plan import SyntheticRecipe
from passerby.drawing.video import write_video_set
from passerby.drawing.walks import VideoRecipe
from passerby.drawing.write import write_synthetic

RECIPES: dict[int, type[SyntheticRecipe] | type[DrawingRecipe]] = {
    1: SyntheticRecipe,
    2: DrawingRecipe,
}
"""What to draw, by version."""

__all__ = [
    "RECIPES",
    "DrawingRecipe",
    "Factors",
    "SyntheticRecipe",
    "VideoRecipe",
    "contact_sheet",
    "write_synthetic",
    "write_video_set",
]
