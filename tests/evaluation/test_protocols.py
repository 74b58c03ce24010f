from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from passerby.evaluation.protocols import (
    PROTOCOLS,
    MultiQuery,
    SingleGalleryShot,
    SingleQuery,
    evaluate_split,
)
from passerby.evaluation.ranker import Ranking
from passerby.evaluation.sides import sides_of
from passerby.ranking.metrics import evaluate
from passerby.types import InputError, Sample, Split


def samples(part, people, cameras):
    return tuple(
        Sample(Path(f"{part}/{i}.jpg"), f"{part}/{i}.jpg", person, camera)
        for i, (person, camera) in enumerate(zip(people, cameras, strict=True))
    )


def split():
    return Split(
        name="toy",
        root=Path("pictures/toy_folder"),
        train=(),
        query=samples("query", [3, 4, 9], [1, 2, 1]),
        gallery=samples("gallery", [3, 3, 4, 0, -1, 4, 9], [1, 2, 1, 5, 1, 2, 1]),
    )


def embeddings():
    random = np.random.default_rng(0)
    return random.normal(size=(3, 4)), random.normal(size=(7, 4))


@pytest.mark.parametrize("same_camera_filter", [True, False])
def test_single_query_equals_the_plain_evaluation(same_camera_filter):
    query, gallery = embeddings()
    ranking = Ranking("cosine", same_camera_filter=same_camera_filter)
    both = SingleQuery().scores(sides_of(split(), query, gallery), ranking)
    assert list(both) == ["step", "trapezoid"]
    for definition, found in both.items():
        expected = evaluate(
            query, gallery, [3, 4, 9], [3, 3, 4, 0, -1, 4, 9], [1, 2, 1], [1, 2, 1, 5, 1, 2, 1],
            metric="cosine", average_precision=definition, same_camera_filter=same_camera_filter,
        )  # fmt: skip
        assert found.mean_ap == expected.mean_ap
        assert found.average_precision == definition
        np.testing.assert_array_equal(found.ap, expected.ap)


def test_an_evaluation_says_what_it_depends_on():
    evaluation = evaluate_split(
        *embeddings(), split(), metric="euclidean", feature="after the BNNeck", fingerprint="abc"
    )
    assert (evaluation.data, evaluation.folder) == ("toy", "toy_folder")
    assert evaluation.protocol == "single-query"
    assert (evaluation.feature, evaluation.fingerprint) == ("after the BNNeck", "abc")
    counts = evaluation.counts
    assert (counts.queries, counts.gallery, counts.junk, counts.distractors) == (3, 6, 1, 1)
    assert evaluation.unmatched_names == ("query/2.jpg",)


def test_bad_input():
    query, gallery = embeddings()
    said = {"metric": "euclidean", "feature": "", "fingerprint": ""}
    with pytest.raises(InputError, match="toy: each gallery picture .*7 pictures, 6 embeddings"):
        evaluate_split(query, gallery[:6], split(), **said)
    with pytest.raises(InputError, match="multi_query picture .*0 pictures, 2 embeddings"):
        evaluate_split(query, gallery, split(), multi_query_embeddings=gallery[:2], **said)
    with pytest.raises(InputError, match="single-query, multi-query.*: given 'telepathy'"):
        evaluate_split(query, gallery, split(), protocol="telepathy", **said)
    for name in ("multi-query", "single-gallery-shot"):
        with pytest.raises(InputError, match=f"{name} leaves the query's own camera out"):
            evaluate_split(query, gallery, split(), protocol=name, same_camera_filter=False, **said)


def test_settings_stand_in_the_evaluation():
    query, gallery = embeddings()
    said = {"metric": "euclidean", "feature": "", "fingerprint": ""}
    for protocol, settings in [
        (SingleQuery(), {}),
        (MultiQuery("max"), {"pooling": "max"}),
        (SingleGalleryShot(3, 9), {"galleries": 3, "gallery_seed": 9}),
    ]:
        found = evaluate_split(query, gallery, split(), protocol=protocol, **said)
        assert (found.protocol, found.settings) == (protocol.name, settings)
    assert [kind().name for kind in PROTOCOLS.values()] == list(PROTOCOLS)


def test_the_data_set_has_a_protocol_of_its_own():
    query, gallery = embeddings()
    said = {"metric": "euclidean", "feature": "", "fingerprint": ""}
    own = replace(split(), protocol="single-gallery-shot", variant="split 3")
    found = evaluate_split(query, gallery, own, **said)
    assert (found.protocol, found.variant) == ("single-gallery-shot", "split 3")
    assert evaluate_split(query, gallery, own, protocol="single-query", **said).protocol == (
        "single-query"
    )
