"""The page for whoever reads it: on a phone, by keyboard, with a screen reader, by local time."""

import pytest
from paged import choose, focused, opened, persons, pick, serving, violations
from served import walks

pytestmark = pytest.mark.slow

PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """For tests that change nothing: Anna, Bert and somebody unknown on tracks."""
    folder = tmp_path_factory.mktemp("served")
    with serving(walks(folder), folder) as url:
        yield url


@pytest.fixture
def page(browser, server):
    yield from opened(browser, server)


@pytest.fixture
def phone(browser, server):
    yield from opened(browser, server, viewport=PHONE, has_touch=True)


def inside(page, selector):
    """Whether all of an element can be seen without scrolling."""
    box = page.locator(selector).bounding_box()
    size = page.viewport_size
    return box["y"] >= 0 and box["y"] + box["height"] <= size["height"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(browser, server, width, scheme):
    """Contrast, labels, roles: rules of axe-core, in each state of the page."""
    size = {"width": width, "height": 844}
    for page in opened(browser, server, viewport=size, color_scheme=scheme):
        assert violations(page) == []
        page.click("#pick-open")
        page.wait_for_selector(".tile img")
        assert violations(page) == []
        page.click(".tile >> nth=0")
        page.wait_for_selector(".hit")
        page.locator(".hit").nth(1).focus()
        page.keyboard.press("n")
        page.wait_for_selector(".message")
        page.keyboard.press("m")
        page.wait_for_selector(".menu[open]")
        page.evaluate("document.getElementById('filters').open = true")
        assert violations(page) == []
        page.keyboard.press("Escape")
        page.locator(".hit").nth(1).focus()
        page.keyboard.press("Delete")
        page.wait_for_selector("#confirm[open]")
        assert violations(page) == []
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        page.wait_for_selector("#help[open]")
        assert violations(page) == []
        page.keyboard.press("Escape")
        page.evaluate("document.dispatchEvent(new Event('logged-out'))")
        assert violations(page) == []


def test_a_card_has_two_actions_and_a_menu_for_the_others(page, tmp_path):
    choose(page, tmp_path, person=0)
    card = page.locator(".hit").first
    visible = [one for one in card.locator("button").all() if one.is_visible()]
    assert [one.inner_text() for one in visible] == ["Same person", "Different"]
    card.locator("summary").click()
    menu = [one.inner_text() for one in card.locator(".menu button").all() if one.is_visible()]
    assert menu == [
        "Search with this",
        "All 3 of this track",
        "All of Anna",
        "Rename …",
        "Remove …",
    ]
    page.keyboard.press("Escape")
    assert not card.locator(".menu button").first.is_visible()
    page.locator(".hit summary").nth(1).click()
    page.locator(".hit summary").nth(2).click()
    assert page.locator(".menu[open]").count() == 1
    page.click("#results-title")
    assert page.locator(".menu[open]").count() == 0
    card.locator("summary").click()
    card.locator("[data-act=person]").click()
    page.wait_for_selector("#pick .tile")
    assert page.inner_text("#pick-title") == "All pictures of Anna"
    assert page.locator("#pick .tile").count() == 6


def test_the_picker_is_filtered_by_text_and_camera(page):
    page.click("#pick-open")
    page.wait_for_selector(".tile")
    assert page.locator(".tile").count() == 18
    page.fill("#pick-text", "BER")
    page.wait_for_function("() => document.querySelectorAll('.tile').length === 6")
    page.select_option("#pick-camera", "entrance")
    page.wait_for_function("() => document.querySelectorAll('.tile').length === 3")
    tiles = page.locator(".tile").all_inner_texts()
    assert all(tile.startswith("Bert, entrance") for tile in tiles)
    page.fill("#pick-text", "nobody of that name")
    page.wait_for_selector("#pick-note:has-text('No entry meets the filter')")
    page.fill("#pick-text", "car park/0_1")
    page.select_option("#pick-camera", "")
    page.wait_for_function("() => document.querySelectorAll('.tile').length === 1")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".hit")
    assert page.inner_text("#query-name").startswith("Anna, car park")


def test_messages_go_away_but_not_from_under_the_pointer(browser, server):
    for page in opened(browser, server):
        page.clock.install()
        pick(page, 0)
        page.locator(".hit").nth(1).focus()
        page.keyboard.press("n")
        page.wait_for_selector(".message")
        page.clock.fast_forward(5_000)
        assert page.locator(".message").is_visible()
        page.clock.fast_forward(5_000)
        assert page.locator(".message").count() == 0
        assert page.locator(".hit.different .mark").inner_text() == "✗ Different person"
        page.locator(".hit").nth(2).focus()
        page.keyboard.press("n")
        page.hover(".message")
        page.clock.fast_forward(60_000)
        assert page.locator(".message").is_visible()
        page.hover("#results-title")
        page.clock.fast_forward(60_000)
        assert page.locator(".message").count() == 0


def test_on_a_phone_the_query_stays_and_search_needs_no_scrolling(phone):
    assert inside(phone, "#search")
    assert inside(phone, "#pick-open")
    pick(phone, 0)
    phone.evaluate("window.scrollTo(0, document.documentElement.scrollHeight)")
    phone.wait_for_timeout(200)
    assert phone.evaluate("window.scrollY") > 500
    for part in ("#query-picture", "#query-name", "#search"):
        assert inside(phone, part)
    # What is above the results must leave room for them.
    box = phone.locator("#asked").bounding_box()
    assert box["height"] < PHONE["height"] / 5


def test_search_is_above_the_fold_on_a_desk(browser, server):
    for page in opened(browser, server, viewport={"width": 1280, "height": 720}):
        assert inside(page, "#search")
        pick(page, 0)
        page.evaluate("window.scrollTo(0, document.documentElement.scrollHeight)")
        page.wait_for_timeout(200)
        assert inside(page, "#search")
        assert page.locator(".hit .picture").first.bounding_box()["height"] >= 250


def test_times_are_those_of_the_readers_place(browser, server):
    seen = {}
    for zone in ("Asia/Tokyo", "America/New_York"):
        for page in opened(browser, server, timezone_id=zone, locale="en-GB"):
            assert page.inner_text("#time-legend") == f"Time ({zone})"
            page.click("#pick-open")
            seen[zone] = page.inner_text(".tile >> nth=0")
            # 21 Sept 2026, 14:13:20 UTC is when the first picture was taken.
            page.click(".tile >> nth=12")
            page.wait_for_selector(".hit")
            start = "2026-09-21T23:13:20" if zone == "Asia/Tokyo" else "2026-09-21T10:13:20"
            later = start.replace(":13:20", ":16:20")
            page.fill("#since", start)
            page.fill("#until", later)
            page.click("#search")
            page.wait_for_function("() => document.querySelectorAll('.hit').length === 1")
            assert persons(page) == ["Anna"]
    assert seen["Asia/Tokyo"] == "Anna, car park, 21 Sept 2026, 23:13:20"
    assert seen["America/New_York"] == "Anna, car park, 21 Sept 2026, 10:13:20"


def test_by_keyboard_alone(page):
    page.keyboard.press("?")
    page.wait_for_selector("#help[open]")
    told = page.locator("#help kbd").all_inner_texts()
    assert {"/", "P", "G", "U", "Enter", "Y", "N", "A", "T", "M", "Delete"} <= set(told)
    page.keyboard.press("Escape")
    page.keyboard.press("p")
    page.wait_for_selector("#pick .tile")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector(".hit")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "file"
    page.keyboard.press("g")
    first = focused(page)
    assert first == page.get_attribute(".hit >> nth=0", "data-key")
    page.keyboard.press("ArrowRight")
    assert focused(page) != first
    page.keyboard.press("A")
    page.wait_for_selector("#pick[open]")
    page.keyboard.press("Escape")
    page.keyboard.press("m")
    assert page.evaluate("document.activeElement.dataset.act") == "search"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.act") == "track"
    # Letters that are written into a field are no keys of the page.
    page.focus("#k")
    page.keyboard.press("p")
    assert page.locator("#pick[open]").count() == 0
