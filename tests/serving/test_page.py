"""The page in a real browser, Chromium."""

import pytest
import torch
from paged import choose, focused, opened, persons, pick, serving
from served import drawn, fill

from passerby.embedding.embedder import Embedder
from passerby.methods import METHODS
from passerby.serving.tokens import TokenFile

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """For tests that change nothing."""
    folder = tmp_path_factory.mktemp("served")
    with serving(fill(folder), folder) as url:
        yield url


@pytest.fixture
def page(browser, server):
    yield from opened(browser, server)


@pytest.fixture
def own_page(browser, tmp_path):
    """Of a server of the test's own."""
    with serving(fill(tmp_path), tmp_path) as url:
        yield from opened(browser, url)


def test_a_picture_finds_its_person(page, tmp_path):
    assert "24 entries, 5 people, 3 cameras" in page.inner_text("#gallery-line")
    choose(page, tmp_path)
    assert persons(page)[:4] == ["person 2"] * 4
    assert "4 results below the threshold" in page.inner_text("#summary")
    assert page.locator(".hit.match").count() == 4
    before = page.locator(".hit.match, .divider").last
    assert "no match" in before.inner_text()
    first = page.locator(".hit").first
    assert "camera" in first.inner_text()
    # 1,790,000,000 seconds after 1970, and person 2's first picture 8 minutes later, in Berlin.
    assert "21 Sept 2026, 16:2" in first.inner_text()
    assert first.locator("img").evaluate("image => image.complete && image.naturalHeight") == 48
    page.uncheck("#beyond")
    page.click("#search")
    page.wait_for_function("() => document.querySelectorAll('.hit').length === 4")


def test_conditions(page, tmp_path):
    page.check("input[name=camera][value='2']")
    choose(page, tmp_path)
    assert all("camera 2" in text for text in page.locator(".hit").all_inner_texts())
    page.fill("#since", "2030-01-01T00:00")
    page.click("#search")
    page.wait_for_selector("#summary:has-text('No entry meets the filters')")
    assert page.locator(".hit").count() == 0
    page.fill("#since", "")
    page.uncheck("input[name=camera][value='2']")
    page.select_option("#group", "person")
    page.click("#search")
    page.wait_for_selector(".hit")
    known = [name for name in persons(page) if name != "unknown person"]
    assert sorted(known) == [f"person {n}" for n in range(5)]


def test_pick_from_the_gallery_and_go_on_by_keys(page):
    pick(page, 5)
    assert "person 1" in page.inner_text("#query-name")
    page.locator(".hit").first.focus()
    first = focused(page)
    page.keyboard.press("ArrowRight")
    second = focused(page)
    assert second != first
    page.keyboard.press("ArrowLeft")
    assert focused(page) == first
    page.keyboard.press("End")
    last = focused(page)
    page.keyboard.press("Enter")
    page.wait_for_function(
        "key => ![...document.querySelectorAll('.hit')].some(e => e.dataset.key === key)", arg=last
    )


def test_everything_can_be_reached_by_tab(page):
    seen = set()
    for _ in range(45):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.id || document.activeElement.name"))
    assert {"file", "pick-open", "camera", "query-camera", "since", "until", "group", "k"} <= seen


def test_confirm_and_reject_change_the_gallery(own_page, tmp_path):
    page = own_page
    choose(page, tmp_path, person=5)
    unknown = page.locator(".hit:has-text('unknown person')")
    assert unknown.count() == 4
    unknown.first.locator("[data-act=confirm]").click()
    page.wait_for_selector("#messages:has-text('a new person, person-1')")
    unknown.first.locator("[data-act=confirm]").click()
    page.wait_for_selector("#messages:has-text('Confirmed: person-1')")
    assert persons(page).count("person-1") == 2
    page.locator(".hit:has-text('person-1')").first.focus()
    page.keyboard.press("n")
    page.wait_for_selector("#messages:has-text('Split off')")
    assert page.locator(".hit.different").count() == 1
    page.wait_for_selector("#gallery-line:has-text('7 people')")
    page.locator(".hit:has-text('person 0')").first.locator("[data-act=confirm]").click()
    page.wait_for_selector("#confirm[open]")
    assert "person 0 become person-1" in page.inner_text("#confirm-text")
    page.click("#confirm-no")
    page.locator(".hit:has-text('person 0')").first.locator("[data-act=confirm]").click()
    page.click("#confirm-yes")
    page.wait_for_selector("#gallery-line:has-text('6 people')")
    assert persons(page).count("person-1") == 5


def test_removal_asks_first(own_page, tmp_path):
    page = own_page
    choose(page, tmp_path, person=2)
    page.locator(".hit .menu summary").first.click()
    page.locator(".hit [data-act=remove]").first.click()
    page.wait_for_selector("#confirm[open]")
    assert page.inner_text("#confirm-title") == "Remove person 2?"
    assert page.evaluate("document.activeElement.id") == "confirm-no"
    page.keyboard.press("Escape")
    assert persons(page).count("person 2") == 4
    page.locator(".hit").first.focus()
    page.keyboard.press("Delete")
    page.click("#confirm-yes")
    page.wait_for_selector("#messages:has-text('Removed for good: 4 entries')")
    assert persons(page).count("person 2") == 0
    page.wait_for_selector("#gallery-line:has-text('20 entries')")


def test_paste_and_drop(page, tmp_path):
    drawn(3, 99).save(tmp_path / "a.png")
    content = list((tmp_path / "a.png").read_bytes())
    for kind, field in (("paste", "clipboardData"), ("drop", "dataTransfer")):
        page.evaluate(
            """([bytes, kind, field]) => {
              const file = new File([new Uint8Array(bytes)], `${kind}.png`, { type: "image/png" });
              const data = new DataTransfer();
              data.items.add(file);
              const event = new Event(kind, { bubbles: true, cancelable: true });
              Object.defineProperty(event, field, { value: data });
              document.body.dispatchEvent(event);
            }""",
            [content, kind, field],
        )
        page.wait_for_selector(f"#query-name:has-text('{kind}.png')")
        page.wait_for_selector(".hit")
        assert persons(page)[0] == "person 3"


def test_errors_can_be_read_and_tried_again(page, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    page.set_input_files("#file", tmp_path / "broken.png")
    page.wait_for_selector("#error:not([hidden])")
    assert page.inner_text("#error-text") == "unsupported file: send JPEG, PNG or WebP"
    page.route("**/v1/search/**", lambda route: route.abort())
    choose_without_waiting(page, tmp_path)
    page.wait_for_selector("#error-text:has-text('does not answer')")
    assert page.locator("#loading").is_hidden()
    page.unroute("**/v1/search/**")
    page.click("#again")
    page.wait_for_selector(".hit")
    assert page.locator("#error").is_hidden()


def choose_without_waiting(page, tmp_path):
    drawn(1, 99).save(tmp_path / "query.png")
    page.set_input_files("#file", tmp_path / "query.png")


def test_loading_is_shown(page, tmp_path):
    held = []
    page.route("**/v1/search/**", lambda route: held.append(route))
    choose_without_waiting(page, tmp_path)
    page.wait_for_selector("#loading:not([hidden])")
    assert page.get_attribute("#results", "aria-busy") == "true"
    page.wait_for_timeout(100)
    held[0].continue_()
    page.wait_for_selector(".hit")
    assert page.get_attribute("#results", "aria-busy") == "false"


def test_login_read_only_and_logout(browser, tmp_path):
    text = TokenFile(tmp_path / "tokens.json").add("watcher", "read")
    with serving(fill(tmp_path), tmp_path) as url:
        for page in opened(browser, url):
            page.wait_for_selector("#login:not([hidden])")
            page.fill("#token", "wrong")
            page.keyboard.press("Enter")
            page.wait_for_selector("#login-error:has-text('invalid token')")
            page.fill("#token", text)
            page.keyboard.press("Enter")
            page.wait_for_selector("#who:has-text('watcher')")
            assert text not in page.content()
            assert page.evaluate("document.cookie") == ""
            choose(page, tmp_path)
            assert page.locator("[data-act=search]").count() > 0
            assert page.locator("[data-act=remove], [data-act=confirm]").count() == 0
            assert page.locator("#suggest-open").is_hidden()
            page.click("#logout")
            page.wait_for_selector("#login:not([hidden])")


def test_masks_over_query_and_results(browser, tmp_path):
    with serving(fill(tmp_path, masked(), calibrated=False), tmp_path) as url:
        for page in opened(browser, url):
            choose(page, tmp_path)
            assert "Without a calibrated threshold" in page.inner_text("#summary")
            query = f"() => ({AVERAGE})(document.getElementById('query-picture'))"
            plain = page.wait_for_function(query).json_value()
            page.select_option("#overlay", "mask")
            page.wait_for_selector(".hit img[src*='kind=mask']")
            page.wait_for_function(
                f"old => {{ const now = ({AVERAGE})(document.getElementById('query-picture'));"
                " return now && String(now) !== String(old); }",
                arg=plain,
            )
            image = page.locator(".hit img").first
            image.evaluate("image => image.decode()")
            assert image.evaluate("image => image.naturalHeight") == 48


def masked():
    """A network with a mask, not trained."""
    torch.manual_seed(0)
    method = METHODS["feature_mask"]
    recipe = method.recipe.small()
    return Embedder(method, recipe, method.network(recipe))


AVERAGE = """image => {
  if (!image.complete || !image.naturalWidth) return null;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  canvas.getContext("2d").drawImage(image, 0, 0, 1, 1);
  return [...canvas.getContext("2d").getImageData(0, 0, 1, 1).data];
}"""


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out(browser, server, tmp_path, width):
    for page in opened(browser, server, viewport={"width": width, "height": 800}):
        choose(page, tmp_path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
