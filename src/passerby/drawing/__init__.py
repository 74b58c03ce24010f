"""People that passerby draws itself: a data set with no download and no real person."""

from passerby.drawing.sheet import contact_sheet
from passerby.drawing.v1.plan import SyntheticRecipe
from passerby.drawing.write import write_synthetic

__all__ = ["SyntheticRecipe", "contact_sheet", "write_synthetic"]
