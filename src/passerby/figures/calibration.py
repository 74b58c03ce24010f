"""What a gallery's threshold was measured on: distances of pairs of one person and of two."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from passerby.figures.saving import check_target, new_figure, save_figure
from passerby.gallery.settings import Calibration
from passerby.types import InputError


def draw_calibration(found: Calibration, target: str | Path) -> None:
    """Draws both histograms with the threshold between them.

    Args:
        found: as `passerby.Gallery.calibrate` returned it.
        target: the .png or .svg, written atomically.

    Raises:
        InputError: a calibration without histogram, or another ending than .png or .svg.
    """
    check_target(target, "distances")
    if not found.edges:
        raise InputError("this calibration has no histogram: calibrate again")
    figure, [axes] = new_figure(1, height=3.5)
    kinds = (
        ("one person", found.genuine_counts, found.genuine),
        ("two persons", found.impostor_counts, found.impostor),
    )
    for name, counts, pairs in kinds:
        shares = 100 * np.array(counts) / max(1, pairs)
        label = f"{name} ({pairs:,})"
        axes.stairs(shares, np.array(found.edges), fill=True, alpha=0.5, label=label)
    axes.axvline(found.threshold, color="black", linewidth=1, label=f"{found.threshold:.4g}")
    axes.set_xlabel("distance")
    axes.set_ylabel("pairs (%)")
    axes.set_title(
        f"FMR {found.false_match_rate:g}: FNMR {found.false_non_match_rate:.4g}", fontsize="medium"
    )
    axes.legend(title="pairs of, threshold")
    save_figure(figure, target)
