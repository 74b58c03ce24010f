"""Market-1501 (Zheng et al. 2015) and every data set in its folder layout.

`bounding_box_train`, `query`, `bounding_box_test` (the gallery) and, where there is one, `gt_bbox`;
names such as `0002_c1s1_000451_03.jpg`: person 2, camera 1, sequence 1, frame 451, box 3. Person
-1 is junk (in the gallery, never ranked), person 0000 a distractor (in the gallery, ranked).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from passerby.data.images import is_picture
from passerby.types import JUNK_ID, InputError, Sample, Split

NAME = re.compile(r"(-1|\d{4,})_c(\d+)s(\d+)_(\d+)_(\d+)(?:\.jpg)?\.(?:jpg|jpeg|png)", re.I)
"""Person, camera, sequence, frame, box; older copies end in `.jpg.jpg`."""

DISTRACTOR_ID = 0
"""Person id of gallery pictures that show none of the queries' identities."""


@dataclass(frozen=True)
class Layout:
    """Folders like Market-1501's, and how the pictures in them are called."""

    name: re.Pattern[str]
    """A whole file name; its first two groups are person and camera."""
    example: str
    """What such a name looks like, in words."""
    folder: re.Pattern[str]
    """Folders above the data that are looked into."""
    folders: str
    """What those are called, in words."""


MARKET = Layout(
    NAME,
    "0002_c1s1_000451_03.jpg (person, camera, sequence, frame, box)",
    re.compile(r"market[-_ ]?1501.*", re.I),
    "Market-1501-v15.09.15 or market1501",
)
"""Market-1501's own."""

_PARTS = ("bounding_box_train", "query", "bounding_box_test")
_PUBLISHED = {
    "training pictures": 12936,
    "training identities": 751,
    "queries": 3368,
    "gallery pictures": 19732,
    "junk": 3819,
    "distractors": 2798,
}
"""methods.md's table; Zheng et al. 2015 and the data set's own readme."""


def load_market1501(root: str | Path) -> Split:
    """Market-1501, or own pictures in its layout.

    Counts that differ from the published ones become one line in `Split.warnings`.

    Args:
        root: the folder that holds `bounding_box_train`, or one above it with
            `Market-1501-v15.09.15` or `market1501` inside.

    Raises:
        InputError: see `read_market_layout`.
    """
    split = read_market_layout(root, "market1501")
    warning = compare_counts(split, _PUBLISHED)
    return split if warning is None else replace(split, warnings=(*split.warnings, warning))


def read_market_layout(root: str | Path, name: str, layout: Layout = MARKET) -> Split:
    """A folder in Market-1501's layout as the split `name`; sample names are relative to it.

    `multi_query` holds the pictures of `gt_bbox` that share identity and camera with a query.
    Junk and distractors among the training pictures are left out, with a warning.

    Raises:
        InputError: a folder is missing or empty, a picture's name does not fit, a query is junk.
    """
    found = find_layout(root, layout)
    train, query, gallery = (_read_part(found, part, layout) for part in _PARTS)
    for sample in query:
        if sample.person_id == JUNK_ID:
            raise InputError(f"{found / sample.name}: a query cannot be junk (-1)")
    wanted = {(sample.person_id, sample.camera_id) for sample in query}
    more = _read_part(found, "gt_bbox", layout) if (found / "gt_bbox").is_dir() else ()
    people = tuple(s for s in train if s.person_id not in (JUNK_ID, DISTRACTOR_ID))
    left_out = len(train) - len(people)
    return Split(
        name=name,
        root=found,
        train=people,
        query=query,
        gallery=gallery,
        multi_query=tuple(s for s in more if (s.person_id, s.camera_id) in wanted),
        warnings=(
            (f"{left_out} junk or distractor pictures (-1, 0000) left out of the training part",)
            if left_out
            else ()
        ),
    )


def find_layout(root: str | Path, layout: Layout = MARKET) -> Path:
    """The folder that holds `bounding_box_train`, `query` and `bounding_box_test`.

    Looks at `root`, then at its folders called like the data set, then at theirs.

    Raises:
        InputError: there is none, several folders fit, or one of the three parts is missing.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    candidates = [root]
    for _ in range(3):
        found = [folder for folder in candidates if any((folder / p).is_dir() for p in _PARTS)]
        if len(found) > 1:
            names = " and ".join(str(folder.relative_to(root)) for folder in found)
            raise InputError(f"{root}: contains several data sets, {names}: choose one of them")
        if found:
            missing = [part for part in _PARTS if not (found[0] / part).is_dir()]
            if missing:
                raise InputError(f"{found[0]}: the folder {' and '.join(missing)} is missing")
            return found[0]
        candidates = [
            entry
            for folder in candidates
            for entry in sorted(folder.iterdir())
            if entry.is_dir() and layout.folder.fullmatch(entry.name)
        ]
    raise InputError(
        f"{root}: contains no folders {', '.join(_PARTS)}, nor a folder {layout.folders} that does"
    )


def parse_name(name: str) -> tuple[str, str] | None:
    """Person and camera of a file name in Market-1501's style; None: it is another style.

    >>> parse_name("0002_c1s1_000451_03.jpg")
    ('0002', '1')
    """
    match = NAME.fullmatch(name)
    return (match[1], match[2]) if match else None


def compare_counts(split: Split, published: dict[str, int]) -> str | None:
    """One line with the counts that differ and the published ones; None: all are equal."""
    gallery = [sample.person_id for sample in split.gallery]
    everything = (*split.train, *split.query, *split.gallery)
    counts = {
        "pictures": len({sample.file for sample in everything}),
        "training pictures": len(split.train),
        "training identities": len({sample.person_id for sample in split.train}),
        "queries": len(split.query),
        "query identities": len({sample.person_id for sample in split.query}),
        "gallery pictures": len(gallery),
        "gallery identities": len(set(gallery)),
        "junk": gallery.count(JUNK_ID),
        "distractors": gallery.count(DISTRACTOR_ID),
    }
    different = [
        f"{what} {counts[what]:,} ({number:,})"
        for what, number in published.items()
        if counts[what] != number
    ]
    if not different:
        return None
    return f"{split.root}: counts differ from {split.name}'s published ones: {', '.join(different)}"


def _read_part(root: Path, part: str, layout: Layout) -> tuple[Sample, ...]:
    names = sorted(file.name for file in (root / part).iterdir() if is_picture(file))
    if not names:
        raise InputError(f"{root / part}: contains no pictures")
    parsed = [(name, layout.name.fullmatch(name)) for name in names]
    odd = [name for name, match in parsed if match is None]
    if odd:
        raise InputError(
            f"{root / part / odd[0]}: names must look like {layout.example}; "
            f"{len(odd)} of {len(names)} here do not"
        )
    return tuple(
        _sample(root, f"{part}/{name}", match[1], match[2])
        for name, match in parsed
        if match is not None
    )


def _sample(root: Path, name: str, person: str, camera: str) -> Sample:
    # Id 0 stands for many people, none of whom is known.
    known = int(person) not in (JUNK_ID, DISTRACTOR_ID)
    return Sample(
        root / name, name, int(person), int(camera),
        person=person if known else None, camera=camera,
    )  # fmt: skip
