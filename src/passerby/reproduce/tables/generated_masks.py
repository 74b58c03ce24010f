"""Generated Attention Masks: Table 1, its own row, with and without what the paper adds."""

from __future__ import annotations

from passerby.reproduce.declared import Line, Search, Table, Training

WHOLE = Training("generated_masks", "whole")
UNHIDDEN = Training("generated_masks", "unhidden", {"lambda_1": 1.0}, WHOLE, "generator")
"""Stage 3 without the loss of hidden pictures, as long as with it."""


def tables(data: str) -> tuple[Table, ...]:
    """Its table; the same for every data set."""
    kept = Search("same-camera-kept", same_camera_filter=False)
    alone = Search("extractor", stage="extractor")
    alone_kept = Search("extractor-same-camera-kept", stage="extractor", same_camera_filter=False)
    lines = (
        Line("Proposed", WHOLE),
        Line("Proposed", WHOLE, kept, "the query's camera not left out"),
        Line("after stage 1 (no masks)", WHOLE, alone),
        Line("after stage 1 (no masks)", WHOLE, alone_kept, "the query's camera not left out"),
    )
    note = "A rank-1 so far above mAP does not fit the same-camera filter: both ways stand here."
    controls = (
        Line("after stage 1", WHOLE, alone),
        Line("after stage 3", WHOLE),
        Line("after stage 3, hidden pictures not weighed", UNHIDDEN),
    )
    return (
        Table("generated_masks", "1", "Generated masks, the paper's row", lines, note=note),
        Table(
            "generated_masks",
            "controls",
            "What hidden pictures are worth",
            controls,
            note="Not the paper's: stage 3 also trains for longer, with or without them.",
        ),
    )
