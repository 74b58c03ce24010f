from dataclasses import dataclass
from typing import ClassVar, Literal

import pytest

from passerby.methods import METHODS
from passerby.recipes import from_plain, override, to_plain
from passerby.types import InputError


@dataclass(frozen=True)
class Step:
    epochs: int = 5
    rate: float = 0.1


@dataclass(frozen=True)
class Toy:
    stages: tuple[Step, Step] = (Step(), Step(epochs=7))
    mode: Literal["a", "b"] = "a"
    milestones: tuple[int, ...] = (3, 4)
    margin: float | None = None
    plain: bool = False


def test_override_by_dotted_names():
    changed = override(Toy(), {"stages.1.epochs": 9, "mode": "b", "milestones": [1], "margin": 1})
    assert changed == Toy(stages=(Step(), Step(epochs=9)), mode="b", milestones=(1,), margin=1.0)
    assert isinstance(changed.margin, float)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stage": 1}, "unknown setting 'stage'"),
        ({"stages.2.epochs": 1}, "unknown setting 'stages.2.epochs'"),
        ({"stages.0.epoch": 1}, "unknown setting 'stages.0.epoch'"),
        ({"stages.0.epochs": 1.5}, "stages.0.epochs must be of type int"),
        ({"stages.0.epochs": True}, "stages.0.epochs must be of type int"),
        ({"mode": "c"}, "mode must be one of a, b"),
        ({"milestones": 3}, "milestones must be a list"),
        ({"plain": "no"}, "plain must be of type bool"),
        ({"margin": "x"}, "margin must be of type float"),
    ],
)
def test_what_does_not_fit_is_one_line_with_the_name(changes, message):
    with pytest.raises(InputError, match=message):
        override(Toy(), changes)


def test_unknown_fields_of_a_file_are_errors():
    with pytest.raises(InputError, match="no setting 'epoch'"):
        from_plain(Step, {"epoch": 3})


@pytest.mark.parametrize("name", METHODS)
def test_every_recipe_survives_the_round_trip(name):
    for recipe in (METHODS[name].recipe(), METHODS[name].recipe.small()):
        assert from_plain(type(recipe), to_plain(recipe)) == recipe


def test_older_files_mean_what_it_was_before_a_field_came():
    @dataclass(frozen=True)
    class Later:
        BEFORE: ClassVar[dict[str, int]] = {"width": 7}
        height: int = 1
        width: int = 2

    assert from_plain(Later, {"height": 3}) == Later(3, 7)
    assert from_plain(Later, {"width": 4}) == Later(1, 4)
    assert override(Later(), {"height": 5}) == Later(5, 2)
