"""BagOfTricks: its row in MSReID's Table 1."""

from __future__ import annotations

from passerby.reproduce.declared import Line, Table, Training

WHOLE = Training("bag_of_tricks", "whole")


def tables(data: str) -> tuple[Table, ...]:
    """Its tables; the same for every data set."""
    title = "BagOfTricks, its row in MSReID's Table 1"
    return (Table("msreid", "1", title, (Line("", WHOLE),)),)
