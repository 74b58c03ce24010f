"""What the tests of the page share: a page that forgives nothing, and what is read off it."""

import socket
import threading
import time
from contextlib import contextmanager

import pytest
import uvicorn
from served import drawn

from passerby.serving.app import create_app
from passerby.serving.server import configured
from passerby.serving.settings import Address, Limits
from passerby.serving.tokens import TokenFile

HERE = {"timezone_id": "Europe/Berlin", "locale": "en-GB"}


@contextmanager
def serving(service, folder):
    """Gives the address of a server in a thread: one in a process would load everything anew."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = Address(port=listening.getsockname()[1])
        app = create_app(service, TokenFile(folder / "tokens.json"), address, Limits(rate=0))
        server = uvicorn.Server(configured(app))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            yield f"http://127.0.0.1:{address.port}"
        finally:
            server.should_exit = True
            thread.join(60)


def opened(browser, url, **options):
    """A page on which nothing may go wrong unseen: errors and foreign requests fail the test."""
    context = browser.new_context(**{**HERE, **options})
    context.set_default_timeout(120_000)
    page = context.new_page()
    wrong, asked = [], []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console", lambda line: wrong.append(line.text) if "Content Security" in line.text else 0
    )
    page.on("request", lambda request: asked.append(request.url))
    page.goto(url)
    page.wait_for_selector("#gallery-line:not(:empty), #login:not([hidden])")
    yield page
    context.close()
    assert wrong == []
    assert [a for a in asked if not a.startswith((url, "blob:", "data:"))] == []


def choose(page, tmp_path, person=2, seed=99):
    file = tmp_path / f"query{person}.png"
    drawn(person, seed).save(file)
    page.set_input_files("#file", file)
    page.wait_for_selector(".hit")


def persons(page):
    return page.locator(".hit .person").all_inner_texts()


def counts(page):
    """Entries of each person, as the API has them."""
    people = page.evaluate("fetch('/v1/persons').then(answer => answer.json())")["people"]
    return {person["name"]: person["entries"] for person in people}


def pick(page, number):
    """Searches with the entry of that number in the picker."""
    page.click("#pick-open")
    page.click(f"#pick-grid .tile >> nth={number}")
    page.wait_for_selector(".hit")


def violations(page):
    """What axe-core finds wrong with contrast, labels and roles."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    return [(one["id"], [node["target"] for node in one["nodes"]]) for one in found]


def focused(page):
    return page.evaluate("document.activeElement.dataset.key")
