"""What several tests use: small made-up data sets, and a browser."""

import os
import shutil

import pytest

from made_up import write_market


@pytest.fixture(scope="session")
def market(tmp_path_factory):
    """6 training and 4 test people, 2 cameras, 4 pictures each of 48 x 24."""
    return write_market(tmp_path_factory.mktemp("market"))


TOGETHER = {
    "drawn": ("tests/drawing/", "tests/cli/test_demo_video.py", "tests/data/test_datasets.py"),
    "exported": (
        "tests/cli/test_adapt_command.py",
        "tests/cli/test_embed_and_export.py",
        "tests/embedding/test_onnx.py",
        "tests/methods/test_cluster_contrast.py",
        "tests/methods/trunks/test_osnet.py",
    ),
}
"""Files for one process: for drawing, numba compiles for 11 seconds in each; before the first
export to ONNX, torch imports for 10; for re-ranking, which the second kind needs too, both."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Tests of a file stay in one process, for they share what they trained; so do `TOGETHER`."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid):
            for name, files in TOGETHER.items():
                if nodeid.startswith(files):
                    return name
            return super()._split_scope(nodeid)

    return Together(config, log)


BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


# A module's own: while playwright runs, no other event loop can in this thread.
@pytest.fixture(scope="module")
def browser():
    """The system's Chromium, headless."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    given = os.environ.get("PASSERBY_TEST_CHROMIUM")
    program = given or next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"no Chromium on this machine: looked for {', '.join(BROWSERS)}")
    # Chromium's sandbox refuses to run as root.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=program, args=options, timeout=120_000)
        yield opened
        opened.close()
