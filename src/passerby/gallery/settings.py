"""What is said of a gallery as a whole: its model, its metric, its threshold, its format."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, runtime_checkable

from passerby.ranking.features import check_metric
from passerby.types import CueSource, InputError

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


@runtime_checkable
class CueModel(Model, Protocol):
    """A model of a method that may look at masks or joints."""

    cues: CueSource | None
    """Where they come from."""

    def fingerprint_with(self, source: str) -> str:
        """Of embeddings made with this source of cues; the model's where it looks at none."""


@dataclass(frozen=True)
class Space:
    """A model that is not at hand, only its embeddings: their fingerprint and metric."""

    fingerprint: str
    """Any text without blanks, at most 128 letters, that names the model and its preprocessing."""
    metric: str = "euclidean"
    """`euclidean`, `squared_euclidean` or `cosine`."""
    model: str = field(default="", compare=False)
    """Fingerprint of the model alone, where it looks at masks or joints."""
    cues: str = field(default="", compare=False)
    """Then: the fingerprint of their source; empty: none."""

    def __post_init__(self) -> None:
        check_metric(self.metric)
        if not re.fullmatch(r"\S{1,128}", self.fingerprint):
            raise InputError(
                "a fingerprint is a text of 1 to 128 letters without blanks: "
                f"given {self.fingerprint[:80]!r}"
            )


def space_of(model: Model | Space) -> Space:
    """Fingerprint and metric of a model's embeddings; the source of its cues is part of the first.

    Two sources make two spaces: a model whose masks are another's gives other embeddings.
    """
    if isinstance(model, Space):
        return model
    own, metric = model.fingerprint, model.descriptor.metric
    if isinstance(model, CueModel):
        source = "" if model.cues is None else model.cues.fingerprint
        made = model.fingerprint_with(source)
        if made != own:
            return Space(made, metric, own, source)
    return Space(own, metric)


def another_space(where: str, theirs: Space, ours: Space) -> str:
    """Why embeddings of one cannot be compared with those of another, in one line."""
    if theirs.model and theirs.model == ours.model:
        kinds = [
            f"masks or joints by {s.cues}" if s.cues else "no masks or joints"
            for s in (theirs, ours)
        ]
        return (
            f"{where}: holds embeddings that this model made with {kinds[0]}, which cannot be "
            f"compared with those that it makes with {kinds[1]}: name the same source of masks "
            "and joints, or `passerby gallery re-embed`"
        )
    return (
        f"{where}: holds embeddings of the model {theirs.fingerprint} ({theirs.metric}), which "
        f"cannot be compared with those of {ours.fingerprint} ({ours.metric}): "
        "use that model, or `passerby gallery re-embed`"
        + ("; the source of masks and joints is part of it" if ours.model or theirs.model else "")
    )


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
