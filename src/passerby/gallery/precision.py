"""How many of the pairs that are joined are of one person at least, by the calibration.

It serves small galleries, which have too few links for decoys (`passerby.ranking.rivals`).

Of M pairs that are compared, at most M p(d) are of two persons and yet not farther apart than d,
where p(d) is the share of the calibration's pairs of two persons that are not. Of the R pairs that
are joined up to d, so many at most are wrong:

    precision(d) >= 1 - p(d) M / R

This is the procedure of Benjamini and Hochberg (Controlling the false discovery rate, JRSS B 57,
1995), with every pair taken for one of two persons; p is the calibration's count plus one, of its
pairs plus one, so that what was never seen is not taken for impossible. It grows stricter with the
gallery: the same threshold that is right among 100 tracks is not among 10,000.

The calibration is of pairs of pictures; tracks are compared by the mean over all pairs of their
pictures, which strangers bring below a low threshold more seldom than a single pair. It holds for
people and cameras like those of the calibration.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from passerby.gallery.settings import Calibration


def false_matches(calibration: Calibration, distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) greatest share of pairs of two persons that are not farther apart than each distance.

    Between the bins of the histogram linear: above a tail that grows faster and faster.
    """
    counts = np.cumsum([0, *calibration.impostor_counts])
    below = np.interp(distances, calibration.edges, counts)
    return np.asarray(np.minimum(1.0, (below + 1) / (calibration.impostor + 1)))


def precisions(
    calibration: Calibration,
    distances: Sequence[float],
    joined: Sequence[int],
    compared: int,
) -> NDArray[np.float64]:
    """(J,) least precision of all pairs that are joined when each of J steps is done.

    Args:
        calibration: of the gallery.
        distances: of the steps, as they were done.
        joined: pairs that each step joins.
        compared: pairs that could have been joined.

    Returns:
        Never rising: a step that is as sure as a later one is done with it.
    """
    reached = np.maximum.accumulate(np.asarray(distances, np.float64))
    wrong = false_matches(calibration, reached) * compared / np.cumsum(joined)
    best: NDArray[np.float64] = np.maximum.accumulate(np.maximum(0.0, 1 - wrong)[::-1])[::-1]
    return best
