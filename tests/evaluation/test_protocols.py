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
    all_three = SingleQuery().scores(sides_of(split(), query, gallery), ranking)
    assert list(all_three) == ["step", "trapezoid", "step_50"]
    for definition in ("step", "trapezoid"):
        found = all_three[definition]
        expected = evaluate(
            query, gallery, [3, 4, 9], [3, 3, 4, 0, -1, 4, 9], [1, 2, 1], [1, 2, 1, 5, 1, 2, 1],
            metric="cosine", average_precision=definition, same_camera_filter=same_camera_filter,
        )  # fmt: skip
        assert found.mean_ap == expected.mean_ap
        assert found.average_precision == definition
        np.testing.assert_array_equal(found.ap, expected.ap)


def cut_precisions(query, gallery, query_people, gallery_people):
    """AP of each query: precision at each hit up to rank 50, over the number of all hits."""
    found = []
    for embedding, person in zip(query, query_people, strict=True):
        order = sorted(range(len(gallery)), key=lambda i: np.abs(gallery[i] - embedding).sum())
        hits = [gallery_people[i] == person for i in order]
        early = [sum(hits[: rank + 1]) / (rank + 1) for rank in range(50) if hits[rank]]
        found.append(sum(early) / sum(hits))
    return found


@pytest.mark.parametrize("protocol", ["single-query", "multi-query", "single-gallery-shot"])
def test_ap_stops_at_rank_50_and_all_hits_divide(protocol):
    random = np.random.default_rng(3)
    people = random.integers(1, 4, 120)
    many = replace(
        split(),
        query=samples("query", [1, 2, 3], [1, 2, 3]),
        gallery=samples("gallery", people, [4] * 120),
    )
    # On a line, where every metric is |a - b|; one picture each, so that queries are not pooled.
    query, gallery = random.normal(size=(3, 1)), random.normal(size=(120, 1))
    if protocol == "multi-query":  # it searches with unit vectors
        angles = random.uniform(0, np.pi, 120)
        query, gallery = np.array([[1.0, 0.0]] * 3), np.c_[np.cos(angles), np.sin(angles)]
    said = {"metric": "euclidean", "feature": "", "fingerprint": ""}
    found = evaluate_split(query, gallery, many, protocol=protocol, **said)
    if protocol == "multi-query":  # in the order of the angles
        query, gallery = np.zeros((3, 1)), angles[:, None]
    expected = cut_precisions(query, gallery, [1, 2, 3], people)
    np.testing.assert_allclose(found.step_50.ap, expected, atol=1e-12)
    assert found.step_50.average_precision == "step_50"
    assert found.step_50.mean_ap < found.step.mean_ap
    np.testing.assert_array_equal(found.step_50.cmc, found.step.cmc)


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
        with pytest.raises(InputError, match=f"{name} needs the same-camera filter"):
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
