import re
import shutil
from html.parser import HTMLParser

import pytest
import yaml

import passerby
from passerby.cli.main import run as passerby_run
from passerby.embedding.embedder import Embedder
from passerby.experiment import evaluate_run
from passerby.figures.page_charts import Axis, Line, bar_chart, line_chart
from passerby.figures.page_style import STYLE, filter_style
from passerby.figures.report import FILTERS
from passerby.methods import find_method
from passerby.recipes import override, to_plain
from passerby.types import InputError

EMPTY = {"meta", "img", "input", "br", "link", "hr"}
SHAPES = {"circle", "polyline", "path"}


class Page(HTMLParser):
    """Tags with their attributes; every tag that opens must close, in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in SHAPES
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def of(self, tag, **attributes):
        return [a for t, a in self.tags if t == tag and attributes.items() <= a.items()]


@pytest.fixture(scope="module")
def finished(market, tmp_path_factory):
    """A run with random weights, whose files say what a finished one's do."""
    run = tmp_path_factory.mktemp("report") / "run <b>"
    method = find_method("msreid")
    recipe = override(method.recipe.small(), {"height": 64, "width": 32})
    model = Embedder(method, recipe, method.network(recipe))
    model.save(run)
    config = {
        "method": "msreid", "recipe": to_plain(recipe), "seed": 3,
        "trained_on": ["market1501 in m"],
        "source": {"data": "market1501", "root": str(market), "options": {}},
        "settings": {"validation": 0.0}, "versions": {"passerby": "0"}, "device": "cpu",
        "threads": 2, "command": ["passerby", "train", "<script>"],
    }  # fmt: skip
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    rows = [f"train,{epoch},5,{name},{value / (epoch + 1)}" for epoch in range(3)
            for name, value in (("global_identity", 4), ("rate0", 0.01),
                                ("images_per_second", 60))]  # fmt: skip
    (run / "metrics.csv").write_text("\n".join(["stage,epoch,step,name,value", *rows]) + "\n")
    split = passerby.load("market1501", market)
    evaluate_run(model, split, run)
    target = run / "report.html"
    assert passerby_run(["figures", "report", str(run), "--lists", "3"]) == 0
    return run, target.read_text()


def test_one_file_without_network_and_script(finished):
    _, text = finished
    page = Page(text)
    sources = [attributes["src"] for attributes in page.of("img")]
    assert len(sources) > 20
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert not page.of("script") + page.of("link") + page.of("iframe")
    assert all(a["href"].startswith("#") for a in page.of("a"))
    assert "url(" not in text
    assert "@import" not in text
    assert not re.search(r"https?:", text)
    (policy,) = page.of("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"].startswith("default-src 'none'; img-src data:;")
    assert all(attributes.get("alt") for attributes in page.of("img"))


def test_what_is_on_the_page(finished):
    run, text = finished
    page = Page(text)
    sections = [attributes["id"] for attributes in page.of("section")]
    assert sections == ["scores", "lists", "distances", "masks", "attention", "grad-cam",
                        "training", "speed", "settings"]  # fmt: skip
    assert {a["href"] for a in page.of("a")} == {f"#{name}" for name in sections}
    assert "single-query; euclidean distance" in text
    assert "&lt;script&gt;" in text
    assert "run &lt;b&gt;" in text
    assert "lacks what only training needed" in text  # The fixture has no stages.
    # The harmonic mean of 60, 30, 20: as many pictures in each epoch.
    assert "<td>30</td><td>20</td><td>60</td>" in text
    assert str(run.parent) not in text


def test_lists_and_their_filters(finished):
    _, text = finished
    page = Page(text)
    kinds = [set(a["class"].split()) for a in page.of("article")]
    assert all("list" in kind for kind in kinds)
    for name, label in FILTERS.items():
        assert len(page.of("input", id=f"show-{name}", name="show")) == 1
        count = len(kinds) if name == "all" else sum(name in kind for kind in kinds)
        assert f'<label for="show-{name}">{label} ({count})</label>' in text
    for article in re.findall(r"<article.*?</article>", text, re.DOTALL):
        first = re.search(r'<figure class="(right|wrong)"', article)[1]
        failed = "failures" in re.search(r'class="([^"]*)"', article)[1]
        assert failed == (first == "wrong")
        rank = int(re.search(r"at rank (\d+)", article)[1])
        assert (rank == 1) == (first == "right")


def test_without_pictures(finished, tmp_path):
    run, _ = finished
    target = tmp_path / "bare.html"
    assert passerby_run(["figures", "report", str(run), "--out", str(target), "--no-pictures"]) == 0
    text = target.read_text()
    assert not Page(text).of("img")
    assert "rank-1" in text


def test_other_results_beside_the_runs_own(finished, tmp_path, capsys):
    run, _ = finished
    other, target = tmp_path / "other", tmp_path / "page.html"
    other.mkdir()
    for name in ("results", "reranked"):
        shutil.copy(run / "results.json", other / f"{name}.json")
    command = ["figures", "report", str(run), "--out", str(target), "--no-pictures", "--beside"]
    assert passerby_run([*command, str(other), str(other / "reranked.json")]) == 0
    text = target.read_text()
    for name in ("this run", "other", "other, reranked"):
        assert f"<td>{name}</td>" in text
        assert f"</i>{name}</span>" in text
    assert passerby_run([*command, str(tmp_path)]) == 2
    assert "results.json" in capsys.readouterr().err


def test_what_cannot_be_reported(finished, tmp_path, capsys):
    run, _ = finished
    for arguments, words in (
        (
            [str(run), "--out", str(tmp_path / "a.pdf"), "--no-pictures"],
            "must be an .html file: given",
        ),
        ([str(tmp_path), "--no-pictures"], "not a run: config.yaml is missing"),
        ([str(run), "--lists", "0"], "at least 1: given 0"),
    ):
        assert passerby_run(["figures", "report", *arguments]) == 2
        assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_places_in_a_chart():
    svg = line_chart([Line("a", [0, 5, 10], [0, 1, 2])], Axis("x"), Axis("y"), "d")
    assert 'points="46.0,184.0 198.0,97.0 350.0,10.0"' in svg
    svg = line_chart([Line("", [1, 10, 100], [7, 7, 7])], Axis("x", log=True), Axis("y"), "<d>")
    assert 'points="46.0,97.0 198.0,97.0 350.0,97.0"' in svg
    assert "&lt;d&gt;" in svg
    svg = bar_chart([0, 1, 2], [("a", [1, 2])], Axis("x"), Axis("y"), "d")
    assert 'd="M46.0,184.0L46.0,97.0H198.0L198.0,10.0H350.0V184.0Z"' in svg


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_text_can_be_read_in_light_and_dark():
    """WCAG 2 asks for a contrast of 4.5."""
    light, dark = STYLE.split("@media (prefers-color-scheme: dark)")
    for style in (light, dark.split("} }")[0]):
        colours = dict(re.findall(r"--(\w+): (#\w+)", style))
        colours = {n: c if len(c) == 7 else "#" + "".join(2 * x for x in c[1:])
                   for n, c in colours.items()}  # fmt: skip
        for ground in ("page", "card"):
            for ink in ("ink", "pale", "link", "right", "wrong"):
                values = sorted(luminance(colours[name]) for name in (ground, ink))
                assert (values[1] + 0.05) / (values[0] + 0.05) >= 4.5, (ground, ink)


def test_each_filter_has_its_rules():
    style = filter_style(["all", "worst"])
    assert "#show-worst:checked ~ .list:not(.worst) { display: none; }" in style
    assert ".list:not(.all)" not in style


def test_an_unreadable_metrics_file(finished, tmp_path):
    from passerby.figures.report_page import read_metrics

    (tmp_path / "metrics.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="not a file of metrics"):
        read_metrics(tmp_path / "metrics.csv")
    assert read_metrics(tmp_path / "none.csv") == {}


def marks(svg, anchor):
    """Numbers at an axis."""
    return [float(m) for m in re.findall(rf'text-anchor="{anchor}">(-?[\d.e-]+)</text>', svg)]


def test_marks_of_an_axis():
    epochs = Axis("epoch", whole=True)
    svg = line_chart([Line("", [1, 2, 3], [0, 0, 0])], epochs, Axis("y"), "d")
    assert marks(svg, "middle") == [1, 2, 3]
    # What never was below 0 has no axis below 0.
    assert min(marks(svg, "end")) == 0
    svg = line_chart([Line("", range(1, 51), [0.5] * 50)], Axis("k", whole=True), Axis("y"), "d")
    assert marks(svg, "middle") == [10, 20, 30, 40, 50]
    assert marks(svg, "end") == [0, 0.2, 0.4, 0.6, 0.8, 1]
    svg = line_chart([Line("", [0, 1], [-2, -2])], Axis("x"), Axis("y"), "d")
    assert marks(svg, "end") == [-4, -3, -2, -1, 0]
