"""`passerby gallery calibrate`, `profile` and `index`: what distances mean, and the index."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from passerby.cli.gallery_options import Command, open_gallery
from passerby.cli.gallery_output import (
    MISSES_MOST,
    calibration_table,
    profiles_table,
    tell,
)
from passerby.ranking.profiles import RETURNS


@dataclass(frozen=True)
class CalibrateOptions:
    """The rate of false matches."""

    fmr: float = 1e-3
    """Highest false match rate: the share of different-person pairs below the threshold."""
    pairs: Literal["other-camera", "any"] = "other-camera"
    """Measure on pairs of pictures from two cameras, as a search with --query-camera compares them,
    or on any pairs; the same for same-person and different-person pairs."""
    labelled: tuple[Path, ...] = ()
    """Parquet files of embeddings of known people (`passerby embed`, `gallery export`), or folders
    of them, to measure on instead of the gallery's own entries."""
    histogram: Path | None = None
    """Draw the distances of same-person and different-person pairs to this .png or .svg."""


@dataclass(frozen=True)
class ProfileOptions:
    """What counts as one person."""

    returns: float = RETURNS
    """Number of tracks in a camera that may be the same person coming back."""
    untracked: int | None = None
    """Treat this number of consecutive entries without a track (by time, then by key) as one track.
    If not given, entries without a track do not count."""
    off: tyro.conf.FlagCreatePairsOff[bool] = False
    """Drop the profiles and search raw embeddings."""


def _calibrate(command: Any) -> None:
    options: CalibrateOptions = command.CalibrateOptions
    if options.histogram is not None:
        from passerby.figures.saving import check_target

        check_target(options.histogram, "distances")
    with open_gallery(command.Place) as gallery:
        known: Any = ()
        if options.labelled:
            from passerby.gallery.labelled import read_labelled

            known = read_labelled(options.labelled, gallery.settings.space)
        found = gallery.calibrate(options.fmr, *known, pairs=options.pairs)
    if options.histogram is not None:
        from passerby.figures.calibration import draw_calibration

        draw_calibration(found, options.histogram)
    text = (
        f"threshold {found.threshold:.6g}: false match rate {found.false_match_rate:g}, false "
        f"non-match rate {found.false_non_match_rate:.4g}, measured on {found.genuine:,} pairs of "
        f"one person and {found.impostor:,} of two"
    )
    most = [MISSES_MOST] if found.misses_most else []
    tell(command, found, calibration_table(found), text, *most)


def _profile(command: Any) -> None:
    options: ProfileOptions = command.ProfileOptions
    with open_gallery(command.Place) as gallery:
        calibrated = gallery.settings.calibration is not None
        found = None
        if options.off:
            gallery.forget_profiles()
        else:
            found = gallery.profile(options.returns, options.untracked)
        gone = calibrated and gallery.settings.calibration is None
    reason = "off, as asked" if found is None else found.reason
    told = {"on": found is not None and found.on, "reason": reason, "threshold_gone": gone}
    table = [] if found is None else [profiles_table(found)]
    again = ["the old threshold no longer holds and was removed: calibrate again"] if gone else []
    tell(command, told, *table, f"camera profiles: {reason}", *again)


def _index(command: Any) -> None:
    with open_gallery(command.Place) as gallery:
        gallery.index()
    tell(command, {"index": True}, "index made: search with --approximate")


COMMANDS: dict[str, Command] = {
    "calibrate": ((CalibrateOptions,), _calibrate, "set the threshold for a false match rate"),
    "profile": ((ProfileOptions,), _profile, "learn camera profiles, without labels"),
    "index": ((), _index, "build the index for approximate search"),
}
