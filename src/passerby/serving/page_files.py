"""The page's files, by the paths that they are served under; no other file is."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_NAMES = (
    "index.html", "style.css", "icon.svg",
    "api.js", "app.js", "card.js", "dialogs.js", "intake.js", "keys.js", "login.js", "messages.js",
    "people.js", "pick.js", "query.js", "results.js", "suggest.js", "words.js",
    "times.html", "times.css", "times.js",
)  # fmt: skip


@cache
def page_files() -> dict[str, tuple[bytes, str]]:
    """Content and media type by path."""
    folder = files("passerby.serving") / "page"
    return {
        "/" if name == "index.html" else f"/{name}": (
            (folder / name).read_bytes(),
            KINDS[name.rpartition(".")[2]],
        )
        for name in _NAMES
    }
