"""Scores split by attribute, against means taken by hand."""

import math

import numpy as np
import pytest

from passerby.evaluation.by_attribute import Part, by_attribute, read_people
from passerby.types import InputError, Scores

PEOPLE = "person_id,age,height\n1,child,1.2\n2,adult,1.7\n3,adult,1.8\n"


def _scores():
    return Scores(
        cmc=np.array([0.5]), mean_ap=0.5, mean_inp=0.5, ap=np.array([1.0, 0.5, 0.25, np.nan, 0.75]),
        first_match=np.array([1, 2, 3, 0, 1]), unmatched=np.array([3]), average_precision="step",
    )  # fmt: skip


def test_parts_are_the_means_of_their_queries(tmp_path):
    (tmp_path / "people.csv").write_text(PEOPLE)
    people = read_people(tmp_path / "people.csv")
    parts = by_attribute(_scores(), [1, 2, 2, 3, 3], people)
    assert parts["age"] == {
        "adult": Part(2, 3, pytest.approx(1 / 3), pytest.approx(0.5)),
        "child": Part(1, 1, 1.0, 1.0),
    }


def test_a_value_without_a_match_has_no_scores():
    people = {"1": {"age": "old"}, "2": {"age": "adult"}}
    parts = by_attribute(_scores(), [2, 2, 2, 1, 2], people)
    assert parts["age"]["old"].queries == 0
    assert math.isnan(parts["age"]["old"].rank_1)


def test_an_attribute_of_many_values_is_left_out():
    people = {str(k): {"height": str(k), "age": "adult"} for k in range(13)}
    scores = Scores(np.ones(1), 1.0, 1.0, np.ones(13), np.ones(13, np.int64),
                    np.zeros(0, np.int64), "step")  # fmt: skip
    assert set(by_attribute(scores, list(range(13)), people)) == {"age"}


def test_bad_input_is_one_line(tmp_path):
    people = {"1": {"age": "old"}}
    with pytest.raises(InputError, match="no attributes of 1 queried people, the first is 9"):
        by_attribute(_scores(), [1, 1, 1, 1, 9], people)
    with pytest.raises(InputError, match="5 queries need as many persons; given 1"):
        by_attribute(_scores(), [1], people)
    (tmp_path / "people.csv").write_text("name\nx\n")
    with pytest.raises(InputError, match="column person_id"):
        read_people(tmp_path / "people.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read_people(tmp_path / "absent.csv")
