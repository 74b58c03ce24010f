"""Cameras and times in a real browser."""

import pytest
from paged import opened, serving, violations
from walked import START, walked

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walked")
    with serving(walked(folder, 600), folder) as url:
        yield url


def times(browser, server, **options):
    for page in opened(browser, server, **options):
        page.goto(f"{server}/times.html")
        page.wait_for_selector("#said:not(:empty)")
        yield page


@pytest.fixture
def page(browser, server):
    yield from times(browser, server)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_times(browser, server, scheme):
    for page in times(browser, server, color_scheme=scheme):
        assert violations(page) == []
        page.locator("td.count button").nth(3).click()
        page.wait_for_selector(".seen img")
        assert violations(page) == []
        page.locator(".seen").first.click()
        page.wait_for_selector("#card[open]")
        assert violations(page) == []


def keys(page):
    return page.locator(".seen").evaluate_all("cards => cards.map(card => card.dataset.key)")


def test_much_is_counted_and_little_is_cards(page):
    assert "600 tracks, 3 cameras" in page.inner_text("#said")
    assert page.locator("#grid tbody tr").count() == 3
    assert page.locator(".seen").count() == 0
    page.locator("td.count button").nth(3).click()
    page.wait_for_selector(".seen")
    found = keys(page)
    assert 0 < len(found) <= 100
    rows = page.locator("#grid tbody tr")
    for place in range(rows.count()):
        name = rows.nth(place).locator("th").first.inner_text().split()[0]
        inside = rows.nth(place).locator(".seen").evaluate_all("c => c.map(x => x.dataset.key)")
        assert all(key.startswith(f"{name}/") for key in inside)
    page.click("#all")
    page.wait_for_selector("td.count")
    assert "600 tracks" in page.inner_text("#said")


def look(page, begin, end):
    page.fill("#since", f"2026-11-21T09:{begin // 60:02d}:{begin % 60:02d}")
    page.fill("#until", f"2026-11-21T09:{end // 60:02d}:{end % 60:02d}")
    page.click("#span button[type=submit]")
    page.wait_for_selector(".seen")


def test_cards_play_their_crops(page):
    assert START == 1_795_248_000  # 2026-11-21T08:00 UTC, 09:00 in Berlin
    look(page, 0, 60)
    assert keys(page) == [f"cam-{n % 3}/day/{n:05d}" for n in (0, 3, 1, 4, 2, 5)]
    image = page.locator(".seen img").first
    first = image.get_attribute("src")
    page.locator(".seen").first.hover()
    page.wait_for_function("first => document.querySelector('.seen img').src.includes('number=1')",
                           arg=first)  # fmt: skip
    page.mouse.move(0, 0)
    page.wait_for_function(
        "() => document.querySelector('.seen img').src.includes('entries/picture')"
    )
    page.locator(".seen").first.click()
    page.wait_for_selector("#card[open]")
    page.wait_for_function("() => document.querySelector('#card-note').textContent === '3 crops'")
    assert "2026-11-21 09:00:00 to 09:00:04" in page.inner_text("#card-times")
    assert page.inner_text("#card-play") == "Stop"
    page.click("#card-play")
    assert page.inner_text("#card-play") == "Play"
    page.keyboard.press("Escape")
    page.wait_for_selector("#card", state="hidden")


def test_where_else_somebody_was(page):
    look(page, 0, 60)
    page.locator(".seen").nth(2).click()
    page.click("#card-where")
    page.wait_for_selector(".seen.sought")
    assert "cam-1 at 2026-11-21 09:00:10" in page.inner_text("#sought-text")
    assert page.locator(".seen.sought").get_attribute("data-key") == "cam-1/day/00001"
    found = keys(page)
    # Colours repeat after six people; the entry's own camera does not count.
    assert len(found) > 1
    assert all(int(key[-5:]) % 6 == 1 and not key.startswith("cam-1/")
               for key in found if key != "cam-1/day/00001")  # fmt: skip
    page.click("#everybody")
    page.wait_for_selector("td.count")


def test_steps_in_time(page):
    look(page, 600, 720)
    before = keys(page)
    page.click("#later")
    page.wait_for_function("key => document.querySelector('.seen')?.dataset.key !== key",
                           arg=before[0])  # fmt: skip
    assert page.input_value("#since").startswith("2026-11-21T09:1")
    page.fill("#person", "nobody of this name")
    page.click("#span button[type=submit]")
    page.wait_for_function("() => document.querySelector('#said').textContent.includes('Nobody')")
    assert page.locator("#grid table").count() == 0


def test_it_fits_a_phone(browser, server):
    for page in times(browser, server, viewport={"width": 390, "height": 800}):
        look(page, 0, 600)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        # The grid scrolls, the cameras' names stay.
        left = page.locator("#grid tbody th").first.bounding_box()["x"]
        page.locator("#grid").evaluate("grid => grid.scrollTo(400, 0)")
        assert page.locator("#grid tbody th").first.bounding_box()["x"] == pytest.approx(
            left, abs=1
        )
