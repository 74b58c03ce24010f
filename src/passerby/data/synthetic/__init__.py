"""People that passerby draws itself: a data set with no download and no real person."""

from passerby.data.synthetic.plan import SyntheticRecipe
from passerby.data.synthetic.sheet import contact_sheet
from passerby.data.synthetic.write import write_synthetic

__all__ = ["SyntheticRecipe", "contact_sheet", "write_synthetic"]
