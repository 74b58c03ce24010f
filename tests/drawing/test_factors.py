"""Each factor of version 2 changes what it names, and nothing is drawn without it."""

import dataclasses

import numpy as np
import pytest

from passerby.drawing import DrawingRecipe, Factors
from passerby.drawing.camera import Boxes, draw_camera
from passerby.drawing.layout import BOXES, TRACK
from passerby.drawing.light import draw_moment
from passerby.drawing.recipe import VERSION
from passerby.randomness import keyed

SMALL = DrawingRecipe(
    train_identities=4, test_identities=2, cameras=3, people_per_place=2, pictures_per_identity=6,
    distractors=2, junk=4, height=64, width=32, seed=3,
)  # fmt: skip


def _cameras(factors):
    return [draw_camera(keyed(1, 2, k), factors) for k in range(12)]


def _without(name):
    return dataclasses.replace(Factors(), **{name: False})


@pytest.mark.parametrize(
    ("factor", "of"),
    [
        ("viewpoints", lambda c: (c.height, c.roll, c.near)),
        ("resolution", lambda c: round(c.focal / c.near, 6)),
        ("codec", lambda c: c.sensor.compression),
        ("sensor", lambda c: (c.sensor.contrast, c.sensor.blur, c.sensor.noise)),
        ("detector", lambda c: c.boxes),
    ],
)
def test_cameras_differ_by_a_factor_alone(factor, of):
    assert len({of(c) for c in _cameras(Factors())}) > 6
    assert len({of(c) for c in _cameras(_without(factor))}) == 1
    others = [name for name in ("viewpoints", "resolution", "codec", "sensor") if name != factor]
    rest = {
        "viewpoints": lambda c: c.near,
        "resolution": lambda c: c.focal / c.near,
        "codec": lambda c: c.sensor.compression,
        "sensor": lambda c: c.sensor.contrast,
    }
    for name in others:
        kept = [rest[name](c) for c in _cameras(_without(factor))]
        assert kept == pytest.approx([rest[name](c) for c in _cameras(Factors())])


def test_no_detector_no_shift():
    assert _cameras(_without("detector"))[0].boxes == Boxes(0.0, 1.04, 0.0, 0.0)


def test_light_is_that_of_the_moment():
    light = {}
    for factors in (Factors(), _without("light")):
        world = dataclasses.replace(SMALL, factors=factors).world()
        light[factors.light] = {world.moment(entry).sun.sum() for entry in SMALL.entries()}
    assert len(light[True]) > 8
    assert len(light[False]) == 1


def test_nights_are_dark_and_halls_have_no_shade():
    camera = _cameras(Factors())[0]
    for outdoors in (True, False):
        seen = [draw_moment(keyed(1, TRACK, k), dataclasses.replace(camera, outdoors=outdoors))
                for k in range(300)]  # fmt: skip
        shaded = [m for m in seen if m.edge[:2].any()]
        assert bool(shaded) == outdoors
        assert all(np.linalg.norm(m.direction) == pytest.approx(1) for m in seen)
        assert (min(m.ambient.mean() for m in seen) < 0.3) == outdoors


def test_plain_background_has_nothing_in_it():
    for rich in (True, False):
        world = dataclasses.replace(SMALL, factors=Factors(background=rich)).world()
        blocks = [len(world.camera(k)[1].blocks) for k in range(12)]
        assert (max(blocks) > 0) == rich


def test_crowd_and_occluders_hide_people():
    """Masks without either are the largest; each alone takes from them."""
    area = {}
    for crowd, occluders in ((False, False), (True, False), (False, True)):
        factors = Factors(crowd=crowd, occluders=occluders, background=False)
        recipe = dataclasses.replace(SMALL, factors=factors, pictures_per_identity=12)
        world = recipe.world()
        for k in range(12):
            camera, scene = world.camera(k)
            world.cameras[k] = dataclasses.replace(camera, busy=2.0, cluttered=1.0), scene
        masks = [world.draw(e).mask > 0 for e in recipe.entries()[:40] if e.folder != BOXES]
        area[crowd, occluders] = np.array([mask.mean() for mask in masks])
    whole = area.pop((False, False))
    assert whole.min() > 0.1
    for some in area.values():
        assert (some <= whole + 1e-9).all()
        assert (some < whole - 0.01).any()


def test_all_off_is_a_plain_picture_with_a_whole_person():
    recipe = dataclasses.replace(SMALL, factors=Factors.none())
    world = recipe.world()
    for entry in recipe.entries()[:10]:
        drawn = world.draw(entry)
        assert drawn.image.shape == (64, 32, 3)
        assert drawn.mask.shape == (64, 32)
        assert (drawn.joints[:, 2] > 0).all()


def _people(factors, count=120):
    world = dataclasses.replace(SMALL, train_identities=count, factors=factors).world()
    return [world.person(k) for k in range(1, count + 1)]


@pytest.mark.parametrize(
    ("factor", "of"),
    [
        ("bodies", lambda p: (p.shape, p.age, p.head)),
        ("folds", lambda p: (p.outfit.inner.cloth.folds, p.outfit.bottom.cloth.folds)),
        ("prints", lambda p: (p.outfit.inner.cloth.pattern, p.outfit.bottom.cloth.pattern)),
        ("layers", lambda p: p.outfit.outer and p.outfit.outer.kind),
        ("cycles", lambda p: p.cycles),
        ("carried", lambda p: (p.bag.kind, p.hat, p.umbrella, p.glasses)),
    ],
)
def test_people_differ_by_a_factor_alone(factor, of):
    full, without = _people(Factors()), _people(_without(factor))
    assert len({of(p) for p in full}) > 2
    assert len({of(p) for p in without}) == 1
    assert [p.tone for p in full] == [p.tone for p in without]


def test_people_change_between_cameras_and_stay_who_they_are():
    for on in (True, False):
        world = dataclasses.replace(SMALL, factors=Factors(changes=on)).world()
        differ = set()
        for identity in range(1, 60):
            looks = [world.seen(identity, camera) for camera in range(4)]
            assert len({(p.shape, p.seed, p.hair_style, p.outfit.bottom) for p in looks}) == 1
            for name in ("bag", "outfit", "hat"):
                if len({getattr(p, name) for p in looks}) > 1:
                    differ.add(name)
        assert differ == ({"bag", "outfit", "hat"} if on else set())


def test_muted_colours_are_those_of_a_street():
    def chroma(people):
        colours = np.sqrt([p.outfit.inner.cloth.colour for p in people])
        return np.median(colours.max(1) - colours.min(1))

    assert chroma(_people(Factors())) < 0.12 < 0.3 < chroma(_people(_without("muted")))


def test_alike_people_wear_the_same_but_for_shades():
    def kinds(p):
        o = p.outfit
        return (p.woman, o.inner.kind, o.inner.sleeve, o.bottom.kind, o.inner.cloth.period,
                o.bottom.cloth.period)  # fmt: skip

    most = {}
    for on in (True, False):
        recipe = dataclasses.replace(SMALL, train_identities=200, people_per_place=100,
                                     factors=Factors(alike=on))  # fmt: skip
        world = recipe.world()
        here = [world.person(k) for k in range(1, 101)]
        counts = {k: [p for p in here if kinds(p) == k] for k in map(kinds, here)}
        most[on] = max(map(len, counts.values()))
        for group in counts.values():
            assert len({p.seed for p in group}) == len(group)
            assert len({p.outfit.inner.hem for p in group}) == len(group)
    assert most[True] >= 3
    assert most[False] == 1


def test_people_are_of_all_kinds():
    people = _people(Factors(), 400)
    assert {p.build for p in people} == {"slim", "average", "heavy"}
    assert {p.age for p in people} == {"child", "adult", "old"}
    assert {p.tone for p in people} == {1, 2, 3, 4, 5, 6}
    assert all(p.shape.height < 1.5 for p in people if p.age == "child")


def test_pictures_depend_on_the_entry_alone():
    plan = SMALL.entries()
    assert SMALL.version == VERSION == "v2"
    forwards, backwards = SMALL.world(), SMALL.world()
    some = plan[::7]
    first = [forwards.draw(entry) for entry in some]
    second = [backwards.draw(entry) for entry in reversed(some)][::-1]
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.mask, b.mask)
        np.testing.assert_array_equal(a.joints, b.joints)


def test_places_share_no_camera():
    cameras = {}
    for entry in SMALL.entries():
        place = 2 if entry.person <= 0 or entry.identity > 4 else (entry.identity - 1) // 2
        cameras.setdefault(place, set()).add(entry.camera)
    assert all(len(seen) > 1 for seen in cameras.values())
    assert not cameras[0] & cameras[1]
    assert not (cameras[0] | cameras[1]) & cameras[2]


def test_every_query_has_a_match_in_another_camera():
    recipe = DrawingRecipe(pictures_per_identity=8, train_identities=5, test_identities=60)
    gallery = {(e.person, e.camera) for e in recipe.entries() if e.folder == "bounding_box_test"}
    stems = [(e.folder, e.stem) for e in recipe.entries()]
    assert len(stems) == len(set(stems))
    for entry in recipe.entries():
        if entry.folder == "query":
            assert any(p == entry.person and c != entry.camera for p, c in gallery)


def test_joints_that_are_seen_lie_in_the_mask():
    recipe = dataclasses.replace(SMALL, height=128, width=64)
    world = recipe.world()
    for entry in recipe.entries()[::5]:
        drawn = world.draw(entry)
        mask = np.pad(drawn.mask, 3)
        for x, y, confidence in drawn.joints:
            if confidence == 1:
                row, column = round(float(y)) + 3, round(float(x)) + 3
                assert mask[row - 3 : row + 4, column - 3 : column + 4].any()
