"""Who is who on the page: tracks as one card, questions before changes, and all of it undone."""

import pytest
from paged import choose, counts, opened, persons, pick, serving, violations
from served import profiled, two_adds, unlabelled
from served import walks as walks_of

pytestmark = pytest.mark.slow


@pytest.fixture
def walks(browser, tmp_path):
    """Anna, Bert and somebody unknown on tracks of three pictures, in two places each."""
    with serving(walks_of(tmp_path), tmp_path) as url:
        yield from opened(browser, url)


def card(page, *texts):
    found = page.locator(".hit")
    for text in texts:
        found = found.filter(has_text=text)
    return found


def question(page):
    """Who is shown in the question that is open, with loaded pictures."""
    page.wait_for_selector("#confirm[open]")
    shown = page.locator("#confirm-shown figure")
    for image in shown.locator("img").all():
        image.evaluate("image => image.decode()")
    assert shown.locator("img").count() == shown.count()
    return shown.locator("figcaption").all_inner_texts()


def test_pictures_of_a_track_are_one_card_with_their_count(walks, tmp_path):
    page = walks
    choose(page, tmp_path, person=0)
    assert persons(page) == ["Anna"] * 2 + ["Bert"] * 2 + ["unknown person"] * 2
    assert page.locator(".hit .count").all_inner_texts() == ["3 pictures"] * 6
    card(page, "Anna", "car park").focus()
    page.keyboard.press("t")
    page.wait_for_selector("#pick .tile")
    tiles = page.locator("#pick .tile").all_inner_texts()
    assert len(tiles) == 3
    assert all(tile.startswith("Anna, car park, 21 Sept 2026, 16:1") for tile in tiles)
    page.keyboard.press("Escape")
    page.select_option("#group", "")
    page.click("#search")
    page.wait_for_function("() => document.querySelectorAll('.hit').length === 18")
    assert page.locator(".hit .count").count() == 0
    page.select_option("#group", "person")
    page.click("#search")
    page.wait_for_function("() => document.querySelectorAll('.hit').length === 8")
    anna = card(page, "Anna")
    assert anna.locator(".count").inner_text() == "6 pictures"
    assert anna.locator("[data-act=track]").text_content() == "All of this track"


def test_confirming_a_track_takes_all_of_it_and_is_undone(walks):
    page = walks
    pick(page, 0)
    assert "Anna, car park" in page.inner_text("#query-name")
    card(page, "unknown person").first.locator("[data-act=confirm]").click()
    page.wait_for_selector(".message:has-text('Confirmed: Anna')")
    assert counts(page) == {"Anna": 9, "Bert": 6, None: 3}
    assert "Same person" in page.locator(".hit.same .mark").inner_text()
    page.click(".message button")
    page.wait_for_selector(".message:has-text('Undone: confirmation of Anna (3 entries)')")
    assert counts(page) == {"Anna": 6, "Bert": 6, None: 6}
    page.wait_for_function("() => !document.querySelector('.hit.same')")
    assert persons(page).count("Anna") == 1
    assert page.locator("#undo").is_hidden()


def test_a_split_is_undone_by_a_key(walks):
    page = walks
    pick(page, 0)
    card(page, "Anna").focus()
    page.keyboard.press("n")
    page.wait_for_selector(".message:has-text('Split off: Anna-2, 3 entries')")
    assert counts(page) == {"Anna": 3, "Anna-2": 3, "Bert": 6, None: 6}
    page.wait_for_selector("#gallery-line:has-text('3 people')")
    page.keyboard.press("u")
    page.wait_for_selector(".message:has-text('Undone: split of Anna-2 (3 entries)')")
    assert counts(page) == {"Anna": 6, "Bert": 6, None: 6}


def test_a_merge_shows_both_people_and_is_undone(walks):
    page = walks
    pick(page, 0)
    bert = card(page, "Bert").first.locator("[data-act=confirm]")
    bert.click()
    assert question(page) == ["Anna: 6 entries", "Bert: 6 entries"]
    assert page.inner_text("#confirm-title") == "Merge Bert into Anna?"
    page.click("#confirm-no")
    assert counts(page)["Bert"] == 6
    bert.click()
    page.click("#confirm-yes")
    page.wait_for_selector(".message:has-text('Bert is now Anna (6 entries)')")
    assert counts(page) == {"Anna": 12, None: 6}
    page.click("#undo")
    page.wait_for_selector(".message:has-text('Undone: merge into Anna (6 entries)')")
    assert counts(page) == {"Anna": 6, "Bert": 6, None: 6}


def test_a_person_is_renamed_after_a_question_and_it_is_undone(walks, tmp_path):
    page = walks
    pick(page, 0)
    anna = card(page, "Anna")
    anna.locator("summary").click()
    anna.locator("[data-act=rename]").click()
    assert question(page) == ["Anna: 6 entries"]
    assert page.inner_text("#confirm-title") == "Rename Anna?"
    assert page.input_value("#confirm-name") == "Anna"
    assert violations(page) == []
    for refused in ("", "   "):
        page.fill("#confirm-name", refused)
        page.keyboard.press("Enter")
        assert page.is_visible("#confirm[open]")
    page.keyboard.press("Escape")
    assert counts(page)["Anna"] == 6
    anna.focus()
    page.keyboard.press("r")
    page.wait_for_selector("#confirm[open]")
    page.keyboard.type("  Zoë <b>[red] ")
    page.keyboard.press("Enter")
    page.wait_for_selector(".message:has-text('Anna is now Zoë <b>[red] (6 entries)')")
    assert counts(page) == {"Zoë <b>[red]": 6, "Bert": 6, None: 6}
    page.wait_for_selector("#query-name:has-text('Zoë <b>[red], car park')")
    assert persons(page).count("Zoë <b>[red]") == 1
    # The query is of that person: what is confirmed now gets the new name.
    card(page, "unknown person").first.locator("[data-act=confirm]").click()
    page.wait_for_selector(".message:has-text('Confirmed: Zoë <b>[red]')")
    page.keyboard.press("u")
    page.wait_for_selector(".message:has-text('Undone: confirmation')")
    page.keyboard.press("u")
    page.wait_for_selector(".message:has-text('Undone: rename to Zoë <b>[red] (6 entries)')")
    assert counts(page) == {"Anna": 6, "Bert": 6, None: 6}
    page.wait_for_selector("#query-name:has-text('Anna, car park')")


def test_a_name_that_somebody_has_is_no_new_one(walks):
    page = walks
    pick(page, 0)
    assert card(page, "unknown person").first.locator("[data-act=rename]").count() == 0
    card(page, "Bert").first.focus()
    page.keyboard.press("r")
    page.wait_for_selector("#confirm[open]")
    page.fill("#confirm-name", "Anna")
    page.click("#confirm-yes")
    page.wait_for_selector("#error:has-text('already: merge makes two')")
    assert counts(page) == {"Anna": 6, "Bert": 6, None: 6}
    page.click("#close-error")
    card(page, "Bert").first.focus()
    page.keyboard.press("r")
    page.wait_for_selector("#confirm[open]")
    page.keyboard.press("Enter")
    page.wait_for_selector("#confirm", state="hidden")
    assert page.locator(".message").count() == 0
    assert counts(page)["Bert"] == 6


def test_a_new_person_that_is_undone_is_nobody_to_the_query_either(walks, tmp_path):
    page = walks
    choose(page, tmp_path, person=2)
    unknown = card(page, "unknown person")
    unknown.first.locator("[data-act=confirm]").click()
    page.wait_for_selector(".message:has-text('a new person, person-1')")
    page.click("#undo")
    page.wait_for_selector(".message:has-text('Undone')")
    page.wait_for_function("() => !document.querySelector('.hit.same')")
    unknown.last.locator("[data-act=confirm]").click()
    page.wait_for_selector(".message:has-text('a new person, person-1')")
    assert counts(page) == {"Anna": 6, "Bert": 6, "person-1": 3, None: 3}


def test_a_removal_shows_who_and_how_many(walks):
    page = walks
    pick(page, 0)
    card(page, "unknown person", "entrance").focus()
    page.keyboard.press("Delete")
    [text] = question(page)
    assert text.startswith("unknown person, entrance, 21 Sept 2026")
    assert text.endswith(": 3 entries")
    assert page.inner_text("#confirm-title") == "Remove 3 entries?"
    page.click("#confirm-no")
    assert counts(page)[None] == 6
    page.keyboard.press("Delete")
    page.click("#confirm-yes")
    page.wait_for_selector(".message:has-text('Removed for good: 3 entries')")
    assert counts(page) == {"Anna": 6, "Bert": 6, None: 3}
    card(page, "Bert").first.focus()
    page.keyboard.press("Delete")
    assert question(page) == ["Bert: 6 entries"]
    page.click("#confirm-yes")
    page.wait_for_selector(".message:has-text('Removed for good: 6 entries')")
    assert counts(page) == {"Anna": 6, None: 3}


def test_anna_and_bert_of_two_additions_stay_two_people(browser, tmp_path):
    with serving(two_adds(tmp_path), tmp_path) as url:
        for page in opened(browser, url):
            assert page.inner_text("#gallery-line") == "4 entries, 2 people, 2 cameras"
            assert [one.strip() for one in page.inner_text("#cameras").split("\n")] == [
                "car park",
                "lift",
            ]
            choose(page, tmp_path, person=1)
            assert persons(page) == ["Bert", "Bert", "Anna", "Anna"]
            # One picture, added by two cameras: a search by it finds neither of the two.
            page.set_input_files("#file", tmp_path / "pictures" / "Bert" / "lift_1.png")
            page.wait_for_selector("#summary:has-text('itself is in the gallery (2 entries)')")
            assert persons(page) == ["Anna", "Anna"]
            choose(page, tmp_path, person=1)
            page.wait_for_selector("#summary:not(:has-text('itself'))")
            assert "car park" in card(page, "Bert").all_inner_texts()[0]
            card(page, "Bert").first.focus()
            page.keyboard.press("Delete")
            assert question(page) == ["Bert: 2 entries"]
            page.click("#confirm-yes")
            page.wait_for_selector("#gallery-line:has-text('2 entries, 1 person')")
            assert persons(page) == ["Anna", "Anna"]
            assert counts(page) == {"Anna": 2}


def test_a_gallery_of_which_nothing_is_known(browser, tmp_path):
    """A flat folder: nobody named, no camera, no time. Nothing on the page speaks of them."""
    with serving(unlabelled(tmp_path), tmp_path) as url:
        for page in opened(browser, url):
            assert page.inner_text("#gallery-line") == "6 entries, nobody named yet"
            for part in ("#cameras-set", "#query-camera-line", "#time-set", "#group-line"):
                assert page.locator(part).is_hidden()
            page.click("#pick-open")
            page.wait_for_selector(".tile")
            assert page.locator(".tile").all_inner_texts() == [f"IMG_{n:04}.png" for n in range(6)]
            assert page.locator("#pick-camera-line").is_hidden()
            page.fill("#pick-text", "img_0004")
            page.wait_for_function("() => document.querySelectorAll('.tile').length === 1")
            page.click(".tile")
            page.wait_for_selector(".hit")
            assert page.inner_text("#query-name") == "IMG_0004.png"
            assert page.locator("#own-camera-line").is_hidden()
            assert persons(page)[0] == "IMG_0001.png"
            assert "unknown" not in page.inner_text("#desk")
            assert page.locator("#beyond-line").is_hidden()
            page.locator(".hit").first.focus()
            page.keyboard.press("Delete")
            assert question(page) == ["IMG_0001.png: 1 entry"]
            assert page.inner_text("#confirm-title") == "Remove 1 entry?"
            assert page.inner_text("#confirm-text").startswith("This entry is removed")
            page.keyboard.press("Escape")
            page.locator(".hit").first.focus()
            page.keyboard.press("y")
            page.wait_for_selector(".message:has-text('Confirmed: a new person, person-1')")
            assert counts(page) == {"person-1": 2, None: 4}
            page.wait_for_selector("#gallery-line:has-text('6 entries, 1 person')")
            assert persons(page)[0] == "person-1"


def test_cameras_with_a_profile_and_a_new_one(browser, tmp_path):
    with serving(profiled(tmp_path), tmp_path) as url:
        for page in opened(browser, url):
            assert page.inner_text("#profiles") == (
                "Camera profiles in use: a, b. New and raw: c. "
                "Renew the profiles with passerby gallery profile."
            )
            assert [one.strip() for one in page.inner_text("#cameras").split("\n")] == [
                "a", "b", "c raw"
            ]  # fmt: skip
