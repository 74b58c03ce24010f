"""DukeMTMC-reID (Ristani et al. 2016, Zheng et al. 2017), from a copy that the user holds.

The layout is Market-1501's; names are such as `0001_c2_f0046182.jpg`: person 1, camera 2, frame.
Its authors withdrew the data set in 2019: the people in it had not been asked.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from passerby.data.market1501 import Layout, compare_counts, read_market_layout
from passerby.types import Split

LAYOUT = Layout(
    re.compile(r"(\d{4})_c(\d+)_f(\d+)\.(?:jpg|jpeg|png)", re.I),
    "0001_c2_f0046182.jpg (person, camera, frame)",
    re.compile(r"duke[-_ ]?mtmc.*", re.I),
    "DukeMTMC-reID or dukemtmc",
)

WITHDRAWN = (
    "DukeMTMC-reID was withdrawn by its authors in 2019: passerby reads the copy that you hold, "
    "and whether you may use it is yours to settle"
)
"""Said at every use."""

_PUBLISHED = {
    "training pictures": 16522,
    "training identities": 702,
    "queries": 2228,
    "query identities": 702,
    "gallery pictures": 17661,
    "gallery identities": 1110,
}
"""Zheng et al. 2017, section 4.1: 408 of the gallery's identities were seen by one camera only."""


def load_dukemtmc(root: str | Path) -> Split:
    """DukeMTMC-reID, from the user's own copy; a note says that it was withdrawn.

    Counts that differ from the published ones become one line in `Split.warnings`.

    Args:
        root: the folder that holds `bounding_box_train`, or one above it with `DukeMTMC-reID` or
            `dukemtmc` inside.

    Raises:
        InputError: see `passerby.data.market1501.read_market_layout`.
    """
    split = read_market_layout(root, "dukemtmc", LAYOUT)
    counts = compare_counts(split, _PUBLISHED)
    notes = (*split.warnings, WITHDRAWN, *([] if counts is None else [counts]))
    return replace(split, warnings=notes)
