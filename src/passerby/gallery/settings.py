"""What is said of a gallery as a whole: its model, its metric, its threshold, its format."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from passerby.ranking.features import check_metric
from passerby.types import InputError

FORMAT = 1
"""Version of a gallery's columns and settings; a greater one is refused."""


class HasMetric(Protocol):
    """Says how embeddings are compared."""

    @property
    def metric(self) -> str:
        """`euclidean`, `squared_euclidean` or `cosine`."""


class Model(Protocol):
    """Whatever made the embeddings; a `passerby.Embedder` is one."""

    @property
    def fingerprint(self) -> str:
        """Embeddings of different fingerprints are never compared."""

    @property
    def descriptor(self) -> HasMetric:
        """How embeddings are compared."""


@dataclass(frozen=True)
class Space:
    """A model that is not at hand, only its embeddings: their fingerprint and metric."""

    fingerprint: str
    """Any text without blanks, at most 128 letters, that names the model and its preprocessing."""
    metric: str = "euclidean"
    """`euclidean`, `squared_euclidean` or `cosine`."""

    def __post_init__(self) -> None:
        check_metric(self.metric)
        if not re.fullmatch(r"\S{1,128}", self.fingerprint):
            raise InputError(
                "a fingerprint is a text of 1 to 128 letters without blanks: "
                f"given {self.fingerprint[:80]!r}"
            )


def space_of(model: Model | Space) -> Space:
    """Fingerprint and metric of a model."""
    if isinstance(model, Space):
        return model
    return Space(model.fingerprint, model.descriptor.metric)


@dataclass(frozen=True)
class Calibration:
    """A threshold on the distance, and what it costs."""

    threshold: float
    """Pairs below it are accepted as one person."""
    false_match_rate: float
    """FMR that was wanted: the share of pairs of two persons that may be accepted."""
    false_non_match_rate: float
    """FNMR there: the share of pairs of one person that are not accepted."""
    genuine: int
    """Pairs of one person that it was measured on."""
    impostor: int
    """Pairs of two."""
    fingerprint: str
    """Of the model; holds for its embeddings alone."""
    measured: float
    """When, seconds since 1970 in UTC."""
    edges: tuple[float, ...] = field(default=(), repr=False)
    """Of the histogram's bins, in distance."""
    genuine_counts: tuple[int, ...] = field(default=(), repr=False)
    """Pairs of one person in each bin."""
    impostor_counts: tuple[int, ...] = field(default=(), repr=False)
    """Pairs of two."""


@dataclass(frozen=True)
class GallerySettings:
    """What the settings of a gallery say."""

    width: int
    """Numbers of an embedding."""
    space: Space
    """Of its embeddings."""
    created: float
    """When, seconds since 1970 in UTC."""
    calibration: Calibration | None = None
    """None: not calibrated."""

    def plain(self) -> dict[str, Any]:
        """As the engine keeps it."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def read(cls, plain: dict[str, Any], where: str) -> GallerySettings:
        """From what the engine keeps.

        Raises:
            InputError: of a later version, or damaged.
        """
        try:
            version = int(plain["format"])
            if version > FORMAT:
                raise InputError(
                    f"{where}: the gallery has format {version}; this version reads {FORMAT}"
                )
            kept = plain.get("calibration")
            if kept is not None:
                lists = ("edges", "genuine_counts", "impostor_counts")
                kept = Calibration(**{**kept, **{name: tuple(kept[name]) for name in lists}})
            return cls(int(plain["width"]), Space(**plain["space"]), float(plain["created"]), kept)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{where}: the gallery's settings are damaged: {error!r}") from error
