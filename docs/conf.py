"""How Sphinx makes the site out of these pages: `make docs`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from passerby import __version__

sys.path.insert(0, str(Path(__file__).parent))

project = "passerby"
author = "The passerby developers"
project_copyright = "The passerby developers, Apache-2.0"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "from_the_program"]
exclude_patterns = ["_build"]
default_role = "code"
highlight_language = "none"

myst_heading_anchors = 3
suppress_warnings = ["myst.header"]

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True}
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"passerby {release}"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False

linkcheck_anchors = False
linkcheck_ignore = [r"http://(localhost|127\.0\.0\.1)"]


def without_fields(
    app: Sphinx, what: str, name: str, shown: Any, options: Any, signature: str, returned: str
) -> tuple[str, str] | None:
    """A dataclass without its signature: its fields stand below, each explained."""
    return ("", returned) if dataclasses.is_dataclass(shown) else None


def setup(app: Sphinx) -> None:
    """Connects what is above."""
    app.connect("autodoc-process-signature", without_fields)
