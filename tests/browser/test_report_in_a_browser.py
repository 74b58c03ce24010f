"""The report in a real browser: the system's Chromium, headless."""

import numpy as np
import pytest
from PIL import Image

from passerby.data.datasets import load
from passerby.embedding.embedder import Embedder
from passerby.experiment import evaluate_run
from passerby.figures.report import write_report
from passerby.files import write_text
from passerby.methods import find_method
from passerby.recipes import override

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def report(market, tmp_path_factory):
    run = tmp_path_factory.mktemp("browser") / "run"
    method = find_method("bag_of_tricks")
    recipe = override(method.recipe.small(), {"height": 32, "width": 16})
    model = Embedder(method, recipe, method.network(recipe))
    model.save(run)
    write_text(run / "config.yaml", "method: bag_of_tricks\nseed: 0\n")
    rows = "".join(f"train,{e},1,identity,{5 - e}\n" for e in range(3))
    write_text(run / "metrics.csv", f"stage,epoch,step,name,value\n{rows}")
    split = load("market1501", market)
    evaluate_run(model, split, run)
    write_report(run, run / "report.html", model, split, lists=4)
    return run / "report.html"


def opened(browser, report, scheme="light", width=1100, script=False):
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 800}, java_script_enabled=script
    )
    page = context.new_page()
    page.set_default_timeout(120_000)
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(report.as_uri())
    return page, asked, complaints


def test_it_asks_no_other_place(browser, report):
    page, asked, complaints = opened(browser, report, script=True)
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
    assert complaints == []
    pictures = "[...document.images].map(i => i.complete && i.naturalWidth > 0)"
    shown = page.evaluate(pictures)
    assert len(shown) > 20
    assert all(shown)


@pytest.mark.parametrize("width", [360, 1100])
def test_nothing_is_wider_than_the_screen(browser, report, width):
    page, _, _ = opened(browser, report, width=width, script=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    cut = """[...document.querySelectorAll("h1, h2, h3, p, li, .chart, .strips img, .list")]
        .filter(e => e.offsetParent && e.getBoundingClientRect().right > innerWidth + 1).length"""
    assert page.evaluate(cut) == 0


def test_filters_work_without_script(browser, report):
    page, _, _ = opened(browser, report)
    every = page.locator(".list").count()
    for kind in ("failures", "worst", "random"):
        page.locator(f'label[for="show-{kind}"]').click()
        wanted = page.locator(f".list.{kind}").count()
        shown = [one.is_visible() for one in page.locator(".list").all()]
        assert sum(shown) == wanted
        assert page.locator(f".no-{kind}:visible").count() == (wanted == 0)
    page.locator("#show-all").focus()
    page.keyboard.press("Space")
    assert sum(one.is_visible() for one in page.locator(".list").all()) == every


def test_light_and_dark(browser, report, tmp_path):
    brightness = {}
    for scheme in ("light", "dark"):
        page, _, _ = opened(browser, report, scheme=scheme)
        page.screenshot(path=tmp_path / f"{scheme}.png")
        with Image.open(tmp_path / f"{scheme}.png") as image:
            brightness[scheme] = np.median(np.asarray(image.convert("L")))
    assert brightness["light"] > 220
    assert brightness["dark"] < 50
