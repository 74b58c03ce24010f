from dataclasses import replace
from pathlib import Path

from passerby.data.unlabelled import unlabelled
from passerby.types import Sample


def sample(name, person, camera_id, camera=None, box=None):
    who = str(person)
    return Sample(Path(name), name, person, camera_id, box=box, person=who, camera=camera)


def test_nobody_is_named_and_cameras_are_counted():
    given = [
        sample("c.jpg", 3, 7, "lift"),
        sample("a.jpg", 1, 9, "door"),
        sample("b.jpg", -1, -1, None),
        sample("a.jpg", 2, 9, "door", box=(1, 1, 5, 5)),
    ]
    found = unlabelled(given)
    assert [(s.name, s.box) for s in found] == [
        ("a.jpg", None), ("a.jpg", (1, 1, 5, 5)), ("b.jpg", None), ("c.jpg", None),
    ]  # fmt: skip
    assert [s.camera_id for s in found] == [0, 0, -1, 1]
    assert {(s.person_id, s.person) for s in found} == {(0, None)}
    others = [replace(s, person_id=8, person="x") for s in reversed(given)]
    assert unlabelled(others) == found


def test_numbered_cameras_without_names():
    assert [s.camera_id for s in unlabelled([sample("a", 1, 4), sample("b", 1, 2)])] == [1, 0]
