"""MSReID: Table 1, and the eight configurations of Figure 5."""

from __future__ import annotations

from itertools import product

from passerby.reproduce.declared import Line, Search, Table, Training
from passerby.reproduce.tables import bag_of_tricks

ALM = Training("msreid", "ALM")


def configuration(attention: bool, local: bool, mask: bool) -> Training:
    """One of Figure 5's eight, named as the paper does: ALM ... none."""
    on = [letter for letter, used in zip("ALM", (attention, local, mask), strict=True) if used]
    changes = {"attention": attention, "local": local, "mask": mask}
    name = "".join(on) or "none"
    return ALM if len(on) == 3 else Training("msreid", name, changes)


def tables(data: str) -> tuple[Table, ...]:
    """Its tables; the same for every data set."""
    after = Search("after-neck", {"feature": "after"})
    best = "The mean of 8 runs; the paper's best run: 96.0/89.6 on market1501, 90.7 on dukemtmc."
    kept = "mAP as in the authors' program: hits beyond rank 50 add nothing to AP."
    first = (
        Line("", bag_of_tricks.WHOLE),
        Line("ALM", ALM),
        Line("ALM", ALM, after, "features after the neck"),
    )
    random = Training("msreid", "ALM-random-start", {"attention_start": "random"})
    starts = (
        Line("LM", configuration(False, True, True)),
        Line("ALM", ALM),
        Line("ALM", random, note="attention maps start at random"),
    )
    eight = tuple(configuration(*on) for on in product((True, False), repeat=3))
    return (
        Table(
            "msreid",
            "1",
            "Comparison with BagOfTricks",
            first,
            ("rank_1", "mean_ap", "mean_ap_step"),
            average_precision="step_50",
            note=f"{best} {kept}",
        ),
        Table(
            "msreid",
            "figure-5",
            "Eight configurations: soft attention (A), local feature (L), mask (M)",
            tuple(Line(training.name, training) for training in eight),
            note="The paper shows box plots without numbers.",
        ),
        Table("msreid", "controls", "Start of the attention maps", starts, note="Not the paper's."),
    )
