"""What is said of a gallery as a whole: its model, its metric, its threshold, its format."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Protocol, runtime_checkable

from passerby.embedding.shards import old_format
from passerby.gallery.decisions import Decisions
from passerby.parsing import number
from passerby.ranking.metric import check_metric
from passerby.ranking.profiles import Profiles
from passerby.types import CueSource, InputError

FORMAT = 2
"""Version of a gallery's columns and settings; another one is refused."""


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
                "a fingerprint must be a text of 1 to 128 letters without blanks: "
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


Pairs = Literal["other-camera", "any"]
"""Which pairs of pictures a threshold is measured on, of one person and of two alike: those of two
cameras, as a search that leaves the query's camera out compares them, or all."""


@dataclass(frozen=True)
class Rate:
    """What a threshold for one rate of false matches costs."""

    false_match_rate: float
    """FMR: the share of the pairs of two persons that may be accepted."""
    threshold: float | None
    """Greatest one that accepts no more; None: not enough pairs to see the rate."""
    false_non_match_rate: float | None
    """FNMR: the share of the pairs of one person that it does not accept."""
    false_match_interval: tuple[float, float] | None = None
    """Where FMR at this threshold lies with other people like these, 95 %."""
    false_non_match_interval: tuple[float, float] | None = None
    """Where FNMR lies then."""

    def __post_init__(self) -> None:
        if self.threshold is not None:
            number(self.threshold, "a threshold")

    @classmethod
    def read(cls, plain: dict[str, Any]) -> Rate:
        """From what the engine keeps, where tuples are lists."""
        kept: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()}
        return cls(**kept)


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
    """Of the model and the camera profiles; holds for distances of these alone."""
    measured: float
    """When, seconds since 1970 in UTC."""
    edges: tuple[float, ...] = field(default=(), repr=False)
    """Of the histogram's bins, in distance."""
    genuine_counts: tuple[int, ...] = field(default=(), repr=False)
    """Pairs of one person in each bin."""
    impostor_counts: tuple[int, ...] = field(default=(), repr=False)
    """Pairs of two."""
    pairs: Pairs | Literal[""] = ""
    """Which pairs; empty: of an earlier version, whose pairs of one person were of two cameras and
    whose pairs of two persons were of any: its threshold is too strict."""
    people: int = 0
    """Persons that the pairs are of."""
    rates: tuple[Rate, ...] = ()
    """The same for other rates, from 10 % to 0.01 %, and for the wanted one."""

    def __post_init__(self) -> None:
        number(self.threshold, "a threshold")

    @property
    def misses_most(self) -> bool:
        """Whether more than half of the pairs of one person are not accepted."""
        return self.false_non_match_rate > 0.5


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
    profiles: Profiles | None = None
    """What is taken out of embeddings for their cameras; None: none were learned."""
    numbered: tuple[str, ...] = ()
    """Sources whose people or cameras are bare numbers: folders, files."""
    decisions: Decisions = field(default_factory=Decisions, repr=False)
    """Who is not who, and what is to be looked at later, as people said."""

    @property
    def fingerprint(self) -> str:
        """Names all that distances depend on: the model, and the camera profiles that are on."""
        profiles = "" if self.profiles is None else self.profiles.fingerprint
        return f"{self.space.fingerprint}+{profiles}" if profiles else self.space.fingerprint

    def plain(self) -> dict[str, Any]:
        """As the engine keeps it."""
        profiles = None if self.profiles is None else self.profiles.plain()
        rest = asdict(replace(self, profiles=None, decisions=Decisions()))
        rest["decisions"] = self.decisions.plain()
        return sealed({"format": FORMAT, **rest, "profiles": profiles})

    @classmethod
    def read(cls, plain: dict[str, Any], where: str) -> GallerySettings:
        """From what the engine keeps.

        Raises:
            InputError: of another version, or damaged.
        """
        try:
            version = int(plain["format"])
            if version > FORMAT:
                raise InputError(
                    f"{where}: the gallery has format {version}; this version reads {FORMAT}"
                )
            if version < FORMAT:
                raise InputError(old_format(where))
            if plain.get("checksum") != _checksum(plain):
                raise InputError(
                    f"{where}: the gallery's settings are damaged: wrong checksum; restore "
                    "a backup, or add its entries to a new gallery and calibrate that"
                )
            kept, profiles = plain.get("calibration"), plain.get("profiles")
            decisions = plain.get("decisions")
            return cls(
                int(plain["width"]), Space(**plain["space"]), float(plain["created"]),
                None if kept is None else _calibration(kept, where),
                None if profiles is None else Profiles.read(profiles),
                tuple(map(str, plain.get("numbered", ()))),
                Decisions() if decisions is None else Decisions.read(decisions),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{where}: the gallery's settings are damaged: {error!r}") from error


def sealed(plain: dict[str, Any]) -> dict[str, Any]:
    """Settings with the checksum of what they say."""
    return {**plain, "checksum": _checksum(plain)}


def _calibration(kept: Any, where: str) -> Calibration:
    lists = ("edges", "genuine_counts", "impostor_counts")
    tuples = {name: tuple(kept[name]) for name in lists}
    try:
        rates = tuple(Rate.read(rate) for rate in kept.get("rates", ()))
        return Calibration(**{**kept, **tuples, "rates": rates})
    except InputError as error:
        raise InputError(f"{where}: the gallery's settings are damaged: {error}") from None


def _checksum(plain: dict[str, Any]) -> str:
    import hashlib

    rest = {name: value for name, value in plain.items() if name != "checksum"}
    text = json.dumps(rest, sort_keys=True).encode()
    return hashlib.blake2b(text, digest_size=16).hexdigest()
