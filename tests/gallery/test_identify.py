"""Who is who in a gallery: constraints, decisions, merging, in each engine."""

import json
from itertools import combinations

import numpy as np
import pytest
from engines import ENGINES, NOW, make

from passerby.cli.main import run
from passerby.gallery.gallery import Gallery
from passerby.gallery.new_rows import NewEntries
from passerby.gallery.travel import Travel
from passerby.types import InputError

CAMERAS = ("door", "lift", "yard")
WIDTH = 8
MINUTE = 60.0


def embeddings(persons, noise=0.1, seed=0):
    """(N, D): each person's own place, and some noise."""
    rng = np.random.default_rng(seed)
    places = 3 * np.random.default_rng(9).standard_normal((100, WIDTH))
    return np.array([places[p] + noise * rng.standard_normal(WIDTH) for p in persons], np.float32)


def rows(people=range(12), cameras=CAMERAS, pictures=3):
    """(person, camera, picture): three pictures of each person's way past each camera."""
    return [(p, c, i) for p in people for c in cameras for i in range(pictures)]


def fill(gallery, of=None, names=None, tracks=True, times=True, where=True, start=None):
    """Adds entries; person p passes camera c at minute 10 p + its number, ten seconds long."""
    of = of or rows()
    begin = start or (lambda p, c: 10 * MINUTE * p + 2 * MINUTE * CAMERAS.index(c))
    gallery.add(
        embeddings([p for p, _, _ in of]),
        NewEntries(
            keys=[f"{c}/p{p}/{i}" for p, c, i in of],
            persons=[(names or {}).get((p, c)) for p, c, _ in of],
            cameras=[c if where else None for _, c, _ in of],
            track_ids=[f"t{p}" if tracks else None for p, _, _ in of],
            timestamps=[begin(p, c) + 5 * i if times else None for p, c, i in of],
        ),
    )
    return gallery


def opened(tmp_path, engine="folder", **options):
    if engine == "milvus":
        pytest.importorskip("pymilvus")
    folder = tmp_path / "g"
    folder.mkdir(exist_ok=True)
    gallery = make(engine, folder)
    fill(gallery, **options)
    return gallery


def calibrated(gallery, pairs="other-camera"):
    """Calibrates on 40 other people."""
    of = [(p, c) for p in range(50, 90) for c in CAMERAS for _ in range(2)]
    gallery.calibrate(
        1e-3, embeddings([p for p, _ in of], seed=5), [f"x{p}" for p, _ in of],
        [c for _, c in of], pairs=pairs,
    )  # fmt: skip
    return gallery


def people_of(found):
    """Who is in each group, by the keys."""
    return sorted(sorted(track.key for track in group.tracks) for group in found.groups)


def person(key):
    return key.split("/")[1]


@pytest.mark.parametrize("engine", ENGINES)
def test_tracks_of_one_person_are_grouped_across_cameras(tmp_path, engine):
    with calibrated(opened(tmp_path, engine)) as gallery:
        found = gallery.identify()
        assert found.tracks == 36
        assert found.notes == ()
        assert people_of(found) == [[f"{c}/p{p}/0" for c in CAMERAS] for p in
                                    sorted(range(12), key=str)]  # fmt: skip
        assert all(group.person is None and group.precision >= 0.98 for group in found.groups)
        assert len(found.suggestions) == 24
        first = found.suggestions[0]
        assert person(first.one.key) == person(first.other.key)
        assert (first.one.entries, first.tracks) == (3, (1, 1))
        assert first.one.last - first.one.first == 10
        # Nothing was changed by it.
        assert [one.name for one in gallery.people()] == [None]
        changed = gallery.apply(found)
        assert len(changed) == 12
        people = gallery.people()
        assert [one.name for one in people] == sorted(f"person-{n}" for n in range(1, 13))
        entries = gallery.entries()
        for entry in entries:
            whose = {person(e.key) for e in entries if e.person == entry.person}
            assert whose == {person(entry.key)}
        again = gallery.identify()
        assert (again.groups, again.suggestions) == ((), ())
        gallery.undo(changed[3].change)
        assert len(gallery.people()) == 12
        assert gallery.people()[-1].name is None
        assert gallery.people()[-1].entries == 9


@pytest.mark.parametrize("engine", ENGINES)
def test_decisions_are_kept_logged_and_undone(tmp_path, engine):
    with calibrated(opened(tmp_path, engine)) as gallery:
        with gallery.audit.acting("anna"):
            no = gallery.decide("door/p0/1", "lift/p0/2", "no")
        later = gallery.decide("door/p1/0", "lift/p1/0", "later")
        with gallery.audit.acting("bert"):
            yes = gallery.decide("door/p2/0", "yard/p5/1", "yes")
        lines = {line["change"]: line for line in gallery.audit.lines() if "change" in line}
        assert (lines[no.change]["who"], lines[no.change]["what"]) == ("anna", "apart")
        assert lines[no.change]["pair"] == ["door/p0/1", "lift/p0/2"]
        assert (lines[yes.change]["who"], lines[yes.change]["what"]) == ("bert", "same")
        assert (yes.name, yes.entries) == ("person-1", 6)
        for _ in range(2):  # every later run keeps them
            found = gallery.identify()
            for group in found.groups:
                keys = {track.key for track in group.tracks}
                assert not {"door/p0/0", "lift/p0/0"} <= keys
            assert any(s.later for s in found.suggestions) == found.suggestions[-1].later
        put_off = [s for s in gallery.identify().suggestions if s.later]
        assert {person(s.one.key) for s in put_off} <= {"p1"}
        # What was said of two tracks that are one person otherwise is undone.
        gallery.undo(no.change)
        together = [keys for keys in people_of(gallery.identify()) if "door/p0/0" in keys]
        assert together == [[f"{c}/p0/0" for c in CAMERAS]]
        gallery.undo(yes.change)
        assert [one.name for one in gallery.people()] == [None]
        assert gallery.undo(later.change).change == later.change
        assert not any(s.later for s in gallery.identify().suggestions)
        with pytest.raises(InputError, match="no correction"):
            gallery.undo(no.change)


def test_a_no_outlives_another_opening_and_a_backup(tmp_path):
    with calibrated(opened(tmp_path)) as gallery:
        gallery.decide("door/p0/1", "lift/p0/2", "no")
        gallery.backup(tmp_path / "backup")
    with Gallery.open(tmp_path / "g" / "gallery", clock=lambda: NOW) as again:
        assert not any({"door/p0/0", "lift/p0/0"} <= set(k) for k in people_of(again.identify()))
    with Gallery.open(tmp_path / "new", clock=lambda: NOW) as new:
        new.restore(tmp_path / "backup")
        assert not any({"door/p0/0", "lift/p0/0"} <= set(k) for k in people_of(new.identify()))
    # So does a gallery that was there already.
    (tmp_path / "b").mkdir()
    with opened(tmp_path / "b") as other:
        other.restore(tmp_path / "backup")
        assert len(other.settings.decisions.apart) == 1
    # Keys of entries can be removed for good: what is kept of them is a digest.
    assert "p0" not in (tmp_path / "g" / "gallery" / "gallery.json").read_text()


def test_a_later_decision_takes_the_place_of_an_earlier_one(tmp_path):
    with calibrated(opened(tmp_path)) as gallery:
        keys = "door/p0/1", "lift/p0/2"
        gallery.decide(*keys, "no")
        gallery.decide(*reversed(keys), "later")
        kept = gallery.settings.decisions
        assert (len(kept.apart), len(kept.later)) == (0, 1)
        gallery.decide(*keys, "yes")
        kept = gallery.settings.decisions
        assert (len(kept.apart), len(kept.later)) == (0, 0)
        with pytest.raises(
            InputError, match="both entries are person-1: split one of them off first"
        ):
            gallery.decide(*keys, "no")


def test_yes_joins_all_of_a_name_and_refuses_two_given_names(tmp_path):
    names = {(0, "door"): "Anna", (1, "door"): "Bert", (2, "door"): "person-7",
             (2, "lift"): "person-7", (3, "door"): "person-4"}  # fmt: skip
    with opened(tmp_path, names=names) as gallery:
        with pytest.raises(InputError, match="Anna and Bert have names that people gave"):
            gallery.decide("door/p0/0", "door/p1/0", "yes")
        found = gallery.decide("lift/p2/0", "door/p3/0", "yes")
        assert (found.name, found.entries) == ("person-4", 6)
        assert {one.name for one in gallery.people()} == {"Anna", "Bert", "person-4", None}
        found = gallery.decide("yard/p3/0", "door/p0/0", "yes")
        assert (found.name, found.entries) == ("Anna", 3)
        with pytest.raises(InputError, match="no entry 'nobody'"):
            gallery.decide("nobody", "door/p0/0", "no")
        with pytest.raises(InputError, match="one of yes, no, later: given 'maybe'"):
            gallery.decide("door/p1/0", "door/p0/0", "maybe")
        with pytest.raises(InputError, match="twice"):
            gallery.decide("door/p1/0", "door/p1/0", "no")


def test_names_that_people_gave_stay_apart_and_others_may_grow(tmp_path):
    """One person three times: as Anna, as Bert and as person-1."""
    names = {(0, "door"): "Anna", (0, "lift"): "Bert", (0, "yard"): "person-1"}
    with calibrated(opened(tmp_path, names=names)) as gallery:
        found = gallery.identify()
        mine = [group for group in found.groups if person(group.tracks[0].key) == "p0"]
        assert len(mine) == 1
        assert mine[0].person in ("Anna", "Bert")
        assert len(mine[0].tracks) == 2
        gallery.apply(found)
        left = {one.name for one in gallery.people()}
        assert {"Anna", "Bert"} <= left
        assert "person-1" not in {e.person for e in gallery.entries() if person(e.key) == "p0"}


def test_one_camera_at_one_time_is_two_people(tmp_path):
    """Persons 0 and 1 look the same; they pass the door together."""
    looks = [(0, c, i) for c in CAMERAS for i in range(3)]
    with opened(tmp_path, of=looks) as gallery:
        twin = [f"twin/{c}/{i}" for _, c, i in looks]
        gallery.add(
            embeddings([0] * 9, seed=3),
            NewEntries(keys=twin, cameras=[c for _, c, _ in looks],
                       track_ids=["twin"] * 9,
                       timestamps=[2 * MINUTE * CAMERAS.index(c) + 5 * i + 10
                                   for _, c, i in looks]),
        )  # fmt: skip
        calibrated(gallery)
        found = gallery.identify()
        for group in found.groups:
            cameras = [track.camera for track in group.tracks]
            assert len(set(cameras)) == len(cameras)
        # Nobody can tell them apart: some tracks stay alone.
        assert found.groups
        # A second later they share no moment, and nothing keeps them apart.
        gallery.remove(gallery_filter(twin))
        gallery.add(
            embeddings([0] * 9, seed=3),
            NewEntries(keys=twin, cameras=[c for _, c, _ in looks], track_ids=["twin"] * 9,
                       timestamps=[2 * MINUTE * CAMERAS.index(c) + 5 * i + 11
                                   for _, c, i in looks]),
        )  # fmt: skip
        [only] = gallery.identify().groups
        assert len(only.tracks) > len(CAMERAS)


def gallery_filter(keys):
    from passerby.gallery.filters import Filter

    return Filter(keys=keys)


def test_nobody_is_in_two_cameras_sooner_than_the_way_takes(tmp_path):
    with calibrated(opened(tmp_path)) as gallery:
        # Each camera is 110 seconds after the one before.
        way = Travel({frozenset(("door", "lift")): 110.0, frozenset(("lift", "yard")): 110.0})
        assert people_of(gallery.identify(travel=way)) == people_of(gallery.identify())
        way = Travel({frozenset(("door", "lift")): 111.0})
        for group in gallery.identify(travel=way).groups:
            assert not {"door", "lift"} <= {track.camera for track in group.tracks}
        with pytest.raises(InputError, match="camera that is not in the gallery: 'roof'"):
            gallery.identify(travel=Travel({frozenset(("door", "roof")): 1.0}))


def test_a_track_ends_when_its_note_says(tmp_path):
    """Entries of one picture: their times are beginnings."""
    of = [(0, "door", 0), (0, "lift", 0)]
    with opened(tmp_path, of=of, start=lambda p, c: 0.0 if c == "door" else 100.0) as gallery:
        calibrated(gallery)
        way = Travel({frozenset(("door", "lift")): 60.0})
        assert len(gallery.identify(travel=way).groups) == 1
        assert gallery.identify(travel=way, ends={"door/p0/0": 50.0}).groups == ()


def test_must_not_links_hold_whatever_is_drawn(tmp_path):
    """Random embeddings, times, names and decisions: no group breaks a rule, in any order."""
    rng = np.random.default_rng(4)
    count = 120
    centres = rng.standard_normal((12, WIDTH))
    whose = np.repeat(rng.integers(0, 12, count // 2), 2)
    rows_ = centres[whose] + 0.25 * rng.standard_normal((count, WIDTH))
    keys = [f"k{i:03d}" for i in range(count)]
    cameras = [CAMERAS[i] for i in rng.integers(0, 3, count)]
    times = np.repeat(rng.integers(0, 400, count // 2), 2) + rng.integers(0, 20, count) * 1.0
    tracks = [f"t{i // 2}" for i in range(count)]
    cameras = [cameras[i - i % 2] for i in range(count)]
    names = [None if rng.random() < 0.8 else str(rng.choice(["Anna", "Bert", "person-1"]))
             for _ in range(count)]  # fmt: skip
    names = [names[i - i % 2] for i in range(count)]
    drawn = [rng.choice(count, 2, replace=False) for _ in range(40)]
    apart = [
        (a, b)
        for a, b in drawn
        if tracks[a] != tracks[b] and (names[a] is None or names[a] != names[b])
    ]
    way = Travel({frozenset(("door", "yard")): 30.0})
    seen = []
    for order in (np.arange(count), rng.permutation(count)):
        folder = tmp_path / f"g{len(seen)}"
        folder.mkdir()
        with make("folder", folder) as gallery:
            for part in np.array_split(order, 3):
                gallery.add(
                    rows_[part].astype(np.float32),
                    NewEntries(keys=[keys[i] for i in part], cameras=[cameras[i] for i in part],
                               track_ids=[tracks[i] for i in part],
                               timestamps=[times[i] for i in part],
                               persons=[names[i] for i in part]),
                )  # fmt: skip
            for a, b in apart:
                gallery.decide(keys[a], keys[b], "no")
            found = gallery.identify(2.5, travel=way, pairs="any")
            seen.append([(people_of(found), [(s.one.key, s.other.key) for s in found.suggestions])])
            place = {tracks[i]: i for i in reversed(range(count))}
            spans = {t: sorted(times[i] for i in range(count) if tracks[i] == t) for t in place}
            no = {frozenset((tracks[a], tracks[b])) for a, b in apart}
            assert any(len(group.tracks) > 1 for group in found.groups)
            for group in found.groups:
                given = {t.person for t in group.tracks} & {"Anna", "Bert"}
                assert len(given) < 2
                for one, other in combinations(group.tracks, 2):
                    if one.person is not None and one.person == other.person:
                        continue
                    assert frozenset((one.track_id, other.track_id)) not in no
                    (a, b), (c, d) = spans[one.track_id], spans[other.track_id]
                    shared = min(b, d) >= max(a, c)
                    assert not (one.camera == other.camera and shared)
                    if {one.camera, other.camera} == {"door", "yard"}:
                        assert max(a, c) - min(b, d) >= 30
    assert seen[0] == seen[1]


def test_tracks_are_compared_by_the_mean_over_pairs_of_pictures(tmp_path):
    of = [(0, "door", 0), (0, "door", 1), (0, "lift", 0), (0, "lift", 1), (0, "lift", 2)]
    given = embeddings([0] * 5, noise=1.0)
    with opened(tmp_path, of=of) as gallery:
        stored = {e.key: gallery.embeddings([e.key])[0] for e in gallery.entries()}
        [only] = gallery.identify(50.0).suggestions
    del given
    one = [stored[f"door/p0/{i}"] for i in range(2)]
    other = [stored[f"lift/p0/{i}"] for i in range(3)]
    mean = np.mean([((a - b).astype(float) ** 2).sum() for a in one for b in other])
    assert only.distance == pytest.approx(np.sqrt(mean), rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_profiles_are_applied(tmp_path, engine):
    if engine == "milvus":
        pytest.importorskip("pymilvus")
    (tmp_path / "g").mkdir()
    of = [(p, c, i) for p in range(30) for c in CAMERAS for i in range(2)]
    moves = {c: m for c, m in zip(CAMERAS, 4 * np.random.default_rng(1).standard_normal((3, WIDTH)),
                                  strict=True)}  # fmt: skip
    with make(engine, tmp_path / "g") as gallery:
        moved = embeddings([p for p, _, _ in of]) + np.array([moves[c] for _, c, _ in of])
        gallery.add(
            moved.astype(np.float32),
            NewEntries(keys=[f"{c}/p{p}/{i}" for p, c, i in of], cameras=[c for _, c, _ in of],
                       track_ids=[f"t{p}" for p, _, _ in of]),
        )  # fmt: skip

        def right():
            found = gallery.identify(3.0)
            return sum(
                len({person(t.key) for t in g.tracks}) == 1 and len(g.tracks) == 3
                for g in found.groups
            )

        raw = right()
        assert gallery.profile(returns=1).on
        assert right() == 30
        assert raw < 15


def test_random_embeddings_are_not_grouped(tmp_path):
    """The control: nothing is certain of people that the model cannot tell apart."""
    rng = np.random.default_rng(8)
    with opened(tmp_path, of=[(0, "door", 0)]) as gallery:
        calibrated(gallery)
        gallery.add(
            3 * rng.standard_normal((600, WIDTH)).astype(np.float32),
            NewEntries(keys=[f"r{i}" for i in range(600)],
                       cameras=[CAMERAS[i % 3] for i in range(600)]),
        )  # fmt: skip
        found = gallery.identify()
        assert found.groups == ()


def test_what_is_missing_is_said_in_one_line(tmp_path):
    with opened(tmp_path, tracks=False, times=False) as gallery:
        with pytest.raises(InputError, match="no threshold yet: run passerby gallery calibrate"):
            gallery.identify()
        calibrated(gallery)
        found = gallery.identify()
        assert found.tracks == 108
        assert found.notes[0] == "no entry has a track: each stands alone"
        says = "no entry has a time: tracks of one camera at one time may be joined"
        assert found.notes[1] == says
        way = Travel({frozenset(("door", "lift")): 5.0})
        assert gallery.identify(travel=way).notes[1] == says + ", and travel times do not count"
        # Pictures of one person have her other pictures for rivals: not all come together.
        assert len(found.groups) >= 12
        assert all(len({person(t.key) for t in g.tracks}) == 1 for g in found.groups)
        for threshold in (0.0, -1.0, float("inf"), float("nan"), "2"):
            with pytest.raises(
                InputError, match="a threshold (must be a distance above 0|must be a)"
            ):
                gallery.identify(threshold)
        for precision in (0.0, 1.0, float("nan"), "0.9"):
            with pytest.raises(InputError, match="a precision (must be between 0 and 1|must be a)"):
                gallery.identify(precision=precision)
    (tmp_path / "b").mkdir()
    with opened(tmp_path / "b", of=rows(cameras=["door"])) as gallery:
        with pytest.raises(InputError, match="and all are of 'door': --pairs any compares"):
            gallery.identify(2.0)
        found = gallery.identify(2.0, pairs="any")
        assert found.bound is None
        with pytest.raises(InputError, match="only a calibration tells how precise"):
            gallery.apply(found)
    (tmp_path / "c").mkdir()
    with opened(tmp_path / "c", where=False) as gallery:
        calibrated(gallery, "any")
        found = gallery.identify()
        assert found.notes == ("no entry has a camera: all are compared with all, and no time "
                               "keeps two apart",)  # fmt: skip
    with Gallery.open(tmp_path / "none") as gallery, pytest.raises(InputError, match="no gallery"):
        gallery.identify(1.0)


def test_tracks_that_somebody_took_apart_stay_apart(tmp_path):
    with calibrated(opened(tmp_path)) as gallery:
        gallery.split(["door/p0/0"], "Anna")
        gallery.split(["door/p0/1"], "Bert")
        found = gallery.identify()
        tracks = {t.key: t for g in found.groups for t in g.tracks}
        assert found.tracks == 38
        for group in found.groups:
            assert len({t.track_id for t in group.tracks if t.camera == "door"}) < 2
        assert tracks.get("door/p0/0") is None or tracks["door/p0/0"].entries == 1


def test_one_name_at_one_time_in_one_camera_is_told(tmp_path):
    with opened(tmp_path, start=lambda p, c: 0.0) as gallery:
        gallery.assign(gallery_filter(["door/p0/0", "door/p1/0"]), "Anna")
        [note] = gallery.identify(2.0).notes
        assert note == (
            "in one camera twice at one time, and yet of one name: Anna; the name counts"
        )


def shown(capsys, arguments, code=0):
    assert run(["gallery", *arguments]) == code
    told = capsys.readouterr()
    return " ".join((told.out + told.err).split())


def test_by_command(tmp_path, capsys):
    place = str(tmp_path / "g" / "gallery")
    with opened(tmp_path) as gallery:
        pass
    told = shown(capsys, ["identify", place], 2)
    assert "no threshold yet: run passerby gallery calibrate, or give --threshold" in told
    told = shown(capsys, ["identify", place, "--threshold", "2", "--apply"], 2)
    assert "only a calibration tells how precise they are" in told
    with Gallery.open(place) as gallery:
        calibrated(gallery)
    before = (tmp_path / "g" / "gallery" / "audit.jsonl").read_text()
    told = shown(capsys, ["identify", place])
    assert "36 tracks: 12 groups of precision 0.98 or more; 24 suggestions up to" in told
    assert "nothing was merged: --apply merges the groups" in told
    assert "would merge: 12 groups" in shown(capsys, ["identify", place, "--apply", "--dry-run"])
    assert (tmp_path / "g" / "gallery" / "audit.jsonl").read_text() == before
    travel = tmp_path / "travel.yaml"
    travel.write_text("door: {lift: PT1H, yard: 3600}\n")
    told = shown(capsys, ["identify", place, "--travel", str(travel)])
    assert "36 tracks: 12 groups" in told  # lift and yard are one person still
    assert shown(capsys, ["decide", place, "door/p0/0", "lift/p0/0", "no"]) == (
        "two persons, never joined again"
    )
    shown(capsys, ["decide", place, "door/p1/0", "lift/p1/0", "later", "--who", "carl"])
    told = shown(capsys, ["decide", place, "door/p2/0", "lift/p2/0", "yes"])
    assert told == "one person: person-1 entries changed: 6"
    assert "carl later" in shown(capsys, ["log", place])
    assert run(["gallery", "identify", place, "--apply", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["bound"] == 0.98
    assert sum(each["entries"] for each in found["changed"]) > 80
    assert found["groups"][0]["tracks"][0]["first"].endswith("Z")
    named = [group for group in found["groups"] if group["person"] == "person-1"]
    assert len(named) == 1
    assert "2 " not in shown(capsys, ["undo", place, "--change", found["changed"][0]["change"]])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("door: 5", "travel times must look like"),
        ("- door", "travel times must look like"),
        ("door: {door: 5}", "needs two different cameras"),
        ("door: {lift: -5}", "more than 0 seconds"),
        ("door: {lift: soon}", "seconds or an ISO 8601 duration like PT1M30S"),
        ("door: {lift: P}", "seconds or an ISO 8601 duration"),
        ("door: {lift: PT}", "seconds or an ISO 8601 duration"),
        ("door: {lift: true}", "seconds or an ISO 8601 duration"),
        ("door: {lift: .nan}", "more than 0 seconds"),
        ("door: {lift: 5}\nlift: {door: 6}", "two travel times between"),
        ("door: {lift: 5", "cannot be read"),
    ],
)
def test_bad_travel_times_are_refused(tmp_path, text, says):
    from passerby.gallery.travel import read_travel

    file = tmp_path / "travel.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=says):
        read_travel(file)


def test_travel_times_are_read(tmp_path):
    from passerby.gallery.travel import read_travel

    file = tmp_path / "travel.json"
    file.write_text(
        '{"door": {"lift": 45, "yard": "PT1M30.5S"}, "yard": {"door": 90.5, "2": "P1DT2H"}}'
    )
    found = read_travel(file)
    assert found.between("lift", "door") == 45
    assert found.between("door", "yard") == 90.5
    assert found.between("2", "yard") == 93_600
    assert found.between("lift", "yard") is None
    with pytest.raises(InputError, match="cannot be read"):
        read_travel(tmp_path / "none")
