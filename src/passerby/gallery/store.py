"""What a gallery asks of the engine that keeps its entries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from passerby.gallery.filters import Condition

if TYPE_CHECKING:
    import pyarrow as pa

Settings = dict[str, Any]
"""What is said of the gallery as a whole; see `passerby.gallery.settings`."""


@dataclass(frozen=True)
class Parts:
    """The table as it stands, as unchanging parts."""

    version: int
    """Changes whenever the table does."""
    names: tuple[str, ...]
    """A part whose name is the same holds the same rows."""
    rows: int
    """Of all parts together."""


class Store(Protocol):
    """An engine. Tables have the columns of `passerby.gallery.entries.schema`.

    Everything may be called by several threads and processes at once. What returned is stored.
    """

    def settings(self) -> Settings | None:
        """What `change_settings` wrote last; None: the gallery does not exist yet."""

    def change_settings(self, change: Callable[[Settings | None], Settings]) -> Settings:
        """Replaces the settings by what `change` makes of them; creates the gallery."""

    def add(self, rows: pa.Table) -> int:
        """Adds the rows whose key is new; returns how many were."""

    def nearest(
        self,
        query: NDArray[np.float32],
        k: int,
        conditions: Sequence[Condition],
        *,
        metric: str,
        embeddings: bool = False,
        approximate: bool = False,
    ) -> list[pa.Table]:
        """For each query the k nearest of the rows that fulfil the conditions, nearest first.

        Tables hold all columns but `embedding`, unless that is wanted too, and `distance`.
        """

    def scan(
        self, conditions: Sequence[Condition], columns: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        """The rows that fulfil the conditions, as they stand at one moment."""

    def count(self, conditions: Sequence[Condition]) -> int:
        """How many rows fulfil the conditions."""

    def assign(self, conditions: Sequence[Condition], column: str, value: str) -> int:
        """Writes a text into a column of the rows that fulfil the conditions; how many."""

    def remove(self, conditions: Sequence[Condition]) -> int:
        """Removes the rows that fulfil the conditions, in a folder out of the files too."""

    def upgrade(self, settings: Settings, convert: Callable[[pa.Table], pa.Table]) -> int:
        """Writes the rows of format 1 anew, whole or not at all; returns how many.

        Args:
            settings: of the gallery from then on.
            convert: makes new rows of old ones.
        """

    def forget_old(self) -> None:
        """Deletes what an interrupted `upgrade` left of rows that are written anew."""

    def index(self, metric: str) -> None:
        """Makes an index for approximate search; a removal may drop it."""

    def has_index(self) -> bool:
        """Whether there is one."""

    def naming(self) -> AbstractContextManager[None]:
        """While it lasts, nobody else corrects names: a new name stays a new one."""

    def reading(self) -> AbstractContextManager[None]:
        """While it lasts, no part that is known vanishes."""

    def stamp(self) -> object:
        """Another one whenever the table changed; cheap to ask for. None: the engine has none."""

    def parts(self) -> Parts | None:
        """The table's parts; None: the engine has none, and nothing can be kept resident."""

    def read_part(self, name: str) -> Iterator[pa.RecordBatch]:
        """The rows of one part, all columns."""

    def described(self) -> dict[str, Any]:
        """Engine, place, and what else it knows of itself, for the statistics."""

    def close(self) -> None:
        """Lets go of files and connections."""
