"""Suggestions on the page: who may be one person, answered by keys and buttons."""

import pytest
from paged import counts, opened, serving, violations
from served import walks

pytestmark = pytest.mark.slow


@pytest.fixture(params=["light", "dark"])
def page(browser, tmp_path, request):
    """Three people without names, each on a track in the car park and one at the entrance."""
    with serving(walks(tmp_path, names=(None, None, None)), tmp_path) as url:
        yield from opened(browser, url, color_scheme=request.param)


def pair(page):
    """Keys of the two entries that are shown, whose pictures have loaded."""
    page.wait_for_selector("#suggest .side img")
    images = page.locator("#suggest .side img").all()
    assert len(images) == 2
    for image in images:
        image.evaluate("image => image.decode()")
    return [
        image.evaluate("image => new URL(image.src).searchParams.get('key')") for image in images
    ]


def asked(page):
    answer = page.evaluate("fetch('/v1/suggestions').then(answer => answer.json())")
    return [
        ({one["one"]["key"], one["other"]["key"]}, one["later"]) for one in answer["suggestions"]
    ]


def other_than(page, shown):
    page.wait_for_function(
        "key => { const image = document.querySelector('#suggest .side img');"
        " return !image || new URL(image.src).searchParams.get('key') !== key; }",
        arg=shown[0],
    )


def test_yes_no_and_later_by_keys_and_all_of_it_undone(page):
    page.keyboard.press("s")
    first = pair(page)
    # Two places, one person: the number before the frame.
    assert {key.partition("/")[0] for key in first} == {"car park", "entrance"}
    assert len({key.partition("/")[2] for key in first}) == 1
    told = page.locator("#suggest figcaption").all_inner_texts()
    assert all("unknown person" in text and "3 entries" in text for text in told)
    assert "21 Sept 2026, 1" in told[0]
    assert page.inner_text("#suggest-said").startswith("3 suggestions · distance 0.0")
    assert violations(page) == []
    page.keyboard.press("y")
    other_than(page, first)
    assert counts(page) == {"person-1": 6, None: 12}
    second = pair(page)
    page.keyboard.press("n")
    other_than(page, second)
    third = pair(page)
    assert asked(page) == [(set(third), False)]
    page.keyboard.press("l")
    page.wait_for_selector("#suggest-note:has-text('No suggestions left')")
    assert page.locator("[data-decision=yes]").is_disabled()
    assert asked(page) == [(set(third), True)]
    page.keyboard.press("u")
    assert pair(page) == third
    page.keyboard.press("u")
    other_than(page, third)
    assert pair(page) == second
    page.click("[data-decision=yes]")
    other_than(page, second)
    assert counts(page) == {"person-1": 6, "person-2": 6, None: 6}
    page.click("#suggest-undo")
    other_than(page, third)
    page.click("#suggest-undo")
    other_than(page, second)
    assert counts(page) == {None: 18}
    assert len(asked(page)) == 3
    page.keyboard.press("y")
    other_than(page, first)
    page.keyboard.press("Escape")
    page.wait_for_selector("#gallery-line:has-text('18 entries, 1 person')")


def test_what_cannot_be_suggested_is_told(browser, tmp_path):
    with serving(walks(tmp_path, calibrated=False), tmp_path) as url:
        for page in opened(browser, url):
            page.click("#suggest-open")
            page.wait_for_selector("#suggest-note:has-text('threshold')")
            assert page.locator("[data-decision=yes]").is_disabled()
